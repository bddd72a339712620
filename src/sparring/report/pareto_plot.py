"""Draw accuracy against a gap: candidates with their intervals, the front, and the lines of the baselines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from sparring.report.format import percent, safe, shortened
from sparring.report.svg_plots import GRID, QUIET, SHAPES, Point, colour, legend, ticks
from sparring.stats.intervals import Interval

WIDTH, HEIGHT, LEFT, RIGHT = 480.0, 260.0, 58.0, 22.0
"""Width of the plot, height of its area, and margins, in pixels."""
HALF = 50
"""Letters of a title."""


@dataclass(frozen=True)
class Mark:
    """One candidate."""

    name: str
    method: str
    """Meaning of its colour and shape."""
    gap: Interval
    accuracy: Interval
    is_selected: bool = False


def pareto_plot(
    title: str, marks: Sequence[Mark], front: Sequence[str], baseline: Sequence[Point], limit: float | None
) -> Markup:
    """Draw the marks; those of the names `front` are joined. `baseline` is a dashed line, `limit` a largest gap."""
    if not marks:
        return Markup("")
    methods = list(dict.fromkeys(mark.method for mark in marks))
    key, last_row = legend(methods, [""] * len(methods), WIDTH)
    top = last_row + 38
    xs = ticks(0.0, max([mark.gap.high for mark in marks] + [x for x, _ in baseline]))
    accuracies = [end for mark in marks for end in (mark.accuracy.low, mark.accuracy.high)]
    ys = ticks(min(accuracies), max(accuracies))
    foot = top + HEIGHT

    def across(x: float) -> float:
        return LEFT + (x - xs[0]) / (xs[-1] - xs[0]) * (WIDTH - RIGHT - LEFT)

    def down(y: float) -> float:
        return foot - (max(y, ys[0]) - ys[0]) / (ys[-1] - ys[0]) * HEIGHT

    by_name = {mark.name: mark for mark in marks}
    joined = sorted((by_name[name].gap.value, by_name[name].accuracy.value) for name in front)
    parts = [
        *(f'<path d="M{LEFT:g} {down(y):.1f}H{WIDTH - RIGHT:g}" {GRID}/>' for y in ys),
        *(_text(LEFT - 8, down(y) + 4.5, f"{100 * y:.4g}", "end") for y in ys),
        *(_text(across(x), foot + 19, f"{100 * x:.4g}", "middle") for x in xs),
        "" if limit is None else _limit(across(limit), top, foot),
        _path(
            [(across(x), down(y)) for x, y in _within(baseline, ys[0])], 'stroke-dasharray="5 4" stroke-opacity=".6"'
        ),
        _path([(across(x), down(y)) for x, y in joined], 'stroke-opacity=".45" stroke-width="2"'),
        *(_mark(mark, methods.index(mark.method), across, down) for mark in marks),
    ]
    described = "; ".join(
        f"{mark.name}: gap {percent(mark.gap.value)}, accuracy {percent(mark.accuracy.value)}" for mark in marks
    )
    height = foot + 46
    return Markup(
        f'<svg role="img" aria-label="{safe(f"{title}. {described}")}" viewBox="0 0 {WIDTH:g} {height:g}" '
        f'width="{WIDTH:g}" height="{height:g}" font-size="13" fill="currentColor">'
        f'<text x="2" y="16" font-size="15" font-weight="600">{safe(shortened(title, HALF))}</text>{key}'
        + "".join(parts)
        + f'<text x="{LEFT:g}" y="{top - 8:g}" {QUIET}>accuracy, %</text>'
        f'<text x="{WIDTH - RIGHT:g}" y="{height - 6:g}" text-anchor="end" {QUIET}>gap, points</text></svg>'
    )


def _within(line: Sequence[Point], lowest: float) -> list[Point]:
    """Cut a rising line of two points where it leaves the plot below."""
    if len(line) != 2 or line[0][1] >= lowest or line[1][1] <= lowest:
        return list(line)
    (x0, y0), (x1, y1) = line
    return [(x0 + (lowest - y0) / (y1 - y0) * (x1 - x0), lowest), (x1, y1)]


def _path(points: Sequence[Point], style: str) -> str:
    steps = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f'<path d="M{steps}" fill="none" stroke="currentColor" {style}/>' if len(points) > 1 else ""


def _limit(x: float, top: float, foot: float) -> str:
    return (
        f'<path d="M{x:.1f} {top:.1f}V{foot:.1f}" stroke="currentColor" stroke-dasharray="2 3" stroke-opacity=".8"/>'
        f'<text x="{x + 4:.1f}" y="{foot - 6:.1f}" {QUIET}>limit</text>'
    )


def _mark(mark: Mark, k: int, across: Callable[[float], float], down: Callable[[float], float]) -> str:
    """Draw a candidate's shape, and its intervals as a cross; a ring around the one that was chosen."""
    x, y = across(mark.gap.value), down(mark.accuracy.value)
    left, right = across(mark.gap.low), across(mark.gap.high)
    low, high = down(mark.accuracy.low), down(mark.accuracy.high)
    hue = colour(k)
    ring = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="10" fill="none" stroke="currentColor" stroke-width="2"/>'
    name = f"{mark.name}: gap {mark.gap.text()}, accuracy {mark.accuracy.text()}"
    return (
        f'<g><title>{safe(name)}</title><path d="M{left:.1f} {y:.1f}H{right:.1f}M{x:.1f} {low:.1f}V{high:.1f}" '
        f'style="stroke:{hue}" stroke-opacity=".3" stroke-width="1.2"/>'
        f'<path d="M{x:.1f} {y:.1f}{SHAPES[k % len(SHAPES)]}" style="fill:{hue}"/>'
        f"{ring if mark.is_selected else ''}</g>"
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {QUIET}>{safe(text)}</text>'
