"""How robust a classifier is, as a section of the report: a curve over the radius, its figures, and what still fools it."""

from __future__ import annotations

from sparring.measure.classifier.robustness import HardeningReport
from sparring.report.html import Picture, Section, figure, noted
from sparring.report.svg_plots import curve, percent, text


def robust_sections(found: HardeningReport, fooled: Picture | None = None) -> list[Section]:
    """What the page tells of robustness; `fooled` shows images above their adversaries."""
    sections = [Section("How robust it is", _words(found) + _curve(found) + _table(found))]
    if fooled is not None:
        words = "Images that it knows, and below each the same one as an attacker changes it, taken for something else."
        sections.append(Section("What still fools it", f"<p>{words}</p>{figure(fooled, 'Dataset and adversaries')}"))
    return sections


def _words(found: HardeningReport) -> str:
    robust = found.robust.accuracy
    against = f" against changes of up to {found.eps:.4g} in {found.norm} (pixels from 0 to 1)" if found.eps else ""
    words = (
        f"Trained by {found.method}{against}, it stays "
        f"right on {robust.hits:,} of {robust.total:,} {found.tested_on} under {found.attack}, at {found.robust.eps:.4g} in {found.norm}: "
        f"{percent(robust.value)}, with a 95 % interval from {percent(robust.low)} to {percent(robust.high)}. A stronger "
        "attack may break more."
    )
    notes = [note for note in found.notes if note not in found.clean.notes]  # which stand further down
    if found.rollbacks:
        at = ", ".join(f"{nimg:,}" for nimg in found.rollbacks)
        notes.append(f"Its robustness collapsed and the guard went back to better weights, at image {at}")
    return f"<p>{text(words)}</p>{noted(notes)}"


def _curve(found: HardeningReport) -> str:
    points = [(level.eps, 100 * level.accuracy.value) for level in found.curve]
    drawn = curve("Right under attack", {found.method: points}, unit="%", axis="eps")
    return f"<figure>{drawn}</figure>"


def _table(found: HardeningReport) -> str:
    rows = "".join(
        f"<tr><td>{level.eps:.4g}</td><td>{percent(level.accuracy.value)}</td><td>{percent(level.accuracy.low)} to {percent(level.accuracy.high)}</td></tr>"
        for level in found.curve
    )
    head = "<tr><th>eps</th><th>right</th><th>95 % interval</th></tr>"
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>'
