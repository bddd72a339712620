"""The result of `sparring classify --protect`: every candidate on validation and test, and the chosen one."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from sparring.measure.classifier.calibration import ClassificationReport
from sparring.measure.fairness.fronts import mutation
from sparring.measure.fairness.gaps import FairnessResult
from sparring.recipes import FAIR_BASELINE
from sparring.stats.intervals import Interval

COLUMNS = {"parity": "parity gap", "odds": "odds gap", "opportunity": "opportunity gap"}


@dataclass(frozen=True)
class Candidate:
    """One trained classifier, or a rule that is made from one."""

    name: str
    validation: FairnessResult
    """On the training examples by which a candidate is chosen."""
    test: FairnessResult
    run: str = ""
    """Run folder; empty for a rule that is made from another candidate."""
    veto: str = ""
    """Reason why it cannot be chosen; empty where it can."""


@dataclass(frozen=True)
class FairClassification(ClassificationReport):
    """Test of the chosen classifier, and of all candidates by group."""

    protect: str = ""
    """Protected column, or pattern of names."""
    notion: str = "parity"
    """What is to be equal between groups."""
    limit: float = 0.0
    """Largest gap on validation examples of a candidate that may be chosen."""
    groups: dict[str, int] = field(default_factory=dict)
    """Group -> number of training examples."""
    candidates: list[Candidate] = field(default_factory=list)
    selected: str = ""
    """Name of the most accurate candidate on validation examples whose gap is below the limit."""
    fronts: dict[str, list[str]] = field(default_factory=dict)
    """Notion -> candidates that no other one beats in gap and accuracy on validation examples."""
    constant: float = 0.0
    """Accuracy on test examples of the commonest class as answer for all."""

    @property
    def by_name(self) -> dict[str, Candidate]:
        """Candidates by name."""
        return {candidate.name: candidate for candidate in self.candidates}

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


def fair_text(report: FairClassification) -> str:
    """Return the lines that the command prints."""
    unit, best, plain = report.tested_on, report.by_name[report.selected], report.by_name[FAIR_BASELINE]
    gap, before = best.test.gap(report.notion), plain.test.gap(report.notion)
    groups = ", ".join(f"{name} ({count:,})" for name, count in report.groups.items())
    lines = [
        f"run         {report.run}",
        f"groups      {report.protect}: {groups}",
        *table(report),
        f"chosen      {report.selected}: the most accurate on validation examples with a {report.notion} gap of "
        f"{100 * report.limit:g} points or less",
        f"gap         {gap.text()} points on {best.test.rows:,} {unit}, {before.text()} of plain",
        f"accuracy    {best.test.accuracy.text()} %, {plain.test.accuracy.text()} % of plain, "
        f"{100 * report.constant:.1f} % of one answer for all",
        *([f"warning     {text}"] if (text := doubt(report, gap)) else []),
        f"price       {price(report)}",
        f"report      {report.run}/report.html",
        f"answers     sparring predict {report.run} SOURCE",
    ]
    return "\n".join(lines)


def table(report: FairClassification) -> list[str]:
    """Return a line for each candidate: accuracy and gaps on test examples, and the gap on validation examples."""
    names = max(len(candidate.name) for candidate in report.candidates)
    head = f"{'':12}{'':{names}}  {'accuracy':>20}  " + "  ".join(f"{name:>18}" for name in COLUMNS.values())
    lines = [f"{head}  {report.notion} gap on validation"]
    for candidate in report.candidates:
        gaps = "  ".join(f"{candidate.test.gap(name).text():>18}" for name in COLUMNS)
        mark = "chosen" if candidate.name == report.selected else candidate.veto
        validation = f"{100 * candidate.validation.gap(report.notion).value:.1f}"
        text = f"{'candidate':12}{candidate.name:{names}}  {candidate.test.accuracy.text():>20}  {gaps}  {validation}"
        lines.append(f"{text}  {mark}".rstrip())
    return lines


def doubt(report: FairClassification, gap: Interval) -> str:
    """Return a warning where the chosen candidate's gap may be above the limit, or is no better than mutation."""
    best, plain = report.by_name[report.selected].test, report.by_name[FAIR_BASELINE].test
    line = mutation(plain, report.notion, report.constant, gap.value)
    if best.accuracy.value < line and report.selected != FAIR_BASELINE:
        return (
            f"answering '{report.majority[0] if report.majority else 'the commonest class'}' at random instead of some "
            f"plain answers reaches the same gap at an accuracy of {100 * line:.1f} %: the method is no better. Take "
            "another --recipe or --gap"
        )
    if gap.low > report.limit:
        known = report.by_name[report.selected].validation
        half = 50 * (known.gap(report.notion).high - known.gap(report.notion).low)
        return (
            f"the gap is above {100 * report.limit:g} points: the {known.rows:,} validation examples, which measure a "
            f"gap to about {half:.0f} points, were too few to choose by. Give more examples, or a smaller --gap"
        )
    if gap.high > report.limit:
        return (
            f"the interval of the gap reaches {100 * gap.high:.1f} points, above {100 * report.limit:g}: a smaller "
            "--gap leaves room, more examples narrow it"
        )
    return ""


def price(report: FairClassification) -> str:
    """Return what equality by one notion did to the gaps by the others."""
    best, plain = report.by_name[report.selected].test, report.by_name[FAIR_BASELINE].test
    changes = [
        f"{name} gap {100 * plain.gap(name).value:.1f} -> {100 * best.gap(name).value:.1f}"
        for name in COLUMNS
        if name != report.notion and plain.gap(name).value >= 0  # not NaN
    ]
    lost = 100 * (plain.accuracy.value - best.accuracy.value)
    return "; ".join([f"{lost:.1f} points of accuracy", *changes])
