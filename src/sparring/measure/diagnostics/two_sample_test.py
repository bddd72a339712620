"""Classifier two-sample test: at the equilibrium of a GAN no discriminator beats chance (Goodfellow et al. 2014)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from sparring.engine.device import Hardware
from sparring.engine.game import Batch
from sparring.measure.features.network_input import as_input
from sparring.measure.features.train_small import Fetch, LabelledRows, train_small_net
from sparring.measure.scores.evaluation import TwoSampleResult
from sparring.nets.encoder import Encoder
from sparring.stats.intervals import clopper_pearson_interval

WIDTH, MAX_WIDTH, FEATURES = 32, 256, 64
"""Sizes of the discriminator."""
EPOCHS = 40
"""Passes over the training half, up to MAX_IMAGES in all."""
MAX_IMAGES = 200_000
"""Largest number of training images of 32x32; fewer of larger ones."""
MIN_IMAGES = 20_000
CHUNK_ROWS = 200
"""Rows of the test half that are classified at once."""


def two_sample_test(
    real: Fetch,
    fake: Fetch,
    count: int,
    *,
    seed: int = 0,
    hardware: Hardware,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> TwoSampleResult:
    """Train a discriminator on half of `count` real and `count` fake rows, and return its accuracy on the other half.

    Lopez-Paz and Oquab 2017: for equal distributions the accuracy is that of chance, however it is trained. Rows are
    images `[B, H, W, C]` or values `[B, F]`.
    """
    half = count // 2
    orders = [np.random.default_rng([seed, k]).permutation(count) for k in range(2)]
    shape = real(orders[0][:1]).shape[1:]

    def fetch(idx: NDArray[np.int64]) -> NDArray[Any]:  # below half: real rows; from half on: fake rows
        is_real = idx < half
        real_rows, fake_rows = real(orders[0][idx[is_real]]), fake(orders[1][idx[~is_real] - half])
        out = np.empty((len(idx), *shape), real_rows.dtype)
        out[is_real], out[~is_real] = real_rows, fake_rows
        return out

    labels = (np.arange(2 * half) < half).astype(np.int64)
    rows = LabelledRows(fetch, labels, min(128, half), seed, hardware.device)
    area = math.prod(shape[:2]) if len(shape) == 3 else 1
    images = max(min(EPOCHS * count, MAX_IMAGES * 1024 // area), MIN_IMAGES)
    discriminator = train_small_net(
        lambda: _discriminator(shape), _loss, rows, images=images, lr=1e-3, hardware=hardware, on_progress=on_progress
    )
    correct = sum(
        _count_correct(discriminator, fetch_rows(order[chunk]), is_real, hardware)
        for fetch_rows, order, is_real in ((real, orders[0], True), (fake, orders[1], False))
        for chunk in np.array_split(np.arange(half, 2 * half), -(-half // CHUNK_ROWS))
    )
    return to_result(correct, 2 * half)


def to_result(correct: int, total: int) -> TwoSampleResult:
    """Return the result for `correct` of `total` held-out rows, with the exact binomial interval and a message."""
    low, high = clopper_pearson_interval(correct, total)
    accuracy = correct / total
    return TwoSampleResult(accuracy, low, high, total, None, _message(accuracy, low, high, total))


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


@torch.no_grad()
def _count_correct(discriminator: nn.Module, rows: NDArray[Any], is_real: bool, hardware: Hardware) -> int:
    return int(((discriminator(as_input(rows, hardware.device))[:, 0] > 0) == is_real).sum())


def _message(accuracy: float, low: float, high: float, total: int) -> str:
    interval = f"95 % interval {low:.1%} to {high:.1%}"
    measured = (
        f"A newly trained discriminator classifies {accuracy:.1%} of {total:,} held-out rows correctly ({interval})"
    )
    if low > 0.5:
        distance = "far" if accuracy > 0.8 else "some distance" if accuracy > 0.6 else "not far"
        return (
            f"{measured}: samples differ from the data. The generator is {distance} from the game's equilibrium, where "
            "the accuracy is 50 %."
        )
    if high < 0.5:
        return f"{measured}. That is below chance, which happens if both sets contain the same rows."
    return (
        f"{measured}. That is chance, as at the game's equilibrium. "
        "A stronger discriminator might still find a difference."
    )
