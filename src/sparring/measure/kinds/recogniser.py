"""A recogniser of the classes of rows of any kind: kernel ridge regression on coarse values, without a random start."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.engine.data_spec import AudioSpec, DataSpec, ImageSpec
from sparring.measure.rivals.rivals import LabelledRows
from sparring.nets.mel_codec import to_pictures

Floats = NDArray[np.float64]
GRID = 16
"""Cells along each side to which pictures are averaged."""
RIDGE = 1e-2
"""Weight of the squared norm."""
MAX_EXAMPLES = 4000
"""Largest number of rows that are learnt from; they are drawn at random of more."""


def recognise(spec: DataSpec, examples: LabelledRows, rows: NDArray[Any], seed: int) -> NDArray[np.int64]:
    """Return the classes of `rows` `[N, ...]` by a recogniser of labelled examples, which have two classes or more."""
    order = np.random.default_rng([seed, 42]).permutation(len(examples))[:MAX_EXAMPLES]
    examples = examples.take(order)
    predict = recogniser(coarse_values(spec, examples.rows), examples.labels, len(spec.classes))
    return predict(coarse_values(spec, rows))


def recogniser(x: Floats, y: NDArray[np.int64], classes: int) -> Callable[[Floats], NDArray[np.int64]]:
    """Return the classifier of kernel ridge regression of one-hot labels `y` `[N]` (`regression`)."""
    predict = regression(x, np.eye(classes)[y])
    return lambda new: predict(new).argmax(1)


def regression(x: Floats, y: Floats) -> Callable[[Floats], Floats]:
    """Return the kernel ridge regression of `y` `[N, K]` on `x` `[N, F]`, with a Gaussian kernel.

    Its squared width is the mean squared distance of two of `x` (Saunders, Gammerman and Vovk 1998, Eq. 9). It has no
    random start and no training length, so that a score moves with the data alone.
    """
    width, mean = max(float(2 * x.var(0).sum()), 1e-12), y.mean(0)
    weights = np.linalg.solve(_kernel(x, x, width) + RIDGE * np.eye(len(x)), y - mean)
    return lambda new: _kernel(new, x, width) @ weights + mean


def _kernel(a: Floats, b: Floats, width: float) -> Floats:
    squares = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T
    kernel: Floats = np.exp(-np.maximum(squares, 0) / width)
    return kernel


@singledispatch
def coarse_values(spec: DataSpec, rows: NDArray[Any]) -> Floats:
    """Return the values by which rows `[N, ...]` are recognised, `[N, F]`: network input."""
    return spec.encode(rows).flatten(1).double().numpy()


@coarse_values.register
def _(spec: ImageSpec, rows: NDArray[Any]) -> Floats:
    """Return images averaged to at most GRID x GRID cells."""
    pictures = rows.astype(np.float64) / 127.5 - 1
    for axis in (1, 2):
        size = pictures.shape[axis]
        starts = np.arange(0, size, -(-size // GRID))
        sums = np.add.reduceat(pictures, starts, axis)
        counts = np.diff([*starts, size])
        pictures = sums / counts.reshape([-1 if k == axis else 1 for k in range(4)])
    return pictures.reshape(len(rows), -1)


@coarse_values.register
def _(spec: AudioSpec, rows: NDArray[Any]) -> Floats:
    """Return spectrograms, averaged as images."""
    return coarse_values.dispatch(ImageSpec)(spec, to_pictures(spec, rows))
