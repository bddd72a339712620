"""A classifier's figures as sections of the report: errors, confusion, calibration, and what it is least sure of."""

from __future__ import annotations

from collections.abc import Sequence

from sparring.measure.classifier.calibration import UNTESTED, Bin, ClassificationReport
from sparring.report.html import Picture, Section, figure, listed, noted
from sparring.report.svg_plots import GRID, QUIET, percent, text

CLASSES = 20
"""Of a confusion table that is drawn whole; of more classes the worst pairs are named alone."""
WORST = 10
SIDE, EDGE = 220.0, 44.0
"""Pixels of the reliability curve's square, and around it."""


def classified_sections(found: ClassificationReport, unsure: Picture | None = None) -> list[Section]:
    """What the page tells of a classifier; `unsure` shows images that are worth a label."""
    sections = [Section("Errors", _errors(found))]
    if found.confusion is not None:
        sections.append(Section("What is taken for what", _confusion(found.classes, found.confusion)))
        sections.append(Section("Can its probabilities be believed?", _reliability(found)))
    if found.attacked:
        sections.append(Section("Under attack", _attacked(found)))
    if unsure is not None:
        words = (
            "In turn the images it is least sure of, and those least like any labelled one, which it may be wrong about "
            "without a doubt: a label for these is worth most. They are listed in to_label.csv."
        )
        sections.append(Section("What to label next", f"<p>{words}</p>{figure(unsure, 'Dataset worth a label')}"))
    return sections


def _errors(found: ClassificationReport) -> str:
    notes = noted(found.notes)
    if found.test_errors is None or found.low is None or found.high is None:
        return f"<p>{text(UNTESTED[0].upper() + UNTESTED[1:])}.</p>{notes}"
    share = percent(found.test_errors / found.test_count)
    words = (
        f"Told {found.labels:,} labels, it is wrong on {found.test_errors:,} of {found.test_count:,} {found.tested_on}: {share}, "
        f"with a 95 % interval from {percent(found.low)} to {percent(found.high)}."
    )
    some = {"Would be called “none of these”": f"{found.unfamiliar:,}", "Minutes of training": f"{found.minutes:.1f}"}
    return f"<p>{text(words)}</p>{listed(some)}{notes}"


def _confusion(classes: Sequence[str], table: Sequence[Sequence[int]]) -> str:
    wrong = sorted(
        ((count, i, j) for i, row in enumerate(table) for j, count in enumerate(row) if i != j and count), reverse=True
    )
    worst = "".join(
        f"<li>{count:,} × {text(classes[i])} taken for {text(classes[j])}</li>" for count, i, j in wrong[:WORST]
    )
    worst = f"<ul>{worst}</ul>" if worst else "<p>Nothing is taken for anything else.</p>"
    if len(classes) > CLASSES:
        return worst
    head = "".join(f"<th>{text(name)}</th>" for name in classes)
    rows = "".join(
        f"<tr><th>{text(classes[i])}</th>" + "".join(f"<td>{_cell(count, i == j)}</td>" for j, count in enumerate(row)) + "</tr>"
        for i, row in enumerate(table)
    )  # fmt: skip
    return (
        '<p class="quiet">Rows are what images show, columns what they are taken for.</p><div class="scroll"><table>'
        f"<thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table></div>{worst}"
    )


def _cell(count: int, right: bool) -> str:
    return "" if not count else f"{count:,}" if right else f"<b>{count:,}</b>"


def _reliability(found: ClassificationReport) -> str:
    error = (
        ""
        if found.calibration_error is None
        else f" On the average the two are {percent(found.calibration_error)} apart."
    )
    words = f"Of the answers given with 90 % about 90 % should be right: points on the line.{error}"
    return f"<p>{words}</p><figure>{reliability_drawing(found.reliability)}</figure>"


def _attacked(found: ClassificationReport) -> str:
    rows = "".join(
        f"<tr><td>{one.eps:.3f}</td><td>{one.right:,} of {one.of:,}</td><td>{percent(one.low)} to {percent(one.high)}</td></tr>"
        for one in found.attacked
    )
    steps = found.attacked[0].steps
    words = (
        f"Answers that stay right when someone who knows the classifier changes each pixel by so much of the range (PGD, {steps} steps; "
        "a stronger attack may do better). Training against it is another thing than training with few labels."
    )
    head = "<tr><th>Change of a pixel</th><th>Right</th><th>95 % interval</th></tr>"
    return f"<p>{words}</p><table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def reliability_drawing(curve: Sequence[Bin]) -> str:
    """Accuracy over confidence as SVG: a dot for each bin, as large as it has answers, and the line they should lie on."""
    total = max(sum(one.count for one in curve), 1)
    dots = "".join(
        f'<circle cx="{EDGE + one.confidence * SIDE:.1f}" cy="{EDGE + (1 - one.accuracy) * SIDE:.1f}" '
        f'r="{3 + 9 * (one.count / total) ** 0.5:.1f}" style="fill:var(--s1, #0072b2)" fill-opacity=".75">'
        f"<title>{one.count:,} answers: {percent(one.confidence)} sure, {percent(one.accuracy)} right</title></circle>"
        for one in curve
    )
    marks = "".join(
        f'<text x="{EDGE + share * SIDE:.0f}" y="{EDGE + SIDE + 18:.0f}" text-anchor="middle" {QUIET}>{share:g}</text>'
        f'<text x="{EDGE - 8:.0f}" y="{EDGE + (1 - share) * SIDE + 4:.0f}" text-anchor="end" {QUIET}>{share:g}</text>'
        for share in (0, 0.5, 1)
    )
    whole, end = SIDE + 2 * EDGE, EDGE + SIDE
    told = "; ".join(f"{percent(one.confidence)} sure, {percent(one.accuracy)} right" for one in curve)
    return (
        f'<svg role="img" aria-label="{text(f"Reliability: {told}")}" viewBox="0 0 {whole:g} {whole:g}" width="{whole:g}" '
        f'height="{whole:g}" font-size="13" fill="currentColor">'
        f'<path d="M{EDGE:g} {EDGE:g}V{end:g}H{end:g}" {GRID} fill="none"/>'
        f'<path d="M{EDGE:g} {end:g}L{end:g} {EDGE:g}" {GRID} stroke-dasharray="4 3"/>{marks}{dots}'
        f'<text x="{EDGE:g}" y="{EDGE - 14:g}">right</text>'
        f'<text x="{end:g}" y="{end + 36:g}" text-anchor="end">sure</text></svg>'
    )
