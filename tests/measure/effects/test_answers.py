"""Sentences on a classifier whose answers are known: the side on which the ink lies."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sparring.measure.effects.answers import (
    Answered,
    AnswerSentence,
    best_answer_sentence,
    measure_answers,
    random_edit,
    ratio,
)
from sparring.measure.effects.edits import Edit


def sides(count: int, seed: int) -> Tensor:
    """Pictures `[N, 1, 8, 8]` with a bright pixel on the left or the right."""
    generator = torch.Generator().manual_seed(seed)
    x = -torch.ones(count, 1, 8, 8)
    left = torch.rand(count, generator=generator) < 0.5
    x[left, :, 3, 1] = 1
    x[~left, :, 3, 6] = 1
    return x


def by_side(x: Tensor) -> Answered:
    """Answer 0 for ink on the left, 1 on the right; refuse pictures with much ink."""
    ink = (x + 1) / 2
    odds = ink[..., 4:].sum((1, 2, 3)) - ink[..., :4].sum((1, 2, 3))
    logits = torch.stack([-odds, odds], 1) * 5
    return Answered(logits.log_softmax(1), ink.sum((1, 2, 3)) > 10)


def flip(x: Tensor, dose: float) -> Tensor:
    return x.flip(3)


def to_the_right(x: Tensor, dose: float) -> Tensor:
    edited = x.clone()
    edited[:, :, 5, 4:] = 1
    return edited


def test_the_sentences_are_the_true_ones_and_hold() -> None:
    edits = [
        Edit("nothing", lambda x, dose: x * 0.999), Edit("ink on the right", to_the_right),
        Edit("white", lambda x, dose: torch.ones_like(x)),
    ]  # fmt: skip
    result = measure_answers(by_side, edits, ("left", "right"), sides(60, 0), sides(60, 1), random_edits=30, few=20)
    nothing, right, white = result.edits
    assert nothing.text == "nothing leaves the answer"
    assert nothing.rate.value == 1
    assert right.text == "ink on the right turns left into right"
    assert right.rate.value == 1
    assert right.log_odds > 5
    assert right.rate.total < nothing.rate.total == 60
    assert white.refused.value == 1
    assert white.rate.value == 0  # a refused example is no hit
    assert result.rate.low <= result.rate.value <= result.rate.high


def test_leaving_the_answer_is_not_beyond_chance_where_noise_leaves_it_too() -> None:
    edits = [Edit("nothing", lambda x, dose: x * 0.999)]
    result = measure_answers(by_side, edits, ("left", "right"), sides(60, 0), sides(60, 1), random_edits=20, few=20)
    assert result.chance.random == 1
    assert not result.is_beyond_chance
    assert not result.edits[0].is_beyond_chance


def test_examples_that_were_refused_before_the_edit_do_not_count() -> None:
    before = Answered(torch.tensor([[0.0, -9.0], [0.0, -9.0]]), torch.tensor([False, True]))
    stays = AnswerSentence(None, None)
    assert stays.scope(before).tolist() == [True, False]
    assert stays.hits(before, before).tolist() == [True, False]


def test_a_class_of_few_examples_is_not_named() -> None:
    x = sides(8, 0)
    assert best_answer_sentence(by_side(x), by_side(flip(x, 1.0))) == AnswerSentence(None, None)
    x = sides(60, 0)
    assert best_answer_sentence(by_side(x), by_side(flip(x, 1.0))).after is not None


def test_random_edits_are_one_pattern_for_all_images() -> None:
    edit = random_edit((1, 8, 8), seed=3)
    x = torch.zeros(2, 1, 8, 8)
    edited = edit(x, 0.1)
    assert torch.equal(edited[0], edited[1])
    assert not torch.equal(edited, random_edit((1, 8, 8), seed=4)(x, 0.1))


def test_the_ratio_counts_cases_in_scope_alone() -> None:
    hits = torch.tensor([[True, False], [False, False], [True, True]])
    scope = torch.tensor([[True, False], [True, False], [True, True]])
    assert ratio(hits, scope).value == pytest.approx(3 / 4)
    assert ratio(hits & False, scope & False).value == 0
