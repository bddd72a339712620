"""Scores of a kind of data stand beside those of real halves, of copies, and of simple generators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from sparring.measure.kinds.kind_measures import (
    COPIES,
    REAL,
    Comparison,
    KindMeasure,
    compare,
    kind_measures,
    unlabelled,
)
from sparring.measure.rivals.rivals import LabelledRows, rivals_for
from sparring.stats.intervals import Interval


@dataclass(frozen=True)
class Numbers:
    """A kind of data of single numbers."""


def mean_of(comparison: Comparison) -> Mapping[str, Interval]:
    value = float(comparison.samples.rows.mean())
    return {"mean": Interval(value, value - 1, value + 1), "size": Interval(len(comparison.samples), 0, 0)}


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    kind_measures.register(Numbers)(lambda spec: (KindMeasure("The mean.", mean_of),))
    rivals_for.register(Numbers)(lambda spec: {"sevens": sevens})
    yield


def sevens(spec: Any, training: LabelledRows, count: int, rng: np.random.Generator) -> LabelledRows:
    return unlabelled(np.full((count, 1), 7.0))


def test_each_score_stands_beside_those_of_baselines_and_rivals() -> None:
    samples, real, training = (unlabelled(np.full((n, 1), float(k))) for k, n in ((1, 40), (2, 50), (3, 60)))
    steps = list[tuple[int, int]]()
    mean, size = compare(Comparison(Numbers(), samples, real, training), lambda *step: steps.append(step))
    assert (mean.name, mean.value, mean.low, mean.high) == ("mean", 1, 0, 2)
    assert mean.beside == {REAL: 2, COPIES: 3, "sevens": 7}
    assert size.beside == {REAL: 25, COPIES: 40, "sevens": 40}
    assert steps == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


def test_few_real_rows_have_no_halves_and_too_few_no_scores() -> None:
    many = unlabelled(np.zeros((40, 1)))
    (mean, _) = compare(Comparison(Numbers(), many, many.take(np.arange(20)), many))
    assert set(mean.beside) == {COPIES, "sevens"}
    assert compare(Comparison(Numbers(), many, many.take(np.arange(10)), many)) == []


def test_the_same_seed_draws_the_same_copies() -> None:
    rows = unlabelled(np.random.default_rng(0).normal(size=(50, 1)))
    drawn = [compare(Comparison(Numbers(), rows, rows, rows, seed))[0].beside[COPIES] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
