"""Measure candidates on validation and test examples, and the rules of thresholds that are made from the plain one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sparring.commands.fairness.protected_data import ProtectedData
from sparring.commands.fairness.result import Candidate
from sparring.data.dataset import Dataset
from sparring.engine.run_folder import CANDIDATES
from sparring.measure.fairness.fronts import majority
from sparring.measure.fairness.gaps import Answers, measure_fairness
from sparring.measure.fairness.thresholds import Rule, apply_rules, fit_rules
from sparring.models.classifier import CHUNK_ROWS, Classifier
from sparring.nets.mixture import Mixture
from sparring.recipes import FAIR_BASELINE

NO_BETTER = "no better than one answer for all"
BY_CHANCE = "answers by chance"
NEEDS_GROUP = "needs the group"


def measured_candidates(
    trained: Mapping[str, Classifier], data: ProtectedData, folder: Path, notion: str
) -> list[Candidate]:
    """Return accuracy and gaps of each classifier, and of thresholds for each group where there are two classes."""
    positive = positive_of(trained[FAIR_BASELINE])
    candidates = []
    for name, classifier in trained.items():
        answers = _validation(classifier, data), _test(classifier, data)
        veto = BY_CHANCE if isinstance(classifier.net, Mixture) else ""
        candidates.append(_measured(name, *answers, data, positive, veto, str(folder / CANDIDATES / name)))
        if name == FAIR_BASELINE and len(classifier.spec.classes) == 2 and "thresholds" not in trained:
            rules = group_rules(classifier, data, notion)
            fair = apply_rules(answers[0], rules), apply_rules(answers[1], rules)
            candidates.append(_measured("thresholds", *fair, data, positive, NEEDS_GROUP))
    return candidates


def positive_of(classifier: Classifier) -> int | None:
    """Return the number of the class of opportunity; None: each class."""
    recipe: Any = classifier.recipe
    return None if recipe.positive is None else classifier.spec.classes.index(recipe.positive)


def group_rules(plain: Classifier, data: ProtectedData, notion: str) -> list[Rule]:
    """Return thresholds of each group on the plain probabilities of two classes, fitted on training examples."""
    positive = positive_of(plain)
    return fit_rules(_training(plain, data), len(data.names), notion, 1 if positive is None else positive)


def _measured(
    name: str, validation: Answers, test: Answers, data: ProtectedData, positive: int | None, veto: str,
    run: str = "",
) -> Candidate:  # fmt: skip
    by_validation, by_test = (measure_fairness(answers, data.names, positive) for answers in (validation, test))
    learnt = by_validation.accuracy.low > majority(validation)
    return Candidate(name, by_validation, by_test, run, veto or ("" if learnt else NO_BETTER))


def _validation(classifier: Classifier, data: ProtectedData) -> Answers:
    return answers_of(classifier, data.train, data.train.labels, data.validation_idx)


def _test(classifier: Classifier, data: ProtectedData) -> Answers:
    return answers_of(classifier, data.test, data.test_labels, np.flatnonzero(data.test_labels >= 0))


def _training(classifier: Classifier, data: ProtectedData) -> Answers:
    known = np.flatnonzero(data.train.labels >= 0)
    return answers_of(classifier, data.train, data.train.labels, np.setdiff1d(known, data.validation_idx))


def answers_of(classifier: Classifier, data: Dataset, labels: NDArray[np.int64], idx: NDArray[np.int64]) -> Answers:
    """Return the answers to the examples `idx`, with their classes and groups; those of a mixture are by chance."""
    assert data.groups is not None
    known = torch.from_numpy(labels[idx]), torch.from_numpy(data.groups[idx])
    scores, votes = list[torch.Tensor](), list[torch.Tensor]()
    with torch.no_grad():
        for rows in range(0, len(idx), CHUNK_ROWS):
            x = classifier.to_input(data[idx[rows : rows + CHUNK_ROWS]])
            scores.append(classifier.log_probabilities(x).exp().cpu())
            if isinstance(classifier.net, Mixture):
                votes.append(classifier.net.votes(x).cpu())
    answers = Answers.of_scores(torch.cat(scores), *known)
    return replace(answers, decisions=torch.cat(votes)) if votes else answers
