"""Results of an attack on images, and their sections of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sparring.attacks.masking_checks import MaskingCheck
from sparring.measure.diagnostics.finding import Finding
from sparring.report.blocks import Picture, Text
from sparring.report.page import Section
from sparring.report.run_sections import findings_section


@dataclass(frozen=True)
class ImageAttackDetails:
    """Results that only images have."""

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
        verdicts = {True: "pass", False: "FAIL"}
        return [f"check    {verdicts[check.passed]}  {check.name}: {_evidence(check)}" for check in self.checks]


def image_sections(details: ImageAttackDetails, adversaries: Picture | None = None) -> list[Section]:
    """Return the sections; `adversaries` shows images above their adversarial examples."""
    cost = (
        f"The attacks needed {details.queries:,.0f} forward and {details.gradients:,.0f} backward passes per image on "
        "average; samples.csv has those of each image."
    )
    if details.draws > 1:
        cost += f" A stochastic model is scored by its mean probability over {details.draws} passes."
    sections = [findings_section(_findings(details.checks), "Masking checks"), Section("Cost", Text(cost))]
    if adversaries is not None:
        caption = (
            "Images that are classified correctly, and below each an adversarial example that is not. Above them "
            "stands the class, and as which the adversarial example is classified."
        )
        sections.append(Section("Adversarial examples", Text(caption), adversaries))
    return sections


def _findings(checks: Sequence[MaskingCheck]) -> list[Finding]:
    return [
        Finding(
            check.name,
            "ok" if check.passed else "problem",
            check.name if check.passed else f"{check.name}: no",
            _evidence(check),
        )
        for check in checks
    ]


def _evidence(check: MaskingCheck) -> str:
    return f"{check.evidence}; {check.follow_up}" if check.follow_up else check.evidence
