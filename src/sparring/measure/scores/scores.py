"""The scores of samples against data: which there are, what each claims, and how many rows it needs."""

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
    """One computation out of which come one score or more."""

    names: tuple[str, ...]
    compute: Callable[[Tensor, Tensor], Sequence[Estimate]]
    """(samples' features `[N, d]`, data's features `[M, d]`) -> an estimate for each name."""
    least: Callable[[int], int]
    """d -> rows below which the figure says nothing: it is refused."""
    enough: Callable[[int], int]
    """d -> rows below which the figure is a rough one: it is given with a warning."""
    bounds: tuple[tuple[float, float], ...]
    """What each score can be."""


ABOVE, ANY, SHARE = (0.0, math.inf), (-math.inf, math.inf), (0.0, 1.0)

MEASURES = (
    Measure(("fd",), lambda x, y: [frechet_distance(x, y)], lambda d: d + 2, lambda d: 10 * d, (ABOVE,)),
    Measure(("fd_infinity",), lambda x, y: [frechet_extrapolated(x, y)], lambda d: 2 * d + 4, lambda d: 10 * d, (ANY,)),
    Measure(("kd",), lambda x, y: [kernel_distance(x, y)], lambda d: 50, lambda d: 500, (ANY,)),
    Measure(
        ("precision", "recall", "density", "coverage"),
        lambda x, y: precision_recall_density_coverage(x, y, NEIGHBOURS),
        lambda d: 50, lambda d: 1000, (SHARE, SHARE, ABOVE, SHARE),
    ),
)  # fmt: skip
"""On features. The covariance of d features needs more than d rows, whatever the distance then says."""
PIXELS = Measure(("swd",), lambda x, y: [sliced_estimate(x, y)], lambda d: 16, lambda d: 500, (ABOVE,))
"""On the values themselves."""
CLASS = Measure(("fd",), lambda x, y: [frechet_distance(x, y)], lambda d: d + 2, lambda d: d + 2, (ABOVE,))
"""On the features of one class: few rows are usual there, and one warning for all is enough."""

OLD_NAMES = {"fd": "fid", "fd_infinity": "fid_infinity", "kd": "kid"}
"""What scores are called in the features of the Inception network."""


def score_name(name: str, features: str, of_class: str | None = None) -> str:
    """`fd[trained-1a2b]`, `fid[inception-2015]`, and of one class `fd[trained-1a2b]/7`.

    >>> score_name("fd", "inception-2015")
    'fid[inception-2015]'
    """
    if features.startswith("inception"):
        name = OLD_NAMES.get(name, name)
    return f"{name}[{features}]" + (f"/{of_class}" if of_class is not None else "")


def scores(
    measures: Sequence[Measure],
    x: Tensor,
    y: Tensor,
    floor: tuple[Tensor, Tensor],
    features: str,
    of_class: str | None = None,
) -> tuple[list[Score], list[str]]:
    """The scores of samples `x` against data `y`, with those of real data against real data (`floor`), and warnings."""
    found: list[Score] = []
    warnings: list[str] = []
    d, rows = math.prod(x.shape[1:]), min(len(x), len(y))
    for measure in measures:
        names = [score_name(name, features, of_class) for name in measure.names]
        least, enough = measure.least(d), measure.enough(d)
        there = f"there are {len(x):,} and {len(y):,}"
        if rows < least:
            why = f"{d} features need" if least > d else "it needs"
            warnings.append(f"{' '.join(names)}: not given, as {why} {least:,} samples and as many real ones; {there}")
            continue
        if rows < enough:
            warnings.append(
                f"{' '.join(names)}: rough, {there}; {enough:,} samples and as many real ones would be enough"
            )
        real: Sequence[Estimate | None] = [None] * len(names)
        if min(map(len, floor)) >= least:
            real = measure.compute(*floor)
        estimates = measure.compute(x, y)
        these = [score_of(*each) for each in zip(names, estimates, real, measure.bounds, strict=True)]
        found += [score for score in these if math.isfinite(score.value)]
        if odd := [score.name for score in these if not math.isfinite(score.value)]:
            warnings.append(f"{' '.join(odd)}: not given, the features are too large to count with")
    return found, warnings


def score_of(name: str, estimate: Estimate, floor: Estimate | None, bounds: tuple[float, float]) -> Score:
    """An estimate with its interval and its floor."""
    low, high = estimate.interval(least=bounds[0], most=bounds[1])
    return Score(name, estimate.value, low, high, floor.value if floor else None)
