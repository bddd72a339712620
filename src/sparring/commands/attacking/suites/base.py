"""What every attack suite gets and returns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray
from torch import Tensor

from sparring.commands.attacking.flags import KindFlags
from sparring.commands.attacking.load_target import Target
from sparring.commands.reporting.progress import Progress
from sparring.engine.device import Hardware
from sparring.measure.diagnostics.findings import Finding
from sparring.report.attack_report import AttackDetails, AttackReport
from sparring.report.page import Section
from sparring.stats.proportion import CurvePoint, Proportion


@dataclass(frozen=True, eq=False)
class Subset:
    """The labelled rows to attack."""

    spec: Any
    """Spec of the data."""
    rows: NDArray[Any]
    """Stored rows `[N, ...]`."""
    names: Sequence[str]
    """Name of each row in the source."""
    labels: Sequence[str]
    """Name of each row's class."""
    y: Tensor
    """The target's number of each row's class, int64 `[N]`."""
    classes: tuple[str, ...]
    """Class name of each output of the target."""
    description: str
    """Description of the subset: `1,000 test images`."""
    lengths: NDArray[Any] | None = None
    """Samples of each sound before its padding, `[N]`."""


@dataclass(frozen=True, eq=False)
class AttackContext:
    """A resolved request: model, rows, settings."""

    target: Target
    subset: Subset
    flags: KindFlags
    seed: int
    hardware: Hardware
    folder: Path
    """Output folder; chunk results are saved in its folder `parts`."""
    progress: Progress


@dataclass(frozen=True, eq=False)
class Outcome:
    """Results of a suite."""

    attack: str
    clean: Proportion
    robust: Proportion
    details: AttackDetails
    sections: Callable[[AttackReport], list[Section]]
    """Sections of the page for this kind of data."""
    by_class: dict[str, Proportion] = field(default_factory=dict)
    curve: list[CurvePoint] = field(default_factory=list)
    per_attack: dict[str, int] = field(default_factory=dict)
    findings: Sequence[Finding] = ()
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    """Files to write beside the report: name -> content."""
    notes: Sequence[str] = ()


class PreparedAttack(Protocol):
    """An attack whose settings are resolved and checked, ready to run."""

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that another report must share to be comparable."""
        ...

    def run(self) -> Outcome:
        """Run or resume the attack."""
        ...


@dataclass(frozen=True)
class Suite:
    """The attacks of one kind of data."""

    unit: str
    """Plural noun for the rows: images, sounds, rows, series."""
    count: int
    """Default number of rows to attack."""
    prepare: Callable[[AttackContext], PreparedAttack]
    """Resolve the settings; raises UsageError where they do not fit."""


def robust_by_class(labels: Sequence[str], robust: Sequence[bool]) -> dict[str, Proportion]:
    """Return the robust proportion of the rows of each class, in order of first appearance."""
    outcomes: dict[str, list[bool]] = defaultdict(list)
    for label, is_robust in zip(labels, robust, strict=True):
        outcomes[label].append(is_robust)
    return {label: Proportion.count(sum(each), len(each)) for label, each in outcomes.items()}
