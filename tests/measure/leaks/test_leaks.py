"""Planted leaks are each found, and none is found where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from sparring.measure.leaks.name_groups import name_groups
from sparring.measure.leaks.near_duplicates import equal_rows, near_images
from sparring.measure.leaks.shared_groups import later_training_rows, names_groups, shared_groups
from sparring.measure.leaks.single_columns import single_columns


def pictures(count: int, seed: int) -> np.ndarray:
    """Smooth random images, uint8 `[N, 32, 32, 3]`."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (count, 8, 8, 3))
    return np.kron(coarse, np.ones((1, 4, 4, 1))).astype(np.uint8)


@pytest.mark.parametrize("change", ["equal", "noisy", "brighter", "shifted grey level"])
def test_copies_of_images_are_found_and_other_images_are_not(change: str) -> None:
    training, fresh = pictures(300, 0), pictures(40, 1)
    copies = training[[5, 17, 230]].astype(float)
    copies += {"equal": 0, "noisy": np.random.default_rng(2).normal(0, 3, copies.shape), "brighter": 3}.get(change, -2)
    test = np.concatenate([copies.clip(0, 255).astype(np.uint8), fresh])
    result = near_images(test, training)
    assert result[:3].tolist() == [5, 17, 230] and (result[3:] == -1).all()


def test_flat_images_are_no_copies_of_each_other() -> None:
    flat = np.full((4, 8, 8, 1), 200, np.uint8)
    assert (near_images(flat, flat) == -1).all()


def test_equal_rows() -> None:
    rows = np.array([[1.0, np.nan], [2.0, 3.0]])
    assert equal_rows(np.array([[2.0, 3.0], [1.0, np.nan], [0.0, 0.0]]), rows).tolist() == [1, 0, -1]


def test_columns_that_tell_the_class() -> None:
    rng = np.random.default_rng(0)
    labels = np.sort(rng.integers(0, 3, 1200))
    columns = {
        "code of the class": (labels * 7 + 3).astype(float),
        "id that sorts by class": np.arange(1200.0),
        "known only later": np.where(labels == 0, np.nan, labels * 100 + rng.normal(size=1200)),
        "good": labels + rng.normal(0, 0.6, 1200),
        "noise": rng.normal(size=1200),
    }
    results = {column.name: column for column in single_columns(columns, labels, rng)}
    assert {name for name, column in results.items() if column.is_leak} == {
        "code of the class", "id that sorts by class", "known only later",
    }  # fmt: skip
    assert 0.2 < results["good"].avoided < 0.9 and abs(results["noise"].avoided) < 0.2


def test_too_few_rows_or_classes_give_no_columns() -> None:
    rng = np.random.default_rng(0)
    assert single_columns({"a": np.arange(30.0)}, np.arange(30) % 2, rng) == []
    assert single_columns({"a": np.arange(300.0)}, np.zeros(300, np.int64), rng) == []


def test_groups_of_names_that_are_in_both_splits() -> None:
    names = [f"{digit}_{speaker}_{take}.wav" for digit in range(3) for speaker in ("ann", "bob") for take in range(5)]
    labels = [name[0] for name in names]
    shared = name_groups(names, [name.endswith("0.wav") for name in names], labels)
    assert [(group.position, set(group.shared)) for group in shared] == [(1, {"ann", "bob"})]
    apart = name_groups(names, ["bob" in name for name in names], labels)
    assert [group.shared for group in apart] == [()]
    assert name_groups(["cat/1.png", "dog/2.png"] * 8, [False, True] * 8, ["cat", "dog"] * 8) == []  # the label
    assert name_groups(["a_b.png", "c.png"], [False, True], ["x", "y"]) == []


def test_names_of_persons_and_places_are_known() -> None:
    for name in ("id", "patient", "Patient_ID", "userId", "speaker-no", "school name", "customer_ids"):
        assert names_groups(name), name
    for name in ("width", "hidden", "age", "idle", "education", "deviceless", "mid"):
        assert not names_groups(name), name


def test_groups_in_both_splits_are_counted() -> None:
    is_test = np.array([False, False, False, True, True, True])
    groups = shared_groups(["a", "a", "b", "a", "c", ""], is_test)
    assert groups is not None and groups.total == 3 and groups.shared == ("a",)
    assert shared_groups(list("abcdef"), is_test) is None  # each row is a group of its own
    assert shared_groups(["x"] * 6, is_test) is None


def test_later_training_rows() -> None:
    is_test = np.arange(10) >= 8
    assert later_training_rows(np.arange(10.0), is_test) == 0
    assert later_training_rows(-np.arange(10.0), is_test) == 1
    assert later_training_rows(np.full(10, np.nan), is_test) == 0
