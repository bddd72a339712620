"""Two data sets as one of pairs, joined by the labels or by the names of their examples.

By label every example of the larger side is in one pair, and those of the smaller side are repeated as often as needed,
class by class: given its label, the halves of a pair are independent. By name each pair is unique.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.data.dataset import Dataset, SourceReport
from sparring.data.reader_api import KINDS_OF_OPTION, ReadOptions
from sparring.data.splits import UNSPLIT
from sparring.engine.data_spec import PairSpec, kinds_of, spec_to_json
from sparring.engine.errors import SparringError, UsageError

VERSION = 1
"""Version of the way pairs are joined; part of every key."""
BY = ("label", "name")
OF_SOURCES = ("force", "validation", "name_encoding")
"""Options that hold for both sources; the others hold for the source whose kind has them."""


@dataclass(frozen=True)
class _Pairs:
    """Pairs of stored rows."""

    numbers: NDArray[np.int64]
    """Numbers of the stored rows of both halves, `[N, 2]`."""
    names: list[str]
    labels: NDArray[np.int64]
    """Number of the class of each pair, `[N]`; -1 where it has none."""
    is_test: NDArray[np.bool_]
    classes: tuple[str, ...]
    partnerless: list[str]
    """Names of the examples that are in no pair."""


def options_of_halves(options: ReadOptions, kinds: Sequence[str]) -> list[ReadOptions]:
    """Return how the source of each of two `kinds` is read; raise UsageError for an option that neither has."""
    if options.by not in (None, *BY):
        raise UsageError(f"--by is label or name, not {options.by}")
    if options.kind is not None:
        raise UsageError(f"--kind {options.kind} is for one source, and pairs have two: leave it out")
    fields = {name: value for name, value in asdict(options).items() if name not in ("pair_with", "by")}
    given = {name for name, value in fields.items() if value not in (None, False, ())}
    halves = []
    for kind in kinds:
        own = {name for name, allowed in KINDS_OF_OPTION.items() if set(allowed) & set(kinds_of(kind))}
        halves.append(ReadOptions(**{name: fields[name] for name in (own | {*OF_SOURCES}) & given}))
    used = {name for half in halves for name, value in asdict(half).items() if value not in (None, False, ())}
    if unused := sorted(given - used):
        flag = unused[0].replace("_", "-")
        raise UsageError(f"--{flag} has no meaning for pairs of {' and '.join(kinds)} data: leave it out")
    return halves


def write_pairs(first: Dataset, second: Dataset, by: str | None, folder: Path) -> SourceReport:
    """Join two data sets, whose rows stay where they are, and write the index of the pairs into `folder`.

    `by` is "label" or "name"; None: label where the two have classes in common. Raises UsageError where no examples
    belong together.
    """
    sides = first, second
    by = by or ("label" if set(first.report.classes) & set(second.report.classes) else "name")
    pairs = _by_label(sides) if by == "label" else _by_name(sides)
    report = _report(sides, pairs, by)
    np.save(folder / "pairs.npy", pairs.numbers)
    arrays: dict[str, NDArray[Any]] = {
        "rows": np.arange(len(pairs.names)),
        "labels": pairs.labels,
        "splits": pairs.is_test.astype(np.uint8),
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    (folder / "names.json").write_text(json.dumps(pairs.names), encoding="utf-8")
    folders = [side.folder.name for side in sides]
    meta = {"version": VERSION, "rows": len(pairs.names), "lengths": False, "halves": folders}
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    (folder / "halves.json").write_text(json.dumps([asdict(side.report) for side in sides]), encoding="utf-8")
    return report


def halves_of(data: Dataset) -> tuple[Dataset, Dataset]:
    """Return the two data sets that were joined, training split."""
    reports = json.loads((data.folder / "halves.json").read_text(encoding="utf-8"))
    first, second = (SourceReport(**report) for report in reports)
    folder = data.folder.parent
    return Dataset(folder / first.fingerprint, first), Dataset(folder / second.fingerprint, second)


def _by_label(sides: tuple[Dataset, Dataset]) -> _Pairs:
    """Pair examples of one class and split: a random one of the other side with each of the larger."""
    listed = [tuple(side.report.classes) for side in sides]
    classes = tuple(name for name in listed[0] if name in listed[1])
    if not classes:
        without = [side.report.source for side, names in zip(sides, listed, strict=True) if not names]
        problem = f"{without[0]} has no labels" if without else f"their classes differ ({listed[0][0]}, {listed[1][0]})"
        raise UsageError(
            f"{sides[0].report.source} and {sides[1].report.source} cannot be joined by label, {problem}: --by name"
        )
    numbers, names, labels, is_test, partnerless = [], list[str](), list[int](), list[bool](), list[str]()
    for split, mark in UNSPLIT.items():
        parts = [side.split(split) for side in sides]  # type: ignore[arg-type]
        paired = [np.zeros(len(part), bool) for part in parts]
        for k, name in enumerate(classes):
            idx = [_of_class(part, name) for part in parts]
            if not all(map(len, idx)):
                continue
            rng = np.random.default_rng([mark, k])
            count = max(map(len, idx))
            sampled = [np.resize(rng.permutation(of_side), count) for of_side in idx]
            numbers.append(np.stack([part.rows[of_side] for part, of_side in zip(parts, sampled, strict=True)], 1))
            names += [f"{parts[0].names[a]} + {parts[1].names[b]}" for a, b in zip(*sampled, strict=True)]
            labels += [k] * count
            is_test += [bool(mark)] * count
            for of_side, places in zip(paired, idx, strict=True):
                of_side[places] = True
        for part, of_side in zip(parts, paired, strict=True):
            partnerless += [part.names[j] for j in np.flatnonzero(~of_side)]
    return _Pairs(np.concatenate(numbers), names, np.array(labels), np.array(is_test), classes, partnerless)


def _of_class(part: Dataset, name: str) -> NDArray[np.int64]:
    """Return the positions of the examples of a class."""
    classes = part.spec.classes
    return np.flatnonzero(part.labels == classes.index(name)) if name in classes else np.zeros(0, np.int64)


def _by_name(sides: tuple[Dataset, Dataset]) -> _Pairs:
    """Pair examples whose files have one name, without folder and suffix; labels are those of the first that has any.

    A pair is for testing where a source marks one of its halves; if neither marks any, where the first half is.
    """
    whole = [side.split(None) for side in sides]
    stems = [_stems(data) for data in whole]
    common = [stem for stem in stems[0] if stem in stems[1]]
    if not common:
        raise UsageError(
            f"no name of {sides[0].report.source} ({whole[0].names[0]}, ...) is one of {sides[1].report.source} "
            f"({whole[1].names[0]}, ...): pairs by name have files of one name and two suffixes"
        )
    idx = np.array([[of_side[stem] for of_side in stems] for stem in common])
    tests = [np.isin(data.rows, side.split("test").rows) for data, side in zip(whole, sides, strict=True)]
    marked = [side.report.test_marked for side in sides]
    deciding = [k for k in (0, 1) if marked[k]] or [0]
    is_test: NDArray[np.bool_] = np.logical_or.reduce([tests[k][idx[:, k]] for k in deciding])
    labelled = next((k for k in (0, 1) if whole[k].spec.classes), 0)
    partnerless = [data.names[j] for k, data in enumerate(whole) for j in np.setdiff1d(np.arange(len(data)), idx[:, k])]
    return _Pairs(
        np.stack([data.rows[idx[:, k]] for k, data in enumerate(whole)], 1),
        [f"{whole[0].names[a]} + {whole[1].names[b]}" for a, b in idx],
        whole[labelled].labels[idx[:, labelled]], is_test, whole[labelled].spec.classes, partnerless,
    )  # fmt: skip


def _stems(data: Dataset) -> dict[str, int]:
    """Return the position of each example by the name of its file; raise UsageError where two have one name."""
    stems = [PurePath(name).stem for name in data.names]
    if repeated := next((stem for stem, count in Counter(stems).items() if count > 1), None):
        raise UsageError(
            f"'{repeated}' is the name of several examples of {data.report.source}: pairs by name need one for each"
        )
    return {stem: k for k, stem in enumerate(stems)}


def _report(sides: tuple[Dataset, Dataset], pairs: _Pairs, by: str) -> SourceReport:
    """Describe the pairs."""
    reports = [side.report for side in sides]
    train = pairs.numbers[~pairs.is_test]
    if not len(train):
        raise SparringError(f"there are no pairs to train on: {reports[0].source} and {reports[1].source} share none")
    parts: list[Any] = [
        replace(side.spec, classes=pairs.classes, count=len(np.unique(train[:, k])), unlabelled=0, condition_stats=())
        for k, side in enumerate(sides)
    ]
    counts = Counter(pairs.labels.tolist())
    unlabelled = counts[-1] if pairs.classes else 0
    spec = PairSpec(tuple(parts), pairs.classes, len(pairs.names), unlabelled)
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps([VERSION, by, *(report.fingerprint for report in reports)]).encode())
    repeats = len(train) / np.array([part.count for part in parts])
    notes = [
        f"each of the {part.count:,} {report.unit} of {report.source} is in {count:.0f} pairs on average"
        for part, report, count in zip(parts, reports, repeats, strict=True)
        if count >= 1.5
    ]
    return SourceReport(
        source=" with ".join(report.source for report in reports), kind=spec.kind, evidence=f"joined by {by}",
        format=" with ".join(report.format for report in reports), unit=spec.plural, used=len(pairs.names),
        skipped={f"has no partner of its {by}": pairs.partnerless} if pairs.partnerless else {},
        shape=(), mode="", shapes_found={}, classes={name: counts[k] for k, name in enumerate(pairs.classes)},
        unlabelled=counts[-1], splits={name: int((pairs.is_test == bool(k)).sum()) for name, k in UNSPLIT.items()},
        notes=[*(note for report in reports for note in report.notes), *notes], fingerprint=digest.hexdigest(),
        spec=spec_to_json(spec), test_marked=all(report.test_marked for report in reports),
    )  # fmt: skip
