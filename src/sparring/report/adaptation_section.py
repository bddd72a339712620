"""The choice among adapted classifiers: each candidate's scores, label shift and regret, as a page and as text."""

from __future__ import annotations

from sparring.measure.domains.adaptation_report import AdaptationReport, Choice
from sparring.measure.domains.choice import CandidateScores
from sparring.measure.domains.label_shift import LabelShift
from sparring.report.blocks import Block, Table, Text
from sparring.report.page import Section

COLUMNS = (
    "candidate", "source acc.", "est. acc.", "IW risk", "DEV", "information", "entropy", "SND", "mean rank", "minutes",
)  # fmt: skip
MAX_NAMED = 12
"""Largest number of classes whose shares are listed."""


def adaptation_section(choice: Choice) -> Section:
    """Show the choice."""
    with_labels = choice.regret is not None
    columns = (*COLUMNS, *(("target acc.",) if with_labels else ()), "")
    rows = [_cells(each, choice.selected, with_labels) for each in choice.candidates]
    blocks: list[Block] = [Text(choice.verdict), Table(columns, rows, named_rows=True), Text(f"Rule: {choice.rule}.")]
    blocks += [Text(line) for line in (*shift_lines(choice.shift), *regret_lines(choice))]
    return Section("Adaptation", *blocks)


def adaptation_text(report: AdaptationReport) -> str:
    """Return the lines that the command prints."""
    assert report.choice is not None
    lines = [f"run         {report.run}", *choice_lines(report.choice)]
    if report.errors is not None:
        errors = report.errors
        lines.append(f"source      errors {errors.text(2)}, {errors.hits:,} of {errors.total:,} {report.tested_on}")
    return "\n".join(
        [*lines, f"report      {report.run}/report.html", f"answers     sparring predict {report.run} SOURCE"]
    )


def choice_lines(choice: Choice) -> list[str]:
    """Return the table of candidates, the choice, the label shift and the regret, as lines of text."""
    with_labels = choice.regret is not None
    header = (*COLUMNS, *(("target acc.",) if with_labels else ()), "")
    table = [header, *(_cells(each, choice.selected, with_labels) for each in choice.candidates)]
    widths = [max(len(row[k]) for row in table) for k in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    return [
        *lines, f"selected    {choice.verdict}", f"rule        {choice.rule}",
        *shift_lines(choice.shift), *regret_lines(choice),
    ]  # fmt: skip


def _cells(each: CandidateScores, selected: str, with_labels: bool) -> tuple[str, ...]:
    accuracy = () if not with_labels else (f"{each.target_accuracy:.2%}" if each.target_accuracy is not None else "",)
    note = "selected" if each.name == selected else "; ".join(f"veto: {reason}" for reason in each.vetoes)
    return (
        each.name, f"{each.source_accuracy:.2%}", f"{each.estimated_accuracy:.1%}", f"{each.weighted_risk:.4f}",
        f"{each.dev:.4f}", f"{each.information:.3f}", f"{each.entropy:.3f}", f"{each.density:.3f}",
        "-" if each.rank is None else f"{each.rank:.1f}", f"{each.minutes:.1f}", *accuracy, note,
    )  # fmt: skip


def shift_lines(shift: LabelShift) -> list[str]:
    """Return what is estimated of the target's class shares."""
    ends = zip(shift.classes, shift.source, shift.target, shift.low, shift.high, strict=True)
    largest = sorted(ends, key=lambda each: -abs(each[1] - each[2]))[:MAX_NAMED]
    listed = ", ".join(f"{name} {s:.1%} -> {t:.1%} ({low:.1%} to {high:.1%})" for name, s, t, low, high in largest)
    moved = f"{len(shift.shifted)} of {len(shift.classes)} classes have another share, beyond the 95 % interval of each"
    rough = "" if shift.trust > 0.5 else "; rough, since confidence on the target is low"
    return [f"label shift {moved}{rough}; in all {shift.distance:.1%} of the rows: {listed}"]


def regret_lines(choice: Choice) -> list[str]:
    """Return accuracy and regret of the choice, where target labels are known."""
    regret = choice.regret
    if regret is None:
        return ["on target   unknown: no target labels were given (--target-labels gives the regret of the choice)"]
    return [
        f"on target   accuracy {regret.selected.text(2)} of {regret.selected.total:,} {regret.tested_on}; source only "
        f"{regret.source_only.text(2)}",
        f"regret      {regret.points:.2f} points below {regret.best}, the best by these labels, which had no part in "
        "the choice",
    ]
