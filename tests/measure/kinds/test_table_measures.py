"""Scores of tables by closed forms, and what makes each of them worse; rivals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sparring.data.tables.codes import cells_of
from sparring.engine.data_spec import Column, TableSpec
from sparring.engine.table_form import CellForm, Dependence, FileColumn
from sparring.measure.kinds.kind_measures import COPIES, REAL, Comparison, compare
from sparring.measure.kinds.table_nearest import nearest_records
from sparring.measure.kinds.table_shapes import shapes
from sparring.measure.kinds.table_usefulness import detection, f1, usefulness
from sparring.measure.kinds.table_validity import validity
from sparring.measure.rivals.rivals import LabelledRows, rivals_for
from sparring.measure.rivals.table_rivals import independent_columns, smote

COLUMNS = (
    Column("x", (0,), (), False, 0.0, 0.0, None, CellForm(None, gap="")),
    Column("n", (1,), (), True, 0.0, 0.0, None, CellForm()),
    Column("word", (2, 3), ("a", "b"), False, 0.0, 1.0, None, CellForm()),
    Column("code", (4,), (), True, 0.0, 0.0, None, CellForm()),
)
SPEC = TableSpec(
    COLUMNS, "word", written=tuple(FileColumn(c.name, "learnt") for c in COLUMNS),
    dependences=(Dependence("code", "word", (1.0, 2.0)),),
)  # fmt: skip


def rows(seed: int, count: int = 600, shift: float = 2.0) -> LabelledRows:
    """Return rows whose word moves x by `shift`; a tenth of x is missing."""
    rng = np.random.default_rng(seed)
    word = rng.integers(2, size=count)
    x = shift * word + rng.normal(size=count)
    x[rng.random(count) < 0.1] = np.nan
    table = np.column_stack([x, rng.integers(5, size=count), np.eye(2)[word], word + 1])
    return LabelledRows(table.astype(np.float32), np.full(count, -1))


def comparison(samples: LabelledRows | None = None) -> Comparison:
    return Comparison(SPEC, samples or rows(0), rows(1), rows(2))


def test_shapes_are_one_for_the_same_rows_and_by_hand_for_others() -> None:
    same = shapes(Comparison(SPEC, rows(1), rows(1), rows(2)))
    assert same["shapes"].value == same["pairs"].value == 1 and same["missing_difference"].value == 0
    moved = rows(1)
    moved.rows[:, 1] += 5  # disjoint: KS of one in four columns is 1
    assert shapes(Comparison(SPEC, moved, rows(1), rows(2)))["shapes"].value == pytest.approx(0.75)
    without = rows(1)
    without.rows[:, 0] = np.nan
    missing = shapes(Comparison(SPEC, without, rows(1), rows(2)))["missing_difference"]
    assert missing.value == pytest.approx(1 - np.isnan(rows(1).rows[:, 0]).mean())


def test_the_interval_of_shapes_covers_other_rows() -> None:
    covered = [shapes(Comparison(SPEC, rows(k), rows(100 + k), rows(2)))["pairs"] for k in range(5)]
    mean = np.mean([score.value for score in covered])
    assert sum(score.low <= mean <= score.high for score in covered) >= 4


def test_pairs_see_a_lost_dependence_and_shapes_do_not() -> None:
    alone = independent_columns(SPEC, rows(2), 600, np.random.default_rng(0))
    good, bad = shapes(comparison()), shapes(comparison(alone))
    assert bad["shapes"].value == pytest.approx(good["shapes"].value, abs=0.04)
    assert bad["pairs"].value < good["pairs"].value - 0.05


def test_validity_names_each_fault() -> None:
    assert validity(comparison())["valid_rows"].value >= 0.99
    for position, value in {0: 99.0, 1: 0.5, 2: 0.5, 4: 3.0}.items():
        wrong = rows(0)
        wrong.rows[:60, position] = value
        assert validity(comparison(wrong))["valid_rows"].value <= 0.9, position
    copies = validity(comparison(rows(2)))
    assert copies["copied_rows"].value == 1
    twice = LabelledRows(np.repeat(rows(0).rows[:300], 2, 0), np.full(600, -1))
    assert validity(comparison(twice))["repeated_rows"].value == 1


def test_usefulness_and_detection() -> None:
    good, bad = usefulness(comparison()), usefulness(comparison(rows(0, shift=-2.0)))
    assert good["tstr_auc_boosting"].value == pytest.approx(1) and bad["tstr_auc_logistic"].value <= 1
    spec = replace(SPEC, columns=COLUMNS[:3], dependences=())
    cut = [LabelledRows(r.rows[:, :4], r.labels) for r in (rows(0), rows(0, shift=-2.0), rows(1), rows(2))]
    good, bad = (usefulness(Comparison(spec, samples, cut[2], cut[3])) for samples in cut[:2])
    assert 0.8 < good["tstr_auc_logistic"].value < 0.97 and bad["tstr_auc_logistic"].value < 0.2
    assert good["trtr_auc_boosting"] == bad["trtr_auc_boosting"]
    near, far = (detection(Comparison(spec, samples, cut[2], cut[3])) for samples in cut[:2])
    assert near["boosted_two_sample_auc"].low <= 0.55 and far["boosted_two_sample_auc"].value > 0.8
    assert f1(np.array([True, True, False]), np.array([True, False, True])) == pytest.approx(0.5)


def test_copies_are_found_and_fresh_rows_are_not() -> None:
    fresh, copies = nearest_records(comparison(rows(0, 2000))), nearest_records(comparison(rows(2)))
    assert fresh["nearest_is_training"].low <= 0.5 <= fresh["nearest_is_training"].high
    assert fresh["membership_auc"].low <= 0.52
    assert copies["nearest_is_training"].value > 0.8 and copies["membership_auc"].low > 0.6
    assert "membership_tpr_at_1%" not in copies  # too few rows for one per cent
    many = Comparison(SPEC, rows(3, 2000), rows(1, 2000), rows(3, 2000))
    assert nearest_records(many)["membership_tpr_at_1%"].value > 0.3


def test_rivals_make_valid_rows_of_the_right_number() -> None:
    for name, rival in rivals_for(SPEC).items():
        made = rival(SPEC, rows(2), 123, np.random.default_rng(0))
        assert made.rows.shape == (123, 5), name
        again = rival(SPEC, rows(2), 123, np.random.default_rng(0))
        assert np.array_equal(made.rows, again.rows, equal_nan=True)
    made = smote(SPEC, rows(2), 400, np.random.default_rng(0))
    assert validity(comparison(made))["valid_rows"].value == 1
    assert np.isnan(cells_of(SPEC, made.rows)[:, 0]).mean() == pytest.approx(0.1, abs=0.05)


def test_every_score_stands_beside_baselines_and_rivals() -> None:
    scores = {score.name: score for score in compare(Comparison(SPEC, rows(0, 200), rows(1, 200), rows(2, 200)))}
    assert {"shapes", "pairs", "valid_rows", "tstr_auc_boosting", "boosted_two_sample_auc", "membership_auc"} <= set(
        scores
    )
    for name, score in scores.items():
        assert {COPIES, "independent", "SMOTE"} <= set(score.beside), name
        assert REAL in score.beside or name.startswith(("membership", "tstr", "trtr"))
