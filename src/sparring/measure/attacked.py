"""What became of a classifier under AutoAttack, as a typed object and as sections of the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sparring.attacks.doctor import Check
from sparring.measure.curves import percent, text
from sparring.measure.findings import Finding
from sparring.measure.report import Picture, Section, figure


@dataclass(frozen=True)
class Attack:
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
    """The share that no attack broke: an upper bound."""
    low: float
    """Ends of the 95 % interval of the robust accuracy (Wilson)."""
    high: float
    per_attack: dict[str, int]
    """Images that each attack broke, of those that were left to it."""
    doctor: list[Check]
    """Whether these figures can be believed."""
    norm: str
    eps: float
    """In the units of the box."""
    box: tuple[float, float]
    version: str
    """Of AutoAttack."""
    seed: int
    queries: float
    """Forward passes an image, on the average."""
    gradients: float
    """Backward passes an image, on the average."""
    report: str
    """The page; report.json lies beside it."""
    versions: Mapping[str, str]
    """Of the software."""
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """What was asked of it (`fail_below`, `baseline`) and is not met."""


def doctor_findings(checks: list[Check]) -> list[Finding]:
    """The checks as the page shows them."""
    return [
        Finding(one.name, "well" if one.passed else "ill", f"{one.name}{_not(one)}", one.evidence) for one in checks
    ]


def _not(check: Check) -> str:
    return "" if check.passed else ": no"


def attacked_sections(found: Attack, fooled: Picture | None = None) -> list[Section]:
    """What the page tells of an evaluation; `fooled` shows images above their adversaries."""
    words = (
        f"On {found.count:,} {found.attacked_on} it is right on {percent(found.clean_accuracy)} without an attack, and on "
        f"{percent(found.robust_accuracy)} (95 % interval {percent(found.low)} to {percent(found.high)}) under AutoAttack "
        f"({found.version}) with changes of up to {found.eps:.4g} in {found.norm}, values being from {found.box[0]:g} to "
        f"{found.box[1]:g}. Another attack may break more."
    )
    told = "".join(f"<li>{text(note)}</li>" for note in [*found.failures, *found.notes])
    told = f'<ul class="warnings">{told}</ul>' if told else ""
    rows = "".join(f"<tr><td>{text(name)}</td><td>{count:,}</td></tr>" for name, count in found.per_attack.items())
    table = f"<table><thead><tr><th>attack</th><th>images it broke</th></tr></thead><tbody>{rows}</tbody></table>"
    cost = f"It took {found.queries:,.0f} passes and {found.gradients:,.0f} gradients an image."
    sections = [Section("How robust it is", f"<p>{text(words)}</p>{told}{table}<p>{cost}</p>")]
    if fooled is not None:
        shown = "Images that it knows, and below each the same one as an attacker changes it, taken for something else."
        sections.append(Section("What fools it", f"<p>{shown}</p>{figure(fooled, 'Images and adversaries')}"))
    return sections
