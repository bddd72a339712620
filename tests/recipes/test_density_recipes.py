"""Conformance of all density recipes, over shapes and kinds of data. A new recipe needs a line in TINY."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import sparring
from sparring.commands.training.plan import memory_needed
from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.game import Batch
from sparring.engine.loop import System, play
from sparring.models.capabilities import Density, Encoder, Predictor, Sampler
from sparring.nets.density_net import DensityNet
from sparring.recipes import recipe_class, recipes_for
from sparring.recipes.density.base import DensityRecipe
from sparring.recipes.recipe import GeneratorRecipe, from_settings, to_settings

TINY: dict[str, dict[str, Any]] = {
    "made": {"hidden": 16, "batch_size": 4},
    "rbm": {"hidden": 8, "batch_size": 4, "chains": 5, "sample_sweeps": 3},
    "dbm": {"hidden": 8, "top": 5, "batch_size": 4, "chains": 5, "sample_sweeps": 3},
    "flow": {"hidden": 8, "steps": 2, "batch_size": 4},
    "flowgan": {"hidden": 8, "steps": 2, "width": 4, "likelihood_alone": 0.1, "batch_size": 4},
    "pixelcnn": {"width": 8, "layers": 2, "components": 2, "batch_size": 4},
}
"""Recipe -> settings of a small network."""
UNCONDITIONAL = {"rbm", "dbm"}
"""Recipes that refuse labels."""
SHAPES = [(8, 8, 1), (7, 5, 3), (1, 1, 1)]
CPU = Hardware(torch.device("cpu"), bf16=False)
PRECISIONS = ["fp32", *(["bf16"] if Hardware.find("cpu").bf16 else [])]

every_recipe = pytest.mark.parametrize("name", TINY)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
with_and_without = pytest.mark.parametrize("labels", [False, True], ids=["plain", "labelled"])


class BatchLoader:
    """Bytes at random in place of images."""

    batch_size = 4

    def __init__(self, spec: ImageSpec) -> None:
        self.spec = spec

    def batches(self, nimg: int, turn: int) -> list[Batch]:
        generator = torch.Generator().manual_seed(nimg + turn)
        x = torch.randint(0, 256, (4, *self.spec.shape), generator=generator) / 127.5 - 1
        return [Batch(x, torch.arange(4) % 3, nimg // 4, nimg * 2 + turn)]


def spec_of(shape: tuple[int, int, int], labels: bool = False) -> ImageSpec:
    return ImageSpec(*shape, ("a", "b", "c") if labels else (), 100)


def tiny(name: str, spec: ImageSpec, **settings: Any) -> Any:
    recipe = recipe_class(name)(**TINY[name], labels=bool(spec.classes), **settings)
    if recipe.labels and name in UNCONDITIONAL:
        with pytest.raises(UsageError, match=f"{name} is not conditioned on labels: leave --labels out"):
            recipe.resolve(spec, CPU)
        pytest.skip("which it refuses")
    return recipe.resolve(spec, CPU)


def system_of(recipe: Any, spec: ImageSpec, hardware: Hardware = CPU) -> System:
    torch.manual_seed(0)
    nets = {name: hardware.to_device(net) for name, net in recipe.nets(spec).items()}
    return recipe.system(spec, nets, 400)  # type: ignore[no-any-return]


def test_the_table_of_this_file_is_complete() -> None:
    density = {name for name in recipes_for("train") if isinstance(recipe_class(name)(), DensityRecipe)}
    assert TINY.keys() == density


@every_recipe
@with_and_without
@pytest.mark.parametrize("precision", PRECISIONS)
@every_shape
def test_rounds_change_the_network_and_keep_it_finite(
    name: str, labels: bool, precision: str, shape: tuple[int, int, int]
) -> None:
    spec, hardware = spec_of(shape, labels), Hardware(torch.device("cpu"), precision == "bf16")
    system = system_of(tiny(name, spec), spec, hardware)
    net: Any = system.game.players["generator"]
    before = [p.detach().clone() for p in net.parameters()]
    play(system, BatchLoader(spec), total=12, hardware=hardware)
    assert all(torch.isfinite(p).all() and p.dtype == torch.float32 for p in net.parameters())
    assert any(not torch.equal(p, old) for p, old in zip(net.parameters(), before, strict=True))
    average: Any = system.ema.net
    y = torch.zeros(2, dtype=torch.int64) if labels else None
    with torch.no_grad():
        x = average(torch.randn(2, average.latent_dim), y)
        assert isinstance(average, DensityNet) and x.shape == (2, *spec.shape)
        assert torch.isfinite(average.log_prob(x, y)).all()


@every_recipe
def test_the_same_seed_builds_and_trains_the_same_network(name: str) -> None:
    spec = spec_of((6, 6, 1))
    ends: list[dict[str, Tensor]] = []
    for _ in range(2):
        system = system_of(tiny(name, spec), spec)
        play(system, BatchLoader(spec), total=12, hardware=CPU)
        ends.append(system.ema.net.state_dict())
    assert all(torch.equal(tensor, ends[1][key]) for key, tensor in ends[0].items())


@every_recipe
@every_shape
def test_resolved_recipes_are_complete(name: str, shape: tuple[int, int, int]) -> None:
    spec = spec_of(shape)
    resolved = recipe_class(name)().resolve(spec, CPU)
    assert isinstance(resolved, GeneratorRecipe)
    settings = to_settings(resolved)
    assert all(value is not None for value in settings.values()), settings
    again = from_settings(recipe_class(name), json.loads(json.dumps(settings)))
    assert again == resolved == again.resolve(spec, CPU)


@every_recipe
@pytest.mark.parametrize("field", ["batch_size", "accumulation_steps", "lr", "ema_half_life"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_impossible_settings_are_refused(name: str, field: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"--{field.replace('_', '-')} must be above 0"):
        recipe_class(name)(**{field: value})


@pytest.mark.parametrize("name", sorted(set(TINY) - UNCONDITIONAL))
@pytest.mark.parametrize(
    ("classes", "unlabelled", "actual"),
    [((), 0, "no classes"), (("a",), 0, "1 classes"), (("a", "b"), 1, "2 classes, and 1 of 100 examples without one")],
)
def test_labels_are_refused_where_not_all_examples_have_one(
    name: str, classes: tuple[str, ...], unlabelled: int, actual: str
) -> None:
    spec = ImageSpec(8, 8, 1, classes, 100, unlabelled)
    with pytest.raises(UsageError, match=f"the data have {actual}: leave --labels out"):
        recipe_class(name)(labels=True).resolve(spec, CPU)


@every_recipe
def test_every_field_has_help_and_every_recipe_a_paper(name: str) -> None:
    kind = recipe_class(name)
    assert kind.name == name and ("arXiv" in kind.paper or "20" in kind.paper)
    assert dataclasses.fields(kind) and kind.__dataclass_params__.frozen  # type: ignore[arg-type,attr-defined]


@every_recipe
@every_shape
def test_memory_is_estimated(name: str, shape: tuple[int, int, int]) -> None:
    spec = spec_of(shape)
    assert 100_000_000 < memory_needed(tiny(name, spec), spec) < 2_000_000_000


@every_recipe
@with_and_without
def test_a_run_from_training_to_answers(name: str, labels: bool, tmp_path: Path) -> None:
    """Train, stop early and continue: the same bytes. Then all that a density model can do."""
    if labels and name in UNCONDITIONAL:
        pytest.skip("labels are refused")
    rng = np.random.default_rng(0)
    folder = tmp_path / "data"
    folder.mkdir()
    pixels = (rng.random((120, 6, 6)) < 0.3).astype(np.uint8) * 255
    np.savez(folder / "x.npz", images=pixels, labels=np.arange(120) % 3)
    recipe = recipe_class(name)(**TINY[name], labels=labels)
    whole = sparring.train(folder / "x.npz", recipe, images=240, out=tmp_path / "whole")
    model = sparring.load(whole.path)
    assert isinstance(model, Density) and isinstance(model, Sampler) and isinstance(model, Encoder)
    assert isinstance(model, Predictor) == labels
    x = model.spec.encode(pixels[:5, ..., None])
    log_p = model.log_density(x)
    assert log_p.shape == (5,) and torch.isfinite(log_p).all() and torch.equal(log_p, model.log_density(x))
    again = sparring.train(folder / "x.npz", out=whole.path)
    assert torch.equal(sparring.load(again.path).log_density(x), log_p)  # type: ignore[union-attr]
    result: Any = sparring.predict(whole.path, folder / "x.npz")
    assert len(result.predictions) == 120 and all(0 < row.p_value <= 1 for row in result.predictions)
    assert all((row.label is not None) == labels for row in result.predictions)
    assert math.isfinite(result.held_out)
    findings = sparring.doctor(whole.path)
    assert findings and all(finding.message for finding in findings)
    assert f"Negative log-likelihood ({model.unit.name})" in whole.report_path.read_text()  # type: ignore[union-attr]


def test_a_background_model_gives_the_ratio_of_likelihoods(tmp_path: Path) -> None:
    """Mutated training examples; the ratio is the difference of the two log-densities."""
    settings = {**TINY["pixelcnn"], "mutation": 0.3}
    run = sparring.train("digits", recipe_class("pixelcnn")(**TINY["pixelcnn"]), images=64, out=tmp_path / "run").path
    other = sparring.train("digits", recipe_class("pixelcnn")(**settings), images=64, out=tmp_path / "other").path
    result: Any = sparring.predict(run, "digits", background=other)
    models: list[Any] = [sparring.load(path) for path in (run, other)]
    x = models[0].spec.encode(sparring.open("digits").split(None)[np.arange(3)])
    difference = (models[0].log_density(x) - models[1].log_density(x)) / models[0].unit.nats
    assert [row.ratio for row in result.predictions[:3]] == pytest.approx(difference.tolist(), abs=1e-5)
    assert all(row.complexity is not None for row in result.predictions)
    made = sparring.train("digits", recipe_class("made")(**TINY["made"]), images=64, out=tmp_path / "made").path
    with pytest.raises(UsageError, match="background model is of other data"):
        sparring.predict(run, "digits", background=made)
