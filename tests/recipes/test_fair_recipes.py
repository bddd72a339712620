"""Conformance of the recipes that compare groups, over kinds of data. New ones need a line in TINY."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from exact_resume import check_exact_resume, trained_parameters
from test_classifiers import CLASSES, FEATURE_GAMES, SMALL
from test_conformance import CPU

from sparring.engine.errors import UsageError
from sparring.engine.game import Batch
from sparring.engine.loop import System, play
from sparring.engine.seeds import mix
from sparring.recipes import recipe_class
from sparring.recipes.features.fair_base import FairRecipe
from sparring.recipes.recipe import to_settings

TINY: dict[str, dict[str, Any]] = {
    "plain": {},
    "gap_penalty": {"sharpness": 2.0},
    "hsic": {},
    "zhang": {"generations": 3},
    "laftr": {"generations": 2, "adversary_steps": 1},
    "max_entropy": {"generations": 3},
    "codes": {"codes": 5},
    "leace": {"frozen": 0.3, "erased": 0.6},
    "reductions": {"periods": 4, "members": 3},
}
TOTAL = 48
GROUPS = ("a", "b", "c")
every_recipe = pytest.mark.parametrize("name", TINY)
every_kind = pytest.mark.parametrize("kind", SMALL)


class Loader:
    """Noise in place of examples, of three groups and of none."""

    batch_size = 8

    def __init__(self, spec: Any) -> None:
        self.spec = spec

    def batches(self, nimg: int, turn: int) -> Sequence[Batch]:
        seed = mix(nimg, turn)
        x = torch.randn(8, *self.spec.shape, generator=torch.Generator().manual_seed(seed)).tanh()
        y = torch.arange(8) % len(self.spec.classes)
        return [Batch(x, y, nimg // 8, seed, group=torch.arange(8) % 4 - 1)]


def spec_of(name: str, kind: str) -> Any:
    classes = CLASSES[:2] if recipe_class(name).binary else CLASSES
    return replace(SMALL[kind], groups=GROUPS, classes=classes)  # type: ignore[type-var]


def build(name: str, kind: str, **settings: Any) -> tuple[System, Loader]:
    spec = spec_of(name, kind)
    recipe: FairRecipe = recipe_class(name)(width=4, batch_size=8, **{**TINY[name], **settings}).resolve(spec, CPU)
    torch.manual_seed(0)
    nets, loader = recipe.nets(spec), Loader(spec)
    recipe.prepare(nets, loader.batches(0, 0)[0].x)
    return recipe.system(spec, nets, TOTAL), loader


def test_the_table_is_complete() -> None:
    assert TINY.keys() == {name for name in FEATURE_GAMES if issubclass(recipe_class(name), FairRecipe)} - {
        "thresholds"
    }


@every_recipe
@every_kind
@pytest.mark.parametrize("notion", ["parity", "odds", "opportunity"])
def test_rounds_train_every_player(name: str, kind: str, notion: str) -> None:
    system, loader = build(name, kind, notion=notion)
    before = {key: t.detach().clone() for key, t in trained_parameters(system).items()}
    play(system, loader, total=TOTAL, hardware=CPU)
    for key, new in trained_parameters(system).items():
        assert torch.isfinite(new).all() and not torch.equal(before[key], new), key
    average: Any = system.ema.net
    net, x = average["classifier"].eval(), loader.batches(0, 0)[0].x
    logits = net(x)
    assert logits.shape == (8, len(loader.spec.classes)) and logits.dtype == torch.float32
    torch.testing.assert_close(net.head(net.features(x)), logits)


@every_recipe
def test_a_stopped_game_is_bit_identical_to_an_uninterrupted_one(name: str, tmp_path: Path) -> None:
    check_exact_resume(lambda: build(name, "table"), TOTAL, tmp_path)


@every_recipe
@every_kind
def test_resolved_recipes_are_complete(name: str, kind: str) -> None:
    spec = replace(spec_of(name, kind), classes=CLASSES[:2])
    resolved = to_settings(recipe_class(name)().resolve(spec, CPU))
    assert all(value is not None for value in resolved.values()) and resolved["positive"] == CLASSES[1]


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("plain", {"notion": "equality"}, "unknown --notion 'equality'"),
        ("gap_penalty", {"sharpness": 0.0}, "--sharpness must be above 0"),
        ("hsic", {"weight": -1.0}, "--weight must be at least 0"),
        ("zhang", {"generations": 0}, "--generations must be above 0"),
        ("laftr", {"warm_up": 1.0}, "--warm-up must be at least 0 and below 1"),
    ],
)
def test_settings_out_of_range_are_named(name: str, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        recipe_class(name)(**settings)


def test_a_class_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match="--positive rich"):
        recipe_class("zhang")(positive="rich").resolve(spec_of("zhang", "table"), CPU)
