"""The commands that carry out a task: argument lists of `sparring`, run one after the other."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from sparring.commands.evaluating.answers import answers_of
from sparring.commands.reporting.progress import Progress
from sparring.commands.solving.task import Task, Unclear
from sparring.commands.training.interrupt import Stopped
from sparring.data.dataset import SourceReport
from sparring.data.summary import printable
from sparring.engine.atomic_io import write
from sparring.engine.errors import SparringError, UsageError
from sparring.models.saved import saved_players
from sparring.recipes import DENSITY_DEFAULTS

PREDICTIONS = "predictions.csv"


@dataclass(frozen=True)
class Step:
    """One command."""

    arguments: tuple[str, ...]
    """Name of the command and its arguments."""
    output: Path | None = None
    """File that gets what the command prints."""

    def text(self) -> str:
        """Return the line to type."""
        redirected = f" > {shlex.quote(str(self.output))}" if self.output else ""
        return printable(f"sparring {shlex.join(self.arguments)}{redirected}")


def steps_of(task: Task, report: SourceReport | None, out: Path) -> list[Step]:
    """Return the commands of a task, whose results lie in the folder `out`; raise Unclear where one part is missing."""
    if task.source.value.startswith("-"):  # else it would be a flag
        task = replace(task, source=replace(task.source, value=f"./{task.source.value}"))
    return STEPS[task.kind.value](task, report, out)


def _flag(name: str, value: object) -> list[str]:
    """Return a flag with its value; nothing for None."""
    if value is None:
        return []
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return [f"{name}={text}"] if text.startswith("-") else [name, text]


def _trained(task: Task, out: Path) -> list[str]:
    return [*_flag("--minutes", task.minutes.value), "--out", str(out)]


def _generate(task: Task, report: SourceReport | None, out: Path) -> list[Step]:
    private = _flag("--private", task.private.value)
    steps = [
        Step(("train", task.source.value, *private, *_trained(task, out))),
        Step(("sample", str(out), "-n", str(task.count.value))),
    ]
    return [*steps, *([] if private else [Step(("evaluate", str(out)))])]  # scores would read the private rows again


def _classify(task: Task, report: SourceReport | None, out: Path) -> list[Step]:
    known = task.labels_file.value is not None or (report is not None and report.unlabelled > 0)
    labels = _flag("--labels-file", task.labels_file.value) if known else _flag("--labels", task.labels.value)
    if task.kind.value == "few labels" and not known and not labels:
        raise Unclear("how many labels may training see? The data have all of them: --labels N")
    private = _flag("--private", task.private.value)
    label = [*_flag("--label", task.target.value), *_flag("--drop", task.drop.value)]
    return [
        Step(("classify", task.source.value, *label, *labels, *private, *_trained(task, out))),
        *_predicted(task, report, out),
    ]


def _regress(task: Task, report: SourceReport | None, out: Path) -> list[Step]:
    label = [*_flag("--label", task.target.value), *_flag("--drop", task.drop.value)]
    return [Step(("regress", task.source.value, *label, *_trained(task, out))), *_predicted(task, report, out)]


def _predicted(task: Task, report: SourceReport | None, out: Path) -> list[Step]:
    """Return the step that predicts new examples, else those of the test split."""
    if task.predict.value is not None:
        return [Step(("predict", str(out), task.predict.value, "--csv"), out / PREDICTIONS)]
    split = ["--split", "test"] if report is not None and report.splits.get("test") else []
    return [Step(("predict", str(out), task.source.value, *split, "--csv"), out / PREDICTIONS)]


def _density(task: Task, report: SourceReport | None, out: Path) -> list[Step]:
    kind = task.data_kind.value
    if kind not in DENSITY_DEFAULTS:
        raise Unclear(f"there is no density model of {kind} data: {' and '.join(DENSITY_DEFAULTS)} data have one")
    recipe = ["--recipe", DENSITY_DEFAULTS[kind]]
    new = task.predict.value or task.source.value
    return [
        Step(("train", task.source.value, *recipe, *_trained(task, out))),
        Step(("predict", str(out), new, "--csv"), out / PREDICTIONS),
    ]


def _restore(task: Task, report: SourceReport | None, out: Path) -> list[Step]:
    evidence = task.kind.evidence
    if task.mask.value is not None:
        what = ["--mask", task.mask.value]
    elif any(word in evidence for word in ("nois", "grain")):
        what = ["--noise"]
    elif any(word in evidence for word in ("enlarge", "larger", "bigger", "upscale", "resol")):
        what = ["--scale", "4"]
    elif "arte" in evidence or "arti" in evidence:
        what = ["--jpeg"]
    else:
        raise Unclear(
            "what is wrong with the picture? Say that it is noisy, has JPEG artefacts or is to be enlarged, or name a "
            "picture that is black where to fill: --mask"
        )
    return [Step(("restore", task.source.value, *what, *_trained(task, out)))]


def _harden(task: Task, report: SourceReport | None, out: Path) -> list[Step]:
    eps = _flag("--eps", task.eps.value)
    return [Step(("harden", task.source.value, *eps, *_trained(task, out))), *_predicted(task, report, out)]


def _attack(task: Task, report: SourceReport | None, out: Path) -> list[Step]:
    eps = _flag("--eps", task.eps.value)
    return [Step(("attack", str(task.model.value), task.source.value, *eps, "--out", str(out)))]


def _certify(task: Task, report: SourceReport | None, out: Path) -> list[Step]:
    return [Step(("certify", str(task.model.value), task.source.value, "--out", str(out)))]


def _evaluate(task: Task, report: SourceReport | None, out: Path) -> list[Step]:
    if task.model.value is None:
        raise Unclear(
            "which samples, or which run, are to be evaluated? Name them beside the real data, or give --model"
        )
    run = Path(task.model.value)
    page = [] if run.is_dir() and saved_players(run) and answers_of(run) else ["--report", str(out / "report.html")]
    return [Step(("evaluate", task.model.value, "--data", task.source.value, *page))]


STEPS: dict[str, Callable[[Task, SourceReport | None, Path], list[Step]]] = {
    "generate": _generate, "classify": _classify, "few labels": _classify, "regress": _regress, "density": _density,
    "outliers": _density, "restore": _restore, "harden": _harden, "attack": _attack, "certify": _certify,
    "evaluate": _evaluate,
}  # fmt: skip
"""Kind of task -> its commands."""


def run_step(step: Step, progress: Progress) -> None:
    """Run a command as a process of its own; raise SparringError where it fails, Stopped where a signal ended it."""
    progress.info(f"$ {step.text()}")
    command = [sys.executable, "-m", "sparring", *step.arguments]
    # in a session of its own, it gets the signal of the terminal once, from here
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
    ) as process:  # fmt: skip
        try:
            printed, _ = process.communicate()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.communicate()
            raise Stopped("stopped: the same command goes on from here") from None
    if process.returncode == Stopped.exit_code:
        raise Stopped("stopped: the same command goes on from here")
    if process.returncode:
        error = UsageError if process.returncode == UsageError.exit_code else SparringError
        raise error(f"`{step.text()}` failed with exit code {process.returncode}: its message is above")
    if step.output is not None:
        write(step.output, printed)
    else:
        progress.info(printed.decode(errors="backslashreplace").rstrip())
