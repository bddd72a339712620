"""Classifier two-sample test: at the equilibrium of a GAN no discriminator beats chance (Goodfellow et al. 2014).

Several judges learn to separate real from generated rows on one half of them. They are combined (stacked
generalisation, Wolpert 1992) or the best is chosen, by cross-validation within this half alone. The result is tested
once on the other half: so its interval needs no correction for the choice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from sparring.engine.device import Hardware
from sparring.engine.game import Batch
from sparring.measure.diagnostics.judges import Array, available, linear
from sparring.measure.features.network_input import as_input
from sparring.measure.features.row_statistics import flat_values, row_statistics
from sparring.measure.features.train_small import Fetch, LabelledRows, train_small_net
from sparring.measure.scores.evaluation import TwoSampleResult
from sparring.nets.encoder import Encoder
from sparring.stats.intervals import Z, clopper_pearson_interval

WIDTH, MAX_WIDTH, FEATURES = 32, 256, 64
"""Sizes of the discriminator."""
EPOCHS = 20
"""Passes of the discriminator over its training rows, up to MAX_IMAGES in all."""
MAX_IMAGES = 60_000
"""Largest number of training images of 32x32; fewer of larger ones."""
MIN_IMAGES = 10_000
MAX_ROWS = 10_000
"""Largest number of real rows, and of generated ones."""
CHUNK_ROWS = 200
FOLDS = 4
PARTS = 5
"""Parts of the validated rows, each judged by the threshold of the others."""
POWER_Z = 0.84
"""Quantile of the standard normal distribution for a power of 80 %."""
DISCRIMINATOR, TOGETHER = "a discriminator", "all judges together"


@dataclass(frozen=True)
class _Candidate:
    """Scores of one judge, higher for rows that look real."""

    validation: NDArray[np.float64]
    """Of rows of the training half by judges that did not learn from them; NaN for the rows without one."""
    test: NDArray[np.float64]
    """Of the rows of the test half."""


def two_sample_test(
    real: Fetch,
    fake: Fetch,
    count: int,
    *,
    features: tuple[Array, Array] | None = None,
    seed: int = 0,
    hardware: Hardware,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> TwoSampleResult:
    """Train judges on half of `count` real and `count` fake rows, and return the best one's accuracy on the other half.

    Lopez-Paz and Oquab 2017: for equal distributions the accuracy is that of chance, however it is trained. Rows are
    images `[B, H, W, C]` or values `[B, F]`. `features` are those of a network for all real and all fake rows,
    `[N, d]`; it must not have been trained on any of these rows. At most MAX_ROWS rows of each side are used.
    """
    half = min(count, MAX_ROWS) // 2
    orders = [np.random.default_rng([seed, k]).permutation(count)[: 2 * half] for k in range(2)]
    train, test = [order[:half] for order in orders], [order[half:] for order in orders]
    is_real = np.repeat([1, 0], half)
    views = [_views(real, fake, features, idx) for idx in (train, test)]
    folds = np.random.default_rng([seed, 2]).permutation(2 * half) % FOLDS
    candidates = {
        name: _cross_validated(judge.fit, views[0][judge.view], is_real, folds, views[1][judge.view])
        for name, judge in available().items()
        if judge.view in views[0]
    }
    together = [np.stack([c.validation for c in candidates.values()], 1),
                np.stack([c.test for c in candidates.values()], 1)]  # fmt: skip
    candidates[TOGETHER] = _cross_validated(linear, together[0], is_real, folds, together[1])
    candidates[DISCRIMINATOR] = _discriminated(real, fake, train, test, folds, seed, hardware, on_progress)
    name, threshold = _choose(candidates, is_real)
    correct = int(((candidates[name].test >= threshold) == is_real).sum())
    return to_result(correct, 2 * half, name)


def to_result(correct: int, total: int, judge: str = DISCRIMINATOR) -> TwoSampleResult:
    """Return the result for `correct` of `total` held-out rows, with the exact binomial interval and a message."""
    low, high = clopper_pearson_interval(correct, total)
    detectable = min(0.5 + (Z + POWER_Z) / (2 * math.sqrt(total)), 1.0)
    message = _message(correct / total, low, high, total, judge, detectable)
    return TwoSampleResult(correct / total, low, high, total, judge, detectable, None, message)


def _views(
    real: Fetch, fake: Fetch, features: tuple[Array, Array] | None, sides: list[NDArray[np.int64]]
) -> Mapping[str, Array]:
    """Return the views of the real rows `sides[0]`, then of the fake rows `sides[1]`."""
    values, statistics = [], []
    for fetch, idx in zip((real, fake), sides, strict=True):
        for chunk in np.array_split(idx, -(-len(idx) // CHUNK_ROWS)):
            rows = fetch(chunk)
            values.append(flat_values(rows))
            statistics.append(row_statistics(rows))
    views = {"values": np.concatenate(values), "statistics": np.concatenate(statistics)}
    if features is not None:
        views["network"] = np.concatenate([f[idx] for f, idx in zip(features, sides, strict=True)])
    return views


def _cross_validated(
    fit: Callable[..., Callable[[Array], NDArray[np.float64]]],
    x: Array,
    is_real: NDArray[np.int64],
    folds: NDArray[np.int64],
    test: Array,
) -> _Candidate:
    validation = np.empty(len(x))
    for k in range(FOLDS):
        validation[folds == k] = fit(x[folds != k], is_real[folds != k])(x[folds == k])
    return _Candidate(validation, fit(x, is_real)(test))


def _discriminated(
    real: Fetch,
    fake: Fetch,
    train: list[NDArray[np.int64]],
    test: list[NDArray[np.int64]],
    folds: NDArray[np.int64],
    seed: int,
    hardware: Hardware,
    on_progress: Callable[[int, int], None],
) -> _Candidate:
    """Train a network on all folds but the first: it is too slow for more than one of them."""
    half, example = len(train[0]), real(train[0][:1])
    shape = example.shape[1:]

    def fetch(sides: list[NDArray[np.int64]], idx: NDArray[np.int64]) -> NDArray[Any]:  # real rows, then fake ones
        first = idx < half
        out = np.empty((len(idx), *shape), example.dtype)
        for side, of_side, rows in ((real, first, sides[0][idx[first]]), (fake, ~first, sides[1][idx[~first] - half])):
            if len(rows):
                out[of_side] = side(rows)
        return out

    learnt = np.flatnonzero(folds != 0)
    labels = (learnt < half).astype(np.int64)
    rows = LabelledRows(
        lambda idx: fetch(train, learnt[idx]), labels, min(128, len(learnt)), seed, hardware.device
    )  # fmt: skip
    area = math.prod(shape[:2]) if len(shape) == 3 else 1
    images = max(min(EPOCHS * len(learnt), MAX_IMAGES * 1024 // area), MIN_IMAGES)
    net = train_small_net(
        lambda: _discriminator(shape), _loss, rows, images=images, lr=1e-3, hardware=hardware, on_progress=on_progress
    )

    @torch.no_grad()
    def score(sides: list[NDArray[np.int64]], idx: NDArray[np.int64]) -> NDArray[np.float64]:
        chunks = np.array_split(idx, -(-len(idx) // CHUNK_ROWS))
        logits = [net(as_input(fetch(sides, chunk), hardware.device))[:, 0].double().cpu() for chunk in chunks]
        return np.asarray(torch.cat(logits).numpy())

    validation = np.full(2 * half, np.nan)
    validation[folds == 0] = score(train, np.flatnonzero(folds == 0))
    return _Candidate(validation, score(test, np.arange(2 * half)))


def _choose(candidates: Mapping[str, _Candidate], is_real: NDArray[np.int64]) -> tuple[str, float]:
    """Return the judge that is best on rows it did not learn from, and its threshold.

    One judge alone must surpass all together by a standard error: the best of many is best by chance as well.
    """
    accuracy = {name: _honest(candidate, is_real) for name, candidate in candidates.items()}
    name = max(accuracy, key=accuracy.__getitem__)
    validated = ~np.isnan(candidates[name].validation)
    if accuracy[name] < accuracy[TOGETHER] + 0.5 / math.sqrt(int(validated.sum())):
        name = TOGETHER
        validated = ~np.isnan(candidates[name].validation)
    return name, _best_threshold(candidates[name].validation[validated], is_real[validated])[1]


def _honest(candidate: _Candidate, is_real: NDArray[np.int64]) -> float:
    """Return the accuracy on the validated rows, each part of them with a threshold from the other parts."""
    validated = np.flatnonzero(~np.isnan(candidate.validation))
    scores, is_real = candidate.validation[validated], is_real[validated]
    parts = np.random.default_rng(0).permutation(len(scores)) % PARTS
    correct = 0
    for k in range(PARTS):
        threshold = _best_threshold(scores[parts != k], is_real[parts != k])[1]
        correct += int(((scores[parts == k] >= threshold) == is_real[parts == k]).sum())
    return correct / len(scores)


def _best_threshold(scores: NDArray[np.float64], is_real: NDArray[np.int64]) -> tuple[float, float]:
    """Return the largest mean of the accuracies on real and on fake rows, and the score from which rows are real."""
    order = np.argsort(-scores, kind="stable")
    real, fake = np.cumsum(is_real[order]), np.cumsum(1 - is_real[order])
    accuracy = 0.5 + 0.5 * (real / max(real[-1], 1) - fake / max(fake[-1], 1))
    last = np.append(np.diff(scores[order]) != 0, True)  # equal scores are on one side
    k = int(np.argmax(np.where(last, accuracy, 0)))
    following = scores[order[k + 1]] if k + 1 < len(order) else scores[order[k]] - 1
    return float(accuracy[k]), float((scores[order[k]] + following) / 2)


def _discriminator(shape: tuple[int, ...]) -> nn.Module:
    if len(shape) == 3:
        height, width, channels = shape
        return Encoder((channels, height, width), WIDTH, MAX_WIDTH, FEATURES, 1)
    return nn.Sequential(
        nn.Linear(shape[0], MAX_WIDTH),
        nn.LeakyReLU(),
        nn.Linear(MAX_WIDTH, FEATURES),
        nn.LeakyReLU(),
        nn.Linear(FEATURES, 1),
    )


def _loss(net: nn.Module, batch: Batch) -> Tensor:
    logits: Tensor = net(batch.x)
    return binary_cross_entropy_with_logits(logits[:, 0], batch.y.float())


def _message(accuracy: float, low: float, high: float, total: int, judge: str, detectable: float) -> str:
    interval = f"95 % interval {low:.1%} to {high:.1%}"
    measured = (
        f"The best of several newly trained judges ({judge}) classifies {accuracy:.1%} of {total:,} held-out rows "
        f"correctly ({interval})"
    )
    if low > 0.5:
        distance = "far" if accuracy > 0.8 else "some distance" if accuracy > 0.6 else "not far"
        return (
            f"{measured}: samples differ from the data. That is a lower bound: a stronger judge may see more. It is "
            f"{distance} from 50 %, the accuracy for a perfect generator, as at the equilibrium of a GAN."
        )
    if high < 0.5:
        return f"{measured}. That is below chance, which happens if both sets contain the same rows."
    missing = "" if find_spec("sklearn") else " With scikit-learn installed, trees would judge as well."
    return (
        f"{measured}. That is no better than guessing, as at the equilibrium of a GAN. A judge that is right on "
        f"{detectable:.1%} would have been noticed with a probability of 80 %: smaller differences, and differences "
        f"that no judge can learn, are not excluded.{missing}"
    )
