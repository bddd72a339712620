"""The page of `sparring attack`: sections that all kinds of data share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sparring.data.files.archive import natural
from sparring.report.attack_report import AttackReport
from sparring.report.blocks import Cell, Drawing, Facts, Table, Text, bar_cell, notes, proportion_cells, protocol_table
from sparring.report.format import percent, proportion_text
from sparring.report.hardening_section import accuracy_curve
from sparring.report.page import Page, Section, page_html
from sparring.report.run_sections import findings_section
from sparring.stats.proportion import Proportion


def attack_page(report: AttackReport, sections: Sequence[Section]) -> str:
    """Return the page as HTML; `sections` are those of the kind of data, between the summary and the settings."""
    facts = {"model": report.target, "data": report.data, "attacked": report.selection, "seed": str(report.seed)}
    settings = {**report.settings, "seed": report.seed, **report.versions}
    shared = [
        Section(
            "Robustness",
            Facts(_accuracies(report)),
            Text(f"Attack: {report.attack}. The robust proportion is an upper bound: another attack may break more."),
            notes([*report.failures, *report.notes]),
            Drawing(accuracy_curve(report.curve, str(report.settings.get("norm", "eps")), report.settings.get("eps"))),
        ),
        findings_section(report.findings, "Model and data"),
        Section("Attacks, one after the other", _per_attack(report)),
        Section("Classes", class_table(report.by_class, "robust")),
        *sections,
        Section("Settings", protocol_table(settings)),
    ]
    return page_html(Page(f"{Path(report.target).name} under attack", facts, shared))


def _accuracies(report: AttackReport) -> dict[str, str]:
    facts = {"Accuracy without an attack": proportion_text(report.clean), "Robust": proportion_text(report.robust)}
    if (majority := report.majority) is not None:
        facts[f"Always answering “{majority[0]}”"] = percent(majority[1])
    return facts


def _per_attack(report: AttackReport) -> Table:
    left, rows = round(report.clean.hits), []
    for name, count in report.per_attack.items():
        left -= count
        rows.append((name, f"{count:,}", f"{left:,}"))
    return Table(("attack", "broken", "left unbroken"), rows)


def class_table(by_class: Mapping[str, Proportion], verb: str) -> Table:
    """Return a table of the proportion of each class, in the order of their names; empty for a single class."""
    rows = [
        (name, f"{proportion.hits:,} of {proportion.total:,}", *proportion_cells(proportion), bar_cell(proportion))
        for name, proportion in sorted(by_class.items(), key=lambda pair: natural(pair[0]))
    ]
    head = ("class", verb, "proportion", "95 % interval", Cell("", "drawing"))
    return Table(head, rows if len(rows) > 1 else [], "bars", named_rows=True)
