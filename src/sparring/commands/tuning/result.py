"""What `sparring tune` found out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sparring.commands.tuning.search import TrialResult
from sparring.commands.tuning.verdict import Verdict
from sparring.commands.tuning.worker import settings_text
from sparring.recipes.recipe import Range


@dataclass(frozen=True)
class TuningResult:
    """Result of a tuning."""

    run: Path
    """Folder with the trials, which are runs, tuning.json and report.html."""
    source: str
    recipe: str
    score: str
    """Name of the validation score; lower is better."""
    images: int
    """Training examples of a trial that runs to its end."""
    space: dict[str, Range]
    sampler: str
    trials: list[TrialResult]
    best: TrialResult
    command: str
    """Command that trains with the best settings on all training examples."""
    verdict: Verdict | None
    """Comparison with the defaults; None where these are the best, or nothing was repeated."""
    importance: dict[str, float]
    """Fraction of the scores' variance that each field explains."""

    @property
    def defaults(self) -> TrialResult:
        """The trial of the recipe's own settings."""
        return next(t for t in self.trials if t.is_default)

    @property
    def verdict_text(self) -> str:
        """The verdict in one sentence."""
        if self.verdict is not None:
            return self.verdict.to_text(self.score)
        if self.best.is_default:
            return "No settings were better than the defaults"
        return "Whether the best settings beat the defaults beyond noise was not tested: give --repeats 3"

    def to_json(self) -> dict[str, Any]:
        """Return all of it, for JSON."""
        return {**asdict(self), "run": str(self.run), "verdict_text": self.verdict_text}

    def to_text(self) -> str:
        """Return the lines that the command prints."""
        stopped = sum(t.state == "stopped" for t in self.trials)
        early = f", {stopped} stopped early" if stopped else ""
        start = "" if self.defaults.score is None else f"; the defaults had {self.defaults.score:.4g}"
        lines = [
            f"trials   {len(self.trials)}{early}, {self.images:,} training examples each",
            f"best     {self.score} {self.best.score:.4g}, trial {self.best.number}{start}",
            f"         {settings_text(self.best.params)}",
            f"verdict  {self.verdict_text}",
        ]
        if self.importance:
            lines.append("matters  " + ", ".join(f"{name} {value:.0%}" for name, value in self.importance.items()))
        return "\n".join([*lines, f"report   {self.run / 'report.html'}", f"train    {self.command}"])
