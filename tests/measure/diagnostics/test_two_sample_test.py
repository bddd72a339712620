from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sparring.engine.device import Hardware
from sparring.engine.ema import EMA
from sparring.engine.game import Batch, Stats
from sparring.engine.loop import System
from sparring.measure.diagnostics import judges
from sparring.measure.diagnostics import two_sample_test as module
from sparring.measure.diagnostics.duality_gap import duality_gap
from sparring.measure.diagnostics.two_sample_test import to_result, two_sample_test
from sparring.measure.scores.evaluation import TwoSampleResult

CPU = Hardware(torch.device("cpu"), bf16=False)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MIN_IMAGES", 500)
    monkeypatch.setattr(module, "MAX_IMAGES", 500)
    monkeypatch.setattr(judges, "TREES", 15)


def images(count: int, seed: int, low: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, 200, (count, 8, 8, 1), np.uint8)


def smooth(count: int, seed: int) -> np.ndarray:
    """Images of one step of random place and height on a black ground."""
    rng = np.random.default_rng(seed)
    x = np.zeros((count, 8, 8, 1), np.uint8)
    for row, left, height in zip(x, rng.integers(1, 7, count), rng.integers(80, 250, count), strict=True):
        row[:, left:] = height
    return x


def judged(a: np.ndarray, b: np.ndarray, **kwargs: object) -> TwoSampleResult:
    return two_sample_test(a.__getitem__, b.__getitem__, min(len(a), len(b)), hardware=CPU, **kwargs)


def test_equal_distributions_give_chance() -> None:
    result = judged(images(200, 0), images(200, 1))
    assert result.tested == 200
    assert result.low <= 0.5 <= result.high
    assert "no better than guessing" in result.message
    assert result.detectable == pytest.approx(0.599, abs=1e-3) and "right on 59.9%" in result.message


def test_different_distributions_are_separated() -> None:
    result = judged(images(400, 0), images(400, 1, low=60))
    assert result.accuracy > 0.9 and result.low > 0.5
    assert "far from 50 %" in result.message and "lower bound" in result.message


def noise(rows: np.ndarray) -> np.ndarray:
    return (rows + np.random.default_rng(5).normal(0, 4, rows.shape)).round().clip(0, 255).astype(np.uint8)


def one_pixel(rows: np.ndarray) -> np.ndarray:
    rows = rows.copy()
    rows[:, 0, 0] = 128
    return rows


@pytest.mark.parametrize("change", [noise, one_pixel])
@pytest.mark.parametrize("fraction", [1.0, 0.2])
def test_faint_differences_are_found(change: Callable[[np.ndarray], np.ndarray], fraction: float) -> None:
    a, b = smooth(600, 0), smooth(600, 1)
    count = int(fraction * len(b))
    b[:count] = change(b[:count])
    assert judged(a, b).accuracy > 0.5 + 0.8 * fraction / 2


def test_repeated_samples_are_found() -> None:
    a, b = images(400, 0), images(40, 1).repeat(10, 0)
    assert judged(a, b).accuracy > 0.9


def test_network_features_are_judged() -> None:
    a, b = images(400, 0), images(400, 1)
    x = np.random.default_rng(2).normal(size=(2, 400, 3)).astype(np.float32)
    x[1, :200, 0] += 8  # what half of the samples have, no real row has
    assert judged(a, b, features=(x[0], x[1])).accuracy == pytest.approx(0.75, abs=0.04)


def test_the_interval_contains_chance_for_real_against_real() -> None:
    rows = np.random.default_rng(0).normal(size=(8, 2, 60, 4)).astype(np.float32)
    results = [judged(a, b, seed=k) for k, (a, b) in enumerate(rows)]
    assert sum(result.low <= 0.5 <= result.high for result in results) >= 7


def test_rows_of_values() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(400, 5)).astype(np.float32), rng.normal(1.0, 1.0, (400, 5)).astype(np.float32)
    assert judged(a, b).low > 0.7
    assert judged(a[:200], a[200:]).low < 0.5


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 3), (70, 9, 1)])
def test_images_of_any_size(shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, high, (60, *shape), np.uint8) for high in (100, 250))
    assert judged(a, b).accuracy > 0.6


def test_trees_are_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (judges, module):
        monkeypatch.setattr(place, "find_spec", lambda name: None)
    assert not any("trees" in name for name in judges.available())
    result = judged(images(100, 0), images(100, 1))
    assert "With scikit-learn installed" in result.message


def test_same_seed_same_result() -> None:
    a, b = images(100, 0), images(100, 1)
    assert judged(a, b, seed=3) == judged(a, b, seed=3)


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
