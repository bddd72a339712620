"""Runs made bad on purpose, as the metrics and facts that they leave, and good ones: each bad one is reported."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sparring.measure.classifier.calibration import ClassificationReport
from sparring.measure.diagnostics.augmentation_leaks import Leak
from sparring.measure.diagnostics.classifier_diagnostics import ClassifierFacts, diagnose_classifier
from sparring.measure.diagnostics.finding import Finding
from sparring.measure.diagnostics.gan_diagnostics import LabelFit, RunFacts, diagnose
from sparring.measure.diagnostics.training_length import TrainingLength
from sparring.stats.proportion import Proportion

Course = float | Callable[[float], float]
SETTINGS = {"gamma": 0.3, "lr": 1e-3, "batch_size": 32, "labels": True, "augment": "none"}
FACTS = RunFacts(settings=SETTINGS, examples=4_011, command="sparring train photos --out r")
GOOD: dict[str, Course] = {
    "sliced_wasserstein": lambda at: 0.12 + 0.5 * 0.01 ** (at * 2), "coverage": 0.85, "variety": 1.0, "win": 0.75,
    "train_win": 0.76, "memory": 0.5, "train_logit": 1.0, "held_out_logit": 1.0, "sample_logit": 0.3,
}  # fmt: skip


def generator(images: int = 200_000, facts: RunFacts = FACTS, **metrics: Course) -> list[Finding]:
    """Diagnose a run of these metrics over its progress in [0, 1]; those that are not given are good."""
    lines, wobble = [], np.random.default_rng(0).normal(0, 0.001, 41)
    for k in range(41):
        values = {n: v(k / 40) if callable(v) else v for n, v in {**GOOD, **metrics}.items()}
        values["sliced_wasserstein"] += wobble[k]
        lines.append({"nimg": images * k // 40, **values})
    lines[0] |= {"baseline_sliced_wasserstein": 0.11, "baseline_coverage": 0.93, "baseline_variety": 1.0}
    return diagnose(lines, facts)


def few(examples: int) -> RunFacts:
    return dataclasses.replace(FACTS, examples=examples)


BAD = {
    "a run of 1.8 passes": (lambda: generator(7_296, win=1.0, sliced_wasserstein=0.198), "short", "--images 16000"),
    "ten images": (lambda: generator(facts=few(10)), "few", ""),
    "one sample for all noise": (lambda: generator(variety=0.1, coverage=0.1), "collapse", "--gamma 3"),
    "fewer and fewer samples": (lambda: generator(variety=0.8, coverage=lambda at: 0.8 - 0.6 * at), "collapse", ""),
    "a loss that grew to NaN": (
        lambda: generator(sliced_wasserstein=lambda at: 0.3 if at < 0.5 else float("nan")), "diverged", "--lr"
    ),
    "black samples": (
        lambda: generator(
            facts=dataclasses.replace(FACTS, blank=(1.0, 0.0)), sliced_wasserstein=0.9, variety=0.0, coverage=0.0
        ),
        "blank", "--lr",
    ),
    "black training images": (
        lambda: generator(facts=dataclasses.replace(FACTS, blank=(1.0, 1.0))), "blank", "sparring inspect"
    ),
    "labels at random": (
        lambda: generator(facts=dataclasses.replace(FACTS, label_fit=LabelFit(Proportion.count(208, 2000), 0.1, 2000))),
        "labels", "check the labels",
    ),
    "a discriminator that always wins, far from the data": (
        lambda: generator(win=1.0, sliced_wasserstein=0.6), "dominant", "--gamma"
    ),
    "samples told apart, though near by coarse measures": (
        lambda: generator(win=1.0, train_win=1.0), "distinguished", "real.png"
    ),
    "samples at 1.8 times the baseline": (lambda: generator(sliced_wasserstein=0.198), "far", "more --minutes"),
    "a discriminator that sees nothing": (
        lambda: generator(win=0.5, train_win=0.5, sliced_wasserstein=0.6), "starved", "--lr"
    ),
    "training images by themselves": (
        lambda: generator(memory=lambda at: 0.5 + 0.4 * at, sliced_wasserstein=0.13), "overfit", "more examples"
    ),
    "mirrored letters": (
        lambda: generator(facts=dataclasses.replace(FACTS, leaks=[Leak("mirrored", 0.5, 0.02, 300, 300)])), "leak", ""
    ),
    "better half-way": (lambda: generator(sliced_wasserstein=lambda at: 0.13 + 0.2 * at**2), "worse", "best"),
}  # fmt: skip
VERDICTS = {"healthy", "done"}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_run_is_reported_first_with_what_to_do(name: str) -> None:
    run, kind, advice = BAD[name]
    found = run()
    (report,) = [finding for finding in found if finding.kind == kind]
    assert report.severity != "ok" and advice in report.advice, report
    assert found[0].severity != "ok" and "healthy" not in {finding.kind for finding in found}
    assert report.message.endswith(".")


def test_the_short_run_of_photos_is_neither_healthy_nor_done() -> None:
    """4,011 photos, 7,296 images drawn, 1.8 times the baseline, the discriminator right on every pair."""
    kinds = [finding.kind for finding in generator(7_296, win=1.0, sliced_wasserstein=0.198)]
    assert kinds[0] == "short" and {"far", "distinguished"} <= set(kinds) and not VERDICTS & set(kinds)


HEALTHY = {
    "digits": lambda: generator(),
    "few passes over very many images": lambda: generator(240_000, facts=few(120_000)),
    "a short run that is like the data already": lambda: generator(12_000, facts=few(1_000)),
    "unconditional": lambda: generator(facts=dataclasses.replace(FACTS, conditional=False)),
    "without held-out images": lambda: generator(win=0.8, memory=0.5),
    "labels that are hard to see": lambda: generator(
        facts=dataclasses.replace(FACTS, label_fit=LabelFit(Proportion.count(560, 1000), 0.5, 1000))
    ),
    "a few blank samples": lambda: generator(facts=dataclasses.replace(FACTS, blank=(0.02, 0.02))),
    "a discriminator near chance beside good samples": lambda: generator(win=0.5, train_win=0.5),
    "still improving, near the data": lambda: generator(sliced_wasserstein=lambda at: 0.3 - 0.16 * at),
    "some near-duplicates": lambda: generator(facts=dataclasses.replace(FACTS, near_duplicates=(0.02, 40_000.0))),
}  # fmt: skip


@pytest.mark.parametrize("name", HEALTHY)
def test_a_good_run_is_left_alone(name: str) -> None:
    found = HEALTHY[name]()
    assert {finding.severity for finding in found} == {"ok"}, found
    assert found[0].kind == "healthy"


# classifiers


def classifier(
    confusion: list[list[int]], *, drawn: int = 200_000, examples: int = 5_000,
    error: Callable[[float], float] = lambda at: 0.05 + 0.4 * 0.01**at, accuracy: float = 0.97,
) -> list[Finding]:  # fmt: skip
    """Diagnose a classifier of this confusion table (rows: true classes) and course of held-out errors."""
    wobble = np.random.default_rng(1).normal(0, 0.001, 21)
    lines = [
        {"nimg": drawn * k // 20, "error": error(k / 20) + wobble[k], "accuracy": accuracy, "minutes": k / 20}
        for k in range(21)
    ]
    total, hits = sum(map(sum, confusion)), sum(row[k] for k, row in enumerate(confusion))
    classes = tuple("abcdefghij"[: len(confusion)])
    report = ClassificationReport(
        "r", "consistent", 1.0, 100, 0, classes, 1.0, "to_label.csv", tested_on="test images",
        errors=Proportion.count(total - hits, total), confusion=confusion,
    )  # fmt: skip
    length = TrainingLength(drawn, examples, 64)
    return diagnose_classifier(lines, ClassifierFacts("sparring classify d --out r", length, report))


BAD_CLASSIFIERS = {
    "less than a pass": (lambda: classifier([[90, 10], [10, 90]], drawn=2_000), "short"),
    "one answer for everything": (lambda: classifier([[130, 0], [70, 0]], accuracy=0.6), "untrained"),
    "labels at random": (lambda: classifier([[50, 50], [51, 49]], accuracy=0.99), "labels"),
    "ten examples": (lambda: classifier([[90, 10], [10, 90]], examples=10), "few"),
    "errors that rose while training went on": (
        lambda: classifier([[90, 10], [10, 90]], error=lambda at: 0.139 + 0.02 * max(at - 0.25, 0)), "worse"
    ),
    "a loss that grew to NaN": (lambda: classifier([[90, 10], [10, 90]], accuracy=float("nan")), "diverged"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_CLASSIFIERS)
def test_a_bad_classifier_is_reported(name: str) -> None:
    run, kind = BAD_CLASSIFIERS[name]
    found = run()
    (report,) = [finding for finding in found if finding.kind == kind]
    assert report.severity != "ok" and "healthy" not in {finding.kind for finding in found}


def test_the_evidence_names_the_majority_and_one_answer() -> None:
    (found,) = classifier([[130, 0], [70, 0]], accuracy=0.6)
    assert "always answering 'a' on 65.0%" in found.evidence and "all its answers are 'a'" in found.evidence


@pytest.mark.parametrize(
    "settings",
    [{}, {"drawn": 2_000}, {"examples": 400, "drawn": 40_000}, {"error": lambda at: 0.1}],
    ids=["default", "few rounds", "few examples", "a tenth of errors"],
)
def test_a_good_classifier_is_left_alone(settings: dict[str, Any]) -> None:
    (found,) = classifier([[97, 3], [3, 97]], **settings)
    assert found.kind == "healthy" and "always answering" in found.evidence
