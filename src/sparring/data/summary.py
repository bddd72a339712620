"""What was read from a source, in one line: said before every training, attack and evaluation."""

from __future__ import annotations

from sparring.data.dataset import SourceReport
from sparring.engine.errors import SparringError

MAX_CLASSES = 6
"""Classes that the line names."""
MAX_REASONS = 5
"""Reasons for which something is skipped, in notes."""


def summary(report: SourceReport) -> str:
    """Return how many of what, the classes, the splits, and what is left out, with the main reason."""
    parts = [f"{report.used:,} {report.unit} ({_labels(report)})"]
    fewer = " (fewer to train than to test)" if report.splits["train"] < report.splits["test"] else ""
    parts.append(", ".join(f"{name} {count:,}" for name, count in report.splits.items()) + fewer)
    if left := sum(map(len, report.skipped.values())):
        reason, names = max(report.skipped.items(), key=lambda pair: len(pair[1]))
        most = "all" if len(report.skipped) == 1 else f"{len(names):,}"
        parts.append(f'{left:,} of {left + report.used:,} left out: {most} "{reason}" (as {names[0]})')
    return printable("; ".join(parts))


def skipped_notes(report: SourceReport) -> list[str]:
    """Return a note on each reason for which parts of the source are skipped, the most frequent first."""
    reasons = sorted(report.skipped.items(), key=lambda pair: -len(pair[1]))
    notes = [
        f"skipped: {len(names):,}: {reason} ({names[0]}{', ...' if len(names) > 1 else ''})"
        for reason, names in reasons[:MAX_REASONS]
    ]
    more = sum(len(names) for _, names in reasons[MAX_REASONS:])
    return [*notes, *([f"skipped: {more:,} for other reasons"] if more else [])]


def printable(text: str) -> str:
    """Return a text as one line that any terminal takes: line breaks and broken bytes become escapes."""
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def check_readable(report: SourceReport, *, force: bool) -> None:
    """Raise SparringError where most of the files that may be examples cannot be read, unless `force`."""
    if force or report.unreadable <= report.used:
        return
    reason, names = max(report.skipped.items(), key=lambda pair: len(pair[1]))
    total = report.unreadable + report.used
    raise SparringError(
        f"{report.unreadable:,} of {total:,} {report.unit} in {report.source} cannot be read: {len(names):,} "
        f'"{reason}" (as {names[0]}). `sparring inspect` lists them; --force goes on with the {report.used:,} others'
    )


def _labels(report: SourceReport) -> str:
    if report.vectors:
        return "labels are numbers" if report.vectors == 1 else f"labels are vectors of {report.vectors} numbers"
    if not report.classes:
        return "unlabelled"
    names = [f"{name} {count:,}" for name, count in list(report.classes.items())[:MAX_CLASSES]]
    more = ["..."] * (len(report.classes) > MAX_CLASSES)
    unlabelled = [f"unlabelled {report.unlabelled:,}"] * (report.unlabelled > 0)
    return f"{len(report.classes):,} classes: " + ", ".join([*names, *more, *unlabelled])
