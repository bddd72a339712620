"""The report of `sparring attack`, for every kind of data: one typed object, as text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from sparring.measure.diagnostics.finding import Finding
from sparring.stats.proportion import CurvePoint, Proportion

FORMAT = 2
"""Format number of report.json."""


class AttackDetails(Protocol):
    """Results that only one kind of data has."""

    def to_json(self) -> dict[str, Any]:
        """Return the results as JSON."""
        ...

    def to_text(self) -> list[str]:
        """Return lines for the terminal."""
        ...


@dataclass(frozen=True)
class AttackReport:
    """Accuracy of a model without and under attack."""

    kind: str
    """Kind of data: image, audio, series or table."""
    target: str
    """Name of the attacked model."""
    data: str
    """Source of the data."""
    selection: str
    """Description of the attacked subset."""
    attack: str
    """Name of the attack."""
    clean: Proportion
    """Accuracy without an attack."""
    robust: Proportion
    """Proportion that no attack broke, an upper bound of the true one.

    Of rows: those classified correctly under attack. Of targeted attacks on sounds: those that failed.
    """
    details: AttackDetails
    """Results that only this kind of data has."""
    settings: Mapping[str, Any]
    """Settings that another report must share to be comparable."""
    seed: int
    out: str
    """Folder with report.html, report.json and the samples."""
    curve: list[CurvePoint] = field(default_factory=list)
    """Accuracy over the radius of the perturbation; empty where it was not computed."""
    by_class: dict[str, Proportion] = field(default_factory=dict)
    """Class -> robust proportion of its rows."""
    per_attack: dict[str, int] = field(default_factory=dict)
    """Attack -> rows that it broke among those left to it, in the order of the attacks."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of the software."""
    findings: list[Finding] = field(default_factory=list)
    """Reasons to doubt that the model is called as it should be, from its answers without an attack."""
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """Conditions of `fail_below` and `baseline` that are not met."""

    def to_json(self) -> dict[str, Any]:
        """Return the content of report.json."""
        return {"format": FORMAT, **asdict(self), "details": self.details.to_json()}

    @property
    def majority(self) -> tuple[str, float] | None:
        """The commonest class and its proportion: the accuracy of always answering it. None with fewer than two."""
        counts = {name: robust.total for name, robust in self.by_class.items()}
        if len(counts) < 2:
            return None
        name = max(counts, key=lambda name: counts[name])
        return name, counts[name] / sum(counts.values())

    def _baseline(self) -> str:
        majority = self.majority
        return f"; always answering '{majority[0]}' {majority[1]:.1%}" if majority else ""

    def to_text(self) -> str:
        """Return the lines that the command prints."""
        lines = [
            f"clean    {self.clean.text()} of {self.selection}{self._baseline()}",
            f"robust   {self.robust} under {self.attack}",
        ]
        if self.per_attack:
            lines.append(f"broken   {', '.join(f'{name} {count:,}' for name, count in self.per_attack.items())}")
        lines += self.details.to_text()
        lines += [f"{finding.severity:8} {finding.as_line()}" for finding in self.findings]
        lines += [f"note     {note}" for note in self.notes]
        return "\n".join([*lines, f"report   {Path(self.out) / 'report.html'}"])


def robust_interval(report: Mapping[str, Any]) -> tuple[float, float]:
    """Return the interval of the robust proportion in a report.json; raises ValueError for another format."""
    if report.get("format") != FORMAT:
        raise ValueError(f"its format is {report.get('format')}, not {FORMAT}")
    return report["robust"]["low"], report["robust"]["high"]
