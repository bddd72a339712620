"""Images that come as arrays already; the ground that IDX, CIFAR, NumPy and scikit-learn's digits share."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from sparring.data.files.archive import Skipped
from sparring.data.images.decode import to_mode
from sparring.data.images.scale import extent_of, merged, misfit, scale_as
from sparring.data.images.shape import ImageSource, shape_of
from sparring.data.mmap_io import let_go
from sparring.data.reader_api import MODES, Example, Extent, ReadResult, Shape, mode_of
from sparring.engine.errors import SparringError

if TYPE_CHECKING:
    from sparring.data.reader_api import Rows
    from sparring.engine.data_spec import DataSpec

BLOCK = 1024
APART = 1 / 32
"""Part of the highest value of all below which the highest of one part is remarkable."""


@dataclass
class Part:
    """One split: images `[N, H, W, C]` of any number type; labels `[N]`, or vectors float32 `[N, K]`, or neither."""

    name: str
    split: Literal["train", "test"]
    images: NDArray[Any]
    labels: Sequence[str | None] | None = None
    vectors: NDArray[np.float32] | None = None
    notes: Sequence[str] = ()
    """Remarks on how the array was understood."""

    def __post_init__(self) -> None:
        for labels_given in (self.labels, self.vectors):
            if labels_given is not None and len(labels_given) != len(self.images):
                raise SparringError(
                    f"labels do not match: {self.name} has {len(self.images):,} images and {len(labels_given):,} labels"
                )


@dataclass
class ImageArrays(ImageSource):
    """Images in arrays, in one part a split."""

    format: str
    parts: list[Part]
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.notes += dict.fromkeys(note for part in self.parts for note in part.notes)
        self.items = [
            Example(f"{part.name}[{row}]", part.split, part.labels[row] if part.labels is not None else None)
            for part in self.parts
            for row in range(len(part.images))
        ]

    @property
    def vectors(self) -> NDArray[np.float32] | None:
        """The vector label of each item; None unless all parts have them."""
        labels_given = [part.vectors for part in self.parts if part.vectors is not None]
        return np.concatenate(labels_given) if labels_given and len(labels_given) == len(self.parts) else None

    def survey(self) -> Counter[Shape]:
        """Return the one shape of each part."""
        shapes: Counter[Shape] = Counter()
        for part in self.parts:
            _, height, width, channels = part.images.shape
            mode = mode_of(channels) or f"{channels} channels"
            shapes[Shape(height, width, mode)] += len(part.images)
        return shapes

    def alpha(self) -> Iterator[NDArray[Any]]:
        """Yield the last channel of the first images of each part."""
        for part in self.parts:
            yield np.asarray(part.images[:BLOCK, ..., -1])

    def ingest(self, rows: Rows, spec: DataSpec, on_progress: Callable[[int], None]) -> list[ReadResult]:
        """Copy the arrays into the rows, block by block."""
        outcomes: list[ReadResult] = []
        shape = shape_of(spec)
        extents = {k: extent for k, part in enumerate(self.parts) if (extent := self._extent(part))}
        if extents:
            self._set_scales(list(extents.values()), len(self.parts))
            self.notes += _apart({self.parts[k].name: extent for k, extent in extents.items()})
        for k, part in enumerate(self.parts):
            for some in _blocks(part.images):
                block = self._to_bytes(some, extents.get(k))
                if block.shape[1:] != rows.shape[1:]:
                    block = np.stack([_fit(image, shape) for image in block])
                rows[len(outcomes) : len(outcomes) + len(block)] = block
                outcomes += [ReadResult(hashlib.blake2b(block.tobytes(), digest_size=16).hexdigest())] * len(block)
                let_go(rows)
                on_progress(len(outcomes))
        return outcomes

    def _extent(self, part: Part) -> Extent | None:
        """Return the range of numbers that are no bytes by their type; raises SparringError where they do not fit."""
        if part.images.dtype in (np.uint8, bool) or not len(part.images):
            return None
        try:
            extent = merged(extent_of(block) for block in _blocks(part.images))
        except ValueError as error:
            raise SparringError(f"{part.name} {error} (NaN or infinity): mend it first") from None
        if self._like and scale_as(self._like, extent) is None:
            raise SparringError(f"{part.name} {misfit(extent)}")
        return extent

    def _to_bytes(self, block: NDArray[Any], extent: Extent | None) -> NDArray[np.uint8]:
        """Return numbers by the scale of all parts; booleans as 0 and 255."""
        if extent and self._scales:
            return self._scales.of(extent)(block)
        return block.astype(np.uint8) * np.uint8(255) if block.dtype == bool else block


def _apart(extents: dict[str, Extent]) -> list[str]:
    """Return a note on parts whose values end far below those of others of their type: scaled otherwise, it seems."""
    notes = []
    for name, extent in extents.items():
        highest = max(other.high for other in extents.values() if other.floating is extent.floating)
        if 0 < extent.high < highest * APART:
            notes.append(
                f"the values of {name} end at {extent.high:g}, those of other parts at {highest:g}: if it is scaled "
                "otherwise, bring all to one scale"
            )
    return notes


def _blocks(images: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Return some images at a time; where they lie in a map, its pages go before the next."""
    for start in range(0, len(images), BLOCK):
        yield images[start : start + BLOCK]
        let_go(images)


def _fit(image: NDArray[np.uint8], shape: Shape) -> NDArray[np.uint8]:
    channels = image.shape[2]
    size = shape.width, shape.height
    if shape.mode in MODES:
        picture = to_mode(Image.fromarray(image.squeeze(2) if channels == 1 else image), shape.mode)
        if picture.size != size:
            picture = ImageOps.fit(picture, size, Image.Resampling.LANCZOS)
        return np.asarray(picture).reshape(shape.height, shape.width, -1)
    planes = [ImageOps.fit(Image.fromarray(image[..., c]), size, Image.Resampling.LANCZOS) for c in range(channels)]
    return np.stack([np.asarray(plane) for plane in planes], -1)
