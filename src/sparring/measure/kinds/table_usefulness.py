"""Usefulness of made tables: classifiers that learn from them, tested on real rows; and one that detects them.

TSTR: trained on samples, tested on real rows; TRTR: trained on as many real training rows. Copies of training rows pass
TSTR as well, so it says nothing alone. The judges are fixed: boosted trees, and logistic regression as the simple one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.data.tables.codes import cells_of
from sparring.engine.errors import SparringError
from sparring.measure.kinds.kind_measures import Comparison
from sparring.measure.kinds.table_cells import Floats, Supervised, supervised, words_of
from sparring.stats.auc import auc, macro_auc
from sparring.stats.intervals import Interval, Z

FOLDS = 5
MAX_ROWS = 10_000
"""Largest number of rows of each side of the two-sample test."""
MIN_ROWS = 50
RESAMPLES = 200
MAX_BOOSTED_WORDS = 250
"""Words of a column up to which boosting takes them as categories; of more as ordered numbers."""


def usefulness(comparison: Comparison) -> Mapping[str, Interval]:
    """Return AUC and F1 of the rarest class on real rows, of judges that learnt from samples, and from real rows."""
    spec = comparison.spec
    sets = [supervised(spec, side) for side in (comparison.samples, comparison.real, comparison.training)]
    samples, real, training = sets
    if samples is None or real is None or training is None or min(len(samples.y), len(real.y)) < MIN_ROWS:
        return {}
    kept = np.random.default_rng([comparison.seed, 32]).permutation(len(training.y))[: len(samples.y)]
    fair = Supervised(training.x[kept], training.y[kept], training.is_word)
    scores: dict[str, Interval] = {}
    for judge, build in {"boosting": boosting, "logistic": logistic}.items():
        for name, learnt in {"tstr": samples, "trtr": fair}.items():
            probabilities = _answers(build, learnt, real)
            if probabilities is None:
                continue
            scores[f"{name}_auc_{judge}"] = _auc(probabilities, real.y)
            scores[f"{name}_f1_{judge}"] = _rare_f1(probabilities, real.y, comparison.seed)
    return scores


def detection(comparison: Comparison) -> Mapping[str, Interval]:
    """Return the AUC of boosted trees that tell samples from real rows, over FOLDS folds: 0.5 is best."""
    ensemble = sklearn("ensemble")
    from sklearn.model_selection import StratifiedKFold

    spec = comparison.spec
    count = min(len(comparison.samples), len(comparison.real), MAX_ROWS)
    if count < MIN_ROWS:
        return {}
    rng = np.random.default_rng([comparison.seed, 33])
    sides = [side.rows[rng.permutation(len(side))[:count]] for side in (comparison.samples, comparison.real)]
    x = np.concatenate([cells_of(spec, side) for side in sides])
    y = np.repeat([1, 0], count)
    scores = np.zeros(len(y))
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=comparison.seed).split(x, y):
        judge = boosting(x[train], words_of(spec), comparison.seed, ensemble).fit(x[train], y[train])
        scores[test] = judge.predict_proba(x[test])[:, 1]
    return {"boosted_two_sample_auc": auc(scores[y == 0], scores[y == 1])}


def boosting(x: Floats, is_word: NDArray[np.bool_], seed: int, ensemble: Any = None) -> Any:
    """Return boosted trees that take words as categories and gaps as they are."""
    few = is_word & np.array([column.max(initial=0) < MAX_BOOSTED_WORDS for column in np.nan_to_num(x).T])
    judge = (ensemble or sklearn("ensemble")).HistGradientBoostingClassifier
    return judge(categorical_features=few if few.any() else None, random_state=seed, early_stopping=False)


def logistic(x: Floats, is_word: NDArray[np.bool_], seed: int) -> Any:
    """Return logistic regression on standardised numbers and one-hot words."""
    compose, impute = sklearn("compose"), sklearn("impute")
    linear_model, pipeline, preprocessing = sklearn("linear_model"), sklearn("pipeline"), sklearn("preprocessing")
    numbers = pipeline.make_pipeline(impute.SimpleImputer(keep_empty_features=True), preprocessing.StandardScaler())
    columns = compose.ColumnTransformer([
        ("numbers", numbers, np.flatnonzero(~is_word)),
        ("words", preprocessing.OneHotEncoder(handle_unknown="ignore"), np.flatnonzero(is_word)),
    ])  # fmt: skip
    return pipeline.make_pipeline(columns, linear_model.LogisticRegression(max_iter=300))


def sklearn(module: str) -> Any:
    """Return a module of scikit-learn; raise SparringError where it is not installed."""
    from importlib import import_module

    try:
        return import_module(f"sklearn.{module}")
    except ImportError as error:
        raise SparringError("scores of tables need scikit-learn: pip install 'sparring[tables]'") from error


def _answers(build: Callable[..., Any], learnt: Supervised, real: Supervised) -> Floats | None:
    """Return probabilities `[N, classes]` of the real rows; None where the rows to learn from hold one class."""
    if len(np.unique(learnt.y)) < 2:
        return None
    judge = build(learnt.x, learnt.is_word, 0).fit(learnt.x, learnt.y)
    probabilities = np.zeros((len(real.y), int(max(real.y.max(), learnt.y.max())) + 1))
    probabilities[:, judge.classes_] = judge.predict_proba(real.x)
    return probabilities


def _auc(probabilities: Floats, y: NDArray[np.int64]) -> Interval:
    """Return the mean AUC of one class against the rest, over the classes of the real rows."""
    present = np.unique(y)
    if len(present) < 2:
        return Interval(float("nan"), float("nan"), float("nan"))
    return macro_auc(probabilities[:, present], np.searchsorted(present, y))


def _rare_f1(probabilities: Floats, y: NDArray[np.int64], seed: int) -> Interval:
    """Return F1 of the rarest class of the real rows, with a normal interval by resampled rows."""
    rarest = int(np.argmin(np.where((counts := np.bincount(y)) > 0, counts, len(y) + 1)))
    predicted, truth = probabilities.argmax(1) == rarest, y == rarest
    rng = np.random.default_rng([seed, 34])
    value = f1(predicted, truth)
    idx = (rng.integers(len(y), size=len(y)) for _ in range(RESAMPLES))
    half = Z * float(np.std([f1(predicted[k], truth[k]) for k in idx], ddof=1))
    return Interval(value, max(value - half, 0.0), min(value + half, 1.0))


def f1(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Return the harmonic mean of precision and recall; 0 without a hit."""
    hits = float((predicted & truth).sum())
    return 2 * hits / max(float(predicted.sum() + truth.sum()), 1.0)
