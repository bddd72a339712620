"""What a training measures of itself: which figures, of what, and that nothing of the game changes by it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

import sparring
from sparring.commands.training.monitor import downscale, monitor
from sparring.commands.training.plan import Plan
from sparring.engine.device import Hardware
from sparring.engine.loop import System
from sparring.models.generator import GeneratorModel
from sparring.recipes.recipe import Recipe

FLOORS = {"baseline_sliced_wasserstein", "baseline_coverage", "baseline_variety"}
BESIDE = {"sliced_wasserstein", "coverage", "variety"}
JUDGED = {"train_logit", "sample_logit", "train_win"}
HELD_OUT = {"held_out_logit", "win", "memory"}
CPU = Hardware(torch.device("cpu"), bf16=False)


def system(recipe: Recipe, data: sparring.Dataset) -> tuple[System, GeneratorModel]:
    recipe = recipe.resolve(data.spec, CPU)
    torch.manual_seed(0)
    made = recipe.system(data.spec, recipe.nets(data.spec), 1000)
    counts = tuple(data.report.classes.values())
    return made, GeneratorModel(made.ema.net, data.spec, recipe, counts)


def state(system: System) -> list[torch.Tensor]:
    nets = [*system.game.players.values(), system.ema.net]
    return [t.clone() for net in nets for t in net.state_dict().values()]


@pytest.mark.parametrize("recipe", [sparring.R3(width=8), sparring.DCGAN(width=4), sparring.GAN2014(hidden=8)])
def test_every_recipes_game_is_measured_and_left_as_it_was(data: Path, recipe: Recipe) -> None:
    images = sparring.open(data)
    played, model = system(recipe, images)
    before, rng = state(played), torch.get_rng_state()
    modes = [m.training for net in played.game.players.values() for m in net.modules()]
    measure = monitor(played.game, model, images, Plan.of(1000, 8))
    first = measure(0)
    assert first.keys() == FLOORS | BESIDE | JUDGED | HELD_OUT
    assert all(math.isfinite(value) for value in first.values())
    assert measure(8) == {name: value for name, value in first.items() if name not in FLOORS}
    assert all(torch.equal(a, b) for a, b in zip(before, state(played), strict=True))
    assert modes == [m.training for net in played.game.players.values() for m in net.modules()]
    assert torch.equal(rng, torch.get_rng_state())


def test_without_a_test_split_one_half_is_held_against_the_other(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8))
    images = sparring.open(tmp_path / "x.npz")
    played, model = system(sparring.R3(width=8), images)
    told = monitor(played.game, model, images, Plan.of(1000, 8))(0)
    assert told.keys() == FLOORS | BESIDE | JUDGED
    assert told["baseline_sliced_wasserstein"] > 0  # not of images against themselves
    assert told["baseline_coverage"] > 0.8


@pytest.mark.parametrize("alike", [False, True])
@pytest.mark.parametrize("count", [2, 3, 9])
def test_a_handful_of_images_gives_the_figures_that_it_can(tmp_path: Path, count: int, alike: bool) -> None:
    x = np.random.default_rng(0).integers(0, 256, (count, 8, 8), np.uint8)
    np.savez(tmp_path / "x.npz", np.repeat(x[:1], count, 0) if alike else x)
    images = sparring.open(tmp_path / "x.npz")
    played, model = system(sparring.R3(width=8), images)
    told = monitor(played.game, model, images, Plan.of(1000, 8))(0)
    assert "sliced_wasserstein" in told
    assert all(math.isfinite(value) for value in told.values())


def test_a_game_without_a_judge_is_measured_beside_its_data(data: Path) -> None:
    class Alone:
        players: ClassVar = {"generator": nn.Linear(1, 1)}
        turns = ("generator",)

        def loss(self, *_: object) -> None: ...

    images = sparring.open(data)
    _, model = system(sparring.R3(width=8), images)
    told = monitor(Alone(), model, images, Plan.of(1000, 8))(8)  # type: ignore[arg-type]
    assert told.keys() == BESIDE


@pytest.mark.parametrize(
    ("size", "to"), [((8, 8), (8, 8)), ((28, 28), (14, 14)), ((64, 48), (16, 12)), ((1, 40), (1, 14))]
)
def test_larger_images_are_scaled_down(size: tuple[int, int], to: tuple[int, int]) -> None:
    assert downscale(torch.zeros(2, 3, *size)).shape == (2, 3, *to)
