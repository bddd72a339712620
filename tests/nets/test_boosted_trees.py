"""Trees as tensors give the very numbers of scikit-learn, and survive a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from torch import nn

from sparring.measure.boosting import grow
from sparring.measure.boosting.grow import boosted_classifier, boosted_quantiles
from sparring.nets.boosted_trees import BoostedClassifier, BoostedTrees, Tree

LEVELS = (0.1, 0.5, 0.9)


@pytest.fixture(scope="module")
def rows() -> NDArray[np.float32]:
    """1,200 rows with gaps, so that both ways of stopping and both sides of NaN are used."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1200, 4)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    return x


def settings(rows: int) -> dict[str, object]:
    return grow._settings(rows, 3)


@pytest.mark.parametrize("count", [200, 1200])
@pytest.mark.parametrize("classes", [2, 3])
def test_logits_are_those_of_scikit_learn_bit_for_bit(rows: NDArray[np.float32], count: int, classes: int) -> None:
    x = rows[:count]
    y = (np.nan_to_num(x[:, 0]) > 0).astype(np.int64) + (np.nan_to_num(x[:, 1]) > 0.5) * (classes == 3)
    trees = boosted_classifier(x, y, classes, seed=3)
    expected = HistGradientBoostingClassifier(**settings(count)).fit(x, y).decision_function(x)
    scores = trees(torch.from_numpy(x)).numpy()
    assert scores.dtype == np.float64 and scores.shape == (count, classes)
    assert (scores == (expected if classes == 3 else np.stack([np.zeros(count), expected], 1))).all()


def test_quantiles_are_those_of_scikit_learn_bit_for_bit(rows: NDArray[np.float32]) -> None:
    y = np.stack([np.nan_to_num(rows[:, 0]), np.random.default_rng(1).normal(size=len(rows))], 1)
    scores = boosted_quantiles(rows, y, LEVELS, seed=3)(torch.from_numpy(rows)).numpy()
    assert scores.shape == (1200, 6)
    for k, (number, level) in enumerate((n, level) for n in range(2) for level in LEVELS):
        model = HistGradientBoostingRegressor(loss="quantile", quantile=level, **settings(len(rows)))
        assert (scores[:, k] == model.fit(rows, y[:, number]).predict(rows)).all()


def test_of_many_rows_some_are_learnt_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grow, "MAX_ROWS", 10)
    few, some = grow.rows_to_boost(np.arange(10)), grow.rows_to_boost(np.arange(0, 200, 2))
    assert few.tolist() == list(range(10)) and len(set(some.tolist())) == 10
    assert (some % 2 == 0).all() and (np.diff(some) > 0).all()


@pytest.mark.parametrize("classes", [20, 60])
def test_many_classes_with_a_row_or_two_each(rows: NDArray[np.float32], classes: int) -> None:
    y = np.minimum(np.arange(1200) // 2, classes - 1)
    y[0] = classes
    trees = boosted_classifier(rows, y, classes + 1, seed=0)
    assert trees(torch.from_numpy(rows[:5])).shape == (5, classes + 1) and len(trees.value) <= grow.MAX_TREES


def test_a_class_without_a_row_is_never_the_answer(rows: NDArray[np.float32]) -> None:
    y = np.where(np.nan_to_num(rows[:200, 0]) > 0, 3, 1)
    scores = boosted_classifier(rows[:200], y, 4, seed=0)(torch.from_numpy(rows[:200]))
    assert set(scores.argmax(1).tolist()) == {1, 3}


def test_an_ensemble_survives_a_file_and_stays_on_the_cpu_in_float64(tmp_path: Path) -> None:
    leaf, stump = (
        Tree(torch.zeros(1).long(), torch.zeros(1), *[torch.zeros(1).long()] * 2, torch.zeros(1).bool(), torch.ones(1)),
        Tree(
            torch.zeros(3).long(), torch.tensor([0.5, 0, 0]), torch.tensor([1, 1, 2]), torch.tensor([2, 1, 2]),
            torch.tensor([True, False, False]), torch.tensor([0.0, -1, 1]),
        ),
    )  # fmt: skip
    trees = BoostedTrees.of([leaf, stump], [0, 1], [10.0, 20.0])
    x = torch.tensor([[0.5], [0.51], [torch.nan]])
    assert trees(x).tolist() == [[11, 19], [11, 21], [11, 19]]
    save_file(trees.state_dict(), tmp_path / "trees.safetensors")
    tensors = load_file(tmp_path / "trees.safetensors")
    again = BoostedTrees.like(tensors)
    again.load_state_dict(tensors)
    assert torch.equal(again.half()(x), trees(x)) and again.threshold.dtype == torch.float64


def test_a_boosted_classifier_keeps_the_features_of_the_network() -> None:
    network = nn.Module()
    network.features = nn.Linear(1, 5)  # type: ignore[assignment]
    net = BoostedClassifier(network, BoostedTrees.of([], [], [1.0, 2.0]))
    x = torch.randn(3, 1)
    assert torch.equal(net.features(x)[:, :5], network.features(x))
    assert net(x).tolist() == [[1, 2]] * 3
