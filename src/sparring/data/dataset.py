"""A data set of any kind: rows in a file, with labels, names and splits; opened by `open_source`."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sparring.data.splits import UNSPLIT, some_labels
from sparring.data.store import open_store, store_for
from sparring.engine.data_spec import ConditionStats, spec_from_json
from sparring.engine.errors import UsageError

Split = Literal["train", "test"]


@dataclass(frozen=True)
class SourceReport:
    """What a source holds: what is used, what is skipped, and remarks. The JSON of `sparring inspect`."""

    source: str
    kind: str
    """Kind of data: image, audio, series, table or pair."""
    evidence: str
    """Why it was read as this kind."""
    format: str
    unit: str
    """What one example is called, in the plural."""
    used: int
    skipped: dict[str, list[str]]
    """Reason -> names."""
    shape: tuple[int, ...]
    """Shape of a stored row: height, width and channels of images."""
    mode: str
    """Mode of images; empty for other kinds."""
    shapes_found: dict[str, int]
    """Form (`HxW mode` of images, rate of recordings) -> number of examples."""
    classes: dict[str, int]
    """Class -> number of examples; empty where nothing is labelled."""
    unlabelled: int
    splits: dict[str, int]
    notes: list[str]
    fingerprint: str
    spec: dict[str, Any]
    """`spec_to_json` of all examples."""
    vectors: int = 0
    """Numbers in each label, where labels are vectors."""
    roles: list[tuple[str, str, int, str]] = field(default_factory=list)
    """What folders and files were taken for: place, role, examples in it, evidence."""
    copies: dict[str, str] = field(default_factory=dict)
    """Name of a file that is not used -> the equal one that is."""
    emptied: list[str] = field(default_factory=list)
    """Remarks on classes and splits of which nothing can be used."""
    unreadable: int = 0
    """Files that may be examples and cannot be read."""
    test_marked: bool = False
    """True where the source itself marks its test examples; else they were drawn from all."""

    streamed: bool = False
    """True where rows are decoded at each reading, and the cache has no copy of them."""

    @property
    def folder_name(self) -> str:
        """Name of the folder in the cache."""
        return f"{self.fingerprint}-streamed" if self.streamed else self.fingerprint

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.shape))  # JSON knows lists alone
        object.__setattr__(self, "roles", [tuple(role) for role in self.roles])


class Dataset:
    """Rows in a file, with labels and splits; memory does not grow with the size of the rows.

    Index it with an array of whole numbers for stored rows: uint8 images `[B, H, W, C]`, int16 recordings `[B, T]`,
    float32 series `[B, C, T]` or table rows `[B, F]`. `spec.encode` makes network input of them.
    """

    def __init__(
        self,
        folder: Path,
        report: SourceReport,
        split: Split | None = "train",
        label_fraction: float | None = None,
        *,
        vectors: bool = True,
    ) -> None:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        self.folder, self.report = folder, report
        rows, labels, splits = (np.load(folder / f"{name}.npy") for name in ("rows", "labels", "splits"))
        kept = np.ones(len(rows), bool) if split is None else splits == UNSPLIT[split]
        self._index: NDArray[np.int64] = np.flatnonzero(kept)
        self.rows: NDArray[np.int64] = rows[kept]
        """Numbers of the stored rows, `[N]`."""
        self.labels: NDArray[np.int64] = labels[kept]
        """Number of each example's class, `[N]`; -1 where it has none."""
        self.label_fraction = label_fraction
        self.vectors: NDArray[np.float32] | None = None
        """Vector labels `[N, K]`; None where there are none."""
        self.lengths: NDArray[np.int64] | None = None
        """Samples of each recording before its padding, `[N]`; None for other kinds."""
        if meta["lengths"]:
            self.lengths = np.load(folder / "lengths.npy")[kept]
        self.groups: NDArray[np.int64] | None = None
        """Number of each example's protected group, `[N]`; -1 where it is unknown. None: nothing is protected."""
        if report.spec.get("groups") is not None:
            self.groups = np.load(folder / "groups.npy")[kept]
        stats: ConditionStats = ()
        if vectors and report.vectors:
            every = np.load(folder / "vectors.npy")
            self.vectors = every[kept]
            stats = _mean_and_std(every[splits == UNSPLIT["train"]])
        if label_fraction is not None:
            if report.vectors:
                raise UsageError("--label-fraction is for classes: the labels of this source are vectors")
            self.labels = some_labels(self.labels, label_fraction)
        self.spec: Any = spec_from_json({**report.spec, "condition_stats": stats})
        """The `DataSpec` of this split; which one depends on the kind of data."""
        self._layout = store_for(self.spec)
        self._store = open_store(folder, meta)
        self._relabel(self.labels, tuple(report.classes) if (self.labels >= 0).any() else ())

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: NDArray[np.int64]) -> NDArray[Any]:
        rows = self.rows[index]
        stored = np.empty((len(rows), *self._layout.row_shape), self._layout.dtype)
        self._store.read(rows.tolist(), stored)
        return stored

    def conditions(self, index: NDArray[np.int64]) -> NDArray[np.int64] | NDArray[np.float32]:
        """Return the conditions of players: vectors float32 `[B, K]` if there are any, else labels int64 `[B]`."""
        return self.labels[index] if self.vectors is None else self.vectors[index]

    @property
    def fingerprint(self) -> str:
        """Digest of what the source holds and how it was read."""
        return self.report.fingerprint

    @property
    def skipped(self) -> dict[str, list[str]]:
        """What is not used: reason -> names."""
        return self.report.skipped

    @property
    def notes(self) -> list[str]:
        """Remarks on how the source was read."""
        return self.report.notes

    def split(self, name: Split | None) -> Dataset:
        """Return another split of the same source: "train", "test", or None for all."""
        if name not in (None, *UNSPLIT):
            raise UsageError(f"unknown split '{name}': train or test")
        return Dataset(self.folder, self.report, name, self.label_fraction, vectors=self.vectors is not None)

    def select(self, index: NDArray[np.int64]) -> Dataset:
        """Return the examples `index` of this split, in this order."""
        data = copy.copy(self)
        data.__dict__.pop("names", None)
        data._index, data.rows = self._index[index], self.rows[index]
        data.vectors = None if self.vectors is None else self.vectors[index]
        data.groups = None if self.groups is None else self.groups[index]
        data.lengths = None if self.lengths is None else self.lengths[index]
        data._relabel(self.labels[index], self.spec.classes)
        return data

    def without_vectors(self) -> Dataset:
        """Return the training examples, unlabelled where their labels are vectors."""
        return Dataset(self.folder, self.report, label_fraction=self.label_fraction, vectors=False)

    def with_labels(self, fraction: float | None) -> Dataset:
        """Return the training examples with this fraction of their labels; None: all that are there."""
        return Dataset(self.folder, self.report, label_fraction=fraction)

    def relabelled(self, labels: NDArray[np.int64], classes: tuple[str, ...]) -> Dataset:
        """Return the examples of this split with these labels `[N]`, numbers of `classes` or -1 for none."""
        data = copy.copy(self)
        data._relabel(labels, classes)
        return data

    def regrouped(self, groups: NDArray[np.int64], names: tuple[str, ...]) -> Dataset:
        """Return the examples of this split in these groups `[N]`, numbers of `names` or -1 for none."""
        data = copy.copy(self)
        data.groups, data.spec = groups, replace(self.spec, groups=names)
        return data

    def _relabel(self, labels: NDArray[np.int64], classes: tuple[str, ...]) -> None:
        unlabelled = int((labels < 0).sum()) if classes else 0
        self.labels = labels
        self.spec = replace(self.spec, classes=classes, count=len(labels), unlabelled=unlabelled)

    @cached_property
    def names(self) -> list[str]:
        """Name of each example in its source: a file's path, `array[row]`, or a line of a table."""
        every = json.loads((self.folder / "names.json").read_text(encoding="utf-8"))
        return [every[k] for k in self._index.tolist()]

    @property
    def class_counts(self) -> tuple[int, ...]:
        """Number of labelled examples of each class in this split."""
        return tuple(np.bincount(self.labels[self.labels >= 0], minlength=len(self.spec.classes)).tolist())


def _mean_and_std(vectors: NDArray[np.float32]) -> ConditionStats:
    """Mean and standard deviation of each column; 1 in place of a deviation of 0."""
    mean, std = vectors.mean(0, np.float64), vectors.std(0, np.float64)
    std[std == 0] = 1
    return tuple(zip(mean.tolist(), std.tolist(), strict=True))
