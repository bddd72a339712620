"""A simple generator of recordings: a Gaussian of the spectrograms of each word, made audible by the codec."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sparring.measure.rivals.rivals import LabelledRows
from sparring.nets.mel_codec import codec_for, to_pictures

MAX_DIRECTIONS = 50
"""Largest number of principal components of the spectrograms of a word."""
MAX_SAMPLES = 1000
"""Largest number of samples: a synthesis takes about 10 ms."""
CHUNK_ROWS = 64


def gaussian(spec: Any, training: LabelledRows, count: int, rng: np.random.Generator) -> LabelledRows:
    """Draw recordings from the principal components of the spectrograms of each class, with its frequency."""
    pictures = to_pictures(spec, training.rows)[..., 0].astype(np.float32) / 127.5 - 1
    flat = pictures.reshape(len(pictures), -1)
    labels = training.labels[rng.integers(len(training), size=min(count, MAX_SAMPLES))]
    sampled = np.empty((len(labels), flat.shape[1]), np.float32)
    for label in np.unique(labels):
        sampled[labels == label] = _sample(flat[training.labels == label], int((labels == label).sum()), rng)
    codec = codec_for(spec)
    x = torch.from_numpy(sampled.clip(-1, 1).reshape(len(sampled), *codec.shape))
    rows = np.concatenate([spec.decode(codec.decode(part)) for part in torch.split(x, CHUNK_ROWS)])
    return LabelledRows(rows, labels)


def _sample(x: NDArray[np.float32], count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw rows from the Gaussian with the mean and the largest principal components of `x` `[N, F]`."""
    mean = x.mean(0)
    _, scale, directions = np.linalg.svd(x - mean, full_matrices=False)
    k = min(MAX_DIRECTIONS, len(scale))
    noise = rng.standard_normal((count, k)) * scale[:k] / max(len(x) - 1, 1) ** 0.5
    sampled: NDArray[np.float32] = (mean + noise @ directions[:k]).astype(np.float32)
    return sampled
