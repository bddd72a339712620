"""One numeric scale for a whole source: which values become 0 and 255, chosen by what all its files or arrays hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparring.data.mmap_io import let_go
from sparring.data.reader_api import Extent
from sparring.engine.data_spec import ImageSpec

DIM = 32
"""Bytes below this alone are stretched, or are near-black."""
BRIGHT = 128.0
"""Numbers between bytes, of which the largest is this or more and at most 255, are bytes with a fraction."""
HAIR = 0.05
"""Part of the range by which floats may leave [0, 1] or [-1, 1] and still be meant so."""
FROM_ZERO = 1 / 8
"""A lowest value below this part of the highest one counts as 0."""
FEW_LEVELS = 8
"""Levels between the first and the last percentile below which a scale is spoilt by outliers."""
CHUNK_ROWS, LOOKED_AT = 1024, 512


class Scale(NamedTuple):
    """Values that become 0 and 255."""

    low: float
    high: float

    def __call__(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Return values of any shape as bytes; those beyond the scale are clipped."""
        scaled = (values.astype(np.float64) - self.low) * (255 / (self.high - self.low))
        return scaled.round().clip(0, 255).astype(np.uint8)

    def __str__(self) -> str:
        return f"values from {self.low:g} to {self.high:g} became 0 to 255"

    @property
    def is_plain(self) -> bool:
        """True for bytes, and for floats from 0 to 1, which every tool takes for the same pictures."""
        return self in (BYTES, UNIT)

    def clips(self, extent: Extent) -> bool:
        """Return True where values lie beyond the scale by more than a hair."""
        hair = HAIR * (self.high - self.low)
        return extent.low < self.low - hair or extent.high > self.high + hair


BYTES, UNIT = Scale(0.0, 255.0), Scale(0.0, 1.0)


class Scales(NamedTuple):
    """Scales of whole-number types and of floats, which may both be in one source."""

    whole: Scale
    floating: Scale

    def of(self, extent: Extent) -> Scale:
        """Return the scale for values of this extent."""
        return self.floating if extent.floating else self.whole

    @property
    def kept(self) -> tuple[float, float] | None:
        """Scale that a model has to remember; None where all is plain."""
        return next((scale for scale in self if not scale.is_plain), None)


def extent_of(values: NDArray[Any]) -> Extent:
    """Return the range of numbers of any shape; raises ValueError where some are not finite, or there are none."""
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high, high - low]).all():
        raise ValueError("holds values that are no finite numbers")
    floating = values.dtype.kind == "f"
    return Extent(low, high, not floating or bool((values == np.round(values)).all()), floating)


def merged(extents: Iterable[Extent]) -> Extent:
    """Return one extent that holds all of these."""
    lows, highs, whole, floating = zip(*extents, strict=True)
    return Extent(min(lows), max(highs), all(whole), any(floating))


def scale_of(extent: Extent) -> Scale:
    """Return the scale of numbers that are no bytes by their type.

    Floats in [0, 1] or [-1, 1], whole numbers from 0 to 255, and others up to 255 keep the scale that their range is
    known for. All others are scaled by their range.
    """
    low, high, whole, floating = extent
    if floating and low >= -HAIR and DIM / 255 <= high <= 1 + HAIR:
        return Scale(min(low, 0.0), max(high, 1.0))
    if floating and -1 - HAIR <= low < -0.5 and high <= 1 + HAIR:
        return Scale(min(low, -1.0), max(high, 1.0))
    if low >= 0 and high <= 255 and (whole or high >= BRIGHT):
        return BYTES
    low = 0.0 if 0 < low < FROM_ZERO * high else low
    return Scale(low, high if high > low else low + 1)


def choose_scales(extents: Iterable[Extent], like: ImageSpec | None = None) -> Scales:
    """Return the scales of a source whose parts have these extents: one, unless floats and whole numbers differ.

    `like`: as the training data of a model were scaled, which all parts fit (`scale_as`).
    """
    groups = list(_by_type(list(extents)))
    if like is not None:
        scales = [scale_as(like, merged(some)) or BYTES for some in groups]
    else:
        scales = [scale_of(merged(some)) for some in groups]
        if len(scales) == 2 and not any(scale.is_plain for scale in scales):
            scales = [scale_of(merged(groups[0] + groups[1]))]
    return Scales(scales[0], scales[-1])


def scale_as(like: ImageSpec, extent: Extent) -> Scale | None:
    """Return the scale that a model's training data had; None where values of this `extent` do not fit it."""
    low, high, whole, floating = extent
    if like.scale is None:
        if floating and low >= -HAIR and high <= 1 + HAIR:
            return UNIT
        return BYTES if low >= -HAIR and high <= 255 else None
    if is_dim(like) and whole and low >= 0 and high <= 255:  # bytes, in a type that is wider than these
        return BYTES
    return Scale(*like.scale)


def is_dim(like: ImageSpec) -> bool:
    """Return True where the training data were bytes that had to be stretched."""
    return like.scale is not None and like.scale[0] == 0 and like.scale[1] < DIM


def misfit(extent: Extent) -> str:
    """Return why values do not fit a model that was trained on bytes, in words that follow their name."""
    return (
        f"holds values from {extent.low:g} to {extent.high:g}, the model was trained on bytes: "
        "save it as uint8 (0 to 255), or as floats from 0 to 1, by one scale for all"
    )


def stretch_dim(rows: NDArray[np.uint8], used: NDArray[np.int64], like: ImageSpec | None) -> Scale | None:
    """Stretch stored bytes that are all below DIM to 0 to 255, in place; return the scale, None where none is needed.

    `like`: as its training data were, where these bytes fit in their scale.
    """
    if like is not None and not is_dim(like):
        return None
    highest = 0
    for idx in _chunks(used):
        highest = max(highest, int(rows[idx].max()))
        if highest >= DIM:
            return None
    if highest == 0 or (like is not None and like.scale is not None and highest > like.scale[1]):
        return None
    scale = Scale(*like.scale) if like is not None and like.scale is not None else Scale(0.0, float(highest))
    for idx in _chunks(used):
        rows[idx] = scale(rows[idx])
        let_go(rows)
    return scale


def remarks(rows: NDArray[np.uint8], used: NDArray[np.int64], *, scaled: bool) -> list[str]:
    """Return what is wrong with the brightness of stored images, by an evenly spaced sample of them."""
    sample = rows[used[:: -(-len(used) // LOOKED_AT)]]
    flat = sample.reshape(len(sample), -1, sample.shape[-1])
    constant = int((flat.min(1) == flat.max(1)).all(1).sum())
    notes = []
    if constant == len(sample):
        notes.append(f"every image is of one colour ({_colour(flat[0, 0])}): there is nothing to see in them")
    elif constant > len(sample) / 10:
        notes.append(f"{constant:,} of {len(sample):,} images looked at are of one colour each")
    if 0 < (brightest := int(sample.max())) < DIM:
        notes.append(f"the images are nearly black: the brightest value is {brightest} of 255")
    low, high = np.percentile(sample, [1, 99])
    if scaled and high - low < FEW_LEVELS and constant < len(sample):
        notes.append(
            f"nearly all values fall into {int(high - low) + 1} of 256 levels: a few values far away set the scale: "
            "clip them first"
        )
    return notes


def _colour(pixel: NDArray[np.uint8]) -> str:
    names = {0: "black", 255: "white"}
    return names.get(int(pixel[0]), str(pixel.tolist())) if (pixel == pixel[0]).all() else str(pixel.tolist())


def _by_type(extents: list[Extent]) -> Iterator[list[Extent]]:
    for floating in (False, True):
        if some := [extent for extent in extents if extent.floating is floating]:
            yield some


def _chunks(used: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    return (used[start : start + CHUNK_ROWS] for start in range(0, len(used), CHUNK_ROWS))
