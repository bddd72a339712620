"""Precision, recall, density and coverage of samples, from exact nearest neighbours (`knn`), with intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from sparring.measure.scores.knn import CentredRows, as_float, inside_mask, squared_bounds, squared_radii, tiles
from sparring.stats.intervals import Estimate

HALVES = 50
"""Pairs of disjoint halves behind the width of an interval, whose own error is then about 10 %."""
MAX_HALF_ROWS = 256
"""Largest number of rows of a half."""
CHUNK_VALUES = 1 << 23
"""Values of halves and their distances in memory at once: many small halves are one product."""


class PRDC(NamedTuple):
    """Four scores of samples against data."""

    precision: Estimate
    """Fraction of the samples within a ball of the data; 0 to 1."""
    recall: Estimate
    """Fraction of the data within a ball of the samples; 0 to 1."""
    density: Estimate
    """Mean number of balls of the data around a sample, over k: about 1 for equal distributions; 0 or more."""
    coverage: Estimate
    """Fraction of the data whose ball holds a sample; 0 to 1."""


def precision_recall_density_coverage(x: Tensor, y: Tensor, k: int = 5) -> PRDC:
    """Return four scores of samples x `[N, d]` against data y `[M, d]`, equal to their definitions over all pairs.

    The ball of a row reaches to the k-th nearest other row of its set. Precision and recall are by Kynkäänniemi et al.
    2019 (Eqs. 1 and 2), density and coverage by Naeem et al. 2020 (section 3). A row at exactly the radius is inside.

    The influence of a row is what the score loses without it while all radii are fixed, times one factor for all rows:
    see `_deviations`. Raises ValueError if either set has fewer than 2 (k + 2) rows.
    """
    if min(len(x), len(y)) < 2 * (k + 2):
        raise ValueError(
            f"precision, recall, density and coverage with k = {k} need {2 * (k + 2)} rows or more of both, "
            f"not {len(x)} and {len(y)}"
        )
    x, y = as_float(x), as_float(y)
    n, m = len(x), len(y)
    mean = y.mean(0)
    rows_x, rows_y = CentredRows.of(x, mean), CentredRows.of(y, mean)
    data, samples = _balls(rows_x, rows_y, squared_radii(rows_x, k), squared_radii(rows_y, k))
    precise, recalled, covered = data.around > 0, samples.around > 0, data.holds > 0
    values = torch.stack(
        [precise.double().mean(), recalled.double().mean(), data.around.mean() / k, covered.double().mean()]
    )
    influences = (
        (precise.double(), data.only_ball() * ((m - 1) / n)),
        (samples.only_ball() * ((n - 1) / m), recalled.double()),
        (data.around / k, data.holds * ((m - 1) / (n * k))),
        (data.only_point() * ((n - 1) / m), covered.double()),
    )
    deviations = _deviations(rows_x, rows_y, k, values)
    return PRDC(*(_estimate(*args) for args in zip(values.tolist(), influences, deviations.tolist(), strict=True)))


@dataclass(frozen=True)
class _Balls:
    """Membership counts of P points in B balls around rows of the other set; float64 whole numbers."""

    around: Tensor
    """Number of balls that hold each point, `[P]`."""
    ball_sum: Tensor
    """Sum of the indices of these balls, `[P]`: if there is one, its index."""
    holds: Tensor
    """Number of points in each ball, `[B]`."""
    point_sum: Tensor
    """Sum of the indices of these points, `[B]`."""

    def only_ball(self) -> Tensor:
        """Return the number of points that each ball alone holds, `[B]`."""
        return torch.bincount(self.ball_sum[self.around == 1].long(), minlength=len(self.holds)).double()

    def only_point(self) -> Tensor:
        """Return the number of balls in which each point is alone, `[P]`."""
        return torch.bincount(self.point_sum[self.holds == 1].long(), minlength=len(self.around)).double()


def _balls(x: CentredRows, y: CentredRows, radii_x: Tensor, radii_y: Tensor) -> tuple[_Balls, _Balls]:
    """Return the samples in balls of the data, and the data in balls of the samples; radii are squared."""
    zeros = [torch.zeros(len(rows), 2, dtype=torch.float64, device=radii_x.device) for rows in (x, y, y, x)]
    x_around, y_holds, y_around, x_holds = zeros
    for rows in tiles(len(x)):
        for columns in tiles(len(y)):
            a, b = x[rows], y[columns]
            bounds = squared_bounds(a, b)
            inside = inside_mask(a, b, bounds, radii_y[None, columns])
            x_around[rows] += _count_and_sum(inside, columns.start)
            y_holds[columns] += _count_and_sum(inside.T, rows.start)
            inside = inside_mask(a, b, bounds, radii_x[rows, None])
            y_around[columns] += _count_and_sum(inside.T, rows.start)
            x_holds[rows] += _count_and_sum(inside, columns.start)
    return _Balls(*x_around.T, *y_holds.T), _Balls(*y_around.T, *x_holds.T)


def _count_and_sum(inside: Tensor, first_column: int) -> Tensor:
    """Return for each row the number of ones and the sum of their column indices, float64 `[rows, 2]`."""
    columns = torch.arange(inside.shape[1], dtype=inside.dtype, device=inside.device)
    result = (inside @ torch.stack([torch.ones_like(columns), columns], 1)).double()
    result[:, 1] += first_column * result[:, 0]
    return result


def _deviations(x: CentredRows, y: CentredRows, k: int, values: Tensor) -> Tensor:
    """Return the standard deviations `[4]` of the scores over fresh sets, from differences between disjoint halves.

    Delete-one influences do not estimate them, since scores of neighbours are not sums over rows. The jackknife counts
    an effect shared by m rows m times (Efron and Stein 1981), here 2 to 5 times the true variance. The bootstrap draws
    neighbours at distance 0. Disjoint halves are independent sets: half the mean squared difference of their scores is
    the variance at their size. For the whole sets it is scaled by the number of rows, and by p (1 - p) if that is
    larger. A proportion of 0 or 1 is smoothed by two rows on either side (Agresti and Coull 1998), so that its variance
    is not 0.
    """
    n, m = len(x), len(y)
    fraction = max(min(0.5, MAX_HALF_ROWS / max(n, m)), (k + 2) / min(n, m))
    half_n, half_m = int(fraction * n), int(fraction * m)
    generator = torch.Generator().manual_seed(0)
    i = _disjoint(n, half_n, generator).to(x.norms.device)
    j = _disjoint(m, half_m, generator).to(y.norms.device)
    chunk_halves = max(CHUNK_VALUES // ((half_n + half_m) * (x.x.shape[1] + max(half_n, half_m))), 1)
    chunks = [
        _approximate_scores(x, y, p, q, k)
        for p, q in zip(torch.split(i, chunk_halves), torch.split(j, chunk_halves), strict=True)
    ]
    scores = torch.cat(chunks).view(HALVES, 2, 4).cpu()
    variance = (scores[:, 0] - scores[:, 1]).square().mean(0) / 2
    half_values, values = scores.mean((0, 1)), values.cpu()

    counts, half_counts = torch.tensor([n, m, n * k, m]), torch.tensor([half_n, half_m, half_n * k, half_m])
    is_proportion = torch.tensor([1.0, 1.0, 0.0, 1.0])  # density is none: its variance grows with its square
    smoothed = (values * counts + 2) / (counts + 4 * is_proportion)
    smoothed_variance = smoothed * (1 - is_proportion * smoothed) / counts
    scaled = variance * half_counts / counts
    unit, half_unit = (
        torch.where(is_proportion > 0, v * (1 - v), v.square()).clamp(min=0) for v in (values, half_values)
    )
    return torch.stack([smoothed_variance, scaled, scaled * unit / half_unit.clamp(min=1e-12)]).amax(0).sqrt()


def _disjoint(n: int, half: int, generator: torch.Generator) -> Tensor:
    """Draw `[2 HALVES, half]` indices below n; rows 2 i and 2 i + 1 are disjoint."""
    return torch.stack([torch.randperm(n, generator=generator)[: 2 * half] for _ in range(HALVES)]).view(-1, half)


def _approximate_scores(x: CentredRows, y: CentredRows, i: Tensor, j: Tensor, k: int) -> Tensor:
    """Return the four scores `[S, 4]`, float64, of x's rows i `[S, n]` against y's rows j `[S, m]`, up to rounding."""

    def squared(a: Tensor, b: Tensor, norms_a: Tensor, norms_b: Tensor) -> Tensor:
        return torch.baddbmm(norms_b[:, None], a, b.mT, alpha=-2).add_(norms_a[:, :, None])

    def radii(a: Tensor, norms: Tensor) -> Tensor:
        within = squared(a, a, norms, norms)
        within.diagonal(dim1=1, dim2=2).fill_(math.inf)
        return within.topk(k, 2, largest=False).values[:, :, -1]

    a, b, norms_a, norms_b = x.centred[i], y.centred[j], x.norms[i], y.norms[j]
    between = squared(a, b, norms_a, norms_b)
    in_y, in_x = between <= radii(b, norms_b)[:, None], between <= radii(a, norms_a)[:, :, None]
    density = in_y.double().mean((1, 2)) * (j.shape[1] / k)
    precision, recall, coverage = (mask.double().mean(1) for mask in (in_y.any(2), in_x.any(1), in_y.any(1)))
    return torch.stack([precision, recall, density, coverage], 1)


def _estimate(value: float, influences: tuple[Tensor, Tensor], deviation: float) -> Estimate:
    """Return the estimate whose influences, rescaled, give an interval of this standard deviation."""
    x, y = (influence - influence.mean() for influence in influences)
    current = math.sqrt(float(x.square().mean()) / len(x) + float(y.square().mean()) / len(y))
    if current == 0:
        # All rows have equal influence, as where each sample is in many balls: any influences of this deviation do.
        x = torch.ones_like(x)
        x[1::2] = -1
        x, y, current = x - x.mean(), torch.zeros_like(y), 1 / math.sqrt(len(x))
    return Estimate(value, x * (deviation / current), y * (deviation / current))
