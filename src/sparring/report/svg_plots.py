"""Draw plots as SVG. Own code, since a report needs dark mode, text for screen readers and no script or dependency.

Colours come from the page (`--s1` to `--s5`) where it has them, so that dark pages can have lighter ones. They differ
in lightness, and each line ends in its own shape, for readers who see few colours or print in grey.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby

from markupsafe import Markup

from sparring.measure.classifier.calibration import Bin
from sparring.report.format import number, percent, safe, short, shortened

Point = tuple[float, float]

WIDTH, PLOT_HEIGHT, RIGHT = 480.0, 170.0, 22.0
"""Width of a plot, height of its area and margin on its right, in pixels: its text is legible on a phone, where the
plot shrinks to three quarters."""
LETTER = 7.0
"""Average width of a letter of size 13, in pixels."""
MAX_POINTS = 400
"""Largest number of points of a line; a screen shows no more."""
MAX_DOTS = 40
"""Largest number of points of a line that are drawn as dots, too."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#b4528a", "#8a6d00")
"""After Okabe and Ito (2008), distinct with any kind of colour vision; darkened for white paper."""
SHAPES = (
    "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "m-4-4h8v8h-8z",
    "m0-5l5 9h-10z",
    "m0-5.5l5.5 5.5-5.5 5.5-5.5-5.5z",
    "m0 5l5-9h-10z",
)
MAX_ABS, MIN_RANGE = 1e100, 1e-100
"""Largest absolute value that is parts, and smallest difference of two values."""
GRID = 'stroke="currentColor" stroke-opacity=".16"'
QUIET = 'fill-opacity=".68"'
SIDE, EDGE = 220.0, 44.0
"""Side of the reliability diagram's square and margin around it, in pixels."""


def curve(
    title: str,
    series: Mapping[str, Sequence[Point]],
    *,
    unit: str = "",
    axis: str = "images",
    mark: float | None = None,
    mark_name: str = "best",
    latest: bool = True,
) -> Markup:
    """Draw lines of points (x, y); a value that is not finite leaves a gap, an empty series is left out.

    `axis` names x. At `mark`, the x of the best result or another of this name, is a vertical line. `latest` shows the
    last value of each line. Returns "" where there are no points to draw.
    """
    lines = {name: thinned(points) for name, points in series.items()}
    lines = {name: points for name, points in lines.items() if any(map(_is_drawn, points))}
    if not lines:
        return Markup("")
    mark = mark if mark is not None and _drawable(mark) else None
    xs = [x for points in lines.values() for x, _ in points] + [0.0] + ([mark] if mark is not None else [])
    left, right = _widened(min(xs), max(xs))
    rows = ticks(*_ends(y for points in lines.values() for _, y in points))
    margin = 14 + LETTER * max(len(short(y)) for y in rows)
    key, last_row = legend(list(lines), [_latest(points) if latest else "" for points in lines.values()], WIDTH)
    top = last_row + 20
    across = _scale(left, right, margin, WIDTH - RIGHT)
    down = _scale(rows[0], rows[-1], top + PLOT_HEIGHT, top)
    parts = [
        *(_row(down(y), margin, short(y)) for y in rows),
        *(_column(across(x), top, short(x)) for x in ticks(left, right, 8) if left <= x <= right),
        *([] if mark is None else [_mark(across(mark), margin, top, mark_name)]),
        *(_line([(across(x), down(y)) for x, y in points], k) for k, points in enumerate(lines.values())),
    ]
    named = f"{title} ({unit})" if unit else title
    height = top + PLOT_HEIGHT + 46
    return Markup(
        f'<svg role="img" aria-label="{safe(_description(named, lines, axis, mark, mark_name))}" '
        f'viewBox="0 0 {WIDTH:g} {height:g}" '
        f'width="{WIDTH:g}" height="{height:g}" font-size="13" fill="currentColor"><title>{safe(named)}</title>'
        '<text x="2" y="16" font-size="15" '
        f'font-weight="600">{safe(shortened(named, 54))}</text>{key}{"".join(parts)}'
        f'<text x="{WIDTH - RIGHT:g}" y="{height - 6:g}" text-anchor="end" {QUIET}>{safe(axis)}</text></svg>'
    )


def thinned(points: Iterable[Point], max_points: int = MAX_POINTS) -> list[Point]:
    """Sort points by x and thin them out to `max_points`; values that cannot be parts become NaN.

    Each stretch of a long series keeps its lowest and highest point, so that no spike is lost.
    """
    drawable = sorted(
        ((x, y if _drawable(y) else math.nan) for x, y in points if _drawable(x)), key=lambda point: point[0]
    )
    if len(drawable) <= max_points:
        return drawable
    stride = -(-2 * len(drawable) // (max_points - 2))
    kept: list[Point] = []
    for first in range(0, len(drawable) - 1, stride):
        stretch = drawable[first : min(first + stride, len(drawable) - 1)]
        extremes = sorted(filter(_is_drawn, stretch), key=lambda point: point[1])
        kept += sorted({extremes[0], extremes[-1]}) if extremes else stretch[:1]
    return [*kept, drawable[-1]]


def ticks(low: float, high: float, max_steps: int = 6) -> list[float]:
    """Return evenly spaced round numbers, the first at or below `low` and the last at or above `high`."""
    low, high = _widened(low, high)
    rough = (high - low) / (max_steps - 1)
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * k for k in (1, 2, 5, 10) if unit * k >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [k * step for k in range(first, last + 1)]


def interval(value: float, low: float, high: float, baseline: float | None) -> Markup:
    """Draw a score on a line that begins at 0: a dot on its interval, and the baseline as a vertical stroke."""
    if not _drawable(value):
        return Markup("")
    ends = [end for end in (value, low, high, baseline) if end is not None and _drawable(end)]
    at = _scale(*_widened(min(0.0, *ends), max(0.0, *ends)), 6, 234)
    bar = f"M{at(low):.1f} 10H{at(high):.1f}" if _drawable(low) and _drawable(high) else ""
    stroke = f"M{at(baseline):.1f} 2v16" if baseline is not None and _drawable(baseline) else ""
    return Markup(
        f'<svg aria-hidden="true" viewBox="0 0 240 20" width="240" height="20"><path d="M6 10H234" {GRID}/>'
        f'<path d="{bar}" style="stroke:{colour(0)}" stroke-width="9" stroke-opacity=".4"/>'
        f'<path d="{stroke}" style="stroke:{colour(1)}" stroke-width="2.5"/>'
        f'<circle cx="{at(value):.1f}" cy="10" r="3.5" style="fill:{colour(0)}"/></svg>'
    )


def bar(fraction: float, low: float | None = None, high: float | None = None) -> Markup:
    """Draw a fraction as a bar on a line from 0 to 1, with its interval where it is given."""
    at = _scale(0, 1, 4, 236)
    ends = (
        ""
        if low is None or high is None
        else f"M{at(low):.1f} 5v10M{at(low):.1f} 10H{at(high):.1f}M{at(high):.1f} 5v10"
    )
    return Markup(
        f'<svg aria-hidden="true" viewBox="0 0 240 20" width="240" height="20"><path d="M{at(0):g} 10H{at(1):g}" '
        f"{GRID}/>"
        f'<path d="M{at(0):g} 10H{at(fraction):.1f}" style="stroke:{colour(0)}" stroke-width="9"/>'
        f'<path d="{ends}" fill="none" stroke="currentColor" stroke-width="1.5"/></svg>'
    )


def fraction_line(value: float, low: float, high: float, left: str, right: str) -> Markup:
    """Draw a fraction on a line from 1/2, or a value below it, to 1; `left` and `right` label 1/2 and 1."""
    if not all(map(math.isfinite, (value, low, high))):
        return Markup("")
    start = min(0.5, math.floor(min(value, low) * 10) / 10)
    at = _scale(start, 1.0, 24, WIDTH - 24)
    half = 'text-anchor="start" dx="-18"' if start == 0.5 else 'text-anchor="middle"'
    marks = [start + k / 10 for k in range(round((1 - start) * 10) + 1)]
    return Markup(
        f'<svg role="img" aria-label="{safe(f"{percent(value)}, between {percent(low)} and {percent(high)}")}" '
        f'viewBox="0 0 {WIDTH:g} 74" width="{WIDTH:g}" height="74" font-size="13" fill="currentColor">'
        f'<path d="M{at(start):.1f} 32H{at(1):.1f}" {GRID} stroke-width="2"/>'
        + "".join(f'<path d="M{at(m):.1f} 27v10" {GRID} stroke-width="2"/>' for m in marks)
        + "".join(f'<text x="{at(m):.1f}" y="54" text-anchor="middle">{round(m * 100)} %</text>' for m in marks)
        + f'<text x="{at(0.5):.1f}" y="70" {half} {QUIET}>{safe(left)}</text>'
        f'<text x="{WIDTH - 4:g}" y="70" text-anchor="end" {QUIET}>{safe(right)}</text>'
        f'<path d="M{at(low):.1f} 32H{at(high):.1f}" style="stroke:{colour(0)}" stroke-width="10" '
        'stroke-opacity=".4"/>'
        f'<circle cx="{at(value):.1f}" cy="32" r="6" style="fill:{colour(0)}"/>'
        f'<text x="{at(value):.1f}" y="16" text-anchor="{"end" if value > 0.97 else "middle"}" font-weight="600">'
        f"{percent(value)}</text></svg>"
    )


def reliability_diagram(bins: Sequence[Bin]) -> Markup:
    """Draw accuracy over confidence: a dot for each bin, larger with more answers, and the diagonal."""
    total = max(sum(b.count for b in bins), 1)
    dots = "".join(
        f'<circle cx="{EDGE + b.confidence * SIDE:.1f}" cy="{EDGE + (1 - b.accuracy) * SIDE:.1f}" '
        f'r="{3 + 9 * (b.count / total) ** 0.5:.1f}" style="fill:{colour(0)}" fill-opacity=".75">'
        f"<title>{b.count:,} answers: confidence {percent(b.confidence)}, accuracy "
        f"{percent(b.accuracy)}</title></circle>"
        for b in bins
    )
    labels = "".join(
        f'<text x="{EDGE + x * SIDE:.0f}" y="{EDGE + SIDE + 18:.0f}" text-anchor="middle" {QUIET}>{x:g}</text>'
        f'<text x="{EDGE - 8:.0f}" y="{EDGE + (1 - x) * SIDE + 4:.0f}" text-anchor="end" {QUIET}>{x:g}</text>'
        for x in (0, 0.5, 1)
    )
    size, end = SIDE + 2 * EDGE, EDGE + SIDE
    values = "; ".join(f"confidence {percent(b.confidence)}, accuracy {percent(b.accuracy)}" for b in bins)
    return Markup(
        f'<svg role="img" aria-label="{safe(f"Reliability: {values}")}" viewBox="0 0 {size:g} {size:g}" '
        f'width="{size:g}" '
        f'height="{size:g}" font-size="13" fill="currentColor">'
        f'<path d="M{EDGE:g} {EDGE:g}V{end:g}H{end:g}" {GRID} fill="none"/>'
        f'<path d="M{EDGE:g} {end:g}L{end:g} {EDGE:g}" {GRID} stroke-dasharray="4 3"/>{labels}{dots}'
        f'<text x="{EDGE:g}" y="{EDGE - 14:g}">accuracy</text>'
        f'<text x="{end:g}" y="{end + 36:g}" text-anchor="end">confidence</text></svg>'
    )


def _drawable(value: float) -> bool:
    return math.isfinite(value) and abs(value) < MAX_ABS


def _is_drawn(point: Point) -> bool:
    return not math.isnan(point[1])


def _widened(low: float, high: float) -> tuple[float, float]:
    """Widen a range that is too small for an axis on both sides."""
    size = max(abs(low), abs(high))
    if high - low > max(size * 1e-6, MIN_RANGE):
        return low, high
    room = size / 10 if size > MIN_RANGE else 1.0
    return low - room, high + room


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """Return the map of values from `low` to `high` to pixels from `start` to `end`."""
    return lambda value: start + (value - low) / (high - low) * (end - start)


def colour(k: int) -> str:
    """Return the colour of line k; with more lines than colours shapes distinguish them."""
    k = (k + k // len(COLOURS)) % len(COLOURS)
    return f"var(--s{k + 1},{COLOURS[k]})"


def legend(names: Sequence[str], values: Sequence[str], width: float) -> tuple[str, float]:
    """Draw each line's shape, name and value in rows of `width` pixels; return it and the y of the last row."""
    parts, x, y = [], 8.0, 40.0
    for k, (name, value) in enumerate(zip(names, values, strict=True)):
        name = shortened(name, int((width - 8 - 30) / LETTER) - len(value) - 1)  # letters that fit in a row
        needed = 30 + LETTER * (len(name) + len(value) + 1)
        if x > 8 and x + needed > width:
            x, y = 8.0, y + 20
        parts.append(
            f'<path d="M{x:.1f} {y - 4.5:.1f}{SHAPES[k % len(SHAPES)]}" style="fill:{colour(k)}"/>'
            f'<text x="{x + 11:.1f}" y="{y:g}">{safe(name)} <tspan {QUIET}>{value}</tspan></text>'
        )
        x += needed
    return "".join(parts), y


def _latest(points: Sequence[Point]) -> str:
    """Return the last value of a line."""
    return number([point for point in points if _is_drawn(point)][-1][1])


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


def _mark(x: float, left: float, top: float, name: str) -> str:
    anchor, aside = ("start", 5) if x < (left + WIDTH) / 2 else ("end", -5)
    return (
        f'<path d="M{x:.1f} {top:.1f}v{PLOT_HEIGHT:g}" stroke="currentColor" stroke-dasharray="4 3" '
        'stroke-opacity=".7"/>'
        f'<text x="{x + aside:.1f}" y="{top + 12:.1f}" text-anchor="{anchor}">{safe(name)}</text>'
    )


def _line(points: Sequence[Point], k: int) -> str:
    """Draw one line in pixels: its gaps, dots where points are few or isolated, and its shape at the end."""
    runs = [list(run) for parts, run in groupby(points, _is_drawn) if parts]
    stroke = f'style="stroke:{colour(k)}" fill="none" stroke-linecap="round" stroke-linejoin="round"'
    path = "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in run) for run in runs if len(run) > 1)
    dots = [point for run in runs if len(run) == 1 or len(points) <= MAX_DOTS for point in run]
    x, y = runs[-1][-1]
    return (
        f'<path d="{path}" {stroke} stroke-width="1.8"/>'
        f'<path d="{"".join(f"M{x:.1f} {y:.1f}h0" for x, y in dots)}" {stroke} stroke-width="4.5"/>'
        f'<path d="M{x:.1f} {y:.1f}{SHAPES[k % len(SHAPES)]}" style="fill:{colour(k)}"/>'
    )


def _ends(values: Iterable[float]) -> tuple[float, float]:
    numbers = [value for value in values if not math.isnan(value)]
    return min(numbers), max(numbers)


def _description(
    title: str, lines: Mapping[str, Sequence[Point]], axis: str, mark: float | None, mark_name: str
) -> str:
    """Describe the plot for screen readers."""
    lines_of_text = [title]
    for name, points in lines.items():
        parts = [point for point in points if _is_drawn(point)]
        low, high = _ends(y for _, y in parts)
        lines_of_text.append(
            f"{name}: {number(parts[0][1])} at {short(parts[0][0])} {axis.split()[0]}, {number(parts[-1][1])} at "
            f"{short(parts[-1][0])}, lowest {number(low)}, highest {number(high)}"
        )
    return ". ".join(
        lines_of_text + ([] if mark is None else [f"{mark_name.capitalize()} at {short(mark)} {axis.split()[0]}"])
    )
