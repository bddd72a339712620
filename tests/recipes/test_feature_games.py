"""Conformance of the recipes of two domains, over kinds of data. New ones need a line in TINY."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from exact_resume import check_exact_resume, trained_parameters
from test_classifiers import CLASSES, FEATURE_GAMES, SMALL
from test_conformance import CPU, PRECISIONS

from sparring.engine.data_spec import DataSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.game import Batch
from sparring.engine.loop import System, play
from sparring.engine.seeds import mix
from sparring.recipes import recipe_class
from sparring.recipes.features.adaptation_base import AdaptationRecipe
from sparring.recipes.recipe import to_settings

TINY: dict[str, dict[str, Any]] = {
    "source_only": {},
    "coral": {},
    "mcc": {},
    "dann": {"critic_hidden": 5},
    "cdan": {"critic_hidden": 5},
    "adda": {"critic_hidden": 5, "pretraining": 0.3, "encoder_lr": 1.0},
    "mcd": {"encoder_steps": 2, "encoder_lr": 1.0},
    "teacher": {"critic_hidden": 5, "class_shares": (0.2, 0.3, 0.5), "confidence": 0.0, "align_shares": True},
}
TOTAL = 20
every_recipe = pytest.mark.parametrize("name", TINY)
every_kind = pytest.mark.parametrize("kind", SMALL)


class Loader:
    """Noise in place of target examples, with labelled source examples beside them."""

    batch_size = 4

    def __init__(self, spec: DataSpec, uses_target: bool = True) -> None:
        self.spec, self.uses_target = spec, uses_target

    def batches(self, nimg: int, turn: int) -> Sequence[Batch]:
        seed = mix(nimg, turn)
        generator = torch.Generator().manual_seed(seed)
        x, other = (torch.randn(4, *self.spec.shape, generator=generator).tanh() for _ in range(2))
        y = torch.arange(4) % 3
        if not self.uses_target:
            return [Batch(x, y, nimg // 4, seed)]
        return [Batch(x, torch.full((4,), -1), nimg // 4, seed, labelled=lambda: (other, y))]


def build(name: str, spec: DataSpec, hardware: Hardware = CPU) -> tuple[System, Loader]:
    recipe: AdaptationRecipe = recipe_class(name)(width=4, batch_size=4, **TINY[name]).resolve(spec, hardware)
    torch.manual_seed(0)
    nets = {key: hardware.to_device(net) for key, net in recipe.nets(spec).items()}
    loader = Loader(spec, recipe.uses_target)
    recipe.prepare(nets, loader.batches(0, 0)[0].x)
    return recipe.system(spec, nets, TOTAL), loader


def test_the_table_is_complete() -> None:
    adapting = {name for name in FEATURE_GAMES if issubclass(recipe_class(name), AdaptationRecipe)}
    assert TINY.keys() == adapting


@every_recipe
@every_kind
@pytest.mark.parametrize("precision", PRECISIONS)
def test_rounds_train_every_player_and_answers_do_not_depend_on_the_batch(name: str, kind: str, precision: str) -> None:
    hardware, spec = Hardware(torch.device("cpu"), precision == "bf16"), SMALL[kind]
    system, loader = build(name, spec, hardware)
    before = {key: t.detach().clone() for key, t in trained_parameters(system).items()}
    play(system, loader, total=TOTAL, hardware=hardware)
    after = trained_parameters(system)
    for key, old in before.items():
        assert torch.isfinite(after[key]).all(), key
        assert not torch.equal(after[key], old), key
    average: Any = system.ema.net
    net = average["classifier"].eval()
    x = loader.batches(0, 0)[0].x
    logits = net(x)
    assert logits.shape == (4, len(CLASSES)) and logits.dtype == torch.float32 and torch.isfinite(logits).all()
    torch.testing.assert_close(net.head(net.features(x)), logits)
    torch.testing.assert_close(net(x[:1]), logits[:1], rtol=1e-4, atol=1e-5)


@every_recipe
def test_a_stopped_game_is_bit_identical_to_an_uninterrupted_one(name: str, tmp_path: Path) -> None:
    check_exact_resume(lambda: build(name, SMALL["table"]), TOTAL, tmp_path)


@every_recipe
def test_resolved_recipes_are_complete(name: str) -> None:
    for spec in SMALL.values():
        assert all(value is not None for value in to_settings(recipe_class(name)().resolve(spec, CPU)).values())


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("coral", {"coral_weight": -1}, "--coral-weight must be at least 0"),
        ("mcc", {"temperature": 0}, "--temperature must be above 0"),
        ("dann", {"critic_weight": float("nan")}, "--critic-weight must be"),
        ("adda", {"pretraining": 1.5}, "--pretraining must be from 0 to 1"),
        ("mcd", {"encoder_steps": 0}, "--encoder-steps must be above 0"),
        ("teacher", {"confidence": 1.1}, "--confidence must be from 0 to 1"),
    ],
)
def test_settings_out_of_range_are_named(name: str, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        recipe_class(name)(**settings)
