"""Show rows of a data set, of any kind: a grid of pictures, sounds, plots of series, rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.data.tables.write_cells import texts_of
from sparring.engine.data_spec import AudioSpec, DataSpec, ImageSpec, PairSpec, SeriesSpec, TableSpec
from sparring.engine.image_io import grid
from sparring.report.blocks import Block, Cell, Drawing, Gallery, Picture, Sound, Table, changed_cell
from sparring.report.format import number
from sparring.report.svg_plots import curve

PAIR_SIDE = 512
"""Largest width and height of a pair of images, in pixels; larger ones are scaled down."""
MAX_COLUMNS = 10
"""Largest number of columns of a table that are shown; those with changes come first."""
MAX_CHANNELS = 5
"""Largest number of channels of a series that are plotted."""
GRID_COLUMNS = 10
"""Largest number of pictures side by side."""
MAX_SOUNDS, MAX_SERIES, MAX_ROWS, MAX_PAIRS = 20, 12, 20, 6
"""Largest number of recordings, plots, table rows and pairs that are shown of those given."""


@singledispatch
def render(
    spec: DataSpec, rows: NDArray[Any], changed: NDArray[Any] | None = None, captions: Sequence[str] = ()
) -> Block:
    """Return a block that shows stored `rows` `[N, ...]` of a data set with this `spec`.

    `changed` `[N, ...]` are the same rows after an attack, shown beside or below them. `captions` are texts for each
    row; a grid of pictures has one caption with all distinct texts. Of many rows only the first ones are shown.
    """
    raise TypeError(f"no way to show data of kind {spec.kind}")


@render.register
def _(
    spec: ImageSpec, rows: NDArray[Any], changed: NDArray[Any] | None = None, captions: Sequence[str] = ()
) -> Picture:
    caption = ", ".join(dict.fromkeys(captions))
    if changed is None:
        return Picture(grid(rows, min(len(rows), GRID_COLUMNS)), caption, f"Images {caption}".rstrip())
    return Picture(grid(np.concatenate([rows, changed]), len(rows)), caption, "Images above changed ones")


@render.register
def _(
    spec: AudioSpec, rows: NDArray[Any], changed: NDArray[Any] | None = None, captions: Sequence[str] = ()
) -> Gallery:
    sounds = []
    for k, caption in enumerate(_texts(captions, len(rows))[:MAX_SOUNDS]):
        sounds.append(
            Sound.of_samples(rows[k], spec.rate, caption if changed is None else f"original {caption}".rstrip())
        )
        if changed is not None:
            sounds.append(Sound.of_samples(changed[k], spec.rate, f"changed {caption}".rstrip()))
    return Gallery(sounds, "pairs")


@render.register
def _(
    spec: SeriesSpec, rows: NDArray[Any], changed: NDArray[Any] | None = None, captions: Sequence[str] = ()
) -> Gallery:
    plots = []
    for k, caption in enumerate(_texts(captions, len(rows))[:MAX_SERIES]):
        lines = {name: list(enumerate(rows[k, c].tolist())) for c, name in enumerate(spec.channels[:MAX_CHANNELS])}
        if changed is not None:
            after = enumerate(spec.channels[:MAX_CHANNELS])
            lines |= {f"{name}, changed": list(enumerate(changed[k, c].tolist())) for c, name in after}
        plots.append(Drawing(curve(caption or f"series {k + 1}", lines, axis="steps")))
    return Gallery(plots, "curves")


@render.register
def _(spec: TableSpec, rows: NDArray[Any], changed: NDArray[Any] | None = None, captions: Sequence[str] = ()) -> Table:
    rows = rows[:MAX_ROWS]
    after = rows if changed is None else changed[:MAX_ROWS]
    before = [texts_of_row(spec, row) for row in rows]
    now = [texts_of_row(spec, row) for row in after]
    names = [column.name for column in spec.columns]
    counts = [sum(b[k] != a[k] for b, a in zip(before, now, strict=True)) for k in range(len(names))]
    columns = sorted(range(len(names)), key=lambda k: -counts[k])[:MAX_COLUMNS]
    lines: list[list[str | Cell]] = []
    for caption, b, a in zip(_texts(captions, len(rows))[:MAX_ROWS], before, now, strict=True):
        lines.append([*([caption] if captions else []), *(changed_cell(b[k], a[k]) for k in columns)])
    return Table(
        [*([""] if captions else []), *(names[k] for k in columns)], lines, "changes", named_rows=bool(captions)
    )


@render.register
def _(spec: PairSpec, rows: NDArray[Any], changed: NDArray[Any] | None = None, captions: Sequence[str] = ()) -> Gallery:
    """Show the halves of each pair beside each other."""
    figures, after = list[Block](), rows if changed is None else changed
    for k, caption in enumerate(_texts(captions, len(rows))[:MAX_PAIRS]):
        for (half, part), (_, other) in zip(spec.by_half(rows[k : k + 1]), spec.by_half(after[k : k + 1]), strict=True):
            figures.append(render(half, part, None if changed is None else other, [caption]))
    return Gallery(figures, "pairs")


@singledispatch
def render_pairs(
    spec: DataSpec, samples: NDArray[Any], nearest: NDArray[Any], distances: Sequence[float]
) -> list[Block]:
    """Show stored `samples` `[N, ...]`, each with its `nearest` training example and their distance."""
    return [render(spec, samples, nearest, [f"distance {number(distance)}" for distance in distances])]


@render_pairs.register
def _(
    spec: ImageSpec, samples: NDArray[Any], nearest: NDArray[Any], distances: Sequence[float]
) -> list[Block]:  # fmt: skip
    images = [grid(np.stack(pair), 2) for pair in zip(samples, nearest, strict=True)]
    for image in images:
        image.thumbnail((PAIR_SIDE, PAIR_SIDE))
    return [
        Picture(image, number(distance), f"A sample and its nearest training image at distance {number(distance)}")
        for image, distance in zip(images, distances, strict=True)
    ]


@render_pairs.register
def _(spec: AudioSpec, samples: NDArray[Any], nearest: NDArray[Any], distances: Sequence[float]) -> list[Block]:
    """Return a sample and its nearest training recording side by side, to listen to."""
    sounds = []
    for sample, recording, distance in zip(samples, nearest, distances, strict=True):
        sounds.append(Sound.of_samples(sample, spec.rate, f"sample, distance {number(distance)}"))
        sounds.append(Sound.of_samples(recording, spec.rate, "nearest training recording"))
    return [Gallery(sounds, "pairs")]


def _texts(captions: Sequence[str], count: int) -> Sequence[str]:
    return captions or [""] * count


def texts_of_row(spec: TableSpec, row: NDArray[Any]) -> list[str]:
    """Return the values of one row as the file has them, numbers as short as float32 allows."""
    return list(texts_of(spec, row))
