"""`sparring inspect`: what is in a source, what would be used, what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from pathlib import Path
from typing import Unpack

from sparring.commands.reporting.progress import Progress
from sparring.data.dataset import SourceReport
from sparring.data.open import open_source
from sparring.data.read_keywords import ReadKeywords, read_options
from sparring.data.summary import printable
from sparring.engine.data_spec import (
    AudioSpec,
    Column,
    DataSpec,
    ImageSpec,
    PairSpec,
    SeriesSpec,
    TableSpec,
    spec_from_json,
)

MAX_NAMES = 5
"""Names that the text lists for each reason; --json lists all."""
MAX_CLASSES = 12
MAX_FORMS = 6
MAX_ROLES = 24


def inspect(source: str | Path, *, progress: Progress | None = None, **read: Unpack[ReadKeywords]) -> SourceReport:
    """Read SOURCE as training would, and report. What was decoded is kept: training then starts at once."""
    return open_source(source, read_options(read), on_progress=(progress or Progress()).callback("reading")).report


def to_text(report: SourceReport) -> str:
    """Format the report for the terminal."""
    size, *details = describe(spec_from_json(report.spec))
    lines = [
        f"{printable(report.source)}: {report.format}",
        f"  kind        {report.kind} ({printable(report.evidence)})",
        f"  used        {report.used:,} {report.unit}, {size}",
        "  splits      " + ", ".join(f"{name} {count:,}" for name, count in report.splits.items()),
    ]
    if report.classes:
        classes = [f"{printable(name)} {count:,}" for name, count in report.classes.items()]
        lines.append(f"  classes     {len(classes)}: {_first(classes, MAX_CLASSES)}")
    if report.unlabelled and not report.vectors:
        lines.append(f"  unlabelled  {report.unlabelled:,}")
    if report.vectors:
        lines.append("  labels      " + ("numbers" if report.vectors == 1 else f"vectors of {report.vectors} numbers"))
    lines += [f"  {detail}" for detail in details]
    if len(report.shapes_found) > 1:
        looked_at = sum(report.shapes_found.values())
        forms = [f"{count:,} x {printable(form)}" for form, count in report.shapes_found.items()]
        sample = f"in {looked_at:,} headers looked at: " if looked_at < report.used else ""
        lines.append("  found       " + sample + _first(forms, MAX_FORMS))
    lines += _tree(report.roles)
    for reason, names in report.skipped.items():
        shown = _first([printable(name) for name in names], MAX_NAMES)
        lines.append(f"  skipped     {len(names):,}: {printable(reason)}: {shown}")
    lines += [f"  note        {printable(note)}" for note in [*report.emptied, *report.notes]]
    return "\n".join(lines)


def _tree(roles: Sequence[tuple[str, str, int, str]]) -> list[str]:
    """Return what folders and files were taken for, one a line, and the evidence."""
    width = max((len(printable(place)) for place, *_ in roles[:MAX_ROLES]), default=0)
    lines = [
        f"  role        {printable(place):{width}}  {printable(role)}, {count:,} ({printable(evidence)})"
        for place, role, count, evidence in roles[:MAX_ROLES]
    ]
    return [*lines, *[f"  role        ... {len(roles) - MAX_ROLES:,} more"] * (len(roles) > MAX_ROLES)]


@singledispatch
def describe(spec: DataSpec) -> list[str]:
    """Describe the size of one example, and further lines of details."""
    return ["x".join(map(str, spec.shape))]


@describe.register
def _(spec: ImageSpec) -> list[str]:
    return [f"{spec.height}x{spec.width}, {spec.mode} ({spec.channels} channel{'s' * (spec.channels > 1)})"]


@describe.register
def _(spec: AudioSpec) -> list[str]:
    return [f"{spec.rate:,} Hz, up to {spec.length / spec.rate:.2f} s"]


@describe.register
def _(spec: SeriesSpec) -> list[str]:
    count, names = len(spec.channels), printable(_first(spec.channels, MAX_CLASSES))
    return [f"{spec.length} steps of {count} channel{'s' * (count > 1)}: {names}"]


@describe.register
def _(spec: TableSpec) -> list[str]:
    label = f", {'class' if spec.classes else 'number'} in '{printable(spec.target)}'" if spec.target else ""
    columns = _first([_describe_column(column) for column in spec.columns], MAX_CLASSES)
    return [f"{len(spec.columns)} columns as {spec.shape[0]} numbers{label}", f"columns     {columns}"]


@describe.register
def _(spec: PairSpec) -> list[str]:
    """Describe each half on a line."""
    halves = [f"{name:11} {describe(half)[0]}" for name, half in zip(spec.names, spec.halves, strict=True)]
    return ["of two halves", *halves]


def _describe_column(column: Column) -> str:
    name = printable(column.name)
    if column.categories:
        count = len(column.categories)
        return f"{name} ({count} {'category' if count == 1 else 'categories'})"
    return f"{name} ({column.low:g} to {column.high:g})"


def _first(words: Sequence[str], count: int) -> str:
    more = f" ... {len(words) - count} more" if len(words) > count else ""
    return ", ".join(words[:count]) + more
