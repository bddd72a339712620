"""Scores of rows of many more columns than rows: closed forms, and what each is blind to."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sparring.engine.data_spec import Column, TableSpec
from sparring.measure.kinds.gene_scores import (
    gamma,
    membership_auc,
    rank_correlation,
    ridge_classes,
    t_statistics,
)
from sparring.measure.kinds.kind_measures import Comparison, compare
from sparring.measure.rivals.rivals import LabelledRows

RNG = np.random.default_rng(0)
LOADINGS = np.random.default_rng(1).normal(size=(4, 200))


def arrays(count: int, spread: float = 1.0) -> LabelledRows:
    """Rows of four factors in two classes."""
    y = np.arange(count) % 2
    x = RNG.normal(size=(count, 4)) @ LOADINGS + RNG.normal(size=(count, 200))
    x[:, :30] += 2 * spread * y[:, None]
    return LabelledRows((50 + 10 * x).astype(np.float32), y)


def test_gamma_is_one_of_equal_rows_and_small_of_columns_that_were_permuted() -> None:
    x = arrays(200).rows.astype(np.float64)
    assert gamma(x, x) == pytest.approx(1)
    assert gamma(x, 3 * x + 1) == pytest.approx(1)
    assert gamma(x, arrays(200).rows.astype(np.float64)) > 0.9
    assert abs(gamma(x, RNG.permuted(x, axis=0))) < 0.1


def test_statistics_are_those_of_scipy() -> None:
    data = arrays(30)
    x, y = data.rows.astype(np.float64), data.labels
    t = t_statistics(x, y)
    np.testing.assert_allclose(t, stats.ttest_ind(x[y == 0], x[y == 1], equal_var=False).statistic)
    other = RNG.normal(size=200)
    assert rank_correlation(t, other) == pytest.approx(stats.spearmanr(t, other).statistic)


def test_the_ridge_classifier_learns_few_rows_of_many_columns() -> None:
    train, test = arrays(40), arrays(200)
    predicted = ridge_classes(train.rows.astype(np.float64), train.labels, test.rows.astype(np.float64))
    assert (predicted == test.labels).mean() > 0.9


def test_an_attack_on_membership_sees_copies_and_nothing_in_fresh_rows() -> None:
    members, others, fresh = (arrays(60).rows.astype(np.float64) for _ in range(3))
    copies = members + RNG.normal(size=members.shape)
    assert membership_auc(copies, members, others).low > 0.9
    area = membership_auc(fresh, members, others)
    assert area.low < 0.5 < area.high


def test_wide_tables_are_scored_beside_the_shrunk_gaussian() -> None:
    columns = tuple(Column(str(k), (k,), (), False, -1e3, 1e3) for k in range(200))
    training = arrays(60)
    spec = TableSpec(columns, "y", ("a", "b"), count=60)
    assert spec.is_wide and not TableSpec(columns, "y", ("a", "b"), count=300).is_wide
    scores = {score.name: score for score in compare(Comparison(spec, arrays(100), arrays(80), training))}
    assert scores.keys() >= {"gamma", "t_ranks", "tstr_accuracy", "trtr_accuracy", "membership_auc"}
    assert {"shrunk Gaussian", "noisy copies", "copies", "real halves"} == set(scores["gamma"].beside)
    assert scores["gamma"].value > 0.8 and scores["tstr_accuracy"].value > 0.9
    assert scores["membership_auc"].beside["noisy copies"] > 0.9 > 0.65 > scores["membership_auc"].value
