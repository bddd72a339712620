"""`sparring inspect`: what is in a source, what would be used, what is wrong with it."""

from __future__ import annotations

from pathlib import Path

from sparring.commands.reporting.progress import Progress
from sparring.data.dataset import SourceReport
from sparring.data.image_shape import parse_size
from sparring.data.open import open_images

NAMES = 5
"""So many names are told for each reason; --json tells all."""


def inspect(
    source: str | Path,
    *,
    size: str | tuple[int, int] | None = None,
    mode: str | None = None,
    progress: Progress | None = None,
) -> SourceReport:
    """Read SOURCE as `train` would, and report. What was decoded is kept: training then starts at once."""
    return open_images(source, parse_size(size), mode, (progress or Progress()).callback("reading")).report


def to_text(report: SourceReport) -> str:
    """The report as a page of text."""
    height, width, channels = report.shape
    lines = [
        f"{_shown(report.source)}: {report.format}",
        f"  used        {report.used:,} images, {height}x{width}, {report.mode} ({channels} channel{'s' * (channels > 1)})",
        "  splits      " + ", ".join(f"{name} {count:,}" for name, count in report.splits.items()),
    ]
    if report.classes:
        classes = [f"{_shown(name)} {count:,}" for name, count in report.classes.items()]
        lines.append(f"  classes     {len(classes)}: {_first(classes, 12)}")
    if report.unlabelled:
        lines.append(f"  unlabelled  {report.unlabelled:,}")
    if report.vectors:
        lines.append(f"  labels      vectors of {report.vectors} number{'s' * (report.vectors > 1)}")
    if len(report.shapes_found) > 1:
        looked, some = (
            sum(report.shapes_found.values()),
            [f"{n:,} x {shape}" for shape, n in report.shapes_found.items()],
        )
        sample = f"in {looked:,} headers looked at: " if looked < report.used else ""
        lines.append("  found       " + sample + _first(some, 6))
    for why, names in report.skipped.items():
        lines.append(f"  skipped    {len(names):,}: {why}: {_first([_shown(name) for name in names], NAMES)}")
    lines += [f"  note        {_shown(note)}" for note in report.notes]
    return "\n".join(lines)


def _first(words: list[str], count: int) -> str:
    more = f" ... {len(words) - count} more" if len(words) > count else ""
    return ", ".join(words[:count]) + more


def _shown(name: str) -> str:
    """A name as one line of text that any terminal takes: line breaks and broken bytes are written as escapes."""
    return name if name.isprintable() else name.encode("unicode_escape").decode()
