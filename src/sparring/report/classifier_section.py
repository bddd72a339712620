"""Sections of the report of a classifier: errors, confusion, calibration, PGD, and the images to label next."""

from __future__ import annotations

from collections.abc import Sequence

from sparring.measure.classifier.calibration import UNTESTED, ClassificationReport
from sparring.report.blocks import Block, Bullets, Drawing, Facts, Picture, Table, Text, notes, proportion_cells
from sparring.report.format import interval_text, markup, percent
from sparring.report.page import Section
from sparring.report.svg_plots import reliability_diagram
from sparring.report.trees_section import trees_section

MAX_CLASSES = 20
"""Largest number of classes of a confusion table; of more classes only the most confused pairs are named."""
MAX_PAIRS = 10
"""Largest number of confused pairs that are named."""


def classified_sections(report: ClassificationReport, to_label: Picture | None = None) -> list[Section]:
    """Show the test of a classifier; `to_label` is a picture of the images to label next."""
    sections = [_errors(report)]
    if report.confusion is not None:
        sections += [_confusion(report.answers, report.confusion), _calibration(report)]
    if report.trees is not None:
        sections.append(trees_section(report.trees))
    if report.attacked:
        sections.append(_attacked(report))
    if report.channels:
        sections.append(_channels(report))
    if to_label is not None:
        what = (
            "Images whose labels would help most: in turn those with the least confident answer, and those least "
            "similar to any labelled image, on which a confident answer may be wrong. to_label.csv lists them."
        )
        sections.append(Section("What to label next", Text(what), to_label))
    return sections


def _errors(report: ClassificationReport) -> Section:
    errors = report.errors
    if errors is None:
        return Section("Errors", Text(f"{UNTESTED[0].upper()}{UNTESTED[1:]}."), notes(report.notes))
    message = (
        f"Trained with {report.labels:,} labels, the classifier is wrong on {errors.hits:,} of {errors.total:,} "
        f"{report.tested_on}: {percent(errors.value)} (95 % interval {interval_text(errors.low, errors.high)})."
    )
    if report.majority is not None:
        name, share = report.majority
        message += f" Always answering “{name}”, the commonest class, would be wrong on {percent(1 - share)}."
    message = f"{report.verdict} {message}".strip()
    facts = {"Answered “none of these”": f"{report.unfamiliar:,}", "Minutes of training": f"{report.minutes:.1f}"}
    return Section("Errors", Text(message), Facts(facts), notes(report.notes))


def _confusion(classes: Sequence[str], table: Sequence[Sequence[int]]) -> Section:
    confused = sorted(
        ((count, i, j) for i, row in enumerate(table) for j, count in enumerate(row) if i != j and count), reverse=True
    )
    pairs = [f"{count:,} × {classes[i]} classified as {classes[j]}" for count, i, j in confused[:MAX_PAIRS]]
    blocks: list[Block] = [Bullets(pairs) if pairs else Text("No image is classified as another class.")]
    if len(classes) <= MAX_CLASSES:
        rows = [(classes[i], *(_count(count, i == j) for j, count in enumerate(row))) for i, row in enumerate(table)]
        what = Text("Rows are true classes, columns predicted ones.", quiet=True)
        blocks = [what, Table(("", *classes), rows, named_rows=True), *blocks]
    return Section("Confusion", *blocks)


def _channels(report: ClassificationReport) -> Section:
    channels = [(name, *proportion_cells(accuracy)) for name, accuracy in report.channels.items()]
    sounds = [(kind, *proportion_cells(answered)) for kind, answered in report.nonspeech.items()]
    return Section(
        "Channels and sounds without speech",
        Text("Accuracy on the test recordings behind each channel."),
        Table(("Channel", "Accuracy", "95 % interval"), channels),
        Text("Fraction of sounds without speech that are answered with a class."),
        Table(("Sounds", "Answered", "95 % interval"), sounds),
    )


def _count(count: int, correct: bool) -> str:
    return "" if not count else f"{count:,}" if correct else markup("<b>{}</b>", f"{count:,}")


def _calibration(report: ClassificationReport) -> Section:
    message = "Of the answers with a confidence of 90 %, about 90 % should be correct: points on the diagonal."
    if report.calibration_error is not None:
        message += f" The mean difference (expected calibration error) is {percent(report.calibration_error)}."
    return Section("Calibration", Text(message), Drawing(reliability_diagram(report.reliability)))


def _attacked(report: ClassificationReport) -> Section:
    message = (
        "Accuracy where each pixel may change by up to eps, in units of the full range (PGD with knowledge of the "
        f"weights, {report.attacked[0].steps} steps). A stronger attack may lower it. `sparring harden` trains against "
        "such attacks."
    )
    rows = [
        (f"{test.eps:.3f}", f"{test.accuracy.hits:,} of {test.accuracy.total:,}", *proportion_cells(test.accuracy))
        for test in report.attacked
    ]
    return Section("Under attack", Text(message), Table(("eps", "correct", "accuracy", "95 % interval"), rows))
