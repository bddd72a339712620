"""Format numbers, proportions and text of a report; tables as CSV."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

from sparring.stats.proportion import Proportion

CODE = re.compile(r"`(?=\S)([^`\n]+)(?<=\S)`")
UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as CSV text with one header line."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def number(value: float) -> str:
    """Return `value` with four significant digits, and all digits of whole thousands."""
    size = abs(value)
    if not math.isfinite(value):
        return "undefined" if math.isnan(value) else "∞" if value > 0 else "−∞"
    if 0 < size < 1e-4 or size >= 1e15:
        return _scientific(value, 3)
    return (f"{value:,.0f}" if size >= 1000 else f"{value:#.4g}".rstrip(".") if value else "0").replace("-", "−")


def short(value: float) -> str:
    """Return `value` as the label of an axis: 0, 50k, 1.5M."""
    size = abs(value)
    if 0 < size < 1e-4 or size >= 1e15:
        return _scientific(value, 9)
    unit, letter = next(((u, s) for u, s in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if size >= u), (1, ""))
    return f"{value / unit:.10g}{letter}".replace("-", "−")


def percent(value: float) -> str:
    """Return a fraction as a percentage with a no-break space: 0.6312 -> 63.1 %."""
    return f"{value * 100:.1f}\u00a0%" if math.isfinite(value) else number(value)


def interval_text(low: float, high: float) -> str:
    """Return the ends of an interval of a fraction: 60.0 % to 66.0 %."""
    return f"{percent(low)} to {percent(high)}"


def proportion_text(proportion: Proportion) -> str:
    """Return a proportion with its interval: 63.1 % (95 % interval 60.0 % to 66.0 %)."""
    return f"{percent(proportion.value)} (95 % interval {interval_text(proportion.low, proportion.high)})"


def shortened(text: str, letters: int) -> str:
    """Return `text` cut to `letters` letters, the last one of them an ellipsis."""
    return text if len(text) <= letters else text[: letters - 1].rstrip() + "…"


def printable(value: object) -> object:
    """Replace characters that HTML, XML or UTF-8 cannot hold; return values that render themselves unchanged."""
    return value if hasattr(value, "__html__") else UNPRINTABLE.sub("�", str(value))


def safe(value: object) -> Markup:
    """Escape `value` for HTML and XML, whatever a file name or a class name holds."""
    return escape(printable(value))


def with_code(value: object) -> object:
    """Return text with what stands in backticks as code; values that render themselves unchanged."""
    return value if hasattr(value, "__html__") else Markup(CODE.sub(r"<code>\1</code>", str(safe(value))))


def markup(template: str, *values: object) -> Markup:
    """Fill the braces of an HTML `template` with escaped `values`."""
    return Markup(template).format(*map(printable, values))


def _scientific(value: float, digits: int) -> str:
    factor, exponent = f"{value:.{digits}e}".split("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{factor.rstrip('0').rstrip('.')} × 10{raised}".replace("-", "−")
