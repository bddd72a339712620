"""Each judge of the table, on data of a kind that it is for."""

import numpy as np
import pytest

from sparring.measure.diagnostics.judges import JUDGES, MAX_COLUMNS, linear, nearest, trees

RNG = np.random.default_rng(0)
IS_REAL = np.repeat([1, 0], 150)


def accuracy(fit, x: np.ndarray, new: np.ndarray) -> float:
    return float(((fit(x, IS_REAL)(new) > 0) == IS_REAL).mean())


def two_sets(shift: float, columns: int = 6) -> np.ndarray:
    x = RNG.normal(size=(300, columns)).astype(np.float32)
    x[150:, 0] += shift
    return x


@pytest.mark.parametrize("fit", [linear, trees])
@pytest.mark.parametrize("columns", [6, MAX_COLUMNS + 50])
def test_a_shifted_column_is_found(fit, columns: int) -> None:
    pytest.importorskip("sklearn")
    assert accuracy(fit, two_sets(4, columns), two_sets(4, columns)) > 0.8


def test_trees_find_what_is_not_linear() -> None:
    pytest.importorskip("sklearn")
    sets = [two_sets(0) for _ in range(2)]
    for x in sets:
        x[150:, 1] = np.sign(x[150:, 1]) * (2 + np.abs(x[150:, 1]))
    assert accuracy(trees, *sets) > 0.9


def test_nearest_rows_find_repeated_samples() -> None:
    base = RNG.normal(size=(15, 6))
    sets = [two_sets(0) for _ in range(2)]
    for x in sets:
        x[150:] = np.repeat(base, 10, 0) + 0.05 * RNG.normal(size=(150, 6))
    assert accuracy(nearest, *sets) > 0.9


def test_separable_and_constant_columns_give_finite_scores() -> None:
    x = np.zeros((300, 2), np.float32)
    x[150:, 0] = 1
    scores = linear(x, IS_REAL)(x)
    assert np.isfinite(scores).all() and ((scores > 0) == IS_REAL).all()
    assert np.isfinite(linear(x * 0, IS_REAL)(x)).all() and np.isfinite(nearest(x * 0, IS_REAL)(x)).all()


def test_views_of_the_table() -> None:
    assert {judge.view for judge in JUDGES.values()} == {"values", "statistics", "network"}
