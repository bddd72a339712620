"""What is measured and what it is measured against: pictures by their row, wherever they come from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sparring.data.dataset import Dataset
from sparring.data.open import open_images
from sparring.data.reader_api import MODES
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.image_io import to_uint8
from sparring.measure.features.train_small import Fetch
from sparring.models.generator import CHUNK_SAMPLES, GeneratorModel

Tell = Callable[[int, int], None]
MOST_BYTES = 4 << 30
"""That samples may fill in memory."""
AT_ONCE = 100
TRAINING = 100_000
"""Training rows that samples are looked up among, at most."""


@dataclass(frozen=True)
class RowView:
    """Images uint8 `[H, W, C]` (or rows of values `[F]`) by their number, with labels; -1 = unlabelled."""

    fetch: Fetch
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def size(self) -> int:
        """Values in a row."""
        return int(self.fetch(np.zeros(1, np.int64)).size)

    def take(self, chosen: NDArray[np.int64]) -> RowView:
        """Some of them, in this order."""
        return RowView(lambda rows: self.fetch(chosen[rows]), self.labels[chosen])

    def chunks(self, on_progress: Tell = lambda done, of: None) -> Iterator[NDArray[Any]]:
        """All of them, some at a time."""
        for first in range(0, len(self), AT_ONCE):
            yield self.fetch(np.arange(first, min(first + AT_ONCE, len(self))))
            on_progress(min(first + AT_ONCE, len(self)), len(self))


def at_most(count: int, rows: RowView) -> RowView:
    """The rows, or so many of them drawn at random: the first may be of one class."""
    if len(rows) <= count:
        return rows
    return rows.take(np.sort(np.random.default_rng(0).permutation(len(rows))[:count]))


def of_array(array: NDArray[Any], labels: NDArray[np.int64] | None = None) -> RowView:
    """Rows of an array in memory."""
    return RowView(lambda rows: array[rows], np.full(len(array), -1) if labels is None else labels)


def of_images(images: Dataset) -> RowView:
    """One split of opened data."""
    return RowView(images.__getitem__, images.labels)


def of_model(model: GeneratorModel, count: int, seed: int, on_progress: Tell) -> RowView:
    """`count` samples: the same that `sparring sample -n count --seed seed` writes; told vectors, they have no labels."""
    spec = model.spec
    pixels = np.empty((count, spec.height, spec.width, spec.channels), np.uint8)
    labels = np.empty(count, np.int64)
    for first in range(0, count, CHUNK_SAMPLES):
        rows = slice(first, min(first + CHUNK_SAMPLES, count))
        z, y = model.draw_inputs(range(first, first + CHUNK_SAMPLES), seed)
        pixels[rows] = to_uint8(model.generate(z, y))[: count - first]
        labels[rows] = -1 if model.vectors else y[: count - first].numpy()
        on_progress(rows.stop, count)
    return of_array(pixels, labels)


@dataclass(frozen=True)
class Reference:
    """Real data, by what they are needed for."""

    real: RowView
    """What samples are held against."""
    floor: tuple[RowView, RowView]
    """Real against real: the first takes the samples' place."""
    training: RowView
    """What a generator may have seen."""
    held_out: RowView | None
    """What it has not; None where the data have no test split."""
    split: str
    floor_of: str
    """In words: which rows the floor compares."""


Split = Literal["test", "train", "all"]


def reference_of(data: Dataset, count: int, split: Split | None, seed: int) -> Reference:
    """Up to `count` rows of `split` (held-out ones where there are any), and other rows for the floor."""
    splits = data.report.splits
    split = split or ("test" if splits["test"] else "all")
    if split == "test" and not splits["test"]:
        raise UsageError(f"{data.report.source} has no test split: leave --split out, or take --split all")
    whole = data.split(None)
    if min(len(whole), 2 * len(data)) < 4:
        raise SparringError(
            f"{data.report.source} holds {len(data)} training images: 2 or more are needed, thousands are usual"
        )
    position = {int(row): k for k, row in enumerate(whole.rows)}
    of_split = whole if split == "all" else data.split(split)
    places = np.array([position[int(row)] for row in of_split.rows])
    order = np.random.default_rng([seed, 7]).permutation(places)
    chosen, everything = order[:count], of_images(whole)
    others = np.setdiff1d(np.arange(len(whole)), chosen)
    others = np.random.default_rng([seed, 8]).permutation(others)[:count]
    floor: tuple[RowView, RowView]
    if len(others) >= len(chosen) / 2:
        floor, floor_of = (everything.take(others), everything.take(chosen)), "other real images against the reference"
    else:
        halves = np.array_split(chosen, 2)
        floor = everything.take(halves[0]), everything.take(halves[1])
        floor_of = "one half of the reference against the other: of so few rows it reads worse than of all"
    held_out = of_images(data.split("test")) if splits["test"] else None
    return Reference(
        everything.take(chosen), floor, at_most(TRAINING, of_images(data.split("train"))), held_out, split, floor_of
    )


def open_pair(
    samples: str | Path, source: str | Path, size: tuple[int, int] | None, mode: str | None, on_progress: Tell
) -> tuple[Dataset, Dataset]:
    """Samples from files and data, of one shape; raises UsageError that names the shapes where they differ."""
    made = open_images(samples, size, mode, on_progress, keep_duplicates=True)
    data = open_images(source, size, mode, on_progress)
    if made.report.shape != data.report.shape:
        there, here = (f"{'x'.join(map(str, r.shape[:2]))} {r.mode}" for r in (made.report, data.report))
        height, width, _ = made.report.shape
        if made.report.shape[2] != data.report.shape[2] and made.report.mode not in MODES:
            raise UsageError(f"the samples are {there}, the data are {here}: they cannot be brought to one shape")
        flags = f"--size {height}x{width}" if made.report.shape[:2] != data.report.shape[:2] else ""
        flags += f" --mode {made.report.mode}" if made.report.mode != data.report.mode else ""
        raise UsageError(f"the samples are {there}, the data are {here}: {flags.strip()} brings both to one shape")
    return made, data


def check_memory(count: int, shape: tuple[int, int, int]) -> None:
    """Raise SparringError, with the number that fits, where so many samples do not fit into memory."""
    if count * math.prod(shape) > MOST_BYTES:
        raise SparringError(
            f"{count:,} samples of {shape[0]}x{shape[1]} take {count * math.prod(shape) / 1e9:.1f} GB: "
            f"-n {MOST_BYTES // math.prod(shape)} or fewer fit"
        )
