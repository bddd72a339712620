"""The page of `sparring attack`: sections that all kinds of data share, and those of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sparring.attacks.masking_checks import MaskingCheck
from sparring.measure.diagnostics.findings import Finding
from sparring.report.attack_report import AttackReport
from sparring.report.blocks import (
    Cell,
    Drawing,
    Facts,
    Picture,
    Table,
    Text,
    bar_cell,
    notes,
    proportion_cells,
    protocol_table,
)
from sparring.report.hardening_section import accuracy_curve
from sparring.report.page import Page, Section, page_html
from sparring.report.run_sections import findings_section
from sparring.stats.proportion import Proportion


def attack_page(report: AttackReport, sections: Sequence[Section], findings: Sequence[Finding] = ()) -> str:
    """Return the page as HTML; `sections` are those of the kind of data, between the summary and the settings."""
    facts = {"model": report.target, "data": report.data, "attacked": report.selection, "seed": str(report.seed)}
    content = [findings_section(findings, "Masking checks"), _summary(report), *sections, _settings(report)]
    return page_html(Page(f"{Path(report.target).name} under attack", facts, content))


def _summary(report: AttackReport) -> Section:
    return Section(
        "Robustness",
        Facts({"accuracy without an attack": str(report.clean), "robust": str(report.robust)}),
        Text(f"Attack: {report.attack}. The robust proportion is an upper bound: another attack may break more."),
        notes([*report.failures, *report.notes]),
        Drawing(accuracy_curve(report.curve, str(report.settings.get("norm", "radius")))),
        _per_attack(report),
        _by_class(report),
    )


def _per_attack(report: AttackReport) -> Table:
    left, rows = round(report.clean.hits), []
    for name, count in report.per_attack.items():
        left -= count
        rows.append((name, f"{count:,}", f"{left:,}"))
    return Table(("attack", "broken", "left unbroken"), rows)


def _by_class(report: AttackReport) -> Table | None:
    if len(report.by_class) < 2:
        return None
    rows = [
        (name, f"{robust.hits:,} of {robust.total:,}", *proportion_cells(robust), bar_cell(robust))
        for name, robust in report.by_class.items()
    ]
    head = ("class", "robust", "proportion", "95 % interval", Cell("", "drawing"))
    return Table(head, rows, "bars", named_rows=True)


def _settings(report: AttackReport) -> Section:
    return Section("Settings", protocol_table({**report.settings, "seed": report.seed, **report.versions}))


@dataclass(frozen=True)
class ImageAttackDetails:
    """Results of an attack on images."""

    checks: list[MaskingCheck]
    """Checks for gradient masking, with the follow-up attack of each that failed."""
    draws: int
    """Passes behind each probability of a stochastic model; 1 for a deterministic one."""
    queries: float
    """Mean number of forward passes per image."""
    gradients: float
    """Mean number of backward passes per image."""

    def to_json(self) -> dict[str, Any]:
        """Return the results as JSON."""
        return asdict(self)

    def to_text(self) -> list[str]:
        """Return a line for each check."""
        return [
            f"check    {'pass' if check.passed else 'FAIL'}  {check.name}: {_evidence(check)}" for check in self.checks
        ]


def image_sections(details: ImageAttackDetails, fooled: Picture | None = None) -> list[Section]:
    """Return the sections of images; `fooled` shows images above their adversarial examples."""
    rates = (
        f" A stochastic model is scored by its mean probability over {details.draws} passes."
        if details.draws > 1
        else ""
    )
    cost = (
        f"{details.queries:,.0f} forward and {details.gradients:,.0f} backward passes per image on average; samples.csv "
        f"has those of each image.{rates}"
    )
    sections = [Section("Cost", Text(cost))]
    if fooled is not None:
        caption = "Correctly classified images, and below each the adversarial example that is misclassified."
        sections.append(Section("Adversarial examples", Text(caption), fooled))
    return sections


def masking_findings(checks: Sequence[MaskingCheck]) -> list[Finding]:
    """Return the masking checks as findings of the page."""
    return [
        Finding(
            check.name,
            "well" if check.passed else "ill",
            check.name if check.passed else f"{check.name}: no",
            _evidence(check),
        )
        for check in checks
    ]


def _evidence(check: MaskingCheck) -> str:
    return f"{check.evidence}; {check.follow_up}" if check.follow_up else check.evidence


def outcome_counts(success: Mapping[str, Sequence[bool]]) -> dict[str, Proportion]:
    """Return the proportion of unbroken rows of each class; `success` lists for each whether its rows broke."""
    return {name: Proportion.count(len(broke) - sum(broke), len(broke)) for name, broke in success.items() if broke}
