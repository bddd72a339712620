"""`sparring solve`: understand a task that is given in words, and carry it out by the other commands."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparring.commands.reporting.progress import Progress
from sparring.commands.solving.checks import check, suspicion
from sparring.commands.solving.competition import submission
from sparring.commands.solving.page import understood_page
from sparring.commands.solving.stated import Overrides
from sparring.commands.solving.steps import PREDICTIONS, run_step, steps_of
from sparring.commands.solving.task import Ask, Task, refuse
from sparring.commands.solving.understanding import Understood, describe, understand
from sparring.commands.training.session import run_folder
from sparring.engine.atomic_io import write
from sparring.engine.errors import UsageError
from sparring.engine.run_folder import Run
from sparring.measure.diagnostics.finding import Finding
from sparring.stats.proportion import Proportion

TASK_FILE, PAGE, SUBMISSION = "task.json", "understood.html", "submission.csv"
CHECKED = ("classify", "few labels", "harden")
"""Kinds of task whose data are checked for leaks."""


@dataclass(frozen=True)
class Solution:
    """A task, the commands that carry it out, and what they made."""

    task: Task
    commands: tuple[str, ...]
    """Lines to type, in their order."""
    run: str
    """Folder of the results."""
    is_plan: bool = False
    """True where nothing was run."""

    def to_json(self) -> dict[str, Any]:
        """Return the task with its evidence, the commands and the paths of the results."""
        files = {name: str(path) for name, path in _results(Path(self.run)).items()}
        return {
            "task": self.task.to_json(),
            "commands": list(self.commands),
            "run": self.run,
            "plan": self.is_plan,
            **files,
        }


def solve(
    text: str,
    *,
    plan: bool = False,
    out: str | Path | None = None,
    task: str | None = None,
    source: str | Path | None = None,
    label: str | None = None,
    model: str | Path | None = None,
    mask: str | Path | None = None,
    predict: str | Path | None = None,
    minutes: float | None = None,
    labels: int | None = None,
    eps: float | None = None,
    private: float | None = None,
    count: int | None = None,
    llm_model: str | None = None,
    ask: Ask | None = None,
    progress: Progress | None = None,
) -> Solution:
    """Carry out the task that `text` describes, or plan it: train, predict, sample, attack, restore.

    The text names its data by a path, an address or a known name. Other arguments override what it says. What is
    unclear becomes a question: to `ask`, else on a terminal, else it is an Unclear error that names the candidates.
    `llm_model` of the server at OPENAI_BASE_URL completes what is read; it sees the text alone. Nothing in the text is
    executed: it chooses among the commands of Sparring alone.

    Raises:
        Unclear: The task is not understood, or ambiguous.
        UsageError: The data do not fit the task.
        SparringError: A command failed.
        Stopped: A signal came; the same call goes on from there.

    """
    if not isinstance(text, str) or not text.strip():
        raise UsageError('TEXT is empty: say what is to be done with which data, such as "generate faces like photos/"')
    progress = progress or Progress()
    flags = Overrides(
        task=task, source=_text(source), label=label, model=_text(model), mask=_text(mask), predict=_text(predict),
        minutes=minutes, labels=labels, eps=eps, private=private, count=count,
    )  # fmt: skip
    understood = understand(text, flags, ask or _asker(), progress.callback("reading"), llm_model)
    if understood.note:
        progress.info(understood.note)
    folder = Path(out) if out is not None else default_folder(understood)
    steps = steps_of(understood.task, understood.report, folder)
    solution = Solution(understood.task, tuple(step.text() for step in steps), str(folder), plan)
    if plan:
        return solution
    for line in describe(understood.task):
        progress.info(line)
    for step in steps:
        run_step(step, progress)
    if understood.competition is not None:
        classes = understood.task.classes.value
        write(folder / SUBMISSION, submission(understood.competition, folder / PREDICTIONS, classes))
    _write_page(text, understood, solution, progress)
    write(folder / TASK_FILE, json.dumps(solution.to_json(), indent=2) + "\n")
    return solution


def _write_page(text: str, understood: Understood, solution: Solution, progress: Progress) -> None:
    """Check the data of a task that learns from labels, and write the page."""
    task, run = understood.task, Run(solution.run)
    checks, errors, more = None, None, list[Finding]()
    if task.kind.value in CHECKED:
        progress.info("checking the data and simple classifiers ...")
        checks = check(task)
        classification = run.read_json("classification") or {}
        errors = Proportion.from_json(classification["errors"]) if classification.get("errors") else None
        more = suspicion(task, errors, checks.baselines)
    looks = count_look(run) if checks is not None and checks.baselines else 0
    page = understood_page(text, task, understood.report, solution.commands, checks, errors, looks, more)
    write(run.path / PAGE, page)


def count_look(run: Run) -> int:
    """Add one to the readings of the test labels in run.json; the training's own test is the first."""
    settings = run.settings
    looks = int(settings.get("test_looks", 1)) + 1
    run.write_settings({**{k: v for k, v in settings.items() if k != "format"}, "test_looks": looks})
    return looks


def default_folder(understood: Understood) -> Path:
    """Return `runs/<source>-<kind>`: the same for the same task, so that a repeated command goes on."""
    task, competition = understood.task, understood.competition
    source = task.source.value if competition is None else competition.train.resolve().parent
    return run_folder(source, task.kind.value.replace(" ", "-"))


def _text(path: str | Path | None) -> str | None:
    return None if path is None else str(path)


def _asker() -> Ask:
    """Return a function that asks on the terminal; without one it refuses."""
    return _ask if sys.stdin.isatty() and sys.stderr.isatty() else refuse


def _ask(question: str, candidates: Sequence[str]) -> str:
    """Ask on the terminal until the answer is one of the candidates; an empty answer refuses."""
    while True:
        print(f"{question}\n  {', '.join(candidates)}\n> ", end="", file=sys.stderr, flush=True)
        answer = sys.stdin.readline().strip()
        if not answer:
            return refuse(question, candidates)
        if not candidates or answer in candidates:
            return answer


def _results(folder: Path) -> dict[str, Path]:
    """Return the files of the results that are there."""
    names = {"submission": SUBMISSION, "predictions": PREDICTIONS, "report": "report.html", "understood": PAGE}
    return {name: folder / file for name, file in names.items() if (folder / file).exists()}


def to_text(solution: Solution) -> str:
    """Return what was understood, the commands, and where the results are."""
    lines = [*describe(solution.task), "", *(f"$ {line}" for line in solution.commands)]
    if solution.is_plan:
        return "\n".join([*lines, "", "nothing was run: leave --plan out to run these commands"])
    return "\n".join([*lines, "", *(f"{name:12} {path}" for name, path in _results(Path(solution.run)).items())])
