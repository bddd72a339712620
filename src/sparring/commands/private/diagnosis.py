"""Diagnose and describe private runs without reading private rows; refuse to evaluate on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from sparring.commands.private.options import is_private_run, ledger_of
from sparring.commands.training.run_settings import command_to_continue, is_own, recipe_of
from sparring.engine.errors import UsageError
from sparring.engine.run_folder import Run
from sparring.measure.diagnostics.finding import Finding
from sparring.measure.diagnostics.private_diagnostics import diagnose_marginals, diagnose_moments
from sparring.recipes.generators.mst import MST

ANOTHER_RUN = "another run with more --images or another --lr, which costs epsilon again: none can be made longer"


def diagnose_private(run: Run) -> list[Finding]:
    """Return what the noisy distances of a private run show."""
    if isinstance(recipe_of(run), MST):
        return diagnose_marginals()
    settings = run.settings
    command = command_to_continue(
        settings["command"], settings["data"]["source"], run.path, settings["hardware"], settings["processes"]
    )
    return diagnose_moments(run.metrics(), command)


def diagnose_private_classifier(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings of a classifier with the one advice that its private rows allow."""
    return [replace(finding, advice=ANOTHER_RUN if finding.advice else "") for finding in findings]


def check_evaluation(path: object, data: str | Path | None) -> None:
    """Raise UsageError where samples or answers of a private run would be compared with its private rows."""
    folder = path.path if isinstance(path, Run) else path
    if not isinstance(folder, str | Path) or not is_private_run(folder):
        return
    run = Run(folder)
    if is_own(run, data):
        spent = ledger_of(run).budget
        raise UsageError(
            f"{run.path} is private, and scores on its training rows are one more release of them, without noise: "
            f"epsilon {spent.epsilon:g} would not cover these scores. Name rows that are public: sparring evaluate RUN "
            "--data SOURCE"
        )
