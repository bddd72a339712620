"""Diagnose the training of a classifier from its logged metrics and its test."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

from sparring.measure.boosting.comparison import TREES
from sparring.measure.classifier.calibration import ClassificationReport
from sparring.measure.diagnostics.finding import (
    Finding,
    Lines,
    find_diverged,
    find_few,
    find_short,
    noise,
    recent,
    series,
)
from sparring.measure.diagnostics.training_length import CLASSIFIER, TrainingLength

SIGMAS = 2.0
"""Standard deviations by which the error must rise to count as rising."""
MIN_RISE = 0.03
"""Relative rise of the error below which it is not reported."""
MIN_MEASUREMENTS = 6
"""Smallest number of held-out errors of which a trend is reported."""
MAX_GOOD_ERRORS = 0.1
"""Proportion of errors, at the upper end of its interval, below which a training was long enough."""
LEARNT = 0.2
"""Excess of the accuracy on training examples over the majority's share, from which they were learnt."""


@dataclass(frozen=True)
class ClassifierFacts:
    """Facts about a run besides its metrics."""

    command: str
    """Command that continues the run."""
    length: TrainingLength
    report: ClassificationReport | None = None
    """Test of the classifier; None where the command was stopped before it."""


def diagnose_classifier(lines: Lines, facts: ClassifierFacts) -> list[Finding]:
    """Return the findings on a run, problems first; of a good run one finding, of kind "healthy".

    `lines` are the lines of its metrics file, in order.
    """
    if diverged := find_diverged(lines):
        return diverged
    untrained = find_untrained(lines, facts)
    by_trees = facts.report is not None and facts.report.trees is not None and facts.report.trees.winner == TREES
    short = [] if by_trees or _is_good(facts) else find_short(facts.length, CLASSIFIER, facts.command)
    worse = [] if by_trees else find_worse(lines)
    findings = [*short, *untrained, *worse, *find_few(facts.length)]
    return findings or [_healthy(facts)]


def _is_good(facts: ClassifierFacts) -> bool:
    """Return whether the test shows that the classifier errs seldom, however short its training was."""
    report = facts.report
    return report is not None and report.errors is not None and report.errors.high < MAX_GOOD_ERRORS


def find_untrained(lines: Lines, facts: ClassifierFacts) -> list[Finding]:
    """Find a classifier that is no better than one answer for everything; needs a test."""
    report = facts.report
    if report is None or not report.verdict:
        return []
    assert report.errors is not None and report.majority is not None
    accuracy, (name, share) = report.errors.complement, report.majority
    evidence = f"it is correct on {accuracy.text()} of the {report.tested_on}, always answering '{name}' on {share:.1%}"
    trained = series(lines, "accuracy")
    if trained and recent(trained) > share + LEARNT:
        message = "It has learnt its training examples, and nothing that holds for others."
        evidence += f"; of the training examples it was correct on {recent(trained):.0%}"
        advice = "check the labels, and whether training and test examples are of one kind"
        return [Finding("labels", "problem", message, evidence, advice)]
    answers = [sum(column) for column in zip(*(report.confusion or ()), strict=True)]
    if answers and max(answers) == sum(answers):
        evidence += f"; all its answers are '{report.answers[answers.index(max(answers))]}'"
    return [
        Finding(
            "untrained",
            "problem",
            report.verdict,
            evidence,
            f"{facts.command} with more --minutes or --images, or more labels",
        )
    ]


def find_worse(lines: Lines) -> list[Finding]:
    """Find held-out errors that rose while the training went on."""
    if (rise := find_rise(lines, "error")) is None:
        return []
    least, nimg, last = rise
    evidence = f"errors on held-out examples: {least:.1%} around example {nimg:,}, {last:.1%} at the end"
    message = "The classifier was better before: its errors on held-out examples rose while training went on."
    return [Finding("worse", "notice", message, evidence, f"a new run with --images {nimg}")]


def find_rise(lines: Lines, name: str) -> tuple[float, int, float] | None:
    """Return the least mean of a logged value, the example around which it was, and the last mean; None: no rise."""
    measured = [line for line in lines if name in line and line["nimg"] > 0]
    values = series(measured, name)
    if len(values) < MIN_MEASUREMENTS:
        return None
    third = len(values) // 3
    means = [statistics.fmean(values[k : k + third]) for k in range(len(values) - third + 1)]
    best = min(range(len(means)), key=lambda k: means[k])
    rise = means[-1] - means[best]
    if rise <= max(SIGMAS * noise(values) * math.sqrt(2 / third), MIN_RISE * means[best]):
        return None
    return means[best], int(measured[best + third // 2]["nimg"]), means[-1]


def _healthy(facts: ClassifierFacts) -> Finding:
    report, evidence = facts.report, facts.length.passes_text()
    if report is not None and report.errors is not None and report.majority is not None:
        name, share = report.majority
        evidence += f"; correct on {report.errors.complement.text()} of the {report.tested_on}"
        evidence += f", always answering '{name}' on {share:.1%}"
    return Finding("healthy", "ok", "No problem was found.", evidence)
