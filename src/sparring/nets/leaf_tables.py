"""A mixture of leaves: in each leaf of a forest the columns are independent, each a table of codes with masses.

Density and sampling of adversarial random forests (Watson et al. 2023, arXiv:2205.09435, section 4): tree and leaf by
their rows, then each column on its own. Here a column's distribution is a table of codes, words or ranges of numbers.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sparring.nets.tree_odds import SizedByData, TreeOdds

SMOOTHING = 0.01
"""Rows that a leaf is given, spread over all codes, where the leaf of a given row is looked for."""


class LeafTables(SizedByData):
    """Maps noise `[B, latent_dim]` to rows `[B, F]`: numbers, NaN for gaps, and one-hot groups of categories.

    `positions` are the positions of each column in a row: several for words. The masses of leaf l and column c are
    entries `offsets[l * C + c]` to the next offset of `codes` and `masses`. Code k of column c holds the numbers from
    `low[first[c] + k]` to `high`, `scale[c]` values a unit; scale 0: all real numbers. A column without codes is left
    at 0.

    Of `candidates` rows one is selected for each sample, by the odds of `judge` that it is real: sampling-importance
    resampling (Rubin 1987). The judge sees the codes of a row as numbers, `ranks`.
    """

    leaf_masses: Tensor
    offsets: Tensor
    codes: Tensor
    masses: Tensor
    first: Tensor
    low: Tensor
    high: Tensor
    scale: Tensor
    ranks: Tensor
    accuracies: Tensor

    def __init__(self, positions: Sequence[Sequence[int]], width: int, candidates: int = 1) -> None:
        super().__init__()
        self.positions, self.width, self.candidates = [tuple(p) for p in positions], width, candidates
        columns = len(positions)
        self.latent_dim = candidates * (1 + 2 * columns) + (candidates > 1)
        self.judge = TreeOdds()
        for name, buffer in {
            "leaf_masses": torch.ones(1, dtype=torch.float64),
            "offsets": torch.zeros(columns + 1, dtype=torch.int64),
            "codes": torch.zeros(0, dtype=torch.int16),
            "masses": torch.zeros(0),
            "first": torch.zeros(columns + 1, dtype=torch.int64),
            "low": torch.zeros(0, dtype=torch.float64),
            "high": torch.zeros(0, dtype=torch.float64),
            "scale": torch.zeros(columns, dtype=torch.float64),
            "ranks": torch.zeros(0),
            "accuracies": torch.zeros(0),
        }.items():
            self.register_buffer(name, buffer)
        self._cumulative: Tensor | None = None

    @property
    def leaves(self) -> int:
        """Number of leaves, over all trees."""
        return len(self.leaf_masses)

    def _load_from_state_dict(self, *args: Any) -> None:
        self._cumulative = None
        super()._load_from_state_dict(*args)

    def forward(self, z: Tensor) -> Tensor:
        """Return rows: the noise selects a leaf, a code of each column, and a number within the code."""
        uniform = (0.5 * (1 + torch.erf(z.double() / math.sqrt(2)))).clamp(0, 1 - 1e-12)
        totals = torch.cat([self.leaf_masses.new_zeros(1), self.leaf_masses.cumsum(0)])
        size = 1 + 2 * len(self.positions)
        parts = uniform[:, : self.candidates * size].reshape(-1, size)
        leaf = pick(totals, parts[:, 0], torch.zeros_like(totals[:1]).long(), self.leaves)
        code, filled = self._codes(leaf, parts[:, 1 : 1 + len(self.positions)])
        v = parts[:, 1 + len(self.positions) :]
        if self.candidates > 1:
            selected = self.judge.select(self.ranks[code + self.first[:-1]], uniform[:, -1:])
            code, filled, v = code[selected], filled[selected], v[selected]
        return self._rows(code, filled, v).to(z.dtype)

    def rows_in(self, leaf: Tensor, uniform: Tensor) -> Tensor:
        """Return rows of these leaves `[B]`, by numbers `[B, 2 C]` in [0, 1): for the codes, then the values."""
        u, v = uniform.chunk(2, 1)
        return self._rows(*self._codes(leaf, u), v)

    def _codes(self, leaf: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        """Return the code of each column `[B, C]`, and whether the column has codes."""
        columns = len(self.positions)
        segment = leaf[:, None] * columns + torch.arange(columns, device=leaf.device)
        start, end = self.offsets[segment], self.offsets[segment + 1]
        entry = pick(self._sums(), u, start, end)
        code = self.codes[entry.clamp(max=len(self.codes) - 1)].long()
        return torch.where(end > start, code, 0), end > start

    def _rows(self, code: Tensor, filled: Tensor, v: Tensor) -> Tensor:
        """Return rows of these codes, numbers at `v` within them."""
        value = self._values(code + self.first[:-1], v)
        rows = torch.zeros(len(code), self.width, device=code.device)
        for c, positions in enumerate(self.positions):
            if len(positions) > 1 or self.first[c] == self.first[c + 1]:
                index = torch.tensor(positions, device=code.device)[code[:, c].clamp(max=len(positions) - 1)]
                rows.scatter_(1, index[:, None], filled[:, c : c + 1].to(rows.dtype))
            else:
                rows[:, positions[0]] = torch.where(filled[:, c], value[:, c], 0.0).to(rows.dtype)
        return rows

    def _sums(self) -> Tensor:
        """Return the sum of all masses before each entry, and of all."""
        if self._cumulative is None or self._cumulative.device != self.masses.device:
            masses = self.masses.double()
            self._cumulative = torch.cat([masses.new_zeros(1), masses.cumsum(0)])
        return self._cumulative

    def _values(self, code: Tensor, v: Tensor) -> Tensor:
        """Return the value at `v` within each code `[B, C]`: even over its values."""
        low, high = self.low[code], self.high[code]
        steps = torch.round((high - low) * self.scale) + 1
        stepped = torch.round(low * self.scale + torch.floor(v * steps)) / self.scale
        return torch.where(self.scale > 0, stepped, low + v * (high - low))

    def log_leaf(self, codes: Tensor) -> Tensor:
        """Return log p(leaf | codes) `[B, leaves]` up to a constant; codes `[B, C]`, -1 where unknown.

        A code that a leaf lacks has SMOOTHING of a row there, so that rows unlike all others have a leaf as well.
        """
        result = self.leaf_masses.log().float().expand(len(codes), -1).clone()
        leaf, column = self.leaf_columns()
        for c in range(len(self.positions)):
            size = int(self.first[c + 1] - self.first[c])
            of_column = column == c
            if not size or not bool(of_column.any()):
                continue
            dense = torch.zeros(size, self.leaves)
            dense[self.codes[of_column].long(), leaf[of_column]] = self.masses[of_column]
            total = dense.sum(0)
            logs = torch.cat(
                [(dense + SMOOTHING / size).log() - (total + SMOOTHING).log(), torch.zeros(1, self.leaves)]
            )
            result += logs[codes[:, c]]  # -1 is the last: nothing is known
        return result

    def leaf_columns(self) -> tuple[Tensor, Tensor]:
        """Return leaf and column of each entry of `codes`."""
        segment = torch.repeat_interleave(torch.arange(len(self.offsets) - 1), self.offsets.diff())
        columns = len(self.positions)
        return segment // columns, segment % columns

    def restricted(self, weights: Tensor, low: Tensor, high: Tensor) -> LeafTables:
        """Return the mixture given evidence: the weight of each code in [0, 1], and what is left of its numbers.

        `weights`, `low` and `high` are as `low` of all columns. Exact by Bayes' rule, since the columns of a leaf are
        independent: p(leaf | evidence) is proportional to p(leaf) times the product of its weighted masses.
        """
        leaf, column = self.leaf_columns()
        masses = self.masses.double() * weights[self.first[column] + self.codes.long()]
        segments = leaf * len(self.positions) + column
        before, after = (
            torch.zeros(len(self.offsets) - 1, dtype=torch.float64).index_add_(0, segments, m)
            for m in (self.masses.double(), masses)
        )
        ratio = torch.where(before > 0, after / before.clamp(min=1e-300), torch.ones_like(before))
        logs = ratio.log().view(self.leaves, -1).sum(1) + self.leaf_masses.log()
        best = logs.max()
        given = copy.copy(self)
        given._buffers = dict(self._buffers)
        given.leaf_masses = (logs - best).exp() if torch.isfinite(best) else torch.zeros_like(logs)
        given.masses, given.low, given.high = masses.to(self.masses.dtype), low, high
        given._cumulative = None
        return given


def pick(sums: Tensor, u: Tensor, start: Tensor, end: Tensor | int) -> Tensor:
    """Return the entry in [start, end) at fraction `u` of its masses, whose sums before each entry are given."""
    ends = sums[end]
    target = sums[start] + u * (ends - sums[start])
    entry = torch.searchsorted(sums, target.contiguous(), right=True) - 1
    last = torch.as_tensor(end, device=sums.device) - 1
    return torch.minimum(torch.maximum(entry, start), last).clamp(min=0)
