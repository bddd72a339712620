import numpy as np
import pytest

from sparring.engine.data_spec import AudioSpec, Column, ImageSpec, SeriesSpec, TableSpec
from sparring.engine.errors import SparringError, UsageError
from sparring.measure.features.features_for import features_for, values_for

TABLE = TableSpec(tuple(Column(f"c{k}", (k,), (), False, 0, 1) for k in range(3)), "", (), 4)


def test_images_are_compared_as_they_are() -> None:
    rows = np.zeros((2, 4, 4, 1), np.uint8)
    assert values_for(ImageSpec(4, 4, 1, (), 2), lambda: [rows])(rows) is rows


def test_values_are_standardised_by_the_training_rows() -> None:
    rows = np.random.default_rng(0).normal(5, 3, (100, 3)).astype(np.float32)
    rows[:, 2] = 7  # a constant column becomes 0
    values = values_for(TABLE, lambda: np.array_split(rows, 7))
    assert values(rows).mean(0) == pytest.approx([0, 0, 0], abs=1e-6)
    assert values(rows).std(0) == pytest.approx([1, 1, 0], abs=1e-6)
    series = SeriesSpec(("a", "b"), 3, (0.0, 0.0), (1.0, 1.0), (), 4)
    x = np.random.default_rng(0).normal(5, 3, (100, 2, 3))
    assert values_for(series, lambda: [x])(x).shape == (100, 6)


def test_gaps_become_the_mean_and_are_values_themselves() -> None:
    rows = np.array([[1, 0, np.nan], [3, 0, 2], [5, 0, 4]], np.float32)
    values = values_for(TABLE, lambda: [rows[:2], rows[2:]])
    assert values(rows)[:, 2].tolist() == [0, -1, 1]
    assert values(rows)[:, 3].tolist() == [1, 0, 0]
    with pytest.raises(SparringError, match="no finite numbers"):  # a gap where the training rows have none
        values(np.full((1, 3), np.nan))


@pytest.mark.parametrize(("value", "message"), [(np.nan, "no finite numbers"), (1e30, "standard deviations")])
def test_values_that_cannot_be_compared(value: float, message: str) -> None:
    rows = np.random.default_rng(0).normal(size=(100, 3))
    values = values_for(TABLE, lambda: [rows])
    with pytest.raises(SparringError, match=message):
        values(np.full((2, 3), value))


def test_kinds_without_scores_and_choices_that_do_not_fit() -> None:
    with pytest.raises(UsageError, match="--features inception and --weights are for images"):
        features_for(AudioSpec(8000, 10, (), 2), "inception", None, None, None)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="table data are compared by their values"):
        features_for(TABLE, "inception", None, None, None)  # type: ignore[arg-type]
    assert features_for(TABLE, "trained", None, None, None).name == "raw"  # type: ignore[arg-type]
