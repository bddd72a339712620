"""Simple generators of tables: columns on their own, and SMOTE (Chawla et al. 2002) between neighbours."""

from __future__ import annotations

import numpy as np
import torch

from sparring.engine.data_spec import TableSpec
from sparring.measure.kinds.table_cells import Scaler
from sparring.measure.rivals.rivals import LabelledRows

NEIGHBOURS = 5
MAX_NEIGHBOUR_ROWS = 20_000
"""Training rows among which neighbours are looked for."""
CHUNK_ROWS = 500


def independent_columns(spec: TableSpec, training: LabelledRows, count: int, rng: np.random.Generator) -> LabelledRows:
    """Return rows each of whose columns, and whose label, is that of another training row."""
    rows = np.empty((count, training.rows.shape[1]), np.float32)
    for column in spec.columns:
        indices = list(column.indices)
        rows[:, indices] = training.rows[rng.integers(len(training), size=count)][:, indices]
    return LabelledRows(rows, training.labels[rng.integers(len(training), size=count)])


def smote(spec: TableSpec, training: LabelledRows, count: int, rng: np.random.Generator) -> LabelledRows:
    """Return rows between a training row and one of its NEIGHBOURS nearest: numbers at a random place between.

    A word, and a number where one of the two is missing, is that of either row.
    """
    known = rng.permutation(len(training))[:MAX_NEIGHBOUR_ROWS]
    rows, values = training.rows[known], torch.from_numpy(Scaler(spec, training.rows)(training.rows[known]))
    base = rng.integers(len(known), size=count)
    other = np.empty(count, np.int64)
    neighbours = min(NEIGHBOURS + 1, len(known))
    for first in range(0, count, CHUNK_ROWS):
        part = slice(first, min(first + CHUNK_ROWS, count))
        near = torch.cdist(values[base[part]], values).topk(neighbours, largest=False).indices.numpy()
        pick = rng.integers(min(1, neighbours - 1), neighbours, size=len(near))
        other[part] = near[np.arange(len(near)), pick]
    a, b = rows[base], rows[other]
    between = np.empty_like(a)
    place = rng.random(count)
    for column in spec.columns:
        indices = list(column.indices)
        either = np.where(rng.random(count)[:, None] < 0.5, a[:, indices], b[:, indices])
        if not column.categories:
            inside = a[:, indices] + place[:, None] * (b[:, indices] - a[:, indices])
            either = np.where(np.isnan(inside), either, inside)
        between[:, indices] = either
    return LabelledRows(spec.decode(torch.from_numpy(between)), training.labels[known][base])
