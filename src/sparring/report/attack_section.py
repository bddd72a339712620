"""The page of `sparring attack`: sections that all kinds of data share, and those of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sparring.attacks.masking_checks import MaskingCheck
from sparring.engine.version import __version__
from sparring.measure.diagnostics.findings import Finding
from sparring.report.attack_report import AttackReport
from sparring.report.html import Page, Picture, Section, figure, listed, noted, protocol_table, report_page
from sparring.report.svg_plots import bar, curve, percent, text
from sparring.stats.proportion import Proportion


def attack_page(
    report: AttackReport, sections: Sequence[Section], findings: Sequence[Finding] = (), command: str = ""
) -> str:
    """Return the page as HTML; `sections` are those of the kind of data, between the summary and the settings."""
    about = {"model": report.target, "data": report.data, "attacked": report.selection, "seed": str(report.seed)}
    page = Page(
        f"{Path(report.target).name} under attack",
        about,
        findings,
        version=__version__,
        command=command,
        sections=[Section("Robustness", _summary(report)), *sections, Section("Settings", _settings(report))],
    )
    return report_page(page)


def _summary(report: AttackReport) -> str:
    figures = {"accuracy without an attack": str(report.clean), "robust": str(report.robust)}
    caution = f"<p>{text(f'Attack: {report.attack}. The robust proportion is an upper bound: another attack may break more.')}</p>"
    return (
        listed(figures)
        + caution
        + noted([*report.failures, *report.notes])
        + _curve(report)
        + _per_attack(report)
        + _by_class(report)
    )


def _curve(report: AttackReport) -> str:
    points = [(level.eps, 100 * level.accuracy.value) for level in report.curve]
    norm = str(report.settings.get("norm", "radius"))
    plot = curve("Accuracy under attack", {norm: points}, unit="%", axis="eps")
    return f"<figure>{plot}</figure>" if plot else ""


def _per_attack(report: AttackReport) -> str:
    if not report.per_attack:
        return ""
    left, rows = round(report.clean.hits), ""
    for name, count in report.per_attack.items():
        left -= count
        rows += f"<tr><td>{text(name)}</td><td>{count:,}</td><td>{left:,}</td></tr>"
    head = "<tr><th>attack</th><th>broken</th><th>left unbroken</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _by_class(report: AttackReport) -> str:
    if len(report.by_class) < 2:
        return ""
    rows = "".join(
        f"<tr><th>{text(name)}</th><td>{level.hits:,} of {level.total:,}</td><td>{percent(level.value)}</td>"
        f"<td>{percent(level.low)} to {percent(level.high)}</td>"
        f'<td class="drawing">{bar(level.value, level.low, level.high)}</td></tr>'
        for name, level in report.by_class.items()
    )
    head = "<th>class</th><th>robust</th><th>proportion</th><th>95 % interval</th>"
    return bar_table(head, rows)


def bar_table(head: str, rows: str) -> str:
    """Return a table whose rows end with a drawing, as HTML."""
    return (
        f'<div class="scroll"><table class="bars"><thead><tr>{head}<th class="drawing"></th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _settings(report: AttackReport) -> str:
    return protocol_table({**report.settings, "seed": report.seed, **report.versions})


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
    sections = [Section("Cost", f"<p>{text(cost)}</p>")]
    if fooled is not None:
        caption = "Correctly classified images, and below each the adversarial example that is misclassified."
        sections.append(Section("Adversarial examples", f"<p>{caption}</p>{figure(fooled, 'Images and adversaries')}"))
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
