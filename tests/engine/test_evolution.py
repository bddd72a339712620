import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from exact_resume import check_exact_resume
from small_game import CPU, LATENTS, BatchLoader, adam, make
from torch import Tensor, nn
from torch.optim import Optimizer

from sparring.engine.ema import EMA
from sparring.engine.errors import UsageError
from sparring.engine.evolution import CMAES, EvolutionStrategy, centred_ranks
from sparring.engine.loop import System, play
from sparring.games.gan import GAN
from sparring.games.objectives import OBJECTIVES

TARGET = torch.arange(5.0)


def distance_to_target(p: Tensor) -> Callable[[], float]:
    """A loss without a gradient."""
    return lambda: float((p.detach() - TARGET).square().sum())


def descend(make: Callable[[list[Tensor]], Optimizer], steps: int) -> tuple[Tensor, float]:
    p, loss = nn.Parameter(torch.ones(5)), math.nan
    optimizer = make([p])
    for _ in range(steps):
        loss = float(optimizer.step(distance_to_target(p)))  # type: ignore[arg-type]
    return p.detach(), loss


def test_centred_ranks_are_even_share_ties_and_put_nan_last() -> None:
    torch.testing.assert_close(
        centred_ranks(torch.tensor([3.0, -1.0, 100.0, 5.0, 4.0])),
        torch.tensor([-0.25, -0.5, 0.5, 0.25, 0.0], dtype=torch.float64),
    )
    torch.testing.assert_close(centred_ranks(torch.tensor([1.0, 1.0])), torch.zeros(2, dtype=torch.float64))
    assert centred_ranks(torch.tensor([torch.nan, 2.0, 1.0])).tolist() == [0.5, 0.0, -0.5]
    assert centred_ranks(torch.tensor([7.0])).tolist() == [-0.5 + 0.0]


def test_the_estimate_of_one_pair() -> None:
    """The better of w + sigma e and w - sigma e wins: the ranks' distance of 1 along e, divided by 2 sigma."""
    p, slope = nn.Parameter(torch.zeros(3)), torch.tensor([1.0, 2.0, -1.0])
    optimizer = EvolutionStrategy([p], sigma=0.1, pairs=1, seed=5)
    (noise,) = optimizer._noise(0, 0)
    points: list[Tensor] = []

    def loss() -> float:
        points.append(p.detach().clone())
        return float(p.detach() @ slope)

    optimizer.estimate(loss)
    torch.testing.assert_close(p.grad, float(torch.sign(noise @ slope)) * noise / (2 * 0.1))
    torch.testing.assert_close(torch.stack(points), torch.stack([0.1 * noise, -0.1 * noise]))
    assert torch.equal(p, torch.zeros(3))  # exactly where it was: nothing is added and taken away again


def test_the_estimate_points_along_the_gradient_of_a_linear_loss() -> None:
    """By Eq. 1 of the paper; ranks keep the direction, and many pairs keep the variance small."""
    p, slope = nn.Parameter(torch.zeros(10)), torch.linspace(-1, 1, 10)
    EvolutionStrategy([p], pairs=1000).estimate(lambda: float(p.detach() @ slope))
    assert p.grad is not None and float(torch.cosine_similarity(p.grad, slope, 0)) > 0.99


@pytest.mark.parametrize(
    ("make", "steps"),
    [(lambda params: EvolutionStrategy(params, lr=0.1), 150), (lambda params: CMAES(params), 80)],
    ids=["evolution", "cma"],
)
def test_a_quadratic_is_minimised_by_its_values_alone(make: Callable[[list[Tensor]], Optimizer], steps: int) -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[index,union-attr]
    p, loss = descend(make, steps)
    torch.testing.assert_close(p, TARGET, atol=0.05, rtol=0)
    assert loss == pytest.approx(float((p - TARGET).square().sum()))  # the loss that is logged is that of the weights
    again, _ = descend(make, steps)
    assert torch.equal(p, again)
    assert np.array_equal(before, np.random.get_state()[1])  # type: ignore[index]


@pytest.mark.parametrize("bad", [{"sigma": 0.0}, {"sigma": math.nan}, {"pairs": 0}])
def test_settings_that_move_nothing_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="sigma above 0 and 1 pair or more"):
        EvolutionStrategy([nn.Parameter(torch.zeros(1))], **bad)  # type: ignore[arg-type]


def test_infinite_and_invalid_losses_lose() -> None:
    p = nn.Parameter(torch.ones(3))
    for optimizer in (EvolutionStrategy([p], pairs=4), CMAES([p])):
        losses = iter([math.nan, math.inf] + [1.0] * 100)
        optimizer.step(lambda losses=losses: next(losses))  # type: ignore[misc]
        assert torch.isfinite(p).all()


def test_without_the_library_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cma", None)
    with pytest.raises(UsageError, match=r"pip install 'sparring\[tune\]'"):
        CMAES([nn.Parameter(torch.zeros(1))])


# in the loop

OPTIMIZERS: dict[str, Callable[[nn.Module], Optimizer]] = {
    "evolution": lambda net: EvolutionStrategy(net.parameters(), pairs=2, seed=3),
    "cma": lambda net: CMAES(net.parameters(), population=4, seed=3),
}


class Bias(nn.Module):
    """A generator of a few weights that cuts the graph."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(3))

    def forward(self, z: Tensor) -> Tensor:
        return (self.value.detach()[:, None, None] + 0 * z.mean()).tanh().expand(len(z), 3, 8, 8)


def gradient_free(kind: str) -> System:
    """The small game with a generator that has no gradient."""
    discriminator = make().game.players["discriminator"]
    generator = Bias()
    game = GAN(generator, discriminator, OBJECTIVES["nonsaturating"], latent_dim=LATENTS)
    optimizers = {"generator": OPTIMIZERS[kind](generator), "discriminator": adam(discriminator)}
    return System(game, optimizers, EMA(generator, lambda at: 16))


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_player_without_gradients_plays_beside_one_with_them(kind: str) -> None:
    system = gradient_free(kind)
    discriminator = {k: t.clone() for k, t in system.game.players["discriminator"].state_dict().items()}
    play(system, BatchLoader(), total=80, hardware=CPU)
    generator: nn.Module = system.game.players["generator"]
    assert bool((generator.value != 0).all())  # type: ignore[union-attr,operator]
    assert all(
        not torch.equal(t, discriminator[k]) for k, t in system.game.players["discriminator"].state_dict().items()
    )


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_resuming_is_exact(kind: str, tmp_path: Path) -> None:
    check_exact_resume(lambda: (gradient_free(kind), BatchLoader()), 80, tmp_path)


def test_sigma_follows_a_schedule() -> None:
    system = gradient_free("evolution")
    system.schedules = {"generator": {"sigma": lambda at: 0.5 - at / 4}}
    play(system, BatchLoader(), total=16, hardware=CPU)
    assert system.optimizers["generator"].param_groups[0]["sigma"] == 0.5 - 0.5 / 4
