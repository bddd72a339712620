"""Give a saved classifier a fact, "this is an okapi", without training: what changes, and how to take it back."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.data.dataset import Dataset
from sparring.data.labels import labels_as
from sparring.engine.errors import UsageError
from sparring.engine.run_folder import Run
from sparring.models.answers import Answer, Answers
from sparring.models.capabilities import Remembers, require
from sparring.models.classifier import Classifier, load_classifier
from sparring.stats.proportion import Proportion

MAX_TESTED = 500
"""Held-out examples on which a fact is tested."""
MAX_NAME = 100
"""Letters of the name of a class."""


@dataclass(frozen=True)
class FactTest:
    """What a fact changed."""

    before: Answer
    """Answer for the example, before."""
    after: Answer
    tested: int
    """Held-out examples with a known class that were classified before and after; 0: there are none."""
    changed: int
    """Those of them whose answer changed."""
    accuracy_before: Proportion | None
    accuracy_after: Proportion | None


def remember(run: Run, row: NDArray[Any], label: str, held_out: Dataset | None) -> FactTest:
    """Assign one stored row to class `label` in the saved classifier of `run`, and test it on `held_out`."""
    label = label.strip()
    if not label or len(label) > MAX_NAME:
        raise UsageError(f"the class needs a name of 1 to {MAX_NAME} letters: write one")
    classifier = _saved(run)
    rows, labels = _tested(classifier, held_out)
    before, old = classifier.predict(row[None]), _answers(classifier, rows)
    classifier.remember(row[None], label)
    classifier.save(run.path)
    after, new = classifier.predict(row[None]), _answers(classifier, rows)
    changed = sum(one != other for one, other in zip(old, new, strict=True))
    return FactTest(before[0], after[0], len(rows), changed, _accuracy(old, labels), _accuracy(new, labels))


def forget(run: Run, label: str | None) -> dict[str, int]:
    """Take back all facts about class `label`, or all facts, in the saved classifier; return those that are left."""
    classifier = _saved(run)
    classifier.forget(label)
    classifier.save(run.path)
    return facts_of(classifier)


def facts_of(classifier: Classifier) -> dict[str, int]:
    """Return the number of remembered examples of each class that has any."""
    counts = Counter(classifier.memory.values.tolist())
    return {classifier.classes[value]: count for value, count in sorted(counts.items())}


def _saved(run: Run) -> Classifier:
    """Load the classifier anew: the one in memory is shared with other pages."""
    classifier = load_classifier(run.path)
    require(classifier, Remembers, str(run.path))
    return classifier


def _tested(classifier: Classifier, data: Dataset | None) -> tuple[NDArray[Any], list[str]]:
    """Return stored rows and class names of some examples with a known class."""
    if data is None:
        return np.empty((0, *classifier.spec.shape)), []
    numbers = labels_as(classifier.classes, data)
    idx = np.random.default_rng(0).permutation(np.flatnonzero(numbers >= 0))[:MAX_TESTED]
    return data[idx], [classifier.classes[number] for number in numbers[idx]]


def _answers(classifier: Classifier, rows: NDArray[Any]) -> list[str]:
    answers: Answers | list[Any] = classifier.predict(rows) if len(rows) else []
    return [answer.label for answer in answers]


def _accuracy(answers: list[str], labels: list[str]) -> Proportion | None:
    hits = sum(answer == label for answer, label in zip(answers, labels, strict=True))
    return Proportion.count(hits, len(labels)) if labels else None
