"""Build the cache of a source: write the examples that a reader found into rows, and report what was used."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.data.dataset import SourceReport
from sparring.data.empty_classes import DUPLICATE, emptied_classes
from sparring.data.files.archive import natural, suffix
from sparring.data.files.signatures import PICTURES, SOUNDS
from sparring.data.groups import number_groups
from sparring.data.labels import contradictions, to_numbers
from sparring.data.reader_api import RawDataset, ReadOptions, ReadResult
from sparring.data.roles.label_values import class_notes
from sparring.data.splits import UNSPLIT, choose_test
from sparring.data.store import reserve, store_for
from sparring.engine.atomic_io import explain_os_errors
from sparring.engine.data_spec import DataSpec, spec_to_json
from sparring.engine.errors import SparringError

VERSION = 4
"""Version of the cache's layout and of the way examples are decoded; part of every key."""
READING = 8
"""Version of what is chosen about a source before it is decoded; what older versions opened is opened again."""
VALIDATION = 5
"""One in this number of the training examples is held out for validation."""
LEFT_OUT = "are left out (of the test split, or near to it in time), and training"
DISK_RESERVE = 0.05
"""Fraction of the free disk that a cache leaves free."""


@dataclass(frozen=True)
class Request:
    """What is opened, and how."""

    source: str
    kind: str
    evidence: str
    options: ReadOptions
    like: DataSpec | None
    drop_duplicates: bool
    """True to use equal files once, where the reader takes them for accidents."""
    notes: list[str]


def build_cache(
    raw: RawDataset, request: Request, folder: Path, on_progress: Callable[[int, int], None]
) -> SourceReport:
    """Write rows, labels, splits and names of `raw` into `folder`. Raises SparringError where nothing is usable."""
    once = request.drop_duplicates and raw.drops_duplicates
    spec = raw.plan(request.options, request.like)
    count = len(raw.items)
    if not count:
        raise _nothing_usable(request.source, raw, [(left.name, left.reason) for left in raw.skipped])
    with explain_os_errors(folder):
        rows, results = _ingested(raw, spec, request, folder, lambda done: on_progress(done, count))
        used, skipped, copies = _sort_out(raw, results, once)
        if not used:
            failed = [(item.name, result.reason) for item, result in zip(raw.items, results, strict=True)]
            raise _nothing_usable(request.source, raw, failed)
        every, (used, first) = len(used), _for_validation(raw, used) if request.options.validation else (used, None)
        labels, classes = _number_labels(raw, used, request.like)
        vectors = None if raw.vectors is None else raw.vectors[used]
        if request.options.numeric_label and vectors is None and (numbers := to_numbers(labels, classes)) is not None:
            used, vectors = _with_numbers(raw, used, numbers, skipped)
            labels, classes = np.full(len(used), -1), []
        names = [raw.items[row].name for row in used]
        groups = None if (of_rows := raw.groups) is None else number_groups([of_rows[row] for row in used])
        notes = contradictions(raw.items, results, used, raw.unit) if once else []
        notes += emptied_classes(
            [(name, classes[k] if k >= 0 else None) for name, k in zip(names, labels, strict=True)], skipped
        )
        if left_out := every - len(used):
            notes.append(f"{left_out:,} {raw.unit} {LEFT_OUT} {raw.unit} held out in their place")
        test, marked = _choose_test(raw, used, names, labels, notes, request.options.validation, first)
        idx = np.array(used, np.int64)
        spec = raw.finish(spec, rows, idx, idx[~test])
        arrays: dict[str, NDArray[Any] | None] = {
            "rows": idx, "labels": labels, "splits": test.astype(np.uint8),
            "vectors": vectors,
            "groups": None if groups is None else groups[0],
            "lengths": None if (lengths := raw.lengths()) is None else lengths[idx],
        }  # fmt: skip
        for name, array in arrays.items():
            if array is not None:
                np.save(folder / f"{name}.npy", array)
        (folder / "names.json").write_text(json.dumps(names), encoding="utf-8")
        meta = {
            "version": VERSION, "rows": count, "row_bytes": store_for(spec).row_bytes, "lengths": lengths is not None,
            "streamed": rows.save(folder) if request.options.stream else None,
        }  # fmt: skip
        (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    spec = spec if groups is None else replace(spec, groups=groups[1])  # type: ignore[type-var]
    report = _report(raw, request, spec, classes, labels, skipped, 0 if vectors is None else vectors.shape[1])
    splits = {name: int((test == bool(k)).sum()) for name, k in UNSPLIT.items()}
    fingerprint = _fingerprint(raw, results, used, spec, vectors)
    if len(classes) > 1:
        notes += class_notes(len(classes), int((labels >= 0).sum()), raw.unit)
    return replace(
        report, splits=splits, notes=[*request.notes, *raw.notes, *notes], fingerprint=fingerprint, copies=copies,
        unreadable=_unreadable(raw, results), emptied=_emptied(raw, used, copies), roles=list(raw.roles),
        test_marked=marked, streamed=request.options.stream,
    )  # fmt: skip


def _ingested(
    raw: RawDataset, spec: DataSpec, request: Request, folder: Path, on_progress: Callable[[int], None]
) -> tuple[Any, list[ReadResult]]:
    """Read all examples into rows, or with `stream` into none; return what holds them, and what became of each."""
    on_progress(0)
    if request.options.stream:
        return raw.stream(spec, on_progress)
    layout, count = store_for(spec), len(raw.items)
    _check_room(request.source, count * layout.row_bytes, folder)
    rows = reserve(folder / "rows.bin", count, layout)
    return rows, raw.ingest(rows, spec, on_progress)


def _emptied(raw: RawDataset, used: list[int], copies: dict[str, str]) -> list[str]:
    """Return notes on classes and on the test split where nothing is left but copies of others."""
    there, left = Counter(item.label for item in raw.items), {raw.items[row].label for row in used}
    copied = {item.label for item in raw.items if item.name in copies}
    notes = [
        f"class '{label}' is empty: none of its {there[label]:,} {raw.unit} is used (copies of others, or damaged)"
        for label in there
        if label is not None and label not in left and label in copied
    ]
    tests = sum(item.split == "test" for item in raw.items)
    if tests and not any(raw.items[row].split == "test" for row in used):
        notes.append(f"no test split is left: none of its {tests:,} {raw.unit} is used (damaged, or copies of others)")
    return notes


def _unreadable(raw: RawDataset, results: list[ReadResult]) -> int:
    """Count files that may be examples and cannot be read: damaged ones, and those of formats that are not read."""
    foreign = sum(suffix(left.name) in PICTURES | SOUNDS for left in raw.skipped)
    return foreign + sum(bool(result.reason) for result in results)


def _report(
    raw: RawDataset, request: Request, spec: DataSpec, classes: list[str], labels: NDArray[np.int64],
    skipped: dict[str, list[str]], vectors: int,
) -> SourceReport:  # fmt: skip
    counts = Counter(labels.tolist())
    unlabelled = counts[-1] if classes else 0
    full = replace(spec, classes=tuple(classes), count=len(labels), unlabelled=unlabelled)  # type: ignore[type-var]
    return SourceReport(
        source=request.source, kind=request.kind, evidence=request.evidence, format=raw.format, unit=raw.unit,
        used=len(labels), skipped=skipped, shape=store_for(spec).row_shape, mode=getattr(spec, "mode", ""),
        shapes_found=raw.forms(), classes={name: counts[k] for k, name in enumerate(classes)},
        unlabelled=counts[-1], splits={}, notes=[], fingerprint="", spec=spec_to_json(full),
        vectors=vectors,
    )  # fmt: skip


def _check_room(source: str, needed: int, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free * (1 - DISK_RESERVE):
        raise SparringError(
            f"the cache of {source} needs {needed / 1e9:.1f} GB, the disk of {folder.parent} has {free / 1e9:.1f} GB "
            "free: make room, set SPARRING_CACHE to another disk, or take a smaller --size"
        )


def _nothing_usable(source: str, raw: RawDataset, skipped: list[tuple[str, str]]) -> SparringError:
    first = f" (the first: {skipped[0][0]} {skipped[0][1]})" if skipped else ""
    return SparringError(f"nothing usable in {source}: none of {len(raw.items):,} {raw.unit} can be read{first}")


def _for_validation(raw: RawDataset, used: list[int]) -> tuple[list[int], int | None]:
    """Return the examples that are not for testing, and the row from which they are for validation; None: any may be.

    In time these are the last ones, and those before them that overlap them are left out.
    """
    labels, _ = _number_labels(raw, used, None)
    test, _ = _choose_test(raw, used, [raw.items[row].name for row in used], labels, [])
    kept = [row for row, is_test in zip(used, test, strict=True) if not is_test]
    if not raw.in_time:
        return kept, None
    first = kept[-max(len(kept) // VALIDATION, 1)]
    return [row for row in kept if row >= first or row < first - raw.overlap], first


def _choose_test(
    raw: RawDataset, used: list[int], names: list[str], labels: NDArray[np.int64], notes: list[str],
    validation: bool = False, first: int | None = None,
) -> tuple[NDArray[np.bool_], bool]:  # fmt: skip
    """Return which used examples are for testing, and whether the source marks them; remarks go to `notes`.

    With `validation` they are those from row `first` on, where it is known, else as many as for validation.
    """
    if first is not None:
        return np.array(used) >= first, False
    marked = np.array([raw.items[row].split == "test" for row in used], bool)
    if marked.all():
        notes.append(f"all {raw.unit} are marked as test: they are trained on")
        return np.zeros_like(marked), False
    test, note = choose_test(marked, names, labels, VALIDATION if validation else raw.held_out)
    notes += [note] if note else []
    return test, bool(marked.any())


def _sort_out(
    raw: RawDataset, results: list[ReadResult], once: bool
) -> tuple[list[int], dict[str, list[str]], dict[str, str]]:  # fmt: skip
    """Return the rows to use, the skipped names by reason, and of each copy the name that is used in its place.

    `once`: of equal files one is used, the first that has a label or else the first.
    """
    skipped: dict[str, list[str]] = {}
    for left in raw.skipped:
        skipped.setdefault(left.reason, []).append(left.name)
    usable, copies = list[int](), dict[str, str]()
    kept: dict[str, int] = {}
    if once:
        order = sorted(range(len(results) - 1, -1, -1), key=lambda row: raw.items[row].label is not None)
        kept = {results[row].digest: row for row in order}  # what counts comes last
    for row, result in enumerate(results):
        if result.reason:
            skipped.setdefault(result.reason, []).append(raw.items[row].name)
        elif once and kept[result.digest] != row:
            skipped.setdefault(DUPLICATE, []).append(raw.items[row].name)
            copies[raw.items[row].name] = raw.items[kept[result.digest]].name
        else:
            usable.append(row)
    return usable, skipped, copies


def _number_labels(raw: RawDataset, used: list[int], like: DataSpec | None) -> tuple[NDArray[np.int64], list[str]]:
    """Return the class number of each used example, -1 for none; and the classes: those of `like`, or sorted."""
    labels = [raw.items[row].label for row in used]
    classes = sorted({label for label in labels if label is not None}, key=natural)
    if like is not None and set(classes) <= set(like.classes):
        classes = list(like.classes) if classes else []
    number = {name: k for k, name in enumerate(classes)}
    return np.array([-1 if label is None else number[label] for label in labels], np.int64), classes


def _with_numbers(
    raw: RawDataset, used: list[int], numbers: NDArray[np.float32], skipped: dict[str, list[str]]
) -> tuple[list[int], NDArray[np.float32]]:
    """Return the used rows that have a number, and these numbers; the others are `skipped`."""
    known = np.isfinite(numbers[:, 0])
    if lacking := [raw.items[row].name for row, has in zip(used, known, strict=True) if not has]:
        skipped["has no number as label"] = lacking
    return [row for row, has in zip(used, known, strict=True) if has], numbers[known]


def _fingerprint(
    raw: RawDataset, results: list[ReadResult], used: list[int], spec: DataSpec, vectors: NDArray[np.float32] | None
) -> str:
    digest = hashlib.blake2b(json.dumps([VERSION, raw.format, spec_to_json(spec)]).encode(), digest_size=16)
    for start in range(0, len(used), 4096):
        chunk = [[*raw.items[row], results[row].digest] for row in used[start : start + 4096]]
        digest.update(json.dumps(chunk).encode())
    if vectors is not None:
        digest.update(vectors.tobytes())
    if (groups := raw.groups) is not None:  # a property, which lists all rows
        digest.update(json.dumps([groups[row] for row in used]).encode())
    return digest.hexdigest()
