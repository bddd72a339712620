"""Nearness of made rows to the training rows, and an attack on membership by it.

Neither is a proof of privacy: sets that pass fall to stronger attacks (arXiv:2505.01524). The attack is a density ratio
with the held-out rows as reference (DOMIAS; van Breugel et al. 2023, arXiv:2302.12580, equation 2), with densities by
the distance to the nearest row.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from sparring.measure.kinds.kind_measures import Comparison
from sparring.measure.kinds.table_cells import Scaler
from sparring.stats.auc import auc
from sparring.stats.intervals import Interval, wilson_interval

MAX_ROWS = 5000
"""Largest number of rows of each set."""
MIN_ROWS = 50
MIN_MEMBERS = 500
"""Rows from which a true-positive rate at 1 % false positives is shown: fewer hold no 5 false positives."""
FALSE_POSITIVES = 0.01
SMALL = 1e-6
"""Distance below which rows count as equal; one of 1 is a word that differs."""
CHUNK_ROWS = 1000
Floats = NDArray[np.float32]


def nearest_records(comparison: Comparison) -> Mapping[str, Interval]:
    """Return the proportion of samples whose nearest record is a training row, and the attack on membership.

    Training and held-out rows are of equal number; 0.5 is best of the proportion and of the AUC, and 0.01 of the rate.
    """
    rng = np.random.default_rng([comparison.seed, 35])
    count = min(len(comparison.training), len(comparison.real), 2 * MAX_ROWS)
    if count < MIN_ROWS:
        return {}
    scale = Scaler(comparison.spec, comparison.real.rows)
    training = scale(comparison.training.rows[rng.permutation(len(comparison.training))[:count]])
    held_out = scale(comparison.real.rows[rng.permutation(len(comparison.real))[:count]])
    samples = scale(comparison.samples.rows[rng.permutation(len(comparison.samples))[:MAX_ROWS]])
    half = min(count, MAX_ROWS)
    to_training, to_held_out = (nearest(samples, rows[:half]) for rows in (training, held_out))
    nearer = float((to_training < to_held_out).sum() + 0.5 * (to_training == to_held_out).sum())
    scores = {"nearest_is_training": Interval(nearer / len(samples), *wilson_interval(round(nearer), len(samples)))}
    return scores | _membership(samples, training, held_out)


def _membership(samples: Floats, training: Floats, held_out: Floats) -> dict[str, Interval]:
    """Attack: members are training rows, others the first half of the held-out rows, the reference the second."""
    others, reference = np.array_split(held_out, 2)
    members = training[: len(others)]
    if len(others) < MIN_ROWS:
        return {}
    scores = [
        np.log(nearest(rows, reference) + SMALL) - np.log(nearest(rows, samples) + SMALL) for rows in (others, members)
    ]
    result = {"membership_auc": auc(scores[0].astype(np.float64), scores[1].astype(np.float64))}
    if len(others) >= MIN_MEMBERS:
        limit = np.quantile(scores[0], 1 - FALSE_POSITIVES)
        hits = int((scores[1] > limit).sum())
        result["membership_tpr_at_1%"] = Interval(hits / len(members), *wilson_interval(hits, len(members)))
    return result


def nearest(rows: Floats, others: Floats) -> Floats:
    """Return the distance of each of `rows` `[N, d]` to its nearest of `others` `[M, d]`, `[N]`."""
    a, b = torch.from_numpy(rows), torch.from_numpy(others)
    parts = [
        (chunk - b[torch.cdist(chunk, b).argmin(1)]).norm(dim=1)  # cdist is rough at small distances
        for chunk in torch.split(a, CHUNK_ROWS)
    ]
    distances: Floats = torch.cat(parts).numpy()
    return distances
