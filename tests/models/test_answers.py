"""Answers: a class or "none of these", a probability, and of what it is."""

from __future__ import annotations

import torch

from sparring.commands.predict import Prediction, Predictions, to_text
from sparring.models.answers import NONE, Answer, Answers

ANSWERS = Answers(
    ("cat", "dog"),
    torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.1, 0.1, 0.8]]),
    torch.tensor([False, True, True]),
    torch.zeros(3),
)


def test_a_probability_is_of_a_class_that_is_named() -> None:
    expected = [("cat", 0.9, "cat"), (NONE, 0.7, "dog"), (NONE, 0.8, NONE)]
    for k, (label, probability, likeliest) in enumerate(expected):
        for answer in (ANSWERS[k], list(ANSWERS)[k]):
            assert isinstance(answer, Answer) and (answer.label, answer.likeliest) == (label, likeliest)
            assert abs(answer.probability - probability) < 1e-6


def test_the_text_says_of_what_where_the_label_is_not_that_class() -> None:
    rows = [Prediction("a.png", "cat", 0.9, "cat"), Prediction("b.png", NONE, 0.201, "dog")]
    first, second, *_ = to_text(Predictions(rows, {}, [])).splitlines()
    assert first.endswith("90.0%") and second.endswith("none of these    20.1% for dog, the nearest class")
