"""Copies: whether samples lie nearer to the training rows than fresh rows do, and nearer to each other than real rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sparring.measure.scores.evaluation import Memorisation
from sparring.measure.scores.knn import count_earlier_within, nearest_neighbours

FEWEST = 20
"""Rows of each set, below which nothing is said."""
CELL = 50
"""Rows that a cell has on average, at least."""
MOST_CELLS = 25
IN_CELL = 10
"""Samples and held-out rows in a cell, at least: a rank sum of fewer is not normal enough."""
ROUNDS = 20
"""Of Lloyd's algorithm: cells need not be the best, only fixed before the samples are seen."""
AROUND = 5
"""Neighbours after the nearest, whose mean distance tells how dense the data are there."""
RARE = 0.01
"""Share of fresh rows that lie so near to a training row that they would pass for copies."""
CLEAR = 2.0
"""Standard deviations by which the share of copies must exceed chance to be told at all."""


@dataclass(frozen=True)
class _Near:
    """How near rows of one set are to the training rows."""

    distance: Tensor
    """`[N]`: to the nearest."""
    relative: Tensor
    """`[N]`: the same, over the mean distance to the next few; 0 is a copy, about 1 is as near as to others."""
    row: Tensor
    """`[N]`: the nearest."""


def memorisation(samples: Tensor, training: Tensor, held_out: Tensor | None, *, seed: int = 0) -> Memorisation:
    """Whether `samples` `[N, d]` are copies of `training` `[T, d]`, judged by `held_out` `[H, d]`, which cannot be.

    Without held-out rows, training rows stand in for them: each one's nearest row is sought among the others. `seed`
    draws where the cells start, and the real rows that duplicates are compared with. Raises ValueError where a set has
    fewer than 20 rows.
    """
    for name, rows in (("samples", samples), ("training rows", training), ("held-out rows", held_out)):
        if rows is not None and len(rows) < FEWEST:
            raise ValueError(f"whether samples are copies needs {FEWEST} {name} or more, not {len(rows)}")
    fresh_rows = training if held_out is None else held_out
    near, fresh = _near(samples, training), _near(fresh_rows, training, itself=held_out is None)
    # Training rows that are each other's nearest have one distance between them: two rows that count as one.
    mutual = fresh.row[fresh.row] == torch.arange(len(training), device=training.device) if held_out is None else None
    twice = 1.0 if mutual is None else 1 + float(mutual.double().mean())
    cells = min(max(min(len(samples), len(fresh_rows)) // CELL, 1), MOST_CELLS)
    centres = _centres(training, cells, seed)
    drawn, earlier, of_real = _repeats(samples, training, seed)
    once = drawn[earlier == 0]  # Samples that are all alike say one thing once, not a thousand times.
    c_t, deviation = copying_test(
        near.distance[once], fresh.distance, _cells(samples[once], centres), _cells(fresh_rows, centres), effect=twice
    )
    p_value = _below(c_t / deviation) if deviation > 0 else 1.0
    share = _copied(near.relative, fresh.relative)
    pairs = max(int(earlier.sum()) - of_real, 0)
    message = _words(c_t, p_value, share, len(drawn), pairs, "the others" if held_out is None else "held-out rows")
    return Memorisation(p_value, c_t, share, pairs, message)


def closest_pairs(samples: Tensor, training: Tensor, count: int) -> list[tuple[int, int, float]]:
    """The `count` samples that look most like copies: (sample, training row, distance), the clearest first.

    Ordered by the distance to the nearest training row over the mean distance to the next few: where data are dense,
    near is nothing special.
    """
    near = _near(samples, training)
    order = sorted(range(len(samples)), key=lambda i: (float(near.relative[i]), float(near.distance[i])))[:count]
    return [(i, int(near.row[i]), float(near.distance[i])) for i in order]


def copying_test(
    samples: Tensor, fresh: Tensor, of_samples: Tensor, of_fresh: Tensor, *, effect: float = 1.0
) -> tuple[float, float]:
    """C_T of the distances `samples` `[N]` and `fresh` `[H]` to training rows, and its standard deviation if honest.

    Meehan, Chaudhuri and Dasgupta 2020, section 3: in each cell the z-score of the Mann-Whitney U of both (with its
    correction for ties), and of these the mean, weighted with the share of fresh rows in the cell. `of_samples` and
    `of_fresh` are the rows' cells; cells with fewer than 10 of either are left out, and where none is left all rows are
    one cell. `effect` is the design effect of fresh rows that hang together.
    """
    scores: list[tuple[int, float]] = []
    for cell in range(int(torch.maximum(of_samples.max(), of_fresh.max())) + 1):
        a, b = samples[of_samples == cell], fresh[of_fresh == cell]
        if min(len(a), len(b)) >= IN_CELL:
            scores.append((len(b), _mann_whitney(a, b, effect)))
    if not scores:
        return _mann_whitney(samples, fresh, effect), 1.0
    whole = sum(weight for weight, _ in scores)
    deviation = math.sqrt(sum(weight**2 for weight, _ in scores)) / whole
    return sum(weight * z for weight, z in scores) / whole, deviation


def _mann_whitney(a: Tensor, b: Tensor, effect: float) -> float:
    """The z-score of how often `a` is above `b`: far below 0 where `a` is the smaller. 0 where all are equal."""
    n, m = len(a), len(b)
    _, place, ties = torch.unique(torch.cat([a, b]), return_inverse=True, return_counts=True)
    ties = ties.double()
    ranks = ties.cumsum(0) - (ties - 1) / 2
    u = float(ranks[place[:n]].sum()) - n * (n + 1) / 2
    untied = 1 - float((ties**3 - ties).sum()) / float((n + m) ** 3 - (n + m))
    deviation = math.sqrt(max(n * m * (m + effect * n + 1) / 12 * untied, 0.0))
    return (u - n * m / 2) / deviation if deviation > 0 else 0.0


def _near(rows: Tensor, training: Tensor, itself: bool = False) -> _Near:
    distances, found = nearest_neighbours(rows, training, 1 + AROUND, exclude_self=itself)
    first, next_few = distances[:, 0], distances[:, 1:].mean(1)
    return _Near(first, torch.where(next_few > 0, first / next_few.clamp(min=1e-300), 0.0), found[:, 0])


def _copied(samples: Tensor, fresh: Tensor) -> float:
    """The share of samples whose relative distance is a copy's, beyond what fresh rows show; 0 within chance."""
    limit = torch.quantile(fresh, RARE, interpolation="lower") if len(fresh) < 1 << 24 else fresh.min()
    expected, seen = float((fresh <= limit).double().mean()), float((samples <= limit).double().mean())
    chance = math.sqrt(expected * (1 - expected) * (1 / len(samples) + 1 / len(fresh)))
    return (seen - expected) / (1 - expected) if seen - expected > CLEAR * chance else 0.0


def _repeats(samples: Tensor, training: Tensor, seed: int) -> tuple[Tensor, Tensor, int]:
    """Samples drawn, to how many earlier ones each is all but equal, and how many pairs of as many real rows are.

    There are as many as there are training rows, at most. All but equal is what is within half the distance of the two
    nearest real rows that are not one and the same: data may hold a row twice, and then so may samples.
    """
    of = min(len(samples), len(training))
    generator = torch.Generator().manual_seed(seed)
    real = training[torch.randperm(len(training), generator=generator)[:of].to(training.device)]
    drawn = torch.randperm(len(samples), generator=generator)[:of].to(samples.device)
    distances = nearest_neighbours(real, real, exclude_self=True)[0]
    apart = distances[distances > 0]
    limit = float(apart.min()) / 2 if len(apart) else 0.0
    return drawn, count_earlier_within(samples[drawn], limit), int(count_earlier_within(real, limit).sum())


def _centres(rows: Tensor, count: int, seed: int) -> Tensor:
    """Centres `[count, d]` of cells of rows, by Lloyd's algorithm from rows drawn at random."""
    generator = torch.Generator().manual_seed(seed)
    rows = rows if rows.is_floating_point() else rows.double()
    centres = rows[torch.randperm(len(rows), generator=generator)[:count].to(rows.device)].clone()
    for _ in range(ROUNDS if count > 1 else 0):
        cells = _cells(rows, centres)
        sizes = torch.bincount(cells, minlength=count)
        means = torch.zeros_like(centres).index_add_(0, cells, rows) / sizes.clamp(min=1)[:, None]
        moved = torch.where(sizes[:, None] > 0, means, centres)
        if torch.equal(moved, centres):
            break
        centres = moved
    return centres


def _cells(rows: Tensor, centres: Tensor) -> Tensor:
    """The nearest centre of each row; the rows' own norms do not matter to that."""
    return (centres.square().sum(1) - 2 * rows.to(centres.dtype) @ centres.T).argmin(1)


def _below(z: float) -> float:
    """The probability that a standard normal is below `z`."""
    return math.erfc(-z / math.sqrt(2)) / 2


SIGN = 0.01
"""p-values below are told as a sign of copying."""


def _words(c_t: float, p_value: float, share: float, compared: int, pairs: int, others: str) -> str:
    figures = f"C_T {c_t:.2f}, p = {p_value:.2g}"
    if p_value < SIGN:
        said = f"Samples lie nearer to the training rows than {others} do ({figures}): "
        said += "the model copies." if share > 0 else "they are near copies, or averages of training rows."
    elif p_value > 1 - SIGN / 10:
        said = f"Samples lie farther from the training rows than {others} do ({figures}): not quite where data lie."
    else:
        said = f"On the whole samples lie no nearer to the training rows than {others} do ({figures})."
    said += f" About {share:.1%} of them are copies or nearly so." if share > 0 else " None is a copy beyond chance."
    if pairs:
        said += (
            f" {pairs:,} pair{'s' if pairs > 1 else ''} among {compared:,} samples are all but equal: the model makes "
            f"about {max(round(compared**2 / (2 * pairs)), 1):,} different ones."
        )
    return said
