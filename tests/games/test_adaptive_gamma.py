"""Adaptive gamma: closed forms of a linear D, and a game that keeps its target."""

import math
from dataclasses import replace

import pytest
import torch
from small_game import CPU, LATENTS, BatchLoader, make
from torch import Tensor

from sparring.engine.loop import play
from sparring.games.adaptive_gamma import AdaptiveGamma
from sparring.games.gan import GAN
from sparring.games.objectives import OBJECTIVES
from sparring.games.penalties import r1, r2


def observed(x: Tensor, slope: float, controller: AdaptiveGamma) -> AdaptiveGamma:
    """After a turn of D(x) = slope * x_0: its gradient is the same everywhere."""
    gradient = torch.zeros_like(x)
    gradient[:, 0, 0, 0] = slope
    controller.observe(x, [gradient, gradient])
    return controller


def images(scale: float = 1.0) -> Tensor:
    return torch.randn(500, 2, 3, 4, generator=torch.Generator().manual_seed(0)) * scale


def test_steepness_is_the_slope_times_the_squared_distance_of_two_images() -> None:
    x = images()
    pairs = torch.cdist(x.flatten(1), x.flatten(1)).square()
    distance = pairs.sum() / (len(x) * (len(x) - 1))  # over different images
    controller = observed(x, 0.3, AdaptiveGamma(1.0, 2.0))
    assert float(controller.stats()["steepness"]) == pytest.approx(0.3 * float(distance), rel=1e-4)


def test_larger_pixel_values_need_a_flatter_discriminator() -> None:
    """With equal logits, D counts as ten times as steep on images at ten times the distance."""
    plain, scaled = (observed(images(c), 0.3 / c**2, AdaptiveGamma(1.0, 2.0)) for c in (1.0, 10.0))
    torch.testing.assert_close(plain.steepness, scaled.steepness)
    torch.testing.assert_close(plain.log_gamma, scaled.log_gamma)


@pytest.mark.parametrize(("slope", "way"), [(10.0, 1), (1e-3, -1)])
def test_gamma_adapts_within_max_factor(slope: float, way: int) -> None:
    controller = AdaptiveGamma(2.0, target=2.0, images=1000, max_factor=3.0)
    observed(images(), slope, controller)
    assert float(controller(0.5)) == pytest.approx(2 * math.exp(way * 0.5), rel=1e-5)  # 500 of 1,000 images: half of e
    for _ in range(10):
        observed(images(), slope, controller)
    assert float(controller(0.5)) == pytest.approx(2 * 3.0**way, rel=1e-5)


def test_a_penalty_in_every_fourth_round_moves_gamma_four_times_as_far() -> None:
    x = images()
    moved = []
    for interval in (1, 4):
        controller = AdaptiveGamma(1.0, 2.0)
        controller.observe(x, [torch.ones_like(x)], interval)
        moved.append(float(controller.log_gamma))
    assert moved[0] > 0 and moved[1] == pytest.approx(4 * moved[0])


def test_a_flat_discriminator_stays_finite() -> None:
    controller = observed(images(), 0.0, AdaptiveGamma(1.0, 2.0))
    assert all(torch.isfinite(torch.as_tensor(value)).all() for value in controller.state_dict().values())
    one = AdaptiveGamma(1.0, 2.0)
    one.observe(torch.zeros(1, 1, 1, 1), [torch.ones(1, 1, 1, 1)])  # a batch of one equal image: no distance
    assert torch.isfinite(one.log_gamma)


@pytest.mark.parametrize("target", [5.0, 10.0])
def test_a_game_keeps_the_target_steepness(target: float) -> None:
    controller = AdaptiveGamma(1.0, target, images=500)
    system = make(plain=True, penalties=[r1(controller), r2(controller)])
    nets, objective = system.game.players, OBJECTIVES["relativistic"]
    game = GAN(
        nets["generator"],
        nets["discriminator"],
        objective,
        latent_dim=LATENTS,
        penalties=[r1(controller), r2(controller)],
        gamma_controller=controller,
    )
    assert game.players["penalty"] is controller  # so that checkpoints keep gamma
    system, seen = replace(system, game=game, schedules={}), []
    for start in range(0, 4000, 200):
        play(system, BatchLoader(), total=start + 200, start=start, hardware=CPU)
        seen.append(float(controller.steepness))
    late = float(torch.tensor(seen[10:]).median())
    assert target / 1.5 < late < target * 1.5
