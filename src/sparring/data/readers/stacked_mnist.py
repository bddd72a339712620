"""Stacked MNIST: three digits as the channels of a picture, a thousand modes (Metz et al. 2017, section 3.3.1)."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from sparring.data.reader_api import RawDataset
from sparring.data.readers.array_dataset import ImageArrays, Part
from sparring.engine.errors import SparringError

FORMAT = "stacked MNIST"
COUNTS: dict[Literal["train", "test"], int] = {"train": 128_000, "test": 26_000}
"""The usual sizes (Lin et al. 2018, PacGAN, section 4)."""


def stacked(digits: RawDataset) -> ImageArrays:
    """Random triples of the digits of each split; a class is its three digits, first channel first."""
    if not isinstance(digits, ImageArrays) or any(part.labels is None for part in digits.parts):
        raise SparringError("stacked MNIST is made of labelled MNIST arrays, which were not found")
    return dataclasses.replace(digits, format=FORMAT, parts=[_triples(part) for part in digits.parts])


def _triples(part: Part) -> Part:
    assert part.labels is not None
    rows = np.random.default_rng(0).integers(0, len(part.images), (COUNTS[part.split], 3))
    images = np.stack([part.images[rows[:, k], :, :, 0] for k in range(3)], axis=-1)
    labels = ["".join(str(part.labels[row]) for row in triple) for triple in rows]
    return Part(f"stacked {part.name}", part.split, images, labels)
