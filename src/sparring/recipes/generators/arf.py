"""Adversarial random forests for tables (Watson, Blesch, Kapar and Wright 2023, arXiv:2205.09435).

A forest tells real rows from made ones; made rows are drawn anew, column by column, within its leaves, until the forest
is right no more often than chance. Its leaves are then a density: a mixture of products. Differences to the paper: a
leaf holds `leaf_rows` real rows or more, columns are tables of codes (words, and ranges of numbers whose ends are held
by several rows) in place of normal distributions, and gaps are codes. A last adversary, boosted trees, selects each
sample from a few candidates by the odds that it is real.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sparring.data.tables.codes import ColumnCodes, cells_of, learn_codes
from sparring.engine.data_spec import TableSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import SparringError
from sparring.nets.leaf_tables import LeafTables
from sparring.recipes.fitted import Fitted, OnProgress
from sparring.recipes.generators.forests import Forest, fit_forest, fit_judge, resample, word_order
from sparring.recipes.recipe import check_positive

LEAF_ROWS, LEAF_FRACTION = (5, 20), 0.05
"""Limits of the rows in a leaf where none are chosen, and between these their fraction of all rows."""
HALF = 0.5
"""Accuracy of chance."""


@dataclass(frozen=True, kw_only=True)
class ARF(Fitted):
    """Forests against rows drawn from their own leaves."""

    name: ClassVar[str] = "arf"
    paper: ClassVar[str] = "Watson et al. 2023, arXiv:2205.09435"
    kinds: ClassVar[tuple[str, ...]] = ("table",)
    reads_whole: ClassVar[bool] = True

    trees: int = 20
    """Trees in the forest."""
    rounds: int = 10
    """Largest number of forests."""
    leaf_rows: int | None = None
    """Smallest number of real rows in a leaf: with few, samples are near copies. None: 20, or 5 % of the rows."""

    candidates: int = 5
    """Rows from which a last adversary, of boosted trees, selects each sample; 1: no last adversary."""

    def __post_init__(self) -> None:
        check_positive(self, "trees", "rounds", "leaf_rows", "candidates")

    def resolve(self, spec: TableSpec, hardware: Hardware) -> Self:
        """Return the recipe with the rows of a leaf: LEAF_ROWS, fewer where there are few rows in all."""
        return self._for_rows(spec.count)

    def _for_rows(self, count: int) -> Self:
        if self.leaf_rows is not None:
            return self
        return replace(self, leaf_rows=int(min(max(LEAF_FRACTION * count, LEAF_ROWS[0]), LEAF_ROWS[1])))

    def nets(self, spec: TableSpec) -> dict[str, nn.Module]:
        """Return the sampler, before it is fitted."""
        return {"generator": LeafTables([column.indices for column in spec.columns], *spec.shape, self.candidates)}

    def fit(
        self, spec: TableSpec, rows: NDArray[np.float32], labels: NDArray[np.int64], seed: int, on_progress: OnProgress
    ) -> dict[str, nn.Module]:
        """Return the fitted sampler; labels are not used, since the class is a column of its own."""
        leaf_rows = self._for_rows(len(rows)).leaf_rows or 1
        if len(rows) < 2 * leaf_rows:
            raise SparringError(
                f"arf needs {2 * leaf_rows} rows or more, and there are {len(rows)}: give more, or a smaller "
                "--leaf-rows"
            )
        cells = cells_of(spec, rows)
        codes = learn_codes(spec, cells)
        learnt = list(spec.learnt)
        encoded = np.stack([codes[k].encode(cells[:, k]) for k in learnt], 1)
        ranks = [np.arange(len(column), dtype=np.float32) for column in codes]
        for j, k in enumerate(learnt):
            if codes[k].is_word:
                order = word_order(encoded, j)
                ranks[k][: len(order)] = order
        x = np.stack([ranks[k][encoded[:, j]] for j, k in enumerate(learnt)], 1)
        forest, accuracies = self._play(x, leaf_rows, seed, on_progress)
        net = self.nets(spec)["generator"]
        assert isinstance(net, LeafTables)
        fill(net, forest, encoded, codes, learnt)
        net.ranks, net.accuracies = torch.from_numpy(np.concatenate(ranks)), torch.tensor(accuracies)
        if self.candidates > 1:
            wide = np.zeros((len(x), len(codes)), np.float32)
            wide[:, learnt] = resample(forest, x, np.random.default_rng([seed, 51]))
            real = np.zeros_like(wide)
            real[:, learnt] = x
            fit_judge(real, wide, seed, net.judge)
        return {"generator": net}

    def _play(
        self, x: NDArray[np.float32], leaf_rows: int, seed: int, on_progress: OnProgress
    ) -> tuple[Forest, list[float]]:
        """Return the last forest, and the accuracy of each."""
        rng = np.random.default_rng(seed)
        fake = np.stack([rng.permutation(column) for column in x.T], 1)
        forest, accuracies = None, list[float]()
        for round_number in range(self.rounds):
            on_progress(round_number, self.rounds)
            new, accuracy = fit_forest(x, fake, self.trees, leaf_rows, int(rng.integers(1 << 31)))
            if accuracies and accuracy >= accuracies[-1]:
                break
            forest = new
            accuracies.append(accuracy)
            if accuracy <= HALF:
                break
            fake = resample(forest, x, rng)
        on_progress(self.rounds, self.rounds)
        assert forest is not None
        return forest, accuracies


def fill(
    net: LeafTables, forest: Forest, encoded: NDArray[np.int64], codes: list[ColumnCodes], learnt: list[int]
) -> None:
    """Write the masses of a forest's leaves, of rows with these codes `[N, learnt columns]`, into a sampler."""
    columns, sizes = len(codes), [len(c) for c in codes]
    keys, leaf_masses = list[NDArray[np.int64]](), list[int]()
    most = max(sizes)
    for leaves in forest.leaves:
        for idx in leaves:
            base = len(leaf_masses) * columns
            leaf_masses.append(len(idx))
            for j, k in enumerate(learnt):
                members = encoded[idx, j]
                if codes[k].rare is not None:
                    members = _without_rare(members, encoded[:, j], codes[k], len(leaf_masses))
                keys.append((base + k) * most + members)
    unique, counts = np.unique(np.concatenate(keys), return_counts=True)
    segments = np.bincount(unique // most, minlength=len(leaf_masses) * columns)
    net.leaf_masses = torch.tensor(leaf_masses, dtype=torch.float64)
    net.offsets = torch.from_numpy(np.concatenate([[0], np.cumsum(segments)]).astype(np.int64))
    net.codes = torch.from_numpy((unique % most).astype(np.int16))
    net.masses = torch.from_numpy(counts.astype(np.float32))
    net.first = torch.from_numpy(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))
    net.low = torch.from_numpy(np.concatenate([c.low for c in codes]))
    net.high = torch.from_numpy(np.concatenate([c.high for c in codes]))
    net.scale = torch.tensor([round(1 / c.step) if c.step else 0 for c in codes], dtype=torch.float64)


def _without_rare(
    members: NDArray[np.int64], everyone: NDArray[np.int64], codes: ColumnCodes, number: int
) -> NDArray[np.int64]:
    """Return the codes of a leaf with other words in place of rare ones: those of the leaf, else of all rows.

    Gaps stay as many as they are. `number` of the leaf says where in all rows other words are taken from.
    """
    holes = members == codes.rare
    if not holes.any():
        return members
    words = members[~holes & (members != codes.gap)]
    if not len(words):
        words = np.roll(everyone[(everyone != codes.rare) & (everyone != codes.gap)], -number)
    return np.where(holes, np.resize(words, len(members)), members) if len(words) else members[~holes]
