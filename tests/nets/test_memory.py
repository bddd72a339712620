from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparring.nets.lda import BUFFERS, LDA
from sparring.nets.memory import Memory

EYE = torch.eye(5)
SPREAD = 0.1
"""Standard deviation of a class along each axis."""
UNIT = math.sqrt(5) / SPREAD
"""Length of a whitened unit step: a fifth of the images differ along each axis."""


def memory() -> Memory:
    """Two classes along the first axes, with equal variance in all directions."""
    near = torch.cat([axis + sign * SPREAD * EYE for axis in EYE[:2] for sign in (1, -1)])
    return Memory(LDA.fit(near, torch.arange(2).repeat_interleave(10)), EYE[:2].repeat_interleave(4, 0) * 3)


def on_progress(kept: Memory, features: torch.Tensor, values: list[int]) -> None:
    """Embeddings equal features."""
    kept.write(features, features, torch.tensor(values))


def log_density(apart: float, examples: int, kept: Memory) -> float:
    """Return the log density at a distance from the mean of examples, in steps of `UNIT`."""
    spread = 1 + 1 / examples
    return -((apart * UNIT) ** 2) / spread / 2 - float(kept.classes.class_dim) * math.log(spread) / 2


def test_the_memory_has_no_gradients() -> None:
    kept = memory()
    on_progress(kept, EYE[2:4] * 9, [2, 3])
    for looks in (kept.reference.float(), kept.embeddings):
        torch.testing.assert_close(looks.norm(dim=1), torch.ones(len(looks)))
    assert not list(kept.parameters())
    assert kept.state_dict().keys() == {
        "reference",
        "keys",
        "embeddings",
        "values",
        *(f"classes.{name}" for name in BUFFERS),
    }


def test_one_example_recognises_its_class_only() -> None:
    kept = memory()
    assert len(kept) == 0 and torch.equal(kept.evidence(EYE, 4), torch.full((5, 4), -torch.inf))
    on_progress(kept, EYE[2:3], [3])
    found = kept.evidence(EYE, 4)
    assert bool((found[:, :3] == -torch.inf).all())
    away = math.sqrt(2)  # from one axis to another
    learnt = [0.0, 0.0, *(-((away * UNIT) ** 2) / 2 for _ in range(3))]
    told = [log_density(away, 1, kept)] * 5
    told[2] = 0.0  # itself
    torch.testing.assert_close(found[:, 3], torch.tensor(told) - torch.tensor(learnt), rtol=1e-3, atol=1e-3)
    assert (found[:, 3] > 0).tolist() == [False, False, True, True, True]  # of the nearest, as there is no other


def test_several_examples_recognise_their_mean() -> None:
    kept = memory()
    on_progress(kept, EYE[2:4], [1, 1])
    between = (EYE[2] + EYE[3])[None] / 2
    learnt = -1.5 * UNIT**2 / 2
    assert float(kept.evidence(between, 2)[0, 1]) == pytest.approx(log_density(0, 2, kept) - learnt, rel=1e-3)
    assert float(kept.evidence(EYE[2:3], 2)[0, 1]) == pytest.approx(
        UNIT**2, rel=1e-3
    )  # itself, against the nearest axis


def test_an_example_replaces_the_same_features_of_another_class() -> None:
    kept = memory()
    on_progress(kept, EYE[2:4], [0, 0])
    on_progress(kept, EYE[2:3] * 4, [1])
    assert len(kept) == 2 and sorted(kept.values.tolist()) == [0, 1]
    found = kept.evidence(EYE[2:3] * 4, 2)[0].tolist()
    assert found[1] > 0 and found[1] > found[0]


def test_forgetting_a_class_or_all() -> None:
    kept = memory()
    on_progress(kept, EYE[2:5], [0, 1, 1])
    kept.forget(1)
    assert kept.values.tolist() == [0] and torch.equal(kept.keys, EYE[2:3])
    kept.forget(7)
    assert len(kept) == 1
    kept.forget()
    assert len(kept) == 0 and kept.keys.shape == (0, 5)


def test_familiarity_is_that_of_the_third_neighbour_or_an_example() -> None:
    kept = memory()
    torch.testing.assert_close(kept.familiarity(EYE), torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0]))
    lone = Memory(kept.classes, torch.cat([EYE[:1].expand(3, -1), EYE[2:3]]))  # one image alone is chance
    torch.testing.assert_close(lone.familiarity(EYE[2:3]), torch.zeros(1))
    on_progress(kept, EYE[3:4], [5])
    torch.testing.assert_close(kept.familiarity(EYE), torch.tensor([1.0, 1.0, 0.0, 1.0, 0.0]))
    assert Memory(kept.classes, EYE[:1]).familiarity(EYE[:1]).item() == 1  # fewer than three


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=12))
def test_the_last_label_of_an_image_counts(told: list[tuple[int, int]]) -> None:
    kept = memory()
    for axis, value in told:
        on_progress(kept, EYE[axis : axis + 1] * (axis + 1), [value])
    assert {int(key.argmax()): int(value) for key, value in zip(kept.keys, kept.values, strict=True)} == dict(told)
    assert len(kept) == len(dict(told))
    if told:
        at_once = memory()
        axes, values = (torch.tensor(column) for column in zip(*told, strict=True))
        on_progress(at_once, EYE[axes] * (axes[:, None] + 1), values.tolist())
        assert torch.equal(at_once.keys, kept.keys) and torch.equal(at_once.values, kept.values)


def test_embeddings_are_separate_from_features() -> None:
    kept = memory()
    kept.write(EYE[2:3], EYE[4:5] * 2, torch.tensor([3]))
    torch.testing.assert_close(kept.familiarity(EYE), torch.tensor([1.0, 1.0, 0.0, 0.0, 1.0]))
    assert kept.evidence(EYE, 4)[:, 3].argmax() == 2
    kept.forget(3)
    assert len(kept.embeddings) == len(kept.keys) == len(kept) == 0


def test_duplicates_in_one_write_keep_the_last() -> None:
    kept = memory()
    on_progress(kept, EYE[2:4].repeat(600, 1), list(range(1200)))
    assert torch.equal(kept.keys, EYE[2:4]) and kept.values.tolist() == [1198, 1199]
