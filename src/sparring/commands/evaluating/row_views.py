"""Views of rows by index: samples, and the real data that they are compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sparring.data.dataset import Dataset
from sparring.data.store import store_for
from sparring.engine import dist
from sparring.engine.data_spec import DataSpec
from sparring.engine.errors import SparringError, UsageError
from sparring.measure.features.train_small import Fetch
from sparring.models.density import DensityModel
from sparring.models.generator import GeneratorModel

OnProgress = Callable[[int, int], None]
MAX_SAMPLE_BYTES = 4 << 30
"""Largest size of the samples of a run, which are held in memory."""
CHUNK_ROWS = 100
MAX_TRAINING_ROWS = 100_000
"""Largest number of training rows among which copies are looked for."""


@dataclass(frozen=True)
class RowView:
    """Rows by index, with their labels."""

    fetch: Fetch
    """Map of indices int64 `[B]` to rows `[B, ...]`."""
    labels: NDArray[np.int64]
    """Number of the class of each row, `[N]`; -1 where it has none."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def row_values(self) -> int:
        """Number of values in a row."""
        return int(self.fetch(np.zeros(1, np.int64)).size)

    def take(self, idx: NDArray[np.int64]) -> RowView:
        """Return the rows `idx`, in this order."""
        return RowView(lambda rows: self.fetch(idx[rows]), self.labels[idx])

    def map(self, function: Callable[[NDArray[Any]], NDArray[Any]]) -> RowView:
        """Return a view of `function` of the rows."""
        return RowView(lambda rows: function(self.fetch(rows)), self.labels)

    @property
    def chunk_count(self) -> int:
        """Number of chunks of CHUNK_ROWS rows."""
        return -(-len(self) // CHUNK_ROWS)

    def chunk(self, number: int) -> NDArray[Any]:
        """Return the rows of one chunk."""
        return self.fetch(np.arange(number * CHUNK_ROWS, min((number + 1) * CHUNK_ROWS, len(self))))

    def chunks(self) -> Iterator[NDArray[Any]]:
        """Yield all rows, CHUNK_ROWS at a time."""
        return map(self.chunk, range(self.chunk_count))


def at_most(count: int, rows: RowView) -> RowView:
    """Return the rows, or `count` of them drawn at random."""
    if len(rows) <= count:
        return rows
    return rows.take(np.sort(np.random.default_rng(0).permutation(len(rows))[:count]))


def of_array(array: NDArray[Any], labels: NDArray[np.int64] | None = None) -> RowView:
    """Return a view of an array in memory."""
    return RowView(lambda rows: array[rows], np.full(len(array), -1) if labels is None else labels)


def of_dataset(data: Dataset) -> RowView:
    """Return a view of the stored rows of one split."""
    return RowView(data.__getitem__, data.labels)


def of_model(model: GeneratorModel, count: int, seed: int, on_progress: OnProgress) -> RowView:
    """Draw `count` samples, those of `sparring sample -n count --seed seed`; samples of vectors have no labels."""
    check_memory(count, model.spec)
    size = model.chunk_samples

    def of_chunk(number: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
        first = number * size
        z, y = model.draw_inputs(range(first, first + size), seed)
        rows = model.spec.decode(model.generate(z, y))[: count - first]
        on_progress(min(first + size, count), count)
        return rows, np.full(len(rows), -1) if model.vectors else y[: count - first].numpy()

    rows, labels = zip(*dist.shared(of_chunk, -(-count // size)), strict=True)
    return of_array(np.concatenate(rows), np.concatenate(labels))


def as_observed(model: DensityModel, rows: RowView) -> RowView:
    """Return real rows as a density model sees them: binary ones of a model of binary images."""

    def fetch(idx: NDArray[np.int64]) -> NDArray[Any]:
        return model.spec.decode(model.observe(model.spec.encode(rows.fetch(idx)), idx))  # type: ignore[no-any-return]

    return RowView(fetch, rows.labels) if model.binary else rows


def check_memory(count: int, spec: DataSpec) -> None:
    """Raise SparringError, with the number that fits, where `count` samples need too much memory."""
    row_bytes = store_for(spec).row_bytes
    if count * row_bytes > MAX_SAMPLE_BYTES:
        raise SparringError(
            f"{count:,} samples need {count * row_bytes / 1e9:.1f} GB: -n {MAX_SAMPLE_BYTES // row_bytes} or fewer fit"
        )


@dataclass(frozen=True)
class Reference:
    """Real data, by their use."""

    real: RowView
    """Rows that samples are compared with."""
    real_pair: tuple[RowView, RowView]
    """Two sets of real rows, whose score is the real-vs-real baseline; the first stands for the samples."""
    training: RowView
    """Rows that a generator was trained on."""
    held_out: RowView | None
    """Rows that it was not trained on; None where the data have no test split."""
    split: str
    """Split of `real`."""
    pair_rows: str
    """Description of `real_pair`."""

    def map(self, function: Callable[[NDArray[Any]], NDArray[Any]]) -> Reference:
        """Return the reference of `function` of the rows."""
        return self.map_views(lambda rows: rows.map(function))

    def map_views(self, function: Callable[[RowView], RowView]) -> Reference:
        """Return the reference of `function` of each set of rows."""
        first, second = map(function, self.real_pair)
        held_out = function(self.held_out) if self.held_out is not None else None
        return Reference(
            function(self.real), (first, second), function(self.training), held_out, self.split, self.pair_rows
        )


Split = Literal["test", "train", "all"]


def reference_of(data: Dataset, count: int, split: Split | None, seed: int) -> Reference:
    """Draw up to `count` rows of `split`, and others for the baseline; by default of the test split, if there is one.

    Raises UsageError where `split` is "test" and there is none, SparringError on data of fewer than two rows.
    """
    splits = data.report.splits
    split = split or ("test" if splits["test"] else "all")
    if split == "test" and not splits["test"]:
        raise UsageError(f"{data.report.source} has no test split: leave --split out, or use --split all")
    full = data.split(None)
    if min(len(full), 2 * len(data)) < 4:
        raise SparringError(
            f"{data.report.source} holds {len(data)} training {data.report.unit}: 2 or more are needed, thousands "
            "are usual"
        )
    position = {int(row): k for k, row in enumerate(full.rows)}
    of_split = full if split == "all" else data.split(split)
    idx = np.array([position[int(row)] for row in of_split.rows])
    selected = np.random.default_rng([seed, 7]).permutation(idx)[:count]
    rows = of_dataset(full)
    others = np.setdiff1d(np.arange(len(full)), selected)
    others = np.random.default_rng([seed, 8]).permutation(others)[:count]
    pair: tuple[RowView, RowView]
    if len(others) >= len(selected) / 2:
        pair, pair_rows = (
            (rows.take(others), rows.take(selected)),
            f"other real {data.report.unit} against the reference",
        )
    else:
        halves = np.array_split(selected, 2)
        pair = rows.take(halves[0]), rows.take(halves[1])
        pair_rows = "one half of the reference against the other: with fewer rows the baseline is worse"
    held_out = of_dataset(data.split("test")) if splits["test"] else None
    training = at_most(MAX_TRAINING_ROWS, of_dataset(data.split("train")))
    return Reference(rows.take(selected), pair, training, held_out, split, pair_rows)
