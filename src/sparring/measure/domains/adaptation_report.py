"""What `sparring classify SOURCE --adapt-to TARGET` reports: every candidate's scores, the choice, and its regret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sparring.measure.classifier.calibration import ClassificationReport
from sparring.measure.domains.choice import RULE, SOURCE_ONLY, CandidateScores
from sparring.measure.domains.label_shift import LabelShift
from sparring.stats.proportion import Proportion


@dataclass(frozen=True)
class Regret:
    """Quality of the choice, by target labels that had no part in it."""

    tested_on: str
    """Description of the target rows."""
    selected: Proportion
    """Accuracy of the selected candidate."""
    source_only: Proportion
    best: str
    """Candidate that is best on these labels."""
    best_accuracy: Proportion

    @property
    def points(self) -> float:
        """Accuracy of the best candidate minus that of the selected one, in points."""
        return 100 * (self.best_accuracy.value - self.selected.value)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Regret:
        """Return what `dataclasses.asdict` and JSON made of one."""
        names = ("selected", "source_only", "best_accuracy")
        proportions = {name: Proportion.from_json(values[name]) for name in names}
        return cls(tested_on=values["tested_on"], best=values["best"], **proportions)


@dataclass(frozen=True)
class Choice:
    """The candidates and the selected one; the content of choice.json."""

    target: str
    selected: str
    candidates: tuple[CandidateScores, ...]
    shift: LabelShift
    regret: Regret | None = None
    rule: str = RULE

    @property
    def verdict(self) -> str:
        """One sentence on what was selected."""
        if self.selected != SOURCE_ONLY:
            return f"{self.selected} was selected among {len(self.candidates)} candidates, without target labels."
        return (
            "source_only was selected: no adapted candidate passes the checks and ranks above it, so adaptation does "
            "not help on these data."
        )

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Choice:
        """Return what `dataclasses.asdict` and JSON made of one."""
        return cls(
            values["target"], values["selected"], tuple(map(CandidateScores.from_json, values["candidates"])),
            LabelShift.from_json(values["shift"]),
            Regret.from_json(values["regret"]) if values["regret"] else None, values["rule"],
        )  # fmt: skip


@dataclass(frozen=True)
class AdaptationReport(ClassificationReport):
    """Report of the selected classifier on the source's test, and of the choice."""

    choice: Choice | None = field(default=None, kw_only=True)
    """Candidates, scores, label shift and regret."""
