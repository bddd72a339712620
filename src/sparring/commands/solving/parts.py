"""Check that every part of a task is of use, and that what it names is there, before anything is run."""

from __future__ import annotations

from pathlib import Path

from sparring.commands.solving.task import Task, Unclear
from sparring.data.dataset import SourceReport
from sparring.data.resolve import is_missing
from sparring.engine.errors import UsageError

USES: dict[str, tuple[str, ...]] = {
    "labels": ("classify", "few labels"),
    "eps": ("harden", "attack"),
    "private": ("generate", "classify", "few labels"),
    "count": ("generate",),
    "mask": ("restore",),
    "model": ("attack", "certify", "evaluate"),
    "predict": ("classify", "few labels", "regress", "harden", "density", "outliers"),
    "minutes": ("generate", "classify", "few labels", "regress", "harden", "density", "outliers", "restore"),
    "labels_file": ("classify", "few labels"),
}
"""Part of a task -> kinds of task that have a use for it."""


def check_parts(task: Task, report: SourceReport | None) -> None:
    """Raise Unclear for a part without a use, UsageError for one that is not there or does not fit the data."""
    kind = task.kind.value
    for name, kinds in USES.items():
        decision = getattr(task, name)
        if decision.certainty in ("flag", "text") and decision.value is not None and kind not in kinds:
            raise Unclear(
                f"{decision.evidence} has no use in a task of kind '{kind}': leave it out, or choose another --task"
            )
    for new in (task.predict.value, task.mask.value, task.labels_file.value):
        if new is not None and is_missing(new):
            raise UsageError(f"there is no '{new}': give the path of a file or folder")
    model = task.model.value
    if model is not None and ":" not in model and not Path(model).exists():
        raise UsageError(f"there is no model '{model}': --model names a run folder, or a file of a network")
    if report is not None and task.labels.value is not None and task.labels.value > report.used:
        raise UsageError(f"--labels {task.labels.value:,} is more than the {report.used:,} {report.unit} of the data")
