"""Sections of the report of a certificate: accuracy over the radius, the bounds of each image, adversarial examples."""

from __future__ import annotations

from statistics import median

from sparring.measure.classifier.certified_accuracy import CertificationReport, Row
from sparring.report.blocks import Details, Drawing, Picture, Table, Text, notes, proportion_cells
from sparring.report.page import Section
from sparring.report.svg_plots import curve


def certified_sections(report: CertificationReport, broken: Picture | None = None) -> list[Section]:
    """Show certified and attacked accuracy; `broken` is a picture of images above their adversarial examples."""
    sections = [
        Section("Certified accuracy", _message(report), notes(report.notes), _curve(report), _table(report)),
        Section("Bounds of each image", _bounds(report), Details("Every image", [_rows(report)])),
    ]
    if broken is not None:
        what = (
            "Images that are classified correctly, and below each the nearest adversarial example that was found. "
            "Above them stands the class."
        )
        sections.append(Section("Adversarial examples", Text(what), broken))
    return sections


def _message(report: CertificationReport) -> Text:
    return Text(
        "The classifier answers with the class that it predicts most often in normal noise of standard deviation "
        f"{report.sigma:g} (pixels and radii in units of the range from 0 to 1), estimated from {report.draws:,} draws "
        f"on each of {report.selection}. Certified: no attack can change the correct answer by changes up to that L2 "
        f"radius; for each image this is wrong with a probability of at most {report.alpha:g}. Attacked: no "
        f"adversarial example was found by {report.attack}."
    )


def _curve(report: CertificationReport) -> Drawing:
    lines = {"attacked": report.attacked, "certified": report.certified}
    series = {name: [(point.eps, 100 * point.accuracy.value) for point in points] for name, points in lines.items()}
    return Drawing(curve("Accuracy", series, unit="%", axis="L2 radius", latest=False))


def _table(report: CertificationReport) -> Table:
    rows = [
        (f"{certified.eps:.4g}", *proportion_cells(certified.accuracy), *proportion_cells(attacked.accuracy))
        for certified, attacked in zip(report.certified, report.attacked, strict=True)
    ]
    return Table(("radius", "certified", "95 % interval", "attacked", "95 % interval"), rows)


def _bounds(report: CertificationReport) -> Text:
    both = [(row.certified, row.broken) for row in report.rows if row.certified is not None and row.broken]
    if not both:
        return Text("No image has both a certified radius and an adversarial example.")
    certified, broken = (median(ends) for ends in zip(*both, strict=True))
    return Text(
        f"{len(both):,} images have both a certified radius, {certified:.3g} in the median, and an adversarial "
        f"example, at a median distance of {broken:.3g}; the true robust radius lies between the two."
    )


def _rows(report: CertificationReport) -> Table:
    return Table(("image", "label", "certified up to", "adversarial example at"), list(map(_row, report.rows)))


def _row(row: Row) -> tuple[str, str, str, str]:
    certified = "not certified" if row.certified is None else f"{row.certified:.3f}"
    broken = "none found" if row.broken is None else f"{row.broken:.3f}" if row.broken else "misclassified"
    return row.name, row.label, certified, broken
