"""Batches as a function of (nimg, turn): each turn goes through the whole set in its own order, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparring.data.in_memory import IndexedDataset
from sparring.engine import dist
from sparring.engine.errors import UsageError
from sparring.engine.game import Batch
from sparring.engine.seeds import mix


class BatchLoader:
    """Batches of `data` for the loop.

    The whole batch is chosen by (seed, nimg, turn) and cut into the shares of the processes and their parts, so the
    number of processes does not change what is played. `mirror` flips every other image, at random. Where some images
    have labels and others none, a batch can draw `labelled` images that have (None: half as many as it holds), each
    class as likely if `balanced`. Each batch comes `replays` rounds in a row. `among` are the rows to go through; None:
    all of them. `known` are the rows that are drawn as labelled ones; None: those of `among`. `class_shares` are the
    classes' shares of these, instead of equal ones.
    """

    def __init__(
        self,
        data: IndexedDataset,
        batch_size: int,
        *,
        seed: int = 0,
        parts: int = 1,
        mirror: bool = False,
        labelled: int | None = None,
        balanced: bool = False,
        replays: int = 1,
        among: NDArray[np.int64] | None = None,
        known: NDArray[np.int64] | None = None,
        class_shares: Sequence[float] = (),
        device: torch.device | None = None,
    ) -> None:
        shares = dist.world_size() * parts
        if batch_size % shares:
            raise UsageError(f"batch size {batch_size} does not divide by {shares} (processes x accumulation steps)")
        self._among = np.arange(len(data)) if among is None else among
        if not len(self._among):
            raise UsageError("there are no images to feed")
        self.data, self.batch_size = data, batch_size
        self._seed, self._parts, self._mirror, self._replays = seed, parts, mirror, replays
        self._device = device or torch.device("cpu")
        self._order = lru_cache(maxsize=4)(self._shuffled)
        labelled_idx = self._among[data.labels[self._among] >= 0]
        among_others = labelled_idx if 0 < len(labelled_idx) < len(self._among) else None
        self._known = among_others if known is None else known
        self._count = labelled if labelled is not None else batch_size // 2
        sampled = data.labels[labelled_idx if known is None else known]
        self._chances = _chances(sampled, class_shares) if balanced or class_shares else None

    def batches(self, nimg: int, turn: int) -> Sequence[Batch]:
        """Return this process's share of the batch that begins at image `nimg`, in `parts` parts."""
        nimg = nimg // self.batch_size // self._replays * self.batch_size if self._replays > 1 else nimg
        seed = mix(self._seed, nimg, turn)
        rows = self._rows(nimg, turn)
        flips = np.random.default_rng(seed).random(len(rows)) < 0.5 if self._mirror else np.zeros(len(rows), bool)
        length = self.batch_size // (dist.world_size() * self._parts)
        first = dist.rank() * self._parts
        cuts = [slice(k * length, (k + 1) * length) for k in range(first, first + self._parts)]
        return [self._batch(rows[cut], flips[cut], nimg, seed, cut) for cut in cuts]

    def _batch(self, rows: NDArray[np.int64], flips: NDArray[np.bool_], nimg: int, seed: int, cut: slice) -> Batch:
        x, y = self._examples(rows, flips)
        labelled = (lambda: self._with_labels(seed, cut)) if self._known is not None else None
        groups = self.data.groups
        group = None if groups is None else torch.from_numpy(groups[rows]).to(self._device)
        return Batch(x, y, nimg // self.batch_size, seed, cut, self.batch_size, labelled, group)

    def _examples(self, idx: NDArray[np.int64], flips: NDArray[np.bool_]) -> tuple[Tensor, Tensor]:
        stored = self.data[idx]
        if self._mirror:
            stored[flips] = stored[flips, :, ::-1]
        x = self.data.spec.encode(stored, self._device)
        return x, torch.from_numpy(self.data.conditions(idx)).to(self._device)

    def _with_labels(self, seed: int, cut: slice) -> tuple[Tensor, Tensor]:
        """Return the part of a batch of images that have labels which goes with the part `cut` of the whole batch."""
        assert self._known is not None
        rng = np.random.default_rng([seed, 1])
        rows, flips = rng.choice(self._known, self._count, p=self._chances), rng.random(self._count) < 0.5
        part = slice(*(-(-end * self._count // self.batch_size) for end in (cut.start, cut.stop)))
        return self._examples(rows[part], flips[part])

    def _rows(self, nimg: int, turn: int) -> NDArray[np.int64]:
        rows: list[NDArray[np.int64]] = []
        epoch, place = divmod(nimg, len(self._among))
        while sum(len(some) for some in rows) < self.batch_size:
            rows.append(self._order(epoch, turn)[place : place + self.batch_size])
            epoch, place = epoch + 1, 0
        return np.concatenate(rows)[: self.batch_size]

    def _shuffled(self, epoch: int, turn: int) -> NDArray[np.int64]:
        return self._among[np.random.default_rng(mix(self._seed, epoch, turn)).permutation(len(self._among))]


def _chances(labels: NDArray[np.int64], class_shares: Sequence[float]) -> NDArray[np.float64]:
    """Chances `[N]` by which each class is drawn as often, or in proportion to its share."""
    counts = np.bincount(labels)
    shares = np.array(class_shares)[labels] if class_shares else 1
    each = shares / counts[labels]
    chances: NDArray[np.float64] = each / each.sum()
    return chances
