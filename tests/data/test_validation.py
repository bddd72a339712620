"""`--validation`: the test examples are left out, and training examples are held out in their place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions


def splits(source: Path | str, **options: object) -> list[set[str]]:
    """Names of the training and test examples, plain and with validation."""
    both = (open_source(source, ReadOptions(**options, validation=v)) for v in (False, True))  # type: ignore[arg-type]
    return [set(part.names) for data in both for part in (data, data.split("test"))]


def test_a_marked_test_split_is_left_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 255, (70, 8, 8), np.uint8), np.arange(70) % 3
    np.savez(tmp_path / "a.npz", x_train=x[:50], y_train=y[:50], x_test=x[50:], y_test=y[50:])
    train, test, used, validation = splits(tmp_path / "a.npz")
    assert used | validation == train and not used & validation and not test & (used | validation)
    assert len(validation) == 9  # one in five of each class
    data = open_source(tmp_path / "a.npz", ReadOptions(validation=True))
    assert data.split("test").class_counts == (3, 3, 3)
    assert any("20 images are left out (of the test split" in note for note in data.notes)
    assert data.fingerprint != open_source(tmp_path / "a.npz").fingerprint


def test_a_drawn_test_split_is_the_same_that_is_left_out() -> None:
    train, test, used, validation = splits("digits")
    assert used | validation == train and not test & (used | validation) and len(used) == 1_204  # of each class


def test_of_a_series_the_last_windows_are_held_out(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "time,load\n" + "".join(f"2024-01-{1 + k // 24:02}T{k % 24:02}:00:00,{k * k % 17}\n" for k in range(600))
    )
    train, test, used, validation = splits(path, kind="series", window=10)
    assert used | validation == train and max(used) < min(validation) and max(validation) < min(test)


def test_overlapping_windows_near_to_those_of_validation_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "time,load\n" + "".join(f"2024-01-{1 + k // 24:02}T{k % 24:02}:00:00,{k * k % 17}\n" for k in range(600))
    )
    train, _, used, validation = splits(path, kind="series", window=10, hop=2)
    assert len(train) - len(used) - len(validation) == 10  # 2 windows of 10 steps, in hops of 2
    last_end, first_start = max(used).split(" to ")[1], min(validation).split(" to ")[0]
    assert last_end < first_start


@pytest.mark.parametrize("count", [2, 3])
def test_few_examples(tmp_path: Path, count: int) -> None:
    np.savez(tmp_path / "a.npz", x_train=np.arange(count * 64, dtype=np.uint8).reshape(count, 8, 8))
    assert len(open_source(tmp_path / "a.npz", ReadOptions(validation=True))) >= 1
