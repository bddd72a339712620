"""report.html of `sparring classify --protect`: the fronts, every candidate, the groups, and the protocol."""

from __future__ import annotations

import math
from pathlib import Path

from sparring.commands.fairness.result import COLUMNS, FairClassification, doubt, price
from sparring.engine.atomic_io import write
from sparring.recipes import FAIR_BASELINE
from sparring.report.blocks import Card, Cell, Drawing, Gallery, Table, Text, notes
from sparring.report.classifier_section import classified_sections
from sparring.report.format import markup, percent
from sparring.report.page import Page, Section, page_html
from sparring.report.pareto_plot import Mark, pareto_plot
from sparring.stats.intervals import Interval

FRONTS = (
    "Each mark is a candidate on test examples, with 95 % intervals. The line joins those that no other one beats on "
    "validation examples. The dashed line is what plain answers reach when some of them, at random, become the "
    "commonest class: a method below it gains nothing. The ring marks the chosen candidate."
)
PROTOCOL = (
    "A fifth of the training examples, which no candidate is trained on, decides which one is chosen. The gaps shown "
    "are those of test examples, which decide nothing. A gap is the largest difference of two groups: parity compares "
    "the proportion of an answer, odds that among the examples of a class, opportunity the correct answers of the "
    "positive class. Distribution is the area between the groups' distributions of probabilities (ABCC), which does "
    "not depend on a threshold. Groups of fewer than 30 examples count for no gap."
)


def write_page(report: FairClassification) -> None:
    """Write report.html into the run folder."""
    path = Path(report.run)
    facts = {
        "run": report.run, "protected": report.protect, "notion": report.notion,
        "chosen": report.selected or "none", "seed": str(report.seed),
    }  # fmt: skip
    sections = [
        Section("Result", _verdict(report), notes(report.notes)),
        Section(
            "Accuracy against the gap", Gallery([_front(report, name) for name in COLUMNS], "curves"), Text(FRONTS)
        ),
        Section("Candidates", _candidates(report), Text(PROTOCOL, quiet=True)),
        Section("Groups", _groups(report)),
        *classified_sections(report, None),
    ]
    write(path / "report.html", page_html(Page(path.resolve().name, facts, sections)))


def _verdict(report: FairClassification) -> Card:
    if not report.selected:
        return Card(
            "problem", f"No candidate has a {report.notion} gap of {100 * report.limit:g} points or less", mark="none"
        )
    best = report.by_name[report.selected].test
    gap, warning = best.gap(report.notion), doubt(report, best.gap(report.notion))
    title = f"{report.selected}: {report.notion} gap {gap.text()} points, accuracy {best.accuracy.text()} %"
    warned = f" {warning[0].upper()}{warning[1:]}." if warning else ""
    return Card("notice" if warning else "ok", title, f"Price: {price(report)}.{warned}", mark="chosen")


def _front(report: FairClassification, notion: str) -> Drawing:
    plain = report.by_name[FAIR_BASELINE].test
    marks = [
        Mark(
            c.name, c.name.rpartition("-")[0] or c.name, c.test.gap(notion), c.test.accuracy, c.name == report.selected
        )
        for c in report.candidates
        if not math.isnan(c.test.gap(notion).value)
    ]
    baseline = [(0.0, report.constant), (plain.gap(notion).value, plain.accuracy.value)]
    limit = report.limit if notion == report.notion else None
    title = COLUMNS[notion].capitalize()
    joined = [name for name in report.fronts[notion] if name in {mark.name for mark in marks}]
    return Drawing(pareto_plot(title, marks, joined, baseline, limit))


def _candidates(report: FairClassification) -> Table:
    head = ("", "accuracy, %", "balanced, %", *(f"{name}, points" for name in COLUMNS), "distribution", "")
    rows: list[list[str | Cell]] = [
        [
            candidate.name,
            _cell(candidate.test.accuracy),
            _cell(candidate.test.balanced_accuracy),
            *(_cell(candidate.test.gap(name)) for name in COLUMNS),
            _cell(candidate.test.distribution),
            "chosen" if candidate.name == report.selected else candidate.veto,
        ]
        for candidate in report.candidates
    ]
    return Table(head, [*rows, ["one answer for all", f"{100 * report.constant:.1f}", "", "0", "0", "0", "0", ""]])


def _groups(report: FairClassification) -> Table:
    """Return the rates of the plain and the chosen candidate by group."""
    shown = [report.by_name[name] for name in dict.fromkeys((FAIR_BASELINE, report.selected)) if name]
    head = (
        "",
        "group",
        "test examples",
        "accuracy, %",
        "balanced, %",
        *(f"answers '{c}'" for c in report.classes[-3:]),
    )
    rows: list[list[str | Cell]] = [
        [
            candidate.name,
            name,
            f"{group.rows:,}",
            _cell(group.accuracy),
            _cell(group.balanced_accuracy),
            *(percent(rate) for rate in group.rates[-3:]),
        ]
        for candidate in shown
        for name, group in candidate.test.by_group.items()
    ]
    return Table(head, rows)


def _cell(interval: Interval) -> Cell:
    if math.isnan(interval.value):
        return Cell("unknown", "")
    value, low, high = (f"{100 * number:.1f}" for number in (interval.value, interval.low, interval.high))
    return Cell(markup('{}<br><span class="quiet">{}\u00a0to\u00a0{}</span>', value, low, high), "")
