"""Draw a map of expected scores over two settings, with the trials as dots."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from sparring.report.format import safe, short, shortened
from sparring.report.svg_plots import QUIET

SIDE, LEFT, TOP = 300.0, 66.0, 48.0
"""Side of the map and margins, in pixels."""


def score_map(
    title: str,
    scores: Sequence[Sequence[float]],
    axes: tuple[tuple[str, float, float], tuple[str, float, float]],
    trials: Sequence[tuple[float, float, str]],
    best: int,
) -> Markup:
    """Draw `scores` as cells, darker where lower; the first row is at the bottom.

    `axes` are name, lowest and highest value across and up; `trials` are positions in [0, 1] and a description, and
    the one of index `best` has a ring.
    """
    values = [value for row in scores for value in row]
    low, high = min(values), max(values)
    height, width = SIDE / len(scores), SIDE / len(scores[0])
    span = (high - low) or 1
    cells = "".join(
        f'<rect x="{LEFT + k * width:.1f}" y="{TOP + SIDE - (row + 1) * height:.1f}" width="{width + 0.3:.1f}" '
        f'height="{height + 0.3:.1f}" fill="#0072b2" fill-opacity="{0.05 + 0.85 * (high - value) / span:.2f}"/>'
        for row, line in enumerate(scores)
        for k, value in enumerate(line)
    )
    dots = "".join(
        f'<g><title>{safe(text)}</title><circle cx="{LEFT + x * SIDE:.1f}" cy="{TOP + (1 - y) * SIDE:.1f}" r="4" '
        f'fill="#e69f00" stroke="currentColor" stroke-width="{3 if k == best else 0.8}"/></g>'
        for k, (x, y, text) in enumerate(trials)
    )
    (across, left, right), (up, bottom, top) = axes
    foot = TOP + SIDE
    labels = [
        (LEFT, foot + 18, "start", short(left)), (LEFT + SIDE, foot + 18, "end", short(right)),
        (LEFT + SIDE / 2, foot + 36, "middle", across), (LEFT - 8, foot, "end", short(bottom)),
        (LEFT - 8, TOP + 12, "end", short(top)), (LEFT, TOP - 8, "start", f"{up} (upwards)"),
    ]  # fmt: skip
    texts = "".join(
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" {QUIET}>{safe(text)}</text>' for x, y, anchor, text in labels
    )
    described = f"{title}: expected scores from {short(low)}, dark, to {short(high)}, light"
    return Markup(
        f'<svg role="img" aria-label="{safe(described)}" viewBox="0 0 {LEFT + SIDE + 20:g} {foot + 46:g}" '
        f'width="{LEFT + SIDE + 20:g}" height="{foot + 46:g}" font-size="13" fill="currentColor">'
        f'<text x="2" y="15" font-size="15" font-weight="600">{safe(shortened(title, 44))}</text>'
        f"{cells}{dots}{texts}</svg>"
    )
