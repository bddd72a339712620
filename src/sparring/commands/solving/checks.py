"""Check that a task was understood and that its test figure holds: leaks, simple classifiers, controls."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import adaptive_avg_pool2d

from sparring.commands.solving.check_columns import MAX_NAMED, MAX_ROWS, at_most, check_columns, columns_of
from sparring.commands.solving.task import Task
from sparring.data.dataset import Dataset
from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions
from sparring.data.store import store_for
from sparring.engine.data_spec import AudioSpec, DataSpec, ImageSpec
from sparring.measure.classifier.baselines import SHUFFLED, Baseline, baselines, chance
from sparring.measure.diagnostics.finding import Finding, Severity
from sparring.measure.leaks.name_groups import name_groups
from sparring.measure.leaks.near_duplicates import equal_rows, near_images
from sparring.report.format import percent
from sparring.stats.proportion import Proportion

MAX_BYTES = 512 << 20
"""Largest size of the rows of each split among which copies are looked for."""
IMAGE_SIDE, BANDS, PARTS = 12, 24, 8
"""Side of the images, and bands and parts of the recordings, that the simple classifiers see."""
PUBLISHED_ERRORS = {"mnist": 0.0009, "fashion-mnist": 0.02, "cifar10": 0.003}
"""Known name -> about the smallest proportion of errors that was published."""


@dataclass(frozen=True)
class Checks:
    """What was checked."""

    findings: tuple[Finding, ...]
    baselines: tuple[Baseline, ...]
    """Simple classifiers and a control, on the test rows of the trained one; empty where nothing is classified."""
    duplicates: int
    """Test examples with an equal or nearly equal training example."""
    compared: int
    """Test examples that were compared with the training examples."""
    without_duplicates: Proportion | None = None
    """Errors of the nearest neighbour without these; None where there are none."""


def check(task: Task) -> Checks:
    """Return what the data and simple classifiers say about a task; nothing where it needs no test split."""
    label = task.target.value
    drop = (task.drop.value,) if task.drop.value else ()
    options = ReadOptions(label=label, drop=drop)
    data = open_source(task.source.value, options)
    test = data.split("test")
    findings = [*_splits(data, test), *check_columns(data.spec, data, task.source.value, options), *_groups(data)]
    if not len(test):
        return Checks(tuple(findings), (), 0, 0)
    data, test = (at_most(part, MAX_BYTES // store_for(data.spec).row_bytes) for part in (data, test))
    copies = near_copies(data.spec, test[np.arange(len(test))], data[np.arange(len(data))])
    findings.append(_duplicates(copies, data, test))
    results: list[Baseline] = []
    without = None
    if len(data.spec.classes) > 1 and (test.labels >= 0).any():
        results = _baselines(data, test)
        findings.append(_shuffled(results, chance(data.labels[data.labels >= 0], test.labels[test.labels >= 0])))
        if (copies >= 0).any() and (test.labels[copies < 0] >= 0).any():
            without = _baselines(data, test.select(np.flatnonzero(copies < 0)))[1].errors
    return Checks(tuple(findings), tuple(results), int((copies >= 0).sum()), len(copies), without)


def _baselines(data: Dataset, test: Dataset) -> list[Baseline]:
    """Return the errors of simple classifiers on labelled test examples."""
    data, test = (at_most(part.select(np.flatnonzero(part.labels >= 0)), MAX_ROWS) for part in (data, test))
    x, test_x = (simple_features(part.spec, part[np.arange(len(part))]) for part in (data, test))
    return baselines(x, data.labels, test_x, test.labels, trees=bool(columns_of(data.spec, data[np.arange(1)])))


@singledispatch
def near_copies(spec: DataSpec, test: NDArray[Any], training: NDArray[Any]) -> NDArray[np.int64]:
    """Return the training row that each test row is a copy of, int64 `[N]`; -1 for none."""
    return equal_rows(test, training)


@near_copies.register
def _(spec: ImageSpec, test: NDArray[Any], training: NDArray[Any]) -> NDArray[np.int64]:
    return near_images(test, training)


@singledispatch
def simple_features(spec: DataSpec, rows: NDArray[Any]) -> NDArray[np.float32]:
    """Return the few numbers `[N, d]` of stored rows that simple classifiers see: the values themselves."""
    return np.nan_to_num(rows.reshape(len(rows), -1).astype(np.float32))


@simple_features.register
def _(spec: ImageSpec, rows: NDArray[Any]) -> NDArray[np.float32]:
    """Average images to 12x12."""
    x = torch.from_numpy(rows).permute(0, 3, 1, 2).float()
    size = min(IMAGE_SIDE, spec.height), min(IMAGE_SIDE, spec.width)
    pooled: NDArray[np.float32] = adaptive_avg_pool2d(x, size).flatten(1).numpy()
    return pooled


@simple_features.register
def _(spec: AudioSpec, rows: NDArray[Any]) -> NDArray[np.float32]:
    """Return log energies of bands in parts of the recording."""
    length = rows.shape[1] // PARTS
    spectra = np.abs(np.fft.rfft(rows[:, : length * PARTS].reshape(len(rows), PARTS, length), axis=2)) ** 2
    edges = np.unique(np.geomspace(1, spectra.shape[2], BANDS + 1).astype(int))
    bands = np.add.reduceat(spectra, edges[:-1], axis=2)
    return np.log1p(bands).reshape(len(rows), -1).astype(np.float32)


def _splits(data: Dataset, test: Dataset) -> list[Finding]:
    """Tell an absent or a small test split."""
    if not len(test):
        advice = "put some examples into a folder `test`, or mark them as the source's test split"
        return [Finding("few", "notice", "There is no test split: no figure of the result is honest.", advice=advice)]
    if len(test) < 100:
        evidence = f"{len(test)} test examples"
        return [Finding("few", "notice", "The test split is small: the intervals are wide.", evidence)]
    return []


def _groups(data: Dataset) -> list[Finding]:
    """Find groups of the names that are in both splits."""
    full = data.split(None)
    if len(full) > MAX_ROWS:
        return []
    tested = set(data.split("test").names)
    labels = [full.spec.classes[k] if k >= 0 else "" for k in full.labels.tolist()]
    groups = [g for g in name_groups(full.names, [n in tested for n in full.names], labels) if g.shared]
    return [
        Finding(
            "leak", "notice",
            f"{len(group.shared)} groups of the names are in both splits, such as '{group.shared[0]}'.",
            f"part {group.position + 1} of the names has {len(group.values)} values",
            "if each is one person, device or place, the figure holds for these alone",
        )
        for group in groups
    ]  # fmt: skip


def _duplicates(copies: NDArray[np.int64], data: Dataset, test: Dataset) -> Finding:
    """Tell how many test examples are copies, and of them some names."""
    count = int((copies >= 0).sum())
    if not count:
        compared = f"{len(copies):,} test examples and {len(data):,} training examples compared"
        return Finding("leak", "ok", "No test example is a copy of a training example.", compared)
    pairs = [(test.names[k], data.names[int(copies[k])]) for k in np.flatnonzero(copies >= 0)[:MAX_NAMED]]
    evidence = "; ".join(f"{one} of {other}" for one, other in pairs)
    share = percent(count / len(copies))
    severity: Severity = "problem" if count > len(copies) // 100 else "notice"
    return Finding(
        "leak", severity, f"{count:,} test examples ({share}) are copies of training examples, or nearly.", evidence,
        "remove them from one split, or judge by the figure without them",
    )  # fmt: skip


def _shuffled(results: list[Baseline], expected: float) -> Finding:
    """Compare the errors of shuffled labels with those of chance."""
    control = next(one.errors for one in results if one.name == SHUFFLED)
    evidence = f"{percent(control.value)} errors, chance gives {percent(expected)}"
    if control.high < expected:
        message = "A classifier of shuffled labels is better than chance: the test is at fault."
        return Finding("leak", "problem", message, evidence, "look at the order of the examples and of their labels")
    return Finding("leak", "ok", "Shuffled labels give chance, as they must.", evidence)


def suspicion(task: Task, errors: Proportion | None, results: tuple[Baseline, ...]) -> list[Finding]:
    """Compare a result with what is published, and with simple classifiers."""
    if errors is None:
        return []
    findings = []
    published = PUBLISHED_ERRORS.get(task.source.value)
    if published is not None and errors.high < published:
        evidence = f"{percent(errors.value)} errors, published ones are {percent(published)} or more"
        message = "The result is better than what is published: a leak until shown otherwise."
        findings.append(Finding("leak", "problem", message, evidence))
    simple = [one for one in results if one.name != SHUFFLED]
    if simple:
        best = min(simple, key=lambda one: one.errors.value)
        evidence = f"{percent(errors.value)} errors, {best.name} {percent(best.errors.value)}"
        if best.errors.high < errors.low:
            findings.append(Finding("far", "problem", "A simple classifier is better.", evidence))
        elif best.errors.low <= errors.high:
            message = "The result is within chance of a simple classifier."
            findings.append(Finding("far", "notice", message, evidence))
        else:
            message = "The result is better than all simple classifiers."
            findings.append(Finding("healthy", "ok", message, evidence))
    return findings
