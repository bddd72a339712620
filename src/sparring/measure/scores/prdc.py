"""Nearest neighbours in features, and what they tell: precision, recall, density and coverage.

All distances come from products of tiles of the matrices, a few megabytes at a time. Rounding decides nothing: what is
nearer to a limit than the product's rounding is computed again from the rows themselves, in float64.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from sparring.stats.intervals import Estimate

TILE = 1024
"""Rows on each side of a tile of a distance matrix: 4 MB in float32."""
SPARE = 3
"""Candidates beyond the k nearest, so that rounding in the order of near ties leaves none of the k out."""
AT_ONCE = 1 << 17
"""Values whose differences are computed together: they stay in the cache."""
HALVES = 50
"""Pairs of disjoint halves that the width of an interval is learnt from: its own error is then about 1 in 10."""
LARGEST = 256
"""Rows of a half: that of a larger set is cut to so many."""
TOGETHER = 1 << 23
"""Values of halves, and of their distances, that are held at once: many small halves are one product."""


class PRDC(NamedTuple):
    """How much of the samples the data hold, and how much of the data the samples hold."""

    precision: Estimate
    """Share of the samples within reach of the data; 0 to 1."""
    recall: Estimate
    """Share of the data within reach of the samples; 0 to 1."""
    density: Estimate
    """How deep samples lie in the data: about 1 for equal distributions; 0 or more."""
    coverage: Estimate
    """Share of the data with a sample in their own neighbourhood; 0 to 1."""


def nearest(queries: Tensor, base: Tensor, k: int = 1, *, itself: bool = False) -> tuple[Tensor, Tensor]:
    """The distances `[N, k]`, ascending, and the row numbers `[N, k]` of the k rows of `base` nearest to each query.

    `queries` is `[N, d]`, `base` `[M, d]`. The distances are Euclidean, float64 and exact: those of equal rows are 0.
    `itself`: both are one matrix, and a row is not its own neighbour. A copy of it elsewhere is one, at distance 0.
    """
    queries, base = _floating(queries), _floating(base)
    middle = base.mean(0)
    known = _Rows.of(base, middle)
    _, found = _candidates(known if itself else _Rows.of(queries, middle), known, k, itself)
    rows = torch.arange(len(queries), device=queries.device).repeat_interleave(found.shape[1])
    squared = _exact(queries, base, rows, found.flatten()).view(found.shape)
    squared, order = squared.sort(stable=True, dim=1)
    return squared[:, :k].sqrt(), found.gather(1, order[:, :k])


def precision_recall_density_coverage(x: Tensor, y: Tensor, k: int = 5) -> PRDC:
    """Four scores of samples `x` `[N, d]` against data `y` `[M, d]`, equal to their plain definitions over all pairs.

    The ball of a row reaches to the k-th nearest other row of its own set. Precision is the share of samples in any
    ball of the data, recall the share of the data in any ball of the samples (Kynkäänniemi et al. 2019, Eqs. 1 and 2);
    density is the number of balls of the data around a sample, over k, coverage the share of the data whose ball holds
    a sample (Naeem et al. 2020, section 3). A row at exactly the radius is inside, as in Kynkäänniemi et al.'s Eq. 1;
    for continuous data it makes no difference.

    Each row's pull is what the score loses without it while all radii hold still, times one factor for all: see
    `_widths`. Raises ValueError where either set has fewer than 2 (k + 2) rows.
    """
    if min(len(x), len(y)) < 2 * (k + 2):
        raise ValueError(
            f"precision, recall, density and coverage with k = {k} need {2 * (k + 2)} rows or more of both, "
            f"not {len(x)} and {len(y)}"
        )
    x, y = _floating(x), _floating(y)
    n, m = len(x), len(y)
    middle = y.mean(0)
    rows_x, rows_y = _Rows.of(x, middle), _Rows.of(y, middle)
    data, samples = _balls(rows_x, rows_y, _radii(rows_x, k), _radii(rows_y, k))
    within, reached, covered = data.around > 0, samples.around > 0, data.holds > 0
    values = torch.stack(
        [within.double().mean(), reached.double().mean(), data.around.mean() / k, covered.double().mean()]
    )
    pulls = (
        (within.double(), data.only_ball() * ((m - 1) / n)),
        (samples.only_ball() * ((n - 1) / m), reached.double()),
        (data.around / k, data.holds * ((m - 1) / (n * k))),
        (data.only_point() * ((n - 1) / m), covered.double()),
    )
    widths = _widths(rows_x, rows_y, k, values)
    return PRDC(*(_estimate(*of) for of in zip(values.tolist(), pulls, widths.tolist(), strict=True)))


def count_earlier_within(rows: Tensor, distance: float) -> Tensor:
    """How many earlier rows are at most so far from each of `rows` `[N, d]`: `[N]`, whose sum is the number of pairs."""
    rows = _floating(rows)
    known, earlier = _Rows.of(rows, rows.mean(0)), torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
    limit = torch.full((1, 1), distance**2, dtype=torch.float64, device=rows.device)
    for some in _tiles(len(rows)):
        for later in _tiles(len(rows)):
            if later.start >= some.start:
                inside = _inside(known[some], known[later], _bounds(known[some], known[later]), limit)
                earlier[later] += (inside.triu(1) if later == some else inside).sum(0)
    return earlier.long()


@dataclass(frozen=True)
class _Rows:
    """Rows for products: less a middle, so that rounding has little to bite on, and with their squared norms."""

    given: Tensor
    """`[N, d]`, for what rounding leaves open."""
    centred: Tensor
    norms: Tensor
    """`[N]`"""

    @classmethod
    def of(cls, rows: Tensor, middle: Tensor) -> _Rows:
        centred = rows - middle
        return cls(rows, centred, torch.cat([part.square().sum(1) for part in torch.split(centred, TILE // 8)]))

    def __getitem__(self, rows: slice) -> _Rows:
        return _Rows(self.given[rows], self.centred[rows], self.norms[rows])

    def __len__(self) -> int:
        return len(self.given)

    @property
    def slack(self) -> Tensor:
        """`[N]`: their share in how far rounding may put a squared distance off: some standard deviations of d sums."""
        return (8 + 2 * math.sqrt(self.given.shape[1])) * torch.finfo(self.norms.dtype).eps * self.norms


@dataclass(frozen=True)
class _Balls:
    """Who lies in whose ball: balls of B rows, points of P rows of the other set; all float64, whole numbers."""

    around: Tensor
    """`[P]`: balls that hold the point."""
    ball_sum: Tensor
    """`[P]`: sum of their row numbers: where there is one, it is the one."""
    holds: Tensor
    """`[B]`: points in the ball."""
    point_sum: Tensor
    """`[B]`: sum of their row numbers."""

    def only_ball(self) -> Tensor:
        """`[B]`: points that this ball alone holds."""
        return torch.bincount(self.ball_sum[self.around == 1].long(), minlength=len(self.holds)).double()

    def only_point(self) -> Tensor:
        """`[P]`: balls in which this point is alone."""
        return torch.bincount(self.point_sum[self.holds == 1].long(), minlength=len(self.around)).double()


def _balls(x: _Rows, y: _Rows, radii_x: Tensor, radii_y: Tensor) -> tuple[_Balls, _Balls]:
    """Samples in the balls of the data, and data in the balls of the samples, in one pass over the pairs."""
    zeros = [torch.zeros(len(of), 2, dtype=torch.float64, device=radii_x.device) for of in (x, y, y, x)]
    x_around, y_holds, y_around, x_holds = zeros
    for rows in _tiles(len(x)):
        for columns in _tiles(len(y)):
            a, b = x[rows], y[columns]
            bounds = _bounds(a, b)
            inside = _inside(a, b, bounds, radii_y[None, columns])
            x_around[rows] += _tally(inside, columns.start)
            y_holds[columns] += _tally(inside.T, rows.start)
            inside = _inside(a, b, bounds, radii_x[rows, None])
            y_around[columns] += _tally(inside.T, rows.start)
            x_holds[rows] += _tally(inside, columns.start)
    return _Balls(*x_around.T, *y_holds.T), _Balls(*y_around.T, *x_holds.T)


def _inside(a: _Rows, b: _Rows, bounds: tuple[Tensor, Tensor], radii: Tensor) -> Tensor:
    """1 where the squared distance is at most the squared radius, 0 elsewhere; `[A, B]`."""
    (low, high), limits = bounds, radii.to(bounds[0].dtype)
    inside, sure = torch.empty_like(low), torch.empty_like(low)
    torch.le(low, limits, out=inside)  # As numbers: a product counts them many times faster than a sum of truths.
    torch.le(high, limits, out=sure)
    doubtful = (inside.sum(1) != sure.sum(1)).nonzero().flatten()
    if len(doubtful):
        i, j = (inside[doubtful] != sure[doubtful]).nonzero().unbind(1)
        i = doubtful[i]
        inside[i, j] = (_exact(a.given, b.given, i, j) <= radii.expand_as(low)[i, j]).to(inside)
    return inside


def _tally(inside: Tensor, first: int) -> Tensor:
    """`[rows, 2]` float64: how many each row has inside, and the sum of their numbers, which begin with `first`."""
    numbers = torch.arange(inside.shape[1], dtype=inside.dtype, device=inside.device)
    tally = (inside @ torch.stack([torch.ones_like(numbers), numbers], 1)).double()
    tally[:, 1] += first * tally[:, 0]
    return tally


def _radii(rows: _Rows, k: int) -> Tensor:
    """`[N]` float64: the exact squared distance of each row to its k-th nearest other row."""
    squared, found = _candidates(rows, rows, k, itself=True)
    unsure = rows.slack[:, None] + rows.slack[found]
    doubtful = (squared - squared[:, k - 1 : k]).abs() <= unsure + unsure[:, k - 1 : k]
    i, j = doubtful.nonzero().unbind(1)
    squared = squared.double()
    squared[i, j] = _exact(rows.given, rows.given, i, found[i, j])
    return squared.kthvalue(k, 1).values


def _candidates(queries: _Rows, base: _Rows, k: int, itself: bool) -> tuple[Tensor, Tensor]:
    """Squared distances and row numbers of the k nearest, as far as rounding can tell, and a few more; ascending."""
    most = len(base) - itself
    if not 1 <= k <= most:
        raise ValueError(f"{k} nearest rows need a base of {k + itself} rows or more, not {len(base)}")
    count = min(k + SPARE, most)
    squared = queries.norms.new_full((len(queries), count), math.inf)
    found = torch.zeros(len(queries), count, dtype=torch.long, device=squared.device)

    def meet(rows: slice, tile: Tensor, first: int) -> None:
        near, numbers = tile.topk(min(count, tile.shape[1]), 1, largest=False, sorted=False)
        squared[rows], order = torch.cat([squared[rows], near], 1).topk(count, 1, largest=False)
        found[rows] = torch.cat([found[rows], numbers + first], 1).gather(1, order)

    for rows in _tiles(len(queries)):
        for columns in _tiles(len(base)):
            if itself and columns.start < rows.start:
                continue  # The matrix is symmetric: this tile has been met from the other side.
            a, b = queries[rows], base[columns]
            tile = _products(a, b, a.norms, b.norms)
            if itself and columns == rows:
                tile.fill_diagonal_(math.inf)
            meet(rows, tile, columns.start)
            if itself and columns != rows:
                meet(columns, tile.T, rows.start)
    return squared, found


def _products(a: _Rows, b: _Rows, of_a: Tensor, of_b: Tensor) -> Tensor:
    """`[A, B]`: `of_a` + `of_b` - 2ab, the squared distances where these are the squared norms."""
    return torch.addmm(of_b, a.centred, b.centred.T, alpha=-2).add_(of_a[:, None])


def _bounds(a: _Rows, b: _Rows) -> tuple[Tensor, Tensor]:
    """What the squared distances `[A, B]` are at least and at most, whatever rounding did."""
    low = _products(a, b, a.norms - a.slack, b.norms - b.slack)
    return low, (low + 2 * a.slack[:, None]).add_(2 * b.slack)


def _exact(a: Tensor, b: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """Squared distances of the pairs `a[i]`, `b[j]`, from their differences in float64."""
    each = max(AT_ONCE // a.shape[1], 1)
    parts = [
        (a[p].double() - b[q].double()).square().sum(1)
        for p, q in zip(torch.split(i, each), torch.split(j, each), strict=True)
    ]
    return torch.cat(parts)


def _tiles(n: int) -> Iterator[slice]:
    return (slice(first, min(first + TILE, n)) for first in range(0, n, TILE))


def _floating(rows: Tensor) -> Tensor:
    return rows if rows.dtype in (torch.float32, torch.float64) else rows.double()


def _widths(x: _Rows, y: _Rows, k: int, values: Tensor) -> Tensor:
    """Standard deviations `[4]` of the scores over fresh sets, from the differences between disjoint halves.

    Delete-one pulls do not tell them. Scores of neighbours are no sums over rows: a row's effect hangs on which others
    are near, and the jackknife counts what hangs on m rows m times (Efron and Stein 1981), here 2 to 5 times the true
    variance. Nor does the bootstrap, for it draws neighbours at distance 0. But disjoint halves are independent sets,
    and half the mean squared difference of their scores is the variance at their size. At the size of the whole sets it
    is that, by the number of rows, or by p(1 - p) as well where this is more. A share of 0 or 1 is counted with two
    rows more on either side (Agresti and Coull 1998), so that what has not been seen is not held for impossible.
    """
    n, m = len(x), len(y)
    share = max(min(0.5, LARGEST / max(n, m)), (k + 2) / min(n, m))
    of_x, of_y = int(share * n), int(share * m)
    generator = torch.Generator().manual_seed(0)
    i = _disjoint(n, of_x, generator).to(x.norms.device)
    j = _disjoint(m, of_y, generator).to(y.norms.device)
    each = max(TOGETHER // ((of_x + of_y) * (x.given.shape[1] + max(of_x, of_y))), 1)
    parts = [_plain(x, y, p, q, k) for p, q in zip(torch.split(i, each), torch.split(j, each), strict=True)]
    scores = torch.cat(parts).view(HALVES, 2, 4).cpu()
    variance = (scores[:, 0] - scores[:, 1]).square().mean(0) / 2
    split_head, values = scores.mean((0, 1)), values.cpu()

    rows, halved_rows = torch.tensor([n, m, n * k, m]), torch.tensor([of_x, of_y, of_x * k, of_y])
    share_of = torch.tensor([1.0, 1.0, 0.0, 1.0])  # Density is no share: its variance goes with its square.
    smoothed = (values * rows + 2) / (rows + 4 * share_of)
    rare = smoothed * (1 - share_of * smoothed) / rows
    same = variance * halved_rows / rows
    unit, unit_halved = (torch.where(share_of > 0, v * (1 - v), v.square()).clamp(min=0) for v in (values, split_head))
    return torch.stack([rare, same, same * unit / unit_halved.clamp(min=1e-12)]).amax(0).sqrt()


def _disjoint(n: int, of: int, generator: torch.Generator) -> Tensor:
    """`[2 HALVES, of]` of n row numbers, drawn at random: each row and the next one share none."""
    return torch.stack([torch.randperm(n, generator=generator)[: 2 * of] for _ in range(HALVES)]).view(-1, of)


def _plain(x: _Rows, y: _Rows, i: Tensor, j: Tensor, k: int) -> Tensor:
    """The four scores `[S, 4]`, float64, of rows `[S, n]` of x against rows `[S, m]` of y, to the products' rounding."""

    def squared(a: Tensor, b: Tensor, of_a: Tensor, of_b: Tensor) -> Tensor:
        return torch.baddbmm(of_b[:, None], a, b.mT, alpha=-2).add_(of_a[:, :, None])

    def radii(rows: Tensor, norms: Tensor) -> Tensor:
        within = squared(rows, rows, norms, norms)
        within.diagonal(dim1=1, dim2=2).fill_(math.inf)
        return within.topk(k, 2, largest=False).values[:, :, -1]

    a, b, of_a, of_b = x.centred[i], y.centred[j], x.norms[i], y.norms[j]
    across = squared(a, b, of_a, of_b)
    in_y, in_x = across <= radii(b, of_b)[:, None], across <= radii(a, of_a)[:, :, None]
    density = in_y.double().mean((1, 2)) * (j.shape[1] / k)
    precision, recall, coverage = (of.double().mean(1) for of in (in_y.any(2), in_x.any(1), in_y.any(1)))
    return torch.stack([precision, recall, density, coverage], 1)


def _estimate(value: float, pulls: tuple[Tensor, Tensor], width: float) -> Estimate:
    """The estimate whose pulls make an interval of this standard deviation."""
    x, y = (pull - pull.mean() for pull in pulls)
    spread = math.sqrt(float(x.square().mean()) / len(x) + float(y.square().mean()) / len(y))
    if spread == 0:
        # All rows are alike, as where each sample is in many balls: any pulls of the width will do.
        x = torch.ones_like(x)
        x[1::2] = -1
        x, y, spread = x - x.mean(), torch.zeros_like(y), 1 / math.sqrt(len(x))
    return Estimate(value, x * (width / spread), y * (width / spread))
