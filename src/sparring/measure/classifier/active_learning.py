"""Which rows are worth a label: those that an answer is least sure of, and those that are least like anything labelled.

The two miss different things. A kind of image that no label shows (MNIST's sevens with a bar, say) may be taken for
another class in all confidence; its features are still far from those of all labelled images.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.measure.scores.knn import nearest_neighbours

MAX_NEIGHBOURS = 50
"""Largest number of rows in a neighbourhood."""
MIN_NEIGHBOURHOODS = 200
"""Smallest ratio of all rows to those of a neighbourhood."""


def unlike(points: Tensor, labelled: Tensor, count: int) -> Tensor:
    """Return up to `count` indices of `points` `[N, F]`, int64: typical rows of groups far from `labelled` `[M, F]`.

    A farthest-first traversal of the rows would select outliers. It therefore runs over the means of each row's
    neighbourhood, and returns the row nearest to each selected mean.
    """
    neighbours = min(MAX_NEIGHBOURS, len(points) // MIN_NEIGHBOURHOODS)
    if neighbours < 2:
        return farthest_first(points, labelled, count)
    means = points[nearest_neighbours(points, points, neighbours, exclude_self=True)[1]].mean(1)
    return nearest_neighbours(means[farthest_first(means, labelled, count)], points)[1][:, 0]


def farthest_first(points: Tensor, labelled: Tensor, count: int) -> Tensor:
    """Return `count` indices of `points` `[N, F]`, int64, each farthest from `labelled` `[M, F]` and all before it.

    The farthest-first traversal (Gonzalez 1985), by which Sener and Savarese 2018 (Algorithm 1) choose what to label.
    """
    away = torch.cdist(points, labelled).amin(1) if len(labelled) else torch.full_like(points[:, 0], torch.inf)
    rows: list[int] = []
    for _ in range(min(count, len(points))):
        row = int(away.argmax())
        rows.append(row)
        away = torch.minimum(away, torch.linalg.vector_norm(points - points[row], dim=1))
        away[row] = -1.0  # not again, be it in a place with others
    return torch.tensor(rows, dtype=torch.int64)


def in_turn(*rankings: Tensor) -> list[tuple[int, int]]:
    """Return the first row of each ranking, then the second, and so on: (ranking, row), each row once."""
    visited: set[int] = set()
    selected: list[tuple[int, int]] = []
    for place in range(max(map(len, rankings), default=0)):
        for which, ranking in enumerate(rankings):
            if place < len(ranking) and (row := int(ranking[place])) not in visited:
                visited.add(row)
                selected.append((which, row))
    return selected
