"""What `restore` returns, its lines on the terminal and its page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from sparring.report.blocks import Drawing, Gallery, Picture, Table, Text, notes
from sparring.report.format import number
from sparring.report.page import Page, Section, page_html
from sparring.report.svg_plots import curve

TASKS = {
    "mask": "holes filled", "noise": "noise removed", "scale": "enlarged", "jpeg": "artefacts of JPEG removed"
}  # fmt: skip
RULES = {
    "held_out": "held-out pixels", "moving_variance": "moving variance of the outputs", "sure": "SURE",
    "end": "last step",
}  # fmt: skip


@dataclass(frozen=True)
class RuleStep:
    """The step that a stopping rule selects."""

    rule: str
    step: int
    distance: float
    """Root mean square distance of its picture to the restored one, in grey levels of 255."""


@dataclass(frozen=True)
class ErrorEstimate:
    """Error of the restoration in places whose truth is known, in grey levels of 255."""

    places: str
    """Where it was measured."""
    pixels: int
    rms: float
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end of the 95 % interval."""
    baseline: float
    """Error of the simplest method in the same places."""
    baseline_name: str

    @property
    def psnr(self) -> float:
        """Peak signal to noise ratio in decibels."""
        return 20 * math.log10(255 / self.rms) if self.rms > 0 else math.inf

    def to_text(self) -> str:
        """Return the error with its interval and the baseline."""
        return (
            f"about {self.rms:.1f} grey levels (95 % interval {self.low:.1f} to {self.high:.1f}; {self.psnr:.1f} dB), "
            f"measured on {self.places}; {self.baseline_name}: {self.baseline:.1f}"
        )


@dataclass(frozen=True)
class Restoration:
    """A restored picture."""

    picture: str
    task: str
    """mask, noise, scale or jpeg."""
    run: str
    """Folder of the results."""
    restored: str
    """Path of the restored picture, a PNG."""
    report: str
    """Path of the page with the picture before and after."""
    width: int
    height: int
    steps: int
    """Steps at full size that were taken."""
    planned: int
    """Largest number of steps at full size."""
    stopped_by: str
    """Rule that ended the fit; `end` where the planned steps did."""
    rule: str
    """Rule that selected the restored picture."""
    rules: list[RuleStep]
    sigma: float | None
    """Standard deviation of the noise that was given or estimated, in grey levels of 255."""
    error: ErrorEstimate | None
    seed: int
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Restoration:
        """Return the result that `to_json` gave."""
        known = {name: values[name] for name in cls.__dataclass_fields__}
        error = known["error"] and ErrorEstimate(**known["error"])
        return cls(**{**known, "rules": [RuleStep(**rule) for rule in known["rules"]], "error": error})

    def to_text(self) -> str:
        """Return the lines that the command prints."""
        sigma = f", noise of {self.sigma:.1f} grey levels" if self.sigma else ""
        lines = [
            f"{self.picture}: {TASKS[self.task]}{sigma}, {self.width}x{self.height}",
            f"stopped  {self.stop_text()}",
        ]
        lines += [
            f"rule     {RULES[rule.rule]}: step {rule.step:,}, {rule.distance:.2f} grey levels away"
            for rule in self.rules
        ]
        lines += [f"error    {self.error.to_text()}"] if self.error else []
        lines += [f"note     {note}" for note in self.notes]
        return "\n".join([*lines, f"restored {self.restored}", f"report   {self.report}"])

    def stop_text(self) -> str:
        """Return in words what ended the fit, and which step was selected."""
        step = next((rule.step for rule in self.rules if rule.rule == self.rule), self.steps)
        if self.stopped_by == "end":
            ended = f"at the end of the {self.planned:,} planned steps"
        else:
            ended = (
                f"after {self.steps:,} of {self.planned:,} planned steps, by the rule of the {RULES[self.stopped_by]}"
            )
        return f"{ended}; the picture is that of step {step:,}, by the {RULES[self.rule]}"


def restoration_page(
    result: Restoration,
    before: Image.Image,
    after: Image.Image,
    simple: Image.Image,
    metrics: Sequence[dict[str, float]],
) -> str:
    """Return the page: pictures before and after, the stopping rules, the error."""
    pictures = [
        Picture(before, "before"),
        Picture(after, "after"),
        Picture(simple, "the simplest method, for comparison"),
    ]
    rows = [(RULES[rule.rule], f"{rule.step:,}", f"{rule.distance:.2f}") for rule in result.rules]
    plots = [
        Drawing(curve(title, {title: [(line["nimg"], line[name]) for line in metrics if name in line]}, axis="step"))
        for name, title in (("held_out", "Error of held-out pixels"), ("moving_variance", "Moving variance"))
        if sum(name in line for line in metrics) > 1
    ]
    facts = {"picture": result.picture, "task": TASKS[result.task], "size": f"{result.width}x{result.height}",
             "seed": str(result.seed)}  # fmt: skip
    if result.sigma:
        facts["noise"] = f"{number(result.sigma)} grey levels"
    error = result.error.to_text() if result.error else ""
    sections = [
        Section("Before and after", Gallery(pictures, "pairs"), notes(result.notes)),
        Section("Error", Text(error.capitalize() + "." if error else "")),
        Section("Where the fit stopped", Text(result.stop_text().capitalize() + "."),
                Table(("rule", "step", "grey levels from the restored picture"), rows), Gallery(plots, "curves")),
    ]  # fmt: skip
    return page_html(Page(f"{Path(result.picture).name}: {TASKS[result.task]}", facts, sections, generated=True))
