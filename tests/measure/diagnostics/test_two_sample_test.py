from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sparring.engine.device import Hardware
from sparring.engine.ema import EMA
from sparring.engine.game import Batch, Stats
from sparring.engine.loop import System
from sparring.measure.diagnostics import two_sample_test as module
from sparring.measure.diagnostics.duality_gap import duality_gap
from sparring.measure.diagnostics.two_sample_test import to_result, two_sample_test

CPU = Hardware(torch.device("cpu"), bf16=False)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MIN_IMAGES", 6_000)
    monkeypatch.setattr(module, "MAX_IMAGES", 6_000)


def images(count: int, seed: int, low: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, 200, (count, 8, 8, 1), np.uint8)


def test_equal_distributions_give_chance() -> None:
    a, b = images(400, 0), images(400, 1)
    result = two_sample_test(a.__getitem__, b.__getitem__, 400, hardware=CPU)
    assert result.tested == 400
    assert result.low <= 0.5 <= result.high
    assert "That is chance" in result.message and "stronger discriminator" in result.message


def test_different_distributions_are_separated() -> None:
    a, b = images(400, 0), images(400, 1, low=60)
    result = two_sample_test(a.__getitem__, b.__getitem__, 400, hardware=CPU)
    assert result.accuracy > 0.9 and result.low > 0.5
    assert "far from the game's equilibrium" in result.message


def test_rows_of_values() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(400, 5)).astype(np.float32), rng.normal(1.0, 1.0, (400, 5)).astype(np.float32)
    assert two_sample_test(a.__getitem__, b.__getitem__, 400, hardware=CPU).low > 0.7
    assert two_sample_test(a[:200].__getitem__, a[200:].__getitem__, 200, hardware=CPU).low < 0.5


def test_same_seed_same_result() -> None:
    a, b = images(100, 0), images(100, 1)
    result = [two_sample_test(a.__getitem__, b.__getitem__, 100, seed=3, hardware=CPU) for _ in range(2)]
    assert result[0] == result[1]


def test_message_if_both_sets_share_rows() -> None:
    assert "below chance" in to_result(10, 100).message


class Parabola:
    """The game M(G, D) = g^2 - d^2 + g d of two numbers, with its equilibrium at (0, 0)."""

    turns = ("discriminator", "generator")

    def __init__(self, g: float, d: float) -> None:
        self.players: Mapping[str, nn.Module] = {"generator": Number(g), "discriminator": Number(d)}

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        g, d = self.players["generator"](batch.x), self.players["discriminator"](batch.x)
        value = g.square() - d.square() + g * d
        return (-value + 7.0, {"penalty": 7.0}) if player == "discriminator" else (value, {})


class Number(nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, x: Tensor) -> Tensor:
        return self.value


class BatchLoader:
    batch_size = 1

    def batches(self, nimg: int, turn: int) -> Sequence[Batch]:
        return [Batch(torch.zeros(1, 1), torch.zeros(1, dtype=torch.int64))]


def gap(g: float, d: float) -> float:
    def build() -> System:
        game = Parabola(g, d)
        optimizers = {name: torch.optim.SGD(net.parameters(), 0.1) for name, net in game.players.items()}
        return System(game, optimizers, EMA(game.players["generator"], lambda at: 1.0))

    return duality_gap(build, BatchLoader(), BatchLoader().batches(0, 0), images=200, hardware=CPU)


def test_duality_gap_in_closed_form() -> None:
    """The best d against g is g / 2, the best g against d is -d / 2: the gap is 5 (g^2 + d^2) / 4."""
    assert gap(0.0, 0.0) == pytest.approx(0, abs=1e-6)
    assert gap(1.0, 0.0) == pytest.approx(1.25, abs=1e-4)
    assert gap(0.4, -2.0) == pytest.approx(1.25 * 4.16, abs=1e-3)
