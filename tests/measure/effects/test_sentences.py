from __future__ import annotations

import torch

from sparring.measure.effects.sentences import Sentence, best_sentence, hit_table


def test_a_sentence_holds_where_its_reading_moves_and_no_other_by_more_than_half() -> None:
    change = torch.tensor([
        [0.25, 0.125, 0.0],  # at both limits
        [0.24, 0.0, 0.0],  # too little
        [0.50, 0.26, 0.0],  # too much beside it
        [-0.5, 0.1, 0.1],  # the other way
        [0.1, -0.9, 0.3],  # another reading
    ])  # fmt: skip
    assert Sentence(0, 1).hits(change).tolist() == [True, False, False, False, False]
    assert Sentence(0, -1).hits(change).tolist() == [False, False, False, True, False]
    assert Sentence(1, -1).hits(change).tolist() == [False, False, False, False, True]
    assert not bool((hit_table(change)[..., 0] & hit_table(change)[..., 1]).any())


def test_a_single_reading_has_no_side_effects() -> None:
    assert Sentence(0, 1).hits(torch.tensor([[0.3], [0.2], [-1.0]])).tolist() == [True, False, False]


def test_the_best_sentence_holds_most_often() -> None:
    change = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, -9.0]])
    assert best_sentence(change) == Sentence(0, 1)
    assert best_sentence(-change) == Sentence(0, -1)


def test_without_hits_the_largest_mean_change_is_named() -> None:
    assert best_sentence(torch.tensor([[0.02, -0.2], [0.01, -0.1]])) == Sentence(1, -1)


def test_the_sentence_in_words() -> None:
    text = Sentence(1, -1).text("handle 2", ("slant", "hue"))
    assert text == "handle 2 lowers hue and changes no other reading by more than half as much"
