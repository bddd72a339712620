"""`sparring inspect`: what is in a source, what would be used, what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sparring.data.dataset import Report, open_images, parse_size

NAMES = 5
"""So many names are told for each reason; --json tells all."""


def inspect(
    source: str | Path,
    *,
    size: str | tuple[int, int] | None = None,
    mode: str | None = None,
    tell: Callable[[int, int], None] = lambda done, of: None,
) -> Report:
    """Read SOURCE as `train` would, and report. What was decoded is kept: training then starts at once."""
    return open_images(source, parse_size(size), mode, tell).report


def in_words(report: Report) -> str:
    """The report as a page of text."""
    height, width, channels = report.shape
    lines = [
        f"{report.source}: {report.format}",
        f"  used      {report.used:,} images, {height}x{width}, {report.mode} ({channels} channel{'s' * (channels > 1)})",
        "  splits    " + ", ".join(f"{name} {count:,}" for name, count in report.splits.items()),
    ]
    if report.classes:
        shown = list(report.classes.items())[:12]
        more = f" ... {len(report.classes) - 12} more" if len(report.classes) > 12 else ""
        lines.append(
            f"  classes   {len(report.classes)}: " + ", ".join(f"{name} {count:,}" for name, count in shown) + more
        )
    if report.unlabelled:
        lines.append(f"  unlabelled {report.unlabelled:,}")
    found = list(report.shapes_found.items())
    if len(found) > 1:
        lines.append(
            "  found     " + ", ".join(f"{count:,} x {shape}" for shape, count in found[:6]) + " ..." * (len(found) > 6)
        )
    for why, names in report.left_out.items():
        shown_names = ", ".join(names[:NAMES]) + (f" ... {len(names) - NAMES} more" if len(names) > NAMES else "")
        lines.append(f"  left out  {len(names):,}: {why}: {shown_names}")
    lines += [f"  note      {note}" for note in report.notes]
    return "\n".join(lines)
