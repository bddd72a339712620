"""The table of scores of samples against data: their ranges, and how many rows each needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from sparring.measure.scores.evaluation import Score
from sparring.measure.scores.frechet import frechet_distance, frechet_extrapolated
from sparring.measure.scores.kid import kernel_distance
from sparring.measure.scores.prdc import precision_recall_density_coverage
from sparring.measure.scores.sliced_wasserstein import sliced_estimate
from sparring.stats.intervals import Estimate

NEIGHBOURS = 5
"""k of precision, recall, density and coverage (Naeem et al. 2020, section 4.2)."""


@dataclass(frozen=True)
class Measure:
    """One computation that yields one or more scores."""

    names: tuple[str, ...]
    compute: Callable[[Tensor, Tensor], Sequence[Estimate]]
    """(features of the samples `[N, d]`, of the data `[M, d]`) -> an estimate for each name."""
    min_rows: Callable[[int], int]
    """d -> number of rows below which the score is meaningless and left out."""
    enough_rows: Callable[[int], int]
    """d -> number of rows below which the score is rough and comes with a warning."""
    bounds: tuple[tuple[float, float], ...]
    """Range of each score."""


NONNEGATIVE, UNBOUNDED, PROPORTION = (0.0, math.inf), (-math.inf, math.inf), (0.0, 1.0)

MEASURES = (
    Measure(("fd",), lambda x, y: [frechet_distance(x, y)], lambda d: d + 2, lambda d: 10 * d, (NONNEGATIVE,)),
    Measure(
        ("fd_infinity",), lambda x, y: [frechet_extrapolated(x, y)], lambda d: 2 * d + 4, lambda d: 10 * d, (UNBOUNDED,)
    ),
    Measure(("kd",), lambda x, y: [kernel_distance(x, y)], lambda d: 50, lambda d: 500, (UNBOUNDED,)),
    Measure(
        ("precision", "recall", "density", "coverage"),
        lambda x, y: precision_recall_density_coverage(x, y, NEIGHBOURS),
        lambda d: 50, lambda d: 1000, (PROPORTION, PROPORTION, NONNEGATIVE, PROPORTION),
    ),
)  # fmt: skip
"""Measures of features. The covariance of d features needs more than d rows to be regular."""
VALUE_MEASURE = Measure(("swd",), lambda x, y: [sliced_estimate(x, y)], lambda d: 16, lambda d: 500, (NONNEGATIVE,))
"""Measure of the data values themselves."""
CLASS_MEASURE = Measure(
    ("fd",), lambda x, y: [frechet_distance(x, y)], lambda d: d + 2, lambda d: d + 2, (NONNEGATIVE,)
)
"""Measure of the features of one class: classes are often small, and one warning for all of them is enough."""

INCEPTION_NAMES = {"fd": "fid", "fd_infinity": "fid_infinity", "kd": "kid"}
"""Customary names of scores in features of the Inception network."""


def score_name(name: str, features: str, class_name: str | None = None) -> str:
    """Return the full name of a score: `fd[trained-1a2b]`, `fid[inception-2015]` or, of a class, `fd[trained-1a2b]/7`.

    >>> score_name("fd", "inception-2015")
    'fid[inception-2015]'
    """
    if features.startswith("inception"):
        name = INCEPTION_NAMES.get(name, name)
    return f"{name}[{features}]" + (f"/{class_name}" if class_name is not None else "")


def compute_scores(
    measures: Sequence[Measure],
    x: Tensor,
    y: Tensor,
    baseline: tuple[Tensor, Tensor],
    features: str,
    class_name: str | None = None,
) -> tuple[list[Score], list[str]]:
    """Return the scores of samples x `[N, ...]` against data y `[M, ...]`, and warnings.

    `baseline` holds two sets of real data for the real-vs-real baseline; `features` is the name of the feature net.
    """
    result: list[Score] = []
    warnings: list[str] = []
    d, rows = math.prod(x.shape[1:]), min(len(x), len(y))
    for measure in measures:
        names = [score_name(name, features, class_name) for name in measure.names]
        minimum, enough = measure.min_rows(d), measure.enough_rows(d)
        counts = f"there are {len(x):,} and {len(y):,}"
        if rows < minimum:
            reason = f"{d} features need" if minimum > d else "it needs"
            warnings.append(
                f"{' '.join(names)}: left out, {reason} {minimum:,} samples and as many real rows; {counts}"
            )
            continue
        if rows < enough:
            warnings.append(f"{' '.join(names)}: rough, {counts}; use {enough:,} samples and as many real rows")
        real: Sequence[Estimate | None] = [None] * len(names)
        if min(map(len, baseline)) >= minimum:
            real = measure.compute(*baseline)
        estimates = measure.compute(x, y)
        scores = [to_score(*each) for each in zip(names, estimates, real, measure.bounds, strict=True)]
        result += [score for score in scores if math.isfinite(score.value)]
        if not_finite := [score.name for score in scores if not math.isfinite(score.value)]:
            warnings.append(f"{' '.join(not_finite)}: left out, the features are too large for float64")
    return result, warnings


def to_score(name: str, estimate: Estimate, baseline: Estimate | None, bounds: tuple[float, float]) -> Score:
    """Return the score of an estimate, with its interval within `bounds` and its baseline."""
    low, high = estimate.interval(least=bounds[0], most=bounds[1])
    return Score(name, estimate.value, low, high, baseline.value if baseline else None)
