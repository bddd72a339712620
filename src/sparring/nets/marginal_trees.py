"""Sample table rows from a mixture of trees: the class, then each column given its parent in the tree of the class."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class MarginalTrees(nn.Module):
    """Maps noise `[B, latent_dim]` to rows `[B, F]`: numbers, and one-hot groups of categories.

    `sizes` are the numbers of codes of the columns, `positions` the positions of each column in a row: several for
    categories. `integer` is True of whole numbers, None of categories. `split_on` is the column of the class, where
    each class has a tree. All tables are padded to the largest number of codes.
    """

    order: Tensor
    parents: Tensor
    edges: Tensor
    class_weights: Tensor

    def __init__(
        self,
        sizes: Sequence[int],
        positions: Sequence[Sequence[int]],
        integer: Sequence[bool | None],
        split_on: int | None,
    ) -> None:
        super().__init__()
        self.sizes, self.positions, self.integer, self.split_on = sizes, positions, integer, split_on
        self.columns = [j for j in range(len(sizes)) if j != split_on]
        count, codes = len(self.columns), max(sizes)
        classes = 1 if split_on is None else sizes[split_on]
        self.latent_dim = 2 * len(sizes)
        self.register_buffer("class_weights", torch.ones(classes))
        self.register_buffer("order", torch.arange(count).repeat(classes, 1))
        self.register_buffer("parents", torch.full((classes, count), -1))
        self.register_buffer("edges", torch.zeros(len(sizes), codes + 1))
        self.tables = nn.Parameter(torch.full((classes, count, codes, codes), 1 / codes), requires_grad=False)

    def set_tree(self, k: int, order: Sequence[int], parents: Sequence[int], tables: Sequence[Tensor]) -> None:
        """Give class `k` its tree: columns in an order, their parents (-1: none), tables `[K_parent, K]` of them."""
        self.order[k], self.parents[k] = torch.tensor(order), torch.tensor(parents)
        self.tables[k] = 0.0
        for j, table in enumerate(tables):
            self.tables[k, j, : table.shape[0], : table.shape[1]] = table.to(self.tables.dtype)

    def forward(self, z: Tensor) -> Tensor:
        """Return rows; the first half of `z` chooses codes, the second positions within a range of numbers."""
        uniform = 0.5 * (1 + torch.erf(z / math.sqrt(2)))
        u, v = uniform.chunk(2, 1)
        codes = torch.zeros(len(z), len(self.sizes), dtype=torch.int64, device=z.device)
        label = torch.zeros(len(z), dtype=torch.int64, device=z.device)
        if self.split_on is not None:
            weights = self.class_weights / self.class_weights.sum()
            label = codes[:, self.split_on] = choose(weights.expand(len(z), -1), u[:, self.split_on])
        for k in range(len(self.class_weights)):
            of_class = torch.nonzero(label == k)[:, 0]
            for j in self.order[k].tolist():
                parent = int(self.parents[k, j])
                given = codes[of_class, self.columns[parent]] if parent >= 0 else torch.zeros_like(of_class)
                column = self.columns[j]
                probabilities = self.tables[k, j, given, : self.sizes[column]]
                codes[of_class, column] = choose(probabilities, u[of_class, column])
        return self._rows(codes, v)

    def _rows(self, codes: Tensor, v: Tensor) -> Tensor:
        """Return codes as rows: categories one-hot, numbers at `v` between the edges of their range."""
        rows = v.new_zeros(len(codes), sum(map(len, self.positions)))
        for column, positions in enumerate(self.positions):
            code = codes[:, column]
            if self.integer[column] is None:
                rows[:, list(positions)] = torch.nn.functional.one_hot(code, len(positions)).to(rows.dtype)
                continue
            low, high = self.edges[column, code], self.edges[column, code + 1]
            number = low + v[:, column] * (high - low)
            rows[:, positions[0]] = torch.minimum(number.floor(), high - 1) if self.integer[column] else number
        return rows


def choose(probabilities: Tensor, u: Tensor) -> Tensor:
    """Return the code `[B]` at which the cumulative sum of `probabilities` `[B, K]` exceeds `u` `[B]` in [0, 1]."""
    cumulative = probabilities.cumsum(1)
    return (cumulative <= u[:, None].clamp(max=1 - 1e-6) * cumulative[:, -1:]).sum(1)
