"""What became of a classifier under AutoAttack, as a typed object and as sections of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sparring.attacks.masking_checks import MaskingCheck
from sparring.measure.diagnostics.findings import Finding
from sparring.report.html import Picture, Section, figure, noted
from sparring.report.svg_plots import curve, percent, text
from sparring.stats.proportion import CurvePoint


@dataclass(frozen=True)
class AttackReport:
    """The figures of one evaluation under attack; `--json` prints it, and `report.json` holds it."""

    model: str
    source: str
    attacked_on: str
    """Which images, in words."""
    count: int
    """Images that were attacked."""
    clean_accuracy: float
    """The share that is right without an attack."""
    robust_accuracy: float
    """The share that no attack broke: an upper bound. Of models that draw random numbers: the mean chance to be right."""
    low: float
    """Ends of the 95 % interval of the robust accuracy (Wilson; of chances, normal)."""
    high: float
    per_attack: dict[str, int]
    """Images that each attack broke, of those that were left to it; those that the doctor called for come last."""
    doctor: list[MaskingCheck]
    """Whether these figures can be believed."""
    curve: list[CurvePoint]
    """Shares over the radius: PGD's, from eps on of what AutoAttack left. Empty where the model is random or without gradients."""
    norm: str
    eps: float
    """In the units of the box."""
    box: tuple[float, float]
    version: str
    """Of AutoAttack."""
    seed: int
    draws: int
    """Passes that each chance was counted in; 1 for models that draw no random numbers."""
    queries: float
    """Forward passes an image, on the average."""
    gradients: float
    """Backward passes an image, on the average."""
    report: str
    """The page; report.json and samples.csv lie beside it."""
    versions: Mapping[str, str]
    """Of the software."""
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """What was asked of it (`fail_below`, `baseline`) and is not met."""

    @property
    def attacks(self) -> str:
        """What the robust accuracy is the accuracy under, in words."""
        asked = " and what the doctor asked for" if any(check.follow_up for check in self.doctor) else ""
        return f"AutoAttack {self.version}{asked}"


def doctor_findings(checks: Sequence[MaskingCheck]) -> list[Finding]:
    """The checks as the page shows them."""
    return [
        Finding(
            one.name, "well" if one.passed else "ill", one.name if one.passed else f"{one.name}: no",
            f"{one.evidence}; {one.follow_up}" if one.follow_up else one.evidence,
        )
        for one in checks
    ]  # fmt: skip


def attacked_sections(found: AttackReport, fooled: Picture | None = None) -> list[Section]:
    """What the page tells of an evaluation; `fooled` shows images above their adversaries."""
    sections = [
        Section(
            "How robust it is", _words(found) + noted([*found.failures, *found.notes]) + _curve(found) + _table(found)
        )
    ]
    if fooled is not None:
        shown = "Images that it knows, and below each the same one as an attacker changes it, taken for something else."
        sections.append(Section("What fools it", f"<p>{shown}</p>{figure(fooled, 'Dataset and adversaries')}"))
    return sections


def _words(found: AttackReport) -> str:
    chance = f" (chances, each of {found.draws} passes, for it draws random numbers)" if found.draws > 1 else ""
    words = (
        f"On {found.count:,} {found.attacked_on} it is right on {percent(found.clean_accuracy)} without an attack, and on "
        f"{percent(found.robust_accuracy)} (95 % interval {percent(found.low)} to {percent(found.high)}) under "
        f"{found.attacks}, with changes of up to {found.eps:.4g} in {found.norm}, values being from {found.box[0]:g} to "
        f"{found.box[1]:g}{chance}. Another attack may break more."
    )
    return f"<p>{text(words)}</p>"


def _curve(found: AttackReport) -> str:
    points = [(level.eps, 100 * level.accuracy.value) for level in found.curve]
    drawn = curve("Right under attack", {found.norm: points}, unit="%", axis="eps")
    return f"<figure>{drawn}</figure>" if drawn else ""


def _table(found: AttackReport) -> str:
    left, rows = round(found.clean_accuracy * found.count), ""
    for name, count in found.per_attack.items():
        left -= count
        rows += f"<tr><td>{text(name)}</td><td>{count:,}</td><td>{left:,}</td></tr>"
    head = "<tr><th>attack</th><th>images it broke</th><th>left standing</th></tr>"
    cost = f"It took {found.queries:,.0f} passes forward and {found.gradients:,.0f} back an image; samples.csv tells them for each."
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table><p>{cost}</p>"
