"""Test for copies: whether samples are nearer to training rows, or to each other, than held-out real rows are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sparring.measure.scores.evaluation import Memorisation
from sparring.measure.scores.knn import count_earlier_within, nearest_neighbours

MIN_ROWS = 20
"""Smallest number of rows of each set."""
CELL_ROWS = 50
"""Smallest mean number of rows of a cell."""
MAX_CELLS = 25
MIN_CELL_ROWS = 10
"""Smallest number of samples and of held-out rows in a cell, for its rank sum to be nearly normal."""
LLOYD_ROUNDS = 20
"""Rounds of Lloyd's algorithm; cells need not be optimal, only independent of the samples."""
DENSITY_NEIGHBOURS = 5
"""Neighbours after the nearest, whose mean distance measures the local density of the data."""
MAX_QUANTILE = 1 / 16
"""Largest fraction of held-out rows that are nearer to a training row than a limit for copies."""
IMAGE_DIMENSION = 2
"""Lower bound of the dimension of images, in which nearest neighbours are looked for."""
SIGNIFICANCE = 0.01
"""p-value below which copying is reported."""


@dataclass(frozen=True)
class _NearestTraining:
    """Distances of the rows of one set to the training rows."""

    distance: Tensor
    """Distance to the nearest training row, `[N]`."""
    relative: Tensor
    """Distance over the mean distance to the next few, `[N]`; 0 is a copy, about 1 is typical."""
    idx: Tensor
    """Index of the nearest training row, `[N]`."""


def memorisation(
    samples: Tensor,
    training: Tensor,
    held_out: Tensor | None,
    *,
    aligned: tuple[Tensor, Tensor] | None = None,
    equal: tuple[int, int, int] = (0, 0, 1),
    seed: int = 0,
) -> Memorisation:
    """Test whether `samples` `[N, d]` are copies of `training` `[T, d]`, against `held_out` `[H, d]`.

    Without held-out rows, training rows replace them, each without itself. `aligned` are distances of samples and of
    other real rows to the training rows after alignment (`near_copies`). `equal` are the numbers of samples and of real
    rows that are equal to another training row, and the number of real rows. `seed` draws the initial cells and the
    real rows for the count of duplicates. Raises ValueError if a set has fewer than 20 rows.
    """
    for name, rows in (("samples", samples), ("training rows", training), ("held-out rows", held_out)):
        if rows is not None and len(rows) < MIN_ROWS:
            raise ValueError(f"the test for copies needs {MIN_ROWS} {name} or more, not {len(rows)}")
    fresh_rows = training if held_out is None else held_out
    nearest, fresh = _nearest(samples, training), _nearest(fresh_rows, training, exclude_self=held_out is None)
    # Two training rows that are each other's nearest share one distance, so they count as one.
    mutual = fresh.idx[fresh.idx] == torch.arange(len(training), device=training.device) if held_out is None else None
    design_effect = 1.0 if mutual is None else 1 + float(mutual.double().mean())
    cells = min(max(min(len(samples), len(fresh_rows)) // CELL_ROWS, 1), MAX_CELLS)
    centres = _centres(training, cells, seed)
    sampled, earlier, real_pairs = _near_duplicates(samples, training, seed)
    distinct = sampled[earlier == 0]  # a sample repeated a thousand times counts once
    c_t, deviation = copying_test(
        nearest.distance[distinct],
        fresh.distance,
        _cells(samples[distinct], centres),
        _cells(fresh_rows, centres),
        effect=design_effect,
    )
    p_value = _normal_cdf(c_t / deviation) if deviation > 0 else 1.0
    # Of two training rows that share one distance, one counts.
    step = 1 if held_out is not None else 2
    level = SIGNIFICANCE / 3  # of three tests
    fraction = copied_fraction(nearest.relative, fresh.relative, step, level)
    if aligned is not None:
        fraction = max(fraction, copied_fraction(*aligned, level=level, dimension=IMAGE_DIMENSION))
    if _excess_p_value(equal[0], len(samples), equal[1], equal[2]) < level:
        fraction = max(fraction, equal[0] / len(samples) - equal[1] / equal[2])
    pairs = max(int(earlier.sum()) - real_pairs, 0)
    others = "other training rows" if held_out is None else "held-out rows"
    message = _message(c_t, p_value, fraction, len(sampled), pairs, others)
    if equal[0]:
        message += (
            f" {equal[0]:,} of {len(samples):,} samples are equal to a training row; of {equal[2]:,} real rows, "
            f"{equal[1]:,} are equal to another training row."
        )
    return Memorisation(p_value, c_t, fraction, equal[0], pairs, message)


def closest_pairs(samples: Tensor, training: Tensor, count: int) -> list[tuple[int, int, float]]:
    """Return the `count` samples most like copies, as (sample, training row, distance), the clearest first.

    They are ordered by the distance to the nearest training row over the mean distance to the next few, since small
    distances are common where the data are dense.
    """
    nearest = _nearest(samples, training)
    order = sorted(range(len(samples)), key=lambda i: (float(nearest.relative[i]), float(nearest.distance[i])))[:count]
    return [(i, int(nearest.idx[i]), float(nearest.distance[i])) for i in order]


def copying_test(
    samples: Tensor, fresh: Tensor, sample_cells: Tensor, fresh_cells: Tensor, *, effect: float = 1.0
) -> tuple[float, float]:
    """Return C_T of the distances `samples` `[N]` and `fresh` `[H]` to training rows, and its standard deviation.

    Meehan, Chaudhuri and Dasgupta 2020, section 3: the mean over cells of the z-score of the Mann-Whitney U, corrected
    for ties, weighted by the number of fresh rows in the cell. `sample_cells` `[N]` and `fresh_cells` `[H]` are cell
    indices. Cells with fewer than 10 rows of either set are left out; if none is left, all rows are one cell. The
    deviation is that under the null hypothesis; `effect` is the design effect of dependent fresh rows.
    """
    scores: list[tuple[int, float]] = []
    for cell in range(int(torch.maximum(sample_cells.max(), fresh_cells.max())) + 1):
        a, b = samples[sample_cells == cell], fresh[fresh_cells == cell]
        if min(len(a), len(b)) >= MIN_CELL_ROWS:
            scores.append((len(b), _mann_whitney(a, b, effect)))
    if not scores:
        return _mann_whitney(samples, fresh, effect), 1.0
    total = sum(weight for weight, _ in scores)
    deviation = math.sqrt(sum(weight**2 for weight, _ in scores)) / total
    return sum(weight * z for weight, z in scores) / total, deviation


def _mann_whitney(a: Tensor, b: Tensor, effect: float) -> float:
    """Return the Mann-Whitney z-score: well below 0 if `a` is smaller, 0 if all are equal. scipy is optional."""
    n, m = len(a), len(b)
    _, group, ties = torch.unique(torch.cat([a, b]), return_inverse=True, return_counts=True)
    ties = ties.double()
    ranks = ties.cumsum(0) - (ties - 1) / 2
    u = float(ranks[group[:n]].sum()) - n * (n + 1) / 2
    untied = 1 - float((ties**3 - ties).sum()) / float((n + m) ** 3 - (n + m))
    deviation = math.sqrt(max(n * m * (m + effect * n + 1) / 12 * untied, 0.0))
    return (u - n * m / 2) / deviation if deviation > 0 else 0.0


def _nearest(x: Tensor, training: Tensor, exclude_self: bool = False) -> _NearestTraining:
    distances, idx = nearest_neighbours(x, training, 1 + DENSITY_NEIGHBOURS, exclude_self=exclude_self)
    first, next_mean = distances[:, 0], distances[:, 1:].mean(1)
    relative = torch.where(next_mean > 0, first / next_mean.clamp(min=1e-300), 0.0)
    return _NearestTraining(first, relative, idx[:, 0])


def copied_fraction(
    samples: Tensor, fresh: Tensor, step: int = 1, level: float = SIGNIFICANCE, dimension: int = 0
) -> float:
    """Return the fraction of samples with the relative distance of a copy, minus its expectation; 0 within chance.

    Limits for copies are the smallest of `fresh` `[H]`, the 2nd, 4th, ... smallest. For one distribution, the number of
    `samples` `[N]` below one of them is negative hypergeometric. `step` thins `fresh`, where its values come in pairs.
    `level` is the probability of a positive result by chance. A tenth of the smallest is a limit as well: in data of
    `dimension` or more, it is reached at most 10^-dimension times as often as the smallest.
    """
    ordered = fresh.sort().values[::step]
    ranks = [0, *(1 << k for k in range(max(int(len(ordered) * MAX_QUANTILE), 1).bit_length()))]
    limits = [ordered[0] / 10, *(ordered[rank] for rank in ranks if rank < len(ordered))]
    counts = [(int((samples < limit).sum()), int((ordered < limit).sum())) for limit in limits]
    totals = [len(ordered) * 10**dimension, *(len(ordered) for _ in limits[1:])]
    p_values = [
        len(limits) * _excess_p_value(near, len(samples), real, total)
        for (near, real), total in zip(counts, totals, strict=True)
    ]
    fractions = [near / len(samples) - real / len(ordered) for near, real in counts]
    # The widest of the significant limits: the smallest finds few of the copies that are not exact.
    return max((f for f, p in zip(fractions, p_values, strict=True) if p < level), default=0.0)


def _excess_p_value(near: int, samples: int, real: int, fresh: int) -> float:
    """Return the probability of `near` or more of the nearest `near + real` rows among `samples`, by chance.

    That is the tail of the hypergeometric distribution (Fisher's exact test). scipy is optional.
    """

    def log_choose(n: int, k: int) -> float:
        return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

    both = near + real
    total = log_choose(samples + fresh, both)
    tail = range(near, min(both, samples) + 1)
    return math.fsum(
        math.exp(log_choose(samples, k) + log_choose(fresh, both - k) - total) for k in tail if both - k <= fresh
    )


def _near_duplicates(samples: Tensor, training: Tensor, seed: int) -> tuple[Tensor, Tensor, int]:
    """Return sampled samples, each one's number of earlier near-duplicates, and the near-duplicate pairs of real rows.

    At most as many samples are sampled as there are training rows. Near-duplicates are within half the smallest
    distance of two different real rows: data may contain a row twice, and then so may samples.
    """
    count = min(len(samples), len(training))
    generator = torch.Generator().manual_seed(seed)
    real = training[torch.randperm(len(training), generator=generator)[:count].to(training.device)]
    sampled = torch.randperm(len(samples), generator=generator)[:count].to(samples.device)
    distances = nearest_neighbours(real, real, exclude_self=True)[0]
    positive = distances[distances > 0]
    limit = float(positive.min()) / 2 if len(positive) else 0.0
    return sampled, count_earlier_within(samples[sampled], limit), int(count_earlier_within(real, limit).sum())


def _centres(x: Tensor, count: int, seed: int) -> Tensor:
    """Return centres `[count, d]` of cells, by Lloyd's algorithm from rows sampled at random."""
    generator = torch.Generator().manual_seed(seed)
    x = x if x.is_floating_point() else x.double()
    centres = x[torch.randperm(len(x), generator=generator)[:count].to(x.device)].clone()
    for _ in range(LLOYD_ROUNDS if count > 1 else 0):
        cells = _cells(x, centres)
        sizes = torch.bincount(cells, minlength=count)
        means = torch.zeros_like(centres).index_add_(0, cells, x) / sizes.clamp(min=1)[:, None]
        updated = torch.where(sizes[:, None] > 0, means, centres)
        if torch.equal(updated, centres):
            break
        centres = updated
    return centres


def _cells(x: Tensor, centres: Tensor) -> Tensor:
    """Return the index of the nearest centre of each row; the rows' own norms do not affect it."""
    return (centres.square().sum(1) - 2 * x.to(centres.dtype) @ centres.T).argmin(1)


def _normal_cdf(z: float) -> float:
    return math.erfc(-z / math.sqrt(2)) / 2


def _message(c_t: float, p_value: float, fraction: float, compared: int, pairs: int, others: str) -> str:
    test = f"C_T {c_t:.2f}, p = {p_value:.2g}"
    if p_value < SIGNIFICANCE:
        message = f"Samples are nearer to the training rows than {others} are ({test}): "
        message += "the model copies." if fraction > 0 else "they are near-copies, or averages of training rows."
    elif p_value > 1 - SIGNIFICANCE / 10:
        message = f"Samples are farther from the training rows than {others} are ({test}): they miss the data."
    else:
        message = f"Samples are no nearer to the training rows than {others} are ({test})."
    message += (
        f" About {fraction:.1%} of them are copies or near-copies." if fraction > 0 else " No copies beyond chance."
    )
    if pairs:
        message += (
            f" {pairs:,} pair{'s' if pairs > 1 else ''} among {compared:,} samples are near-duplicates: the model "
            f"makes about {max(round(compared**2 / (2 * pairs)), 1):,} distinct samples."
        )
    return message
