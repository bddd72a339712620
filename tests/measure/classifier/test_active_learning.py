"""What is worth a label, on points whose distances are plain."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from sparring.measure.classifier.active_learning import farthest_first, in_turn, unlike


def test_each_is_the_farthest_from_all_before() -> None:
    line = torch.tensor([[0.0], [1.0], [4.0], [10.0], [9.0]])
    # 10; then 4, which is 4 away; then 1, which is 1 away, as 9 is
    assert farthest_first(line, torch.tensor([[0.0]]), 3).tolist() == [3, 2, 1]


def test_what_no_label_shows_comes_first_however_common_it_is() -> None:
    rng = torch.Generator().manual_seed(0)
    known, other = torch.randn(200, 8, generator=rng), torch.randn(50, 8, generator=rng) + 10
    first = farthest_first(torch.cat([known, other]), known[:20], 1)
    assert int(first) >= 200


@given(st.integers(0, 12), st.integers(0, 5), st.integers(0, 15))
def test_no_row_twice(points: int, labelled: int, count: int) -> None:
    rows = farthest_first(torch.zeros(points, 2), torch.zeros(labelled, 2), count).tolist()
    assert len(rows) == len(set(rows)) == min(points, count)


def test_rankings_take_turns_and_no_row_comes_twice() -> None:
    assert in_turn(torch.tensor([3, 1, 2]), torch.tensor([1, 3, 0])) == [(0, 3), (1, 1), (0, 2), (1, 0)]
    assert in_turn() == [] == in_turn(torch.tensor([], dtype=torch.int64))


def test_a_small_crowd_comes_before_an_oddity_that_is_farther() -> None:
    rng = torch.Generator().manual_seed(0)
    known, kind = torch.randn(1800, 4, generator=rng), torch.randn(200, 4, generator=rng) + 8
    odd = torch.full((1, 4), 30.0)
    points = torch.cat([known, kind, odd])
    assert farthest_first(points, known[:20], 1).tolist() == [2000]
    assert 1800 <= int(unlike(points, known[:20], 1)) < 2000
    assert unlike(points[-100:], known[:20], 1).tolist() == [99]  # too few for a crowd
