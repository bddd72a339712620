"""Sections of the report of adversarial training: robust accuracy over the radius, and adversarial examples."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from sparring.measure.classifier.robustness import HardeningReport
from sparring.report.blocks import Drawing, Picture, Table, Text, notes, proportion_cells
from sparring.report.format import proportion_text
from sparring.report.page import Section
from sparring.report.svg_plots import curve
from sparring.stats.proportion import CurvePoint


def robust_sections(report: HardeningReport, adversarial: Picture | None = None) -> list[Section]:
    """Show robust accuracy; `adversarial` is a picture of images above their adversarial examples."""
    plot = Drawing(accuracy_curve(report.curve, report.method, report.robust.eps))
    sections = [Section("Robustness", _message(report), notes(_notes(report)), plot, curve_table(report.curve))]
    if adversarial is not None:
        what = (
            "Test images that are classified correctly, and below each an adversarial example that is not. Above them "
            "stands the class, and as which the adversarial example is classified."
        )
        sections.append(Section("Adversarial examples", Text(what), adversarial))
    return sections


def accuracy_curve(points: Sequence[CurvePoint], name: str, eps: float | None = None) -> Markup:
    """Plot accuracy in per cent over eps, with a mark at that of the attack; empty where there are no points."""
    line = [(point.eps, 100 * point.accuracy.value) for point in points]
    mark = f"eps {eps:.4g}" if eps else ""
    return curve(
        "Accuracy under attack", {name: line}, unit="%", axis="eps", mark=eps or None, mark_name=mark, latest=False
    )


def curve_table(points: Sequence[CurvePoint]) -> Table:
    """Return the table of a curve: eps, accuracy, interval."""
    rows = [(f"{point.eps:.4g}", *proportion_cells(point.accuracy)) for point in points]
    return Table(("eps", "accuracy", "95 % interval"), rows)


def _message(report: HardeningReport) -> Text:
    robust = report.robust
    trained = f" against changes of up to {report.eps:.4g} in {report.norm} (pixels from 0 to 1)" if report.eps else ""
    return Text(
        f"Trained by {report.method}{trained}. Accuracy under attack at eps {robust.eps:.4g} in {report.norm}: "
        f"{proportion_text(robust.accuracy)}, {robust.accuracy.hits:,} of {robust.accuracy.total:,} "
        f"{report.tested_on}. The attack is {report.attack}; a stronger one may lower it."
    )


def _notes(report: HardeningReport) -> list[str]:
    """Return the notes that the classifier's own section does not show."""
    lines = [report.verdict] if report.verdict else []
    lines += [note for note in report.notes if note not in report.clean.notes]
    if report.restarts:
        at = ", ".join(f"{nimg:,}" for nimg in report.restarts)
        lines.append(f"Nothing had been learnt, so the training began anew, with a slower growth of eps, at image {at}")
    if report.rollbacks:
        at = ", ".join(f"{nimg:,}" for nimg in report.rollbacks)
        lines.append(f"Robust accuracy collapsed, so earlier weights were restored, at image {at}")
    return lines
