"""Numbers -> small drawings: pure functions that return SVG for a page, which needs no script and no library to be seen.

Colours come from the page (`--s1` to `--s5`) where it has them, so that dark pages can have lighter ones; they differ in
lightness too, and each line ends in a shape of its own, for those who see few colours or print in grey.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from itertools import groupby

Point = tuple[float, float]

WIDTH, PLOT_HEIGHT, RIGHT = 480.0, 170.0, 22.0
"""Small enough for a phone: there the drawing shrinks to three quarters, and its words are still read."""
LETTER = 7.0
"""Pixels that a letter takes on the average, at the size of 13 that all words have."""
POINTS = 400
"""Of a line at most; a screen shows no more."""
FEW = 40
"""Lines of up to so many points show each as a dot."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#b4528a", "#8a6d00")
"""After Okabe and Ito (2008), told apart with any kind of colour vision; darkened to be seen on white."""
SHAPES = (
    "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "m-4-4h8v8h-8z",
    "m0-5l5 9h-10z",
    "m0-5.5l5.5 5.5-5.5 5.5-5.5-5.5z",
    "m0 5l5-9h-10z",
)
LARGEST, SMALLEST = 1e100, 1e-100
"""Beyond these a number counts as infinite, or two of them as the same: no axis can show it."""
GRID = 'stroke="currentColor" stroke-opacity=".16"'
QUIET = 'fill-opacity=".68"'


def curve(
    title: str,
    series: Mapping[str, Sequence[Point]],
    *,
    unit: str = "",
    axis: str = "images seen",
    mark: float | None = None,
) -> str:
    """Lines of (images seen, say, and value) as SVG; a value that is not finite leaves a gap, an empty series is left out.

    `axis` names what the first of each pair is. `mark` is the number of images at which something was best: a line stands there. "" where nothing is to be drawn.
    """
    lines = {name: thinned(points) for name, points in series.items()}
    lines = {name: points for name, points in lines.items() if any(map(_seen, points))}
    if not lines:
        return ""
    mark = mark if mark is not None and _drawable(mark) else None
    xs = [x for points in lines.values() for x, _ in points] + [0.0] + ([mark] if mark is not None else [])
    left, right = _widened(min(xs), max(xs))
    rows = ticks(*_ends(y for points in lines.values() for _, y in points))
    margin = 14 + LETTER * max(len(short(y)) for y in rows)
    legend, top = _legend(lines)
    across = _scale(left, right, margin, WIDTH - RIGHT)
    down = _scale(rows[0], rows[-1], top + PLOT_HEIGHT, top)
    drawn = [
        *(_row(down(y), margin, short(y)) for y in rows),
        *(_column(across(x), top, short(x)) for x in ticks(left, right, 8) if left <= x <= right),
        *([] if mark is None else [_mark(across(mark), margin, top)]),
        *(_line([(across(x), down(y)) for x, y in points], k) for k, points in enumerate(lines.values())),
    ]
    named = f"{title} ({unit})" if unit else title
    height = top + PLOT_HEIGHT + 46
    return (
        f'<svg role="img" aria-label="{text(_told(named, lines, axis, mark))}" viewBox="0 0 {WIDTH:g} {height:g}" '
        f'width="{WIDTH:g}" height="{height:g}" font-size="13" fill="currentColor"><title>{text(named)}</title>'
        f'<text x="2" y="16" font-size="15" font-weight="600">{text(shortened(named, 54))}</text>{legend}{"".join(drawn)}'
        f'<text x="{WIDTH - RIGHT:g}" y="{height - 6:g}" text-anchor="end" {QUIET}>{text(axis)}</text></svg>'
    )


def thinned(points: Iterable[Point], most: int = POINTS) -> list[Point]:
    """By x; of long series each stretch's lowest and highest, so that no spike is lost. NaN is what cannot be drawn."""
    found = sorted(
        ((x, y if _drawable(y) else math.nan) for x, y in points if _drawable(x)), key=lambda point: point[0]
    )
    if len(found) <= most:
        return found
    each = -(-2 * len(found) // (most - 2))
    kept: list[Point] = []
    for first in range(0, len(found) - 1, each):
        stretch = found[first : min(first + each, len(found) - 1)]
        seen = sorted(filter(_seen, stretch), key=lambda point: point[1])
        kept += sorted({seen[0], seen[-1]}) if seen else stretch[:1]
    return [*kept, found[-1]]


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers, evenly apart, the first at `low` or below it and the last at `high` or above."""
    low, high = _widened(low, high)
    rough = (high - low) / (most - 1)
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * k for k in (1, 2, 5, 10) if unit * k >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [k * step for k in range(first, last + 1)]


def number(value: float) -> str:
    """For people: four significant digits, all digits of whole thousands."""
    size = abs(value)
    if not math.isfinite(value):
        return "undefined" if math.isnan(value) else "∞" if value > 0 else "−∞"
    if 0 < size < 1e-4 or size >= 1e15:
        return _scientific(value, 3)
    return (f"{value:,.0f}" if size >= 1000 else f"{value:#.4g}".rstrip(".") if value else "0").replace("-", "−")


def short(value: float) -> str:
    """For an axis: 0, 50k, 1.5M."""
    size = abs(value)
    if 0 < size < 1e-4 or size >= 1e15:
        return _scientific(value, 9)
    unit, letter = next(((u, s) for u, s in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if size >= u), (1, ""))
    return f"{value / unit:.10g}{letter}".replace("-", "−")


def text(words: object) -> str:
    """Safe in HTML, in XML and in UTF-8, whatever a file name or a class name holds."""
    return escape(re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "�", str(words)))


def shortened(words: str, letters: int) -> str:
    """At most so many letters."""
    return words if len(words) <= letters else words[: letters - 1].rstrip() + "…"


def interval(value: float, low: float, high: float, floor: float | None) -> str:
    """A score on a line of its own that begins at 0: a dot on its interval, and the floor as an upright stroke."""
    if not _drawable(value):
        return ""
    ends = [end for end in (value, low, high, floor) if end is not None and _drawable(end)]
    at = _scale(*_widened(min(0.0, *ends), max(0.0, *ends)), 6, 234)
    bar = f"M{at(low):.1f} 10H{at(high):.1f}" if _drawable(low) and _drawable(high) else ""
    stroke = f"M{at(floor):.1f} 2v16" if floor is not None and _drawable(floor) else ""
    return (
        f'<svg aria-hidden="true" viewBox="0 0 240 20" width="240" height="20"><path d="M6 10H234" {GRID}/>'
        f'<path d="{bar}" style="stroke:{_colour(0)}" stroke-width="9" stroke-opacity=".4"/>'
        f'<path d="{stroke}" style="stroke:{_colour(1)}" stroke-width="2.5"/>'
        f'<circle cx="{at(value):.1f}" cy="10" r="3.5" style="fill:{_colour(0)}"/></svg>'
    )


def bar(share: float, low: float | None = None, high: float | None = None) -> str:
    """A share as a bar on a line from 0 to all, and its interval where it is given; all are as long as each other."""
    at = _scale(0, 1, 4, 236)
    ends = (
        ""
        if low is None or high is None
        else f"M{at(low):.1f} 5v10M{at(low):.1f} 10H{at(high):.1f}M{at(high):.1f} 5v10"
    )
    return (
        f'<svg aria-hidden="true" viewBox="0 0 240 20" width="240" height="20"><path d="M{at(0):g} 10H{at(1):g}" {GRID}/>'
        f'<path d="M{at(0):g} 10H{at(share):.1f}" style="stroke:{_colour(0)}" stroke-width="9"/>'
        f'<path d="{ends}" fill="none" stroke="currentColor" stroke-width="1.5"/></svg>'
    )


def share_line(value: float, low: float, high: float, left: str, right: str) -> str:
    """A share on a line from one half to all, or from below one half; `left` and `right` say what half and all mean."""
    if not all(map(math.isfinite, (value, low, high))):
        return ""
    start = min(0.5, math.floor(min(value, low) * 10) / 10)
    at = _scale(start, 1.0, 24, WIDTH - 24)
    half = 'text-anchor="start" dx="-18"' if start == 0.5 else 'text-anchor="middle"'
    marks = [start + k / 10 for k in range(round((1 - start) * 10) + 1)]
    return (
        f'<svg role="img" aria-label="{text(f"{percent(value)}, between {percent(low)} and {percent(high)}")}" '
        f'viewBox="0 0 {WIDTH:g} 74" width="{WIDTH:g}" height="74" font-size="13" fill="currentColor">'
        f'<path d="M{at(start):.1f} 32H{at(1):.1f}" {GRID} stroke-width="2"/>'
        + "".join(f'<path d="M{at(m):.1f} 27v10" {GRID} stroke-width="2"/>' for m in marks)
        + "".join(f'<text x="{at(m):.1f}" y="54" text-anchor="middle">{round(m * 100)} %</text>' for m in marks)
        + f'<text x="{at(0.5):.1f}" y="70" {half} {QUIET}>{text(left)}</text>'
        f'<text x="{WIDTH - 4:g}" y="70" text-anchor="end" {QUIET}>{text(right)}</text>'
        f'<path d="M{at(low):.1f} 32H{at(high):.1f}" style="stroke:{_colour(0)}" stroke-width="10" stroke-opacity=".4"/>'
        f'<circle cx="{at(value):.1f}" cy="32" r="6" style="fill:{_colour(0)}"/>'
        f'<text x="{at(value):.1f}" y="16" text-anchor="middle" font-weight="600">{percent(value)}</text></svg>'
    )


def percent(share: float) -> str:
    """0.6312 -> 63.1 %, on one line."""
    return f"{share * 100:.1f}\u00a0%" if math.isfinite(share) else number(share)


def _drawable(value: float) -> bool:
    return math.isfinite(value) and abs(value) < LARGEST


def _seen(point: Point) -> bool:
    return not math.isnan(point[1])


def _widened(low: float, high: float) -> tuple[float, float]:
    """The same, or a little more on both sides where that is hardly anything: an axis needs a length."""
    size = max(abs(low), abs(high))
    if high - low > max(size * 1e-6, SMALLEST):
        return low, high
    room = size / 10 if size > SMALLEST else 1.0
    return low - room, high + room


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """Values between low and high -> pixels between start and end."""
    return lambda value: start + (value - low) / (high - low) * (end - start)


def _colour(k: int) -> str:
    return f"var(--s{k % len(COLOURS) + 1},{COLOURS[k % len(COLOURS)]})"


def _legend(lines: Mapping[str, Sequence[Point]]) -> tuple[str, float]:
    """Each line's shape, name and last value, in as many rows as they need; and where the plot below may begin."""
    drawn, x, y = [], 8.0, 40.0
    for k, (name, points) in enumerate(lines.items()):
        last = number([point for point in points if _seen(point)][-1][1])
        name = shortened(name, int((WIDTH - 8 - 30) / LETTER) - len(last) - 1)  # what a row holds
        width = 30 + LETTER * (len(name) + len(last) + 1)
        if x > 8 and x + width > WIDTH:
            x, y = 8.0, y + 20
        drawn.append(
            f'<path d="M{x:.1f} {y - 4.5:.1f}{SHAPES[k % len(SHAPES)]}" style="fill:{_colour(k)}"/>'
            f'<text x="{x + 11:.1f}" y="{y:g}">{text(name)} <tspan {QUIET}>{last}</tspan></text>'
        )
        x += width
    return "".join(drawn), y + 20


def _row(y: float, margin: float, label: str) -> str:
    return (
        f'<path d="M{margin:.1f} {y:.1f}H{WIDTH - RIGHT:g}" {GRID}/>'
        f'<text x="{margin - 8:.1f}" y="{y + 4.5:.1f}" text-anchor="end" {QUIET}>{label}</text>'
    )


def _column(x: float, top: float, label: str) -> str:
    foot = top + PLOT_HEIGHT
    return (
        f'<path d="M{x:.1f} {foot:.1f}v5" {GRID}/>'
        f'<text x="{x:.1f}" y="{foot + 19:.1f}" text-anchor="middle" {QUIET}>{label}</text>'
    )


def _mark(x: float, left: float, top: float) -> str:
    anchor, aside = ("start", 5) if x < (left + WIDTH) / 2 else ("end", -5)
    return (
        f'<path d="M{x:.1f} {top:.1f}v{PLOT_HEIGHT:g}" stroke="currentColor" stroke-dasharray="4 3" stroke-opacity=".7"/>'
        f'<text x="{x + aside:.1f}" y="{top + 12:.1f}" text-anchor="{anchor}">best</text>'
    )


def _line(points: Sequence[Point], k: int) -> str:
    """One line in pixels with its gaps, dots where points are few or stand alone, and its shape at the end."""
    runs = [list(run) for seen, run in groupby(points, _seen) if seen]
    stroke = f'style="stroke:{_colour(k)}" fill="none" stroke-linecap="round" stroke-linejoin="round"'
    path = "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in run) for run in runs if len(run) > 1)
    dots = [point for run in runs if len(run) == 1 or len(points) <= FEW for point in run]
    x, y = runs[-1][-1]
    return (
        f'<path d="{path}" {stroke} stroke-width="1.8"/>'
        f'<path d="{"".join(f"M{x:.1f} {y:.1f}h0" for x, y in dots)}" {stroke} stroke-width="4.5"/>'
        f'<path d="M{x:.1f} {y:.1f}{SHAPES[k % len(SHAPES)]}" style="fill:{_colour(k)}"/>'
    )


def _ends(values: Iterable[float]) -> tuple[float, float]:
    seen = [value for value in values if not math.isnan(value)]
    return min(seen), max(seen)


def _told(title: str, lines: Mapping[str, Sequence[Point]], axis: str, mark: float | None) -> str:
    """The drawing in words, for those who hear it."""
    told = [title]
    for name, points in lines.items():
        seen = [point for point in points if _seen(point)]
        low, high = _ends(y for _, y in seen)
        told.append(
            f"{name}: {number(seen[0][1])} at {short(seen[0][0])} {axis.split()[0]}, {number(seen[-1][1])} at {short(seen[-1][0])}, "
            f"lowest {number(low)}, highest {number(high)}"
        )
    return ". ".join(told + ([] if mark is None else [f"Best at {short(mark)} images"]))


def _scientific(value: float, digits: int) -> str:
    factor, exponent = f"{value:.{digits}e}".split("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{factor.rstrip('0').rstrip('.')} × 10{raised}".replace("-", "−")
