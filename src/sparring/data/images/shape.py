"""The size and mode that images are brought to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sparring.data.images.decode import decode_all
from sparring.data.images.scale import BYTES, Scales, choose_scales, misfit, remarks, scale_as, stretch_dim
from sparring.data.reader_api import MODES, Extent, RawDataset, ReadOptions, ReadResult, Shape, mode_of
from sparring.engine.data_spec import DataSpec, ImageSpec
from sparring.engine.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparring.data.files.archive import Container
    from sparring.data.reader_api import Rows

MAX_AUTO_SIDE, AUTO_SIDE = 128, 64
"""Pixels: images of one size up to 128 are taken as they are; others are brought to 64 on the longer side."""
MOSTLY = 0.9
"""Fraction of images of one size that makes it the size: the few others are scaled."""


FOURTH_CHANNEL = (
    "the last channel is nowhere opaque, or nearly everywhere half transparent: it is kept as data; --mode L or RGB "
    "lays it over white, as transparency"
)
MOSTLY_HALF = 0.5
"""Part of the pixels that are neither opaque nor transparent, above which an alpha channel holds data."""


class ImageSource(RawDataset):
    """Base of readers of images: brings all to one size and mode."""

    unit = "images"
    held_out = None
    _shapes: Counter[Shape]
    _like: ImageSpec | None = None
    _scales: Scales | None = None
    """Scales of what was no byte by its type."""

    def survey(self) -> Counter[Shape]:
        """Count the sizes and modes, by headers, of a sample where there are very many."""
        raise NotImplementedError

    def plan(self, options: ReadOptions, like: DataSpec | None) -> ImageSpec:
        """Choose size and mode by what most images have, unless they are given."""
        _check_options(options)
        self._shapes = self.survey()
        size, mode = options.size, options.mode
        if isinstance(like, ImageSpec):
            self._like = like
            size, mode = (like.height, like.width), like.mode or mode_of(like.channels)
            if not (options.resize or like.scaled):
                _check_same(self._shapes, like)
            mode = mode if mode in MODES else None
        if mode is None and (mode := self._mode_of_data()):
            self.notes.append(FOURTH_CHANNEL)
        shape, notes = choose_shape(self._shapes, size, mode) if self._shapes else (Shape(1, 1, "L"), [])
        self.notes += notes
        channels = MODES.get(shape.mode) or int(shape.mode.split()[0])
        scaled = set(self._shapes) != {shape}
        return ImageSpec(shape.height, shape.width, channels, mode=shape.mode, scaled=scaled)

    def alpha(self) -> Iterable[NDArray[Any]]:
        """Yield the alpha channels of some images, where they have one; 255 (or 1, or 65535) is opaque."""
        raise NotImplementedError

    def _mode_of_data(self) -> str | None:
        """Return the mode that keeps the last channel, where all images have one that is no transparency."""
        modes = {shape.mode for shape in self._shapes}
        if len(modes) != 1 or not modes <= {"LA", "RGBA"} or not holds_data(self.alpha()):
            return None
        return modes.pop()

    def decode_files(
        self, container: Container, rows: Rows | None, spec: DataSpec, on_progress: Callable[[int], None],
        workers: int | None = None,
    ) -> list[ReadResult]:  # fmt: skip
        """Decode the items into their rows; those of more than 8 bits last, when the range of all of them is known."""
        names, shape = [item.name for item in self.items], shape_of(spec)
        results = decode_all(container, names, rows, shape, on_progress, workers)
        extents = {row: result.extent for row, result in enumerate(results) if result.extent}
        for row in [row for row, extent in extents.items() if self._like and scale_as(self._like, extent) is None]:
            results[row] = ReadResult(reason=misfit(extents.pop(row)))
        if extents and rows is None:
            raise UsageError("images of more than 8 bits are stored as bytes of one scale: leave out --stream")
        if extents:
            self._set_scales(list(extents.values()), len(results))
            wide = list(extents)
            again = decode_all(
                container, [names[row] for row in wide], rows, shape, lambda done: None, workers,
                numbers=wide, scales=self._scales,
            )  # fmt: skip
            for row, result in zip(wide, again, strict=True):
                results[row] = result
        return results

    def _set_scales(self, extents: list[Extent], count: int) -> None:
        """Choose the scales of values of these extents, in that many parts of `count`; and note them."""
        self._scales = scales = choose_scales(extents, self._like)
        some = f" in {len(extents):,} of {count:,}, in which they are no bytes" if len(extents) < count else ""
        self.notes += [f"{scale}{some}" for scale in dict.fromkeys(scales) if scale != BYTES]
        if self._like and (beyond := sum(scales.of(extent).clips(extent) for extent in extents)):
            self.notes.append(
                f"values beyond the scale of the model's training data were clipped, in {beyond:,} of {count:,}"
            )

    def finish(self, spec: DataSpec, rows: Rows, used: NDArray[np.int64], train: NDArray[np.int64]) -> DataSpec:
        """Return the spec with the scale of the values; bytes that use few of 255 levels are stretched in `rows`."""
        assert isinstance(spec, ImageSpec)
        kept = self._scales.kept if self._scales else None
        if kept is None and (dim := stretch_dim(rows, used, self._like)):
            self.notes.append(str(dim))
            kept = dim
        self.notes += remarks(rows, used, scaled=kept is not None)
        return replace(spec, scale=self._like.scale if self._like else kept)

    def forms(self) -> dict[str, int]:
        """Count the sizes and modes that were found."""
        return {f"{s.height}x{s.width} {s.mode}": count for s, count in self._shapes.most_common()}


def holds_data(alphas: Iterable[NDArray[Any]]) -> bool:
    """Return True where alpha channels cannot be transparency: no pixel is opaque, or most are in between."""
    values = [alpha.reshape(-1)[: 1 << 16] for alpha in alphas]
    if not values:
        return False
    every = np.concatenate(values)
    opaque = next((top for top in (1, 255, 65535) if every.max(initial=0) <= top), np.inf)
    opaque = {"uint8": 255, "uint16": 65535}.get(every.dtype.name, opaque)
    return bool((every < opaque).all() or ((every > 0) & (every < opaque)).mean() > MOSTLY_HALF)


def shape_of(spec: DataSpec) -> Shape:
    """Return the size and mode of images."""
    assert isinstance(spec, ImageSpec)
    return Shape(spec.height, spec.width, spec.mode)


def parse_size(size: str | int | tuple[int, int] | None) -> tuple[int, int] | None:
    """Parse `"HxW"`, or one number for a square, as (height, width)."""
    if isinstance(size, int):
        size = str(size)
    if not isinstance(size, str):
        return size
    parts = size.lower().split("x")
    if not (len(parts) in (1, 2) and all(part.isascii() and part.isdigit() and len(part) < 9 for part in parts)):
        raise UsageError(f"--size {size} is not understood: write HxW, such as 64x48, or one number for a square")
    return int(parts[0]), int(parts[-1])


def choose_shape(shapes: Counter[Shape], size: tuple[int, int] | None, mode: str | None) -> tuple[Shape, list[str]]:
    """Choose the shape to train in, of those that were found; and notes on the choice."""
    notes = []
    sizes = Counter({(s.height, s.width): 0 for s in shapes})
    for s, count in shapes.items():
        sizes[s.height, s.width] += count
    if size is None:
        (height, width), most = sizes.most_common(1)[0]
        if most < MOSTLY * sizes.total() or max(height, width) > MAX_AUTO_SIDE:
            aspect = float(np.median(np.repeat([h / w for h, w in sizes], list(sizes.values()))))
            side = min(AUTO_SIDE, max(max(pair) for pair in sizes))
            size = (side, max(round(side / aspect), 1)) if aspect >= 1 else (max(round(side * aspect), 1), side)
            sizes_note = f"{len(sizes)} sizes were found" if len(sizes) > 1 else f"all images are {height}x{width}"
            notes.append(f"{sizes_note}; {size[0]}x{size[1]} was chosen, --size HxW takes another")
        else:
            size = height, width
    if {(s.height, s.width) for s in shapes} != {size}:
        notes.append(f"images of other sizes are scaled to cover {size[0]}x{size[1]} and cropped to the centre")
    modes = {s.mode for s in shapes}
    if invalid := next((m for m in modes if m not in MODES), None):
        if mode is not None or len(modes) > 1:
            raise UsageError(f"arrays of {invalid} train as they are, alone and without --mode")
        return Shape(*size, invalid), notes
    if mode is None:
        mode = "L" if modes <= {"L", "LA"} else "RGB"
        if modes & {"LA", "RGBA"}:
            notes.append(
                f"transparency is laid over white; --mode {'LA' if mode == 'L' else 'RGBA'} keeps it as a channel"
            )
        if len(modes) > 1:
            notes.append(f"{len(modes)} modes were found ({', '.join(sorted(modes))}); all become {mode}")
    return Shape(*size, mode), notes


def _check_options(options: ReadOptions) -> None:
    size, mode = options.size, options.mode
    if size is not None and not all(1 <= side <= 16384 for side in size):
        raise UsageError(f"size {size[0]}x{size[1]} is out of range: each side is 1 to 16384")
    if mode is not None and mode not in MODES:
        raise UsageError(f"unknown mode '{mode}': one of {', '.join(MODES)}")


def _check_same(shapes: Counter[Shape], like: ImageSpec) -> None:
    """Raise UsageError where images differ from those that `like` describes."""
    expected = Shape(like.height, like.width, like.mode or str(mode_of(like.channels)))
    if invalid := next((shape for shape in shapes if shape != expected), None):
        raise UsageError(
            f"the source holds images of {invalid.height}x{invalid.width} {invalid.mode}, the model was trained on "
            f"{like.height}x{like.width} {expected.mode}: --resize brings them to that in predict, certify and attack"
        )
