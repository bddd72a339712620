"""Conformance of all recipes of `sparring classify`, over kinds and shapes of data. New recipes need lines in TINY."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from exact_resume import check_exact_resume
from test_conformance import CPU, PRECISIONS, SHAPES

from sparring.commands.training.plan import check_memory, memory_needed
from sparring.engine.data_spec import AudioSpec, Column, DataSpec, ImageSpec, SeriesSpec, TableSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.game import Batch
from sparring.engine.loop import System, play
from sparring.engine.seeds import mix
from sparring.recipes import default_recipe, recipe_class, recipes_for
from sparring.recipes.classifier_recipe import ClassifierRecipe, build_system, teacher_of
from sparring.recipes.recipe import GeneratorRecipe, from_settings, to_settings

TINY: dict[str, dict[str, dict[str, Any]]] = {
    "improved": {
        "mlp": {"net": "mlp", "latent_dim": 6, "batch_size": 4, "labelled_batch_size": 3},
        "conv": {"net": "conv", "latent_dim": 6, "batch_size": 4, "labelled_batch_size": 3},
        "bad gan": {
            "net": "mlp",
            "latent_dim": 6,
            "batch_size": 4,
            "entropy_weight": 0.1,
            "pull_away_weight": 0.5,
            "low_density_weight": 0.5,
        },
    },
    "consistent": {
        "whole": {"width": 4, "latent_dim": 6, "batch_size": 4, "labelled_batch_size": 3, "confidence": 0.0},
        "alone": {
            "width": 4,
            "latent_dim": 6,
            "batch_size": 4,
            "labelled_batch_size": 3,
            "generated_weight": 0.0,
            "consistency_weight": 0.0,
        },
    },
    "speech_cnn": {"narrow": {"width": 4, "batch_size": 4}},
    "tabular_mlp": {
        "narrow": {"hidden": 8, "batch_size": 4},
        "dropout": {"hidden": 8, "batch_size": 4, "dropout": 0.5, "weight_decay": 0.1},
    },
    "series_cnn": {"narrow": {"width": 4, "batch_size": 4}, "no noise": {"width": 4, "batch_size": 4, "noise": 0.0}},
    "scattering": {"narrow": {"orientations": 2, "batch_size": 4}},
}
CLASSES = ("a", "b", "c")
COLUMNS = (
    Column("age", (0,), (), True, 0.0, 90.0),
    Column("colour", (1, 2, 3), ("red", "green", "blue"), False, 0.0, 1.0),
)
SPECS: dict[str, list[DataSpec]] = {
    "image": [ImageSpec(*shape, CLASSES, 100, 90) for shape in SHAPES],
    "audio": [AudioSpec(rate, length, CLASSES, 100) for rate, length in ((8000, 1000), (4000, 1), (16000, 4001))],
    "table": [TableSpec(COLUMNS, "y", CLASSES, 100), TableSpec(COLUMNS[:1], "y", CLASSES, 100)],
    "series": [
        SeriesSpec(channels, length, (1.0,) * len(channels), (2.0,) * len(channels), CLASSES, 100)
        for channels, length in ((("x", "y"), 1), (("x",), 7), (("x", "y", "z"), 100))
    ],
}
SMALL = {"image": ImageSpec(9, 8, 2, CLASSES, 100, 90)} | {
    kind: specs[0] for kind, specs in SPECS.items() if kind != "image"
}
"""One spec of each kind, for tests that need no more."""
KIND = {name: entry.kinds[0] for name, entry in recipes_for("classify").items()}
FORMS = [(name, form) for name, forms in TINY.items() for form in forms]
CASES = [(name, form, spec) for name, form in FORMS for spec in SPECS[KIND[name]]]
TOTAL = 400

FEATURE_GAMES = {name for name, entry in recipes_for("classify").items() if ".features." in entry.module}
"""Recipes of two domains, which `test_feature_games.py` tests."""
PLAIN = recipes_for("classify").keys() - FEATURE_GAMES
every_recipe = pytest.mark.parametrize("name", recipes_for("classify"))
FEW_LABELS = sorted(name for name, entry in recipes_for("classify").items() if ".semi_supervised." in entry.module)
for_few_labels = pytest.mark.parametrize("name", FEW_LABELS)
every_pair = pytest.mark.parametrize(
    ("name", "spec"), [(name, spec) for name in TINY for spec in SPECS[KIND[name]]], ids=str
)
every_case = pytest.mark.parametrize(
    ("name", "form", "spec"),
    CASES,
    ids=[f"{name} {form} {'x'.join(map(str, spec.shape))}" for name, form, spec in CASES],
)
every_form = pytest.mark.parametrize(("name", "form"), FORMS, ids=[f"{name} {form}" for name, form in FORMS])


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The published networks, but narrow: their widths are no knobs."""
    from sparring.recipes.semi_supervised import improved

    monkeypatch.setattr(improved, "HIDDEN", (12, 10, 8))
    monkeypatch.setattr(improved, "MLPGenerator", lambda shape, z: NETS["MLPGenerator"](shape, z, 8))
    monkeypatch.setattr(improved, "ConvGenerator", lambda shape, z: NETS["ConvGenerator"](shape, z, 4))
    monkeypatch.setattr(improved, "ConvClassifier", lambda shape, k: NETS["ConvClassifier"](shape, k, 4))


def _published() -> dict[str, Any]:
    from sparring.nets import improved_gan as improved

    return {name: getattr(improved, name) for name in ("MLPGenerator", "ConvGenerator", "ConvClassifier")}


NETS = _published()


class BatchLoader:
    """Noise in place of examples; for few labels one in a batch is labelled, and others are drawn on demand."""

    batch_size = 4

    def __init__(self, spec: DataSpec, few: bool = False) -> None:
        self.spec, self.few = spec, few

    def batches(self, nimg: int, turn: int) -> Sequence[Batch]:
        seed = mix(nimg, turn)
        generator = torch.Generator().manual_seed(seed)
        x, more = (torch.randn(k, *self.spec.shape, generator=generator).tanh() for k in (4, 3))
        if not self.few:
            return [Batch(x, torch.arange(4) % 3, nimg // 4, seed)]
        return [Batch(x, torch.tensor([0, -1, -1, -1]), nimg // 4, seed, labelled=lambda: (more, torch.arange(3)))]


def spec_of(shape: tuple[int, int, int]) -> ImageSpec:
    return ImageSpec(*shape, CLASSES, 100, 90)


def tiny(name: str, form: str, spec: DataSpec) -> ClassifierRecipe:
    return recipe_class(name)(**TINY[name][form]).resolve(spec, CPU)


def system_of(recipe: ClassifierRecipe, spec: DataSpec, hardware: Hardware = CPU) -> System:
    torch.manual_seed(0)
    nets = {name: hardware.to_device(net) for name, net in recipe.nets(spec).items()}
    recipe.prepare(nets, BatchLoader(spec).batches(0, 0)[0].x)
    return recipe.system(spec, nets, TOTAL)


def tensors(system: System) -> dict[str, torch.Tensor]:
    found = {f"{player}.{k}": t for player, net in system.game.players.items() for k, t in net.state_dict().items()}
    return found | {f"average.{k}": t for k, t in system.ema.net.state_dict().items()}


def test_the_table_of_this_file_is_complete() -> None:
    assert TINY.keys() == PLAIN
    assert {default_recipe("classify", kind) for kind in SPECS} <= TINY.keys()


@every_recipe
def test_it_meets_the_protocol_and_is_cited(name: str) -> None:
    kind = recipe_class(name)
    assert isinstance(kind(), ClassifierRecipe)
    assert kind.name == name and kind.paper and (kind.augmentation is None or callable(kind.augmentation))
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]


@every_case
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_round_updates_all_players(name: str, form: str, precision: str, spec: DataSpec) -> None:
    hardware = Hardware(torch.device("cpu"), precision == "bf16")
    recipe = tiny(name, form, spec)
    system = system_of(recipe, spec, hardware)
    players = {player: system.game.players[player] for player in system.game.turns}
    before = {
        (player, k): p.detach().clone()
        for player, net in players.items() for k, p in net.named_parameters() if p.requires_grad
    }  # fmt: skip
    play(system, BatchLoader(spec, name in FEW_LABELS), total=12, hardware=hardware)
    for (player, k), old in before.items():
        new = players[player].get_parameter(k).detach()
        assert torch.isfinite(new).all() and new.dtype == torch.float32, (player, k)
        assert not torch.equal(new, old), (player, k)
    average: Any = system.ema.net
    assert all(torch.isfinite(t).all() for t in average.state_dict().values() if t.is_floating_point())
    x = BatchLoader(spec).batches(0, 0)[0].x
    if isinstance(recipe, GeneratorRecipe):
        x = average["generator"](torch.randn(4, recipe.latent_dim))
        assert x.shape == (4, *spec.shape) and x.abs().max() <= 1
    classifier = average["classifier"]
    logits = classifier(x)
    assert logits.shape == (4, 3 + recipe.background) and logits.dtype == torch.float32 and torch.isfinite(logits).all()
    torch.testing.assert_close(classifier.head(classifier.features(x)), logits)
    torch.testing.assert_close(classifier(x[:2]), logits[:2], msg="an answer depends on its batch")
    assert teacher_of(system.ema) is classifier


@every_form
def test_a_stopped_game_is_bit_identical_to_an_uninterrupted_one(name: str, form: str, tmp_path: Path) -> None:
    spec = SMALL[KIND[name]]
    recipe = tiny(name, form, spec)
    check_exact_resume(lambda: (system_of(recipe, spec), BatchLoader(spec, name in FEW_LABELS)), 40, tmp_path)


@every_form
def test_the_same_seed_builds_and_initialises_the_same(name: str, form: str) -> None:
    spec = SMALL[KIND[name]]
    one, two = (tensors(system_of(tiny(name, form, spec), spec)) for _ in range(2))
    assert one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


@every_pair
def test_resolved_recipes_are_complete_and_settings_round_trip(name: str, spec: DataSpec) -> None:
    for hardware in (CPU, Hardware(torch.device("cuda"), bf16=True)):
        resolved = recipe_class(name)().resolve(spec, hardware)
        settings = to_settings(resolved)
        assert all(value is not None for value in settings.values()), settings
        again = from_settings(recipe_class(name), json.loads(json.dumps(settings)))
        assert again == resolved == again.resolve(spec, hardware)


@every_form
def test_explicit_settings_are_kept(name: str, form: str) -> None:
    resolved = tiny(name, form, SMALL[KIND[name]])
    assert all(getattr(resolved, key) == value for key, value in TINY[name][form].items())


@for_few_labels
def test_the_generator_is_unconditional(name: str) -> None:
    recipe = recipe_class(name)()
    assert recipe.classes(spec_of((8, 8, 1))) == 0 and recipe.condition_stats(spec_of((8, 8, 1))) == ()
    assert not recipe.truncates and recipe.accumulation_steps == 1


@every_recipe
@pytest.mark.parametrize("field", ["latent_dim", "batch_size", "labelled_batch_size", "lr", "ema_half_life"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_impossible_settings_are_refused(name: str, field: str, value: float) -> None:
    if field not in to_settings(recipe_class(name)()):
        return
    with pytest.raises(UsageError, match=f"--{field.replace('_', '-')} must be above 0"):
        recipe_class(name)(**{field: value})


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("improved", {"net": "cnv"}, "unknown --net 'cnv': did you mean 'conv'"),
        ("improved", {"batch_size": 1}, "--batch-size must be 2 or more"),
        ("improved", {"lr_decay_start": 1.00005}, "--lr-decay-start must be from 0 to 1, not 1.00005"),
        ("improved", {"lr_decay_start": float("nan")}, "--lr-decay-start must be from 0 to 1, not nan"),
        ("improved", {"entropy_weight": -1}, "--entropy-weight must be at least 0"),
        ("consistent", {"confidence": 1.0}, "--confidence must be at least 0 and below 1"),
        ("consistent", {"augment_strength": float("nan")}, "--augment-strength must be"),
        ("speech_cnn", {"shift": -0.1}, "--shift must be at least 0"),
        ("speech_cnn", {"noise": 0.0}, "--noise must be at least 0.0001"),
        ("tabular_mlp", {"dropout": 1.0}, "--dropout must be at least 0 and below 1"),
        ("series_cnn", {"noise": float("nan")}, "--noise must be at least 0"),
    ],
)
def test_settings_out_of_range_are_named(name: str, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        recipe_class(name)(**settings)


def test_small_grey_images_use_mlps_and_others_cnns() -> None:
    improved = recipe_class("improved")
    for shape, kind, lr, decay in (
        ((28, 28, 1), "mlp", 3e-3, 1.0),
        ((32, 32, 3), "conv", 3e-4, 2 / 3),
        ((64, 64, 1), "conv", 3e-4, 2 / 3),
    ):
        told = to_settings(improved().resolve(spec_of(shape), CPU))
        assert (told["net"], told["lr"], told["lr_decay_start"]) == (kind, lr, decay)


def test_the_learning_rate_schedule() -> None:
    spec = spec_of((8, 8, 1))
    kind = recipe_class("improved")

    def lr(**settings: Any) -> Any:
        return system_of(kind(**TINY["improved"]["conv"], **settings).resolve(spec, CPU), spec).schedules["classifier"][
            "lr"
        ]

    assert [lr(lr=1.0)(at) for at in (0, 0.5, 2 / 3, 5 / 6, 1)] == pytest.approx([1, 1, 1, 0.5, 0])
    assert [lr(lr=1.0, lr_decay_start=1.0)(at) for at in (0, 1)] == [1, 1]
    assert [lr(lr=1.0, lr_decay_start=0.0)(at) for at in (0, 0.25)] == [1, 0.75]


def test_improved_uses_data_dependent_init() -> None:
    spec = spec_of((8, 8, 1))
    nets = (recipe := tiny("improved", "mlp", spec)).nets(spec)
    x = torch.rand(200, 1, 8, 8) * 2 - 1
    recipe.prepare(nets, x)
    torch.manual_seed(0)
    logits = nets["classifier"].train()(x)  # with other noise than it was started with
    variance, mean = torch.var_mean(logits, 0)
    assert mean.abs().max() < 0.3 and variance.min() > 0.6 and variance.max() < 1.6


def test_networks_are_initialised_on_500_images() -> None:
    spec, seen = spec_of((8, 8, 1)), []

    class Watched(type(tiny("improved", "mlp", spec))):  # type: ignore[misc]
        def prepare(self, nets: Any, x: torch.Tensor) -> None:
            seen.append(x)

    feed: Any = BatchLoader(spec)
    feed.data = SimpleNamespace(spec=spec)
    recipe = Watched(**TINY["improved"]["mlp"]).resolve(spec, CPU)
    build_system(recipe, recipe.nets, feed, TOTAL, 0, CPU)
    assert len(seen[0]) == len(seen[0].flatten(1).unique(dim=0)) == 500


def test_recordings_of_too_few_samples_a_second_are_refused() -> None:
    with pytest.raises(UsageError, match="3,999 samples a second: words need 4,000"):
        recipe_class("speech_cnn")().resolve(AudioSpec(3999, 100, CLASSES, 9), CPU)


def test_recordings_are_delayed_and_noisy_and_the_longest_are_cut() -> None:
    from sparring.recipes.supervised import speech_cnn

    x = torch.zeros(128, 1, 50)
    for k in range(128):
        x[k, 0, : 20 + (k == 5) * 20 + (k in (3, 4)) * 10] = 0.5
    assert speech_cnn.crop(x).shape[2] == 30  # of the longest 2 the second longest stays whole
    assert speech_cnn.crop(0 * x).shape[2] == 1
    batch = Batch(x, torch.zeros(128), seed=1)
    y = speech_cnn.shift_and_add_noise(x, batch, 10, 1e-2)
    assert y.shape == (128, 1, 60)
    starts = (y > 0.25).int().argmax(2).squeeze(1)
    assert starts.min() == 0 and starts.max() == 9 and len(starts.unique()) == 10
    off = torch.stack([row[0, start : start + 20] - 0.5 for row, start in zip(y, starts.tolist(), strict=True)])
    assert off.std(1).min() > 2e-5 and off.std(1).max() < 1e-2
    assert torch.equal(y, speech_cnn.shift_and_add_noise(x, Batch(x, torch.zeros(128), seed=1), 10, 1e-2))
    sounds = speech_cnn.background_sounds(40, 100, 8000, torch.Generator().manual_seed(0))
    assert sounds.shape == (40, 1, 100) and sounds.abs().max() <= 0.5 and (sounds == 0).flatten(1).all(1).any()


def test_columns_are_standardised_by_the_data() -> None:
    spec = SMALL["table"]
    nets = (recipe := tiny("tabular_mlp", "narrow", spec)).nets(spec)
    x = torch.randn(1000, 4) * torch.tensor([30.0, 0.1, 0.0, 1.0]) + torch.tensor([40.0, 0.5, 1.0, 0.0])
    recipe.prepare(nets, x)
    standardised = nets["classifier"].features[0](x)
    torch.testing.assert_close(standardised.mean(0), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(standardised.std(0, correction=0), torch.tensor([1.0, 1.0, 0.0, 1.0]), atol=1e-4, rtol=0)


def test_no_strokes_changes_nothing_else() -> None:
    """For labelled and for unlabelled images."""
    spec, changes = spec_of((8, 8, 1)), {}
    for strokes in (True, False):
        recipe = recipe_class("consistent")(**TINY["consistent"]["whole"], strokes=strokes).resolve(spec, CPU)
        game: Any = system_of(recipe, spec).game
        changes[strokes] = game.augment, game.terms["consistency"].strong
    for drawn, plain in zip(changes[True], changes[False], strict=True):
        assert drawn.stroke > 0 and plain == dataclasses.replace(drawn, stroke=0.0)


@every_pair
def test_memory_is_estimated(name: str, spec: DataSpec) -> None:
    assert 100_000_000 < memory_needed(recipe_class(name)(batch_size=4).resolve(spec, CPU), spec) < 2_000_000_000


@for_few_labels
def test_too_large_a_size_is_refused_with_one_that_fits(name: str) -> None:
    spec = ImageSpec(8192, 8192, 3, CLASSES, 100)
    with pytest.raises(SparringError, match=r"8192x8192 .* GB .*--size \d+x\d+ fits"):
        check_memory(recipe_class(name)().resolve(spec, CPU), spec, CPU)


def test_names_of_other_commands_and_unknown_ones() -> None:
    with pytest.raises(UsageError, match="r3 trains a generator: `sparring train SOURCE --recipe r3`"):
        recipe_class("r3", "classify")
    with pytest.raises(UsageError, match="unknown recipe 'improvd': did you mean 'improved'"):
        recipe_class("improvd", "classify")
    assert dataclasses.fields(recipe_class("consistent"))
