"""What every attack suite gets and returns."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor

from sparring.attacks.validation import Model, frozen
from sparring.commands.attacking.alternatives import Groups
from sparring.commands.attacking.clean_checks import clean_findings
from sparring.commands.attacking.flags import KindFlags
from sparring.commands.attacking.load_target import Target
from sparring.commands.attacking.output import CHUNKS
from sparring.commands.attacking.resumable import ResumableParts, T
from sparring.commands.reporting.progress import Progress
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.version import __version__
from sparring.measure.diagnostics.finding import Finding
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
    checked_rows: NDArray[Any]
    """Stored rows `[M, ...]` on which the model is checked before the attack."""
    checked_y: Tensor
    """The target's number of the class of each of them, int64 `[M]`."""
    classes: tuple[str, ...]
    """Class name of each output of the target, a background class among them."""
    description: str
    """Description of the subset: `1,000 test images`."""
    lengths: NDArray[Any] | None = None
    """Samples of each sound before its padding, `[N]`."""
    target_classes: int = 0
    """Number of outputs of the target without the background class."""
    notes: Sequence[str] = ()
    """Remarks on how the data were read, and on what was skipped."""


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

    def parts(self, kind: type[T], settings: Mapping[str, Any], logits: Tensor) -> ResumableParts[T]:
        """Open the chunks that this attack with these `settings` has saved; `logits` `[B, K]` are of the first rows."""
        identity = {**settings, **fingerprint(self.target, self.subset, self.seed, logits)}
        return ResumableParts.begin(kind, self.folder / CHUNKS, identity)


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
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    """Files to write beside the report: name -> content."""
    findings: Sequence[Finding] = ()
    """Findings on the model's answers without an attack."""
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


CHUNK_PREDICTIONS = 256
"""Rows in one forward pass."""


@dataclass(frozen=True)
class Suite:
    """The attacks of one kind of data."""

    unit: str
    """Plural noun for the rows: images, sounds, rows, series."""
    count: int
    """Default number of rows to attack."""
    prepare: Callable[[AttackContext], PreparedAttack]
    """Resolve the settings; raises UsageError where they do not fit."""
    synthesize: Callable[[Target, str, int, int, torch.device], Subset] | None = None
    """Make synthetic examples: target, name of their kind, number, seed, device. None: there are none."""
    to_certify: Callable[[Target], Target] | None = None
    """Return the target as a model of values in [0, 1], whose answers can be certified. None: they cannot."""


def check_clean(context: AttackContext, target: Target, x: Tensor, groups: Groups) -> list[Finding]:
    """Return the findings on the subset's checked rows as inputs x `[M, ...]`, and log the problems among them.

    They are logged before the search begins, while it can still be stopped. `groups`: see `clean_findings`.
    """
    subset = context.subset
    context.progress.info(f"checking how the model is called on {len(x):,} clean examples ...")
    findings = clean_findings(target, x, subset.checked_y, subset.classes, groups)
    for finding in findings:
        if finding.severity == "problem":
            context.progress.info(f"{finding.severity}: {finding.as_line()}")
    return findings


def robust_by_class(labels: Sequence[str], robust: Sequence[bool]) -> dict[str, Proportion]:
    """Return the robust proportion of the rows of each class, in order of first appearance."""
    outcomes: dict[str, list[bool]] = defaultdict(list)
    for label, is_robust in zip(labels, robust, strict=True):
        outcomes[label].append(is_robust)
    return {label: Proportion.count(sum(each), len(each)) for label, each in outcomes.items()}


def fingerprint(target: Target, subset: Subset, seed: int, logits: Tensor) -> dict[str, Any]:
    """Return what identifies model and data in saved chunks; `logits` `[B, K]` are of the first rows."""
    content = subset.rows.tobytes() + repr([list(subset.labels), list(subset.names)]).encode()
    return {
        "model": target.name,
        "logits": [round(value, 3) for value in logits[0].tolist()],
        "data": hashlib.sha256(content).hexdigest(),
        "seed": seed,
        "sparring": __version__,
    }


def predicted(model: Model, x: Tensor) -> Tensor:
    """Return the class numbers that `model` predicts for x `[B, ...]`, int64 `[B]`."""
    with torch.no_grad(), frozen(model, seed=0):
        return torch.cat([model(chunk).argmax(1) for chunk in torch.split(x, CHUNK_PREDICTIONS)])


def require_correct(target: Target, correct: Tensor, description: str, findings: Sequence[Finding]) -> Tensor:
    """Return the indices of the rows that are classified correctly, int64.

    Raises UsageError where there are none; `findings` tell why that may be.
    """
    if not correct.any():
        reasons = [finding.as_line() for finding in findings] or ["are its classes in the order of the labels?"]
        problem = f"{target.name} classifies none of {description} correctly, so there is nothing to attack"
        raise UsageError("; ".join([problem, *reasons]))
    return correct.nonzero().squeeze(1)
