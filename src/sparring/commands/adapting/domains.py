"""Open a labelled source and an unlabelled target of the same form, and hold out a fifth of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import singledispatch
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.data.dataset import Dataset
from sparring.data.joined import JoinedDomains, longer, moment_map
from sparring.data.labels import labels_as, read_labels
from sparring.data.open import guess_kind, open_source
from sparring.data.reader_api import ReadOptions
from sparring.engine.data_spec import DataSpec, ImageSpec, TableSpec
from sparring.engine.errors import SparringError, UsageError

HELD_OUT = 5
"""One row in this many is held out of training, in both domains."""
COMPARED = 100
"""Rows by which a target is compared with the source."""
MIN_ROWS = 20
"""Smallest number of labelled source rows, and of target rows."""


@dataclass(frozen=True)
class Domains:
    """A source, a target, both as one data set, and which of its rows are for training."""

    source: Dataset
    """Training rows of the source with the labels that are learnt from."""
    target: Dataset
    """Training rows of the target, without labels."""
    joined: JoinedDomains
    source_idx: NDArray[np.int64]
    """Labelled source rows to train on, as rows of `joined`."""
    source_held_out: NDArray[np.int64]
    target_idx: NDArray[np.int64]
    target_held_out: NDArray[np.int64]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        classes: tuple[str, ...] = self.joined.spec.classes
        return classes


def open_target(target: str | Path, source: str | Path, data: Dataset, options: ReadOptions) -> Dataset:
    """Return the target read as the source was: size and mode, rate, columns. Its labels are hidden.

    Raises UsageError, naming both, where kinds, shapes or classes disagree, SparringError where rows are too few.
    """
    kind, spec = data.spec.kind, data.spec
    like = replace(options, size=None, mode=None, label=None, resize=isinstance(spec, ImageSpec))
    try:
        if (other := guess_kind(target, like, spec)) != kind:
            raise UsageError(f"it holds {other} data, not {kind} data")
        opened = open_source(target, like, like=spec)
    except SparringError as error:
        classes = _listed(spec.classes)
        failure = UsageError if "unknown class" in str(error) else type(error)  # a table's rows of other classes
        raise failure(f"--adapt-to {target} does not fit {source} (classes {classes}): {error}") from error
    unknown = sorted(set(opened.report.classes) - set(spec.classes))
    if unknown:
        raise UsageError(
            f"--adapt-to {target} does not fit {source}: its classes are {_listed(opened.report.classes)}, those "
            f"of the source {_listed(spec.classes)}: give it the same classes, or no labels"
        )
    if longer(opened.spec, spec).shape != longer(spec, opened.spec).shape:
        raise UsageError(
            f"--adapt-to {target} has the shape {opened.spec.shape}, {source} has {spec.shape}: give one shape"
        )
    if Path(target).absolute() == Path(source).absolute() or _equal(opened, data):
        raise UsageError(f"--adapt-to {target} is the source itself: name other data, or leave it out")
    if len(opened) < MIN_ROWS:
        raise SparringError(
            f"{target} has {len(opened)} usable {opened.report.unit}: adaptation needs {MIN_ROWS} or more, hundreds "
            "are better"
        )
    return opened.relabelled(np.full(len(opened), -1), ())


def _equal(target: Dataset, source: Dataset) -> bool:
    """Return whether both hold the same rows, by their number and some of them."""
    idx = np.arange(min(len(source), COMPARED))
    return len(target) == len(source) and np.array_equal(target[idx], source[idx])


def join(source: Dataset, target: Dataset, *, mapped: bool = True) -> Domains:
    """Return both domains with a fifth of each held out: of each class in the source, at random in the target.

    With `mapped` the source passes `moment_map`. Raises SparringError where the source has too few labels.
    """
    labelled = np.flatnonzero(source.labels >= 0)
    if len(labelled) < MIN_ROWS:
        raise SparringError(f"the source has {len(labelled)} labels: adaptation needs {MIN_ROWS} or more")
    joined = JoinedDomains(source, target, moment_map(source.spec, source, target) if mapped else None)
    by_class = (labelled[source.labels[labelled] == k] for k in range(len(source.spec.classes)))
    source_held_out = np.concatenate([_every_fifth(rows, k) for k, rows in enumerate(by_class)])
    target_rows = np.arange(len(source), len(joined))
    target_held_out = _every_fifth(target_rows, -1)
    return Domains(
        source, target, joined, np.setdiff1d(labelled, source_held_out), np.sort(source_held_out),
        np.setdiff1d(target_rows, target_held_out), np.sort(target_held_out),
    )  # fmt: skip


def _every_fifth(rows: NDArray[np.int64], salt: int) -> NDArray[np.int64]:
    return np.random.default_rng([0, salt + 1]).permutation(rows)[: len(rows) // HELD_OUT]


def _listed(names: Any) -> str:
    shown = list(names)[:8]
    return ", ".join(map(str, shown)) + f" and {len(names) - 8:,} more" * (len(names) > 8)


@singledispatch
def preprocessing(spec: DataSpec, data: Domains, target: str) -> list[str]:
    """Return notes on how both domains become network input."""
    return ["both domains: normalised one by one, so no statistics of one domain are used for the other"]


@preprocessing.register
def _images(spec: ImageSpec, data: Domains, target: str) -> list[str]:
    shapes = ", ".join(data.target.report.shapes_found)
    return [
        f"target images ({shapes}) are read as {spec.height}x{spec.width} {spec.mode}, scaled by Lanczos where sizes "
        "differ; both domains: pixels from 0 to 255 become -1 to 1, and networks normalise each image by itself"
    ]


@preprocessing.register
def _rows(spec: TableSpec, data: Domains, target: str) -> list[str]:
    numeric = sum(not column.categories for column in spec.columns)
    return [
        f"{numeric} numeric columns: each domain is standardised by the mean and deviation of its rows "
        f"(source_only: by the source's); {len(spec.columns) - numeric} columns of categories stay as they are"
    ]


def target_labels(
    labels: str | Path, target: str | Path, source: Dataset, data: Dataset, options: ReadOptions
) -> tuple[Dataset, NDArray[np.int64]]:
    """Return target rows and their labels `[N]`, -1 = unknown, for the regret of a choice that is made.

    `labels` is a CSV of name,label; or the target itself, whose own labels are then read, those of its test split
    where it has one.
    """
    classes = source.spec.classes
    if Path(labels).absolute() != Path(target).absolute():
        values, _, _ = read_labels(Path(labels), data.names, classes)
        return data, values
    like = replace(options, size=None, mode=None, label=None, resize=isinstance(source.spec, ImageSpec))
    opened = open_source(target, like, like=source.spec)
    test = opened.split("test")
    used = test if (labels_as(classes, test) >= 0).any() else opened
    values = labels_as(classes, used)
    if not (values >= 0).any():
        raise UsageError(f"--target-labels {labels}: the target has no labels: give a CSV of name,label")
    return used, values
