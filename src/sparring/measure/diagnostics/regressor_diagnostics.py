"""Diagnose the training of a regressor from its logged metrics and its test."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sparring.measure.boosting.comparison import TREES
from sparring.measure.diagnostics.classifier_diagnostics import find_rise
from sparring.measure.diagnostics.finding import Finding, Lines, find_diverged, find_few, find_short
from sparring.measure.diagnostics.training_length import REGRESSOR, TrainingLength
from sparring.measure.regression.report import NumberTest, RegressionReport


@dataclass(frozen=True)
class RegressorFacts:
    """Facts about a run besides its metrics."""

    command: str
    """Command that continues the run."""
    length: TrainingLength
    report: RegressionReport | None = None
    """Test of the regressor; None where the command was stopped before it."""


def diagnose_regressor(lines: Lines, facts: RegressorFacts) -> list[Finding]:
    """Return the findings on a run, problems first; of a good run one finding, of kind "healthy"."""
    if diverged := find_diverged(lines):
        return diverged
    report = facts.report
    by_trees = report is not None and report.trees is not None and report.trees.winner == TREES
    short = [] if by_trees else find_short(facts.length, REGRESSOR, facts.command)
    worse = [] if by_trees else _find_worse(lines)
    tested = _find_untrained(report, facts.command) + _find_coverage(report) if report is not None else []
    return [*short, *tested, *worse, *find_few(facts.length)] or [_healthy(facts)]


def _find_untrained(report: RegressionReport, command: str) -> list[Finding]:
    """Find a regressor that is no better than the median."""
    if not report.verdict:
        return []
    advice = f"{command} with more --minutes or --images; or other columns, which depend on the number"
    return [Finding("untrained", "problem", report.verdict, _errors_text(report.numbers[0], report), advice)]


def _find_coverage(report: RegressionReport) -> list[Finding]:
    """Find intervals that hold fewer of the test numbers than the choice of calibration and test examples explains."""
    low = [
        test for test in report.numbers
        if report.coverage - test.covered.value
        > math.hypot(report.calibration_spread, test.covered.high - test.covered.value)
    ]  # fmt: skip
    evidence = "; ".join(f"'{test.name}': {test.covered} of the {report.tested_on}" for test in low)
    message = f"Intervals hold fewer of the test numbers than the nominal {report.coverage:.0%}."
    advice = "check whether the test examples are of another time or place than the training examples"
    return [Finding("coverage", "problem", message, evidence, advice)] if low else []


def _find_worse(lines: Lines) -> list[Finding]:
    """Find a validation loss that rose while the training went on."""
    if (rise := find_rise(lines, "validation_loss")) is None:
        return []
    least, nimg, last = rise
    message = "The network was better before: its loss on validation examples rose while training went on."
    evidence = f"pinball loss on validation examples: {least:.4f} around example {nimg:,}, {last:.4f} at the end"
    return [Finding("worse", "notice", message, evidence, f"a new run with --images {nimg}")]


def _healthy(facts: RegressorFacts) -> Finding:
    report, evidence = facts.report, facts.length.passes_text()
    if report is not None and report.numbers:
        evidence += f"; {_errors_text(report.numbers[0], report)}"
    return Finding("healthy", "ok", "No problem was found.", evidence)


def _errors_text(test: NumberTest, report: RegressionReport) -> str:
    return (
        f"mean absolute error of '{test.name}' on the {report.tested_on} {test.error.text(3, 1)}, always answering the "
        f"median {test.constant_error.text(3, 1)}"
    )
