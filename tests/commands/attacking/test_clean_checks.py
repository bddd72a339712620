"""What is said of a model's answers to clean rows: beside the commonest class, and of outputs that are no logits."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from sparring.commands.attacking.clean_checks import clean_findings
from sparring.commands.attacking.load_target import Target
from sparring.models.answers import NONE

CLASSES = ("a", "b", "c", "d")
Y = torch.arange(200) % 10 // 7  # 70 % of class a
X = torch.nn.functional.one_hot(Y, 4).float() + torch.rand(200, 4, generator=torch.Generator().manual_seed(0))


def kinds(
    model: Callable[[Tensor], Tensor], classes: tuple[str, ...] = CLASSES, y: Tensor = Y, *, run: bool = False
) -> dict[str, Any]:
    target = Target("m", model, cast(Any, SimpleNamespace()) if run else None)
    return {finding.kind: finding for finding in clean_findings(target, X, y, classes)}


@pytest.mark.parametrize("classes", [CLASSES, (*CLASSES, NONE)])
def test_chance_is_the_commonest_class(classes: tuple[str, ...]) -> None:
    """A model that is right on 70 % of these rows has learnt nothing, though there are four classes."""
    finding = kinds(lambda x: torch.eye(4)[torch.zeros(len(x), dtype=torch.int64)], classes)["chance"]
    assert finding.severity == "problem"
    assert finding.evidence.startswith("always answering 'a', the commonest class, is right on 70.0%")
    assert "chance" not in kinds(lambda x: 3 * x - 2, classes)


def test_rows_of_one_class_are_compared_with_a_guess_among_the_classes_alone() -> None:
    ones = torch.zeros(200, dtype=torch.int64)
    finding = kinds(lambda x: -x.roll(1, 1), (*CLASSES, NONE), ones)["chance"]
    assert finding.evidence.startswith("guessing among 4 classes is right on 25.0%")


@pytest.mark.parametrize(
    ("outputs", "named"),
    [
        (lambda x: (3 * x - 2).sigmoid(), True), (lambda x: (9 * x).softmax(1), False), (lambda x: 3 * x - 2, False),
        (lambda x: (3 * x - 2).log_softmax(1), False),
    ],
)  # fmt: skip
def test_probabilities_of_independent_labels(outputs: Callable[[Tensor], Tensor], named: bool) -> None:
    found = kinds(outputs)
    assert ("independent" in found) == named
    assert "independent" not in kinds(outputs, run=True)
    if named:
        assert "rows do not sum to 1" in found["independent"].message and "sigmoid out" in found["independent"].advice
