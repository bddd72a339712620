from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparring.nets.memory import Memory

EYE = torch.eye(5)


def memory() -> Memory:
    """Two classes along the first axes, and images near them."""
    return Memory(EYE[:2] * 7, EYE[:2].repeat_interleave(4, 0) * 3)


def test_what_is_kept_is_of_unit_length_and_no_gradient_moves_it() -> None:
    kept = memory()
    kept.write(EYE[2:4] * 9, torch.tensor([2, 3]))
    for tensor in (kept.prototypes, kept.typical, kept.keys):
        torch.testing.assert_close(tensor.norm(dim=1), torch.ones(len(tensor)))
    assert not list(kept.parameters())
    assert kept.state_dict().keys() == {"prototypes", "typical", "keys", "values"}


def test_one_example_alone_is_known_again_and_nothing_else_is() -> None:
    kept = memory()
    assert len(kept) == 0 and torch.equal(kept.remembered(EYE, 4), torch.full((5, 4), -1.0))
    kept.write(EYE[2:3], torch.tensor([3]))
    expected = torch.full((5, 4), -1.0)
    expected[:, 3] = EYE[:, 2]
    torch.testing.assert_close(kept.remembered(EYE, 4), expected)


def test_of_several_examples_their_mean_counts_too() -> None:
    kept = memory()
    kept.write(EYE[2:4], torch.tensor([1, 1]))
    between = (EYE[2] + EYE[3])[None]
    torch.testing.assert_close(kept.remembered(between, 2), torch.tensor([[-1.0, 1.0]]))
    torch.testing.assert_close(kept.remembered(EYE[2:3], 2)[0, 1], torch.tensor(1.0))


def test_the_same_features_of_another_class_are_written_over() -> None:
    kept = memory()
    kept.write(EYE[2:4], torch.tensor([0, 0]))
    kept.write(EYE[2:3] * 4, torch.tensor([1]))
    assert len(kept) == 2 and sorted(kept.values.tolist()) == [0, 1]
    torch.testing.assert_close(kept.remembered(EYE[2:3], 2), torch.tensor([[0.0, 1.0]]), atol=1e-6, rtol=0)


def test_forgetting_a_class_or_all() -> None:
    kept = memory()
    kept.write(EYE[2:5], torch.tensor([0, 1, 1]))
    kept.forget(1)
    assert kept.values.tolist() == [0] and torch.equal(kept.keys, EYE[2:3])
    kept.forget(7)
    assert len(kept) == 1
    kept.forget()
    assert len(kept) == 0 and kept.keys.shape == (0, 5)


def test_familiar_is_what_is_near_the_third_nearest_or_what_was_told() -> None:
    kept = memory()
    torch.testing.assert_close(kept.familiarity(EYE), torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0]))
    lone = Memory(EYE[:2], torch.cat([EYE[:1].expand(3, -1), EYE[2:3]]))  # one image alone is chance
    torch.testing.assert_close(lone.familiarity(EYE[2:3]), torch.zeros(1))
    kept.write(EYE[3:4], torch.tensor([5]))
    torch.testing.assert_close(kept.familiarity(EYE), torch.tensor([1.0, 1.0, 0.0, 1.0, 0.0]))
    assert Memory(EYE[:2], EYE[:1]).familiarity(EYE[:1]).item() == 1  # fewer than three


def test_the_nearest_prototype() -> None:
    torch.testing.assert_close(memory().learnt(EYE * 2), torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0]))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=12))
def test_it_holds_what_was_told_last_of_each_image(told: list[tuple[int, int]]) -> None:
    kept = memory()
    for axis, value in told:
        kept.write(EYE[axis : axis + 1] * (axis + 1), torch.tensor([value]))
    assert {int(key.argmax()): int(value) for key, value in zip(kept.keys, kept.values, strict=True)} == dict(told)
    assert len(kept) == len(dict(told))
    if told:
        at_once = memory()
        axes, values = (torch.tensor(column) for column in zip(*told, strict=True))
        at_once.write(EYE[axes] * (axes[:, None] + 1), values)
        assert torch.equal(at_once.keys, kept.keys) and torch.equal(at_once.values, kept.values)


def test_many_rows_at_once_are_no_more_than_their_last() -> None:
    kept = memory()
    kept.write(EYE[2:4].repeat(600, 1), torch.arange(1200))
    assert torch.equal(kept.keys, EYE[2:4]) and kept.values.tolist() == [1198, 1199]
