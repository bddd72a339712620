"""Poisson samples of private rows, as batches for the loop: each row enters a step independently, with one probability.

The amplification that the accountant counts on holds for this alone. Batches of a shuffled epoch, which have a fixed
size, are weaker by a factor that is not known in general (Chua et al. 2024, arXiv:2403.17673).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparring.data.in_memory import IndexedDataset
from sparring.engine.errors import UsageError
from sparring.engine.game import Batch
from sparring.privacy.secret import SecretNoise

CHUNK_ROWS = 500


class PoissonBatches:
    """Batches of `data` for the loop (`engine.loop.BatchSource`): Poisson samples, drawn by the secret key.

    `batch_size` is the expected number of rows. `among` are the rows that may enter; their number counts as public. A
    `fixed` function of network input, which training does not change, is computed once for all of them, in half
    precision. Raises UsageError where there are fewer rows than a batch is expected to hold.
    """

    def __init__(
        self,
        data: IndexedDataset,
        batch_size: int,
        secret: SecretNoise,
        *,
        among: NDArray[np.int64] | None = None,
        fixed: Callable[[Tensor], Tensor] | None = None,
        device: torch.device | None = None,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        self.data, self.batch_size = data, batch_size
        self._among = np.arange(len(data)) if among is None else among
        if batch_size > len(self._among):
            raise UsageError(
                f"--batch-size {batch_size:,} is more than there are rows, {len(self._among):,}: take a tenth of these "
                "or fewer"
            )
        self._secret, self._device = secret, device or torch.device("cpu")
        self._rows = self._computed(fixed, on_progress) if fixed is not None else None

    @property
    def sampling_rate(self) -> float:
        """Probability with which a row enters a step."""
        return self.batch_size / len(self._among)

    def batches(self, nimg: int, turn: int) -> Sequence[Batch]:
        """Return the sample of the step that begins at row `nimg`, as one batch; it may be empty."""
        step = nimg // self.batch_size
        chance = self._secret.uniform((len(self._among),), "sample", step, turn)
        place = np.flatnonzero(chance < self.sampling_rate)
        idx = self._among[place]
        y = torch.from_numpy(self.data.conditions(idx)).to(self._device)
        return [Batch(self._inputs(place, idx), y, step, seed=0)]

    def _inputs(self, place: NDArray[np.int64], idx: NDArray[np.int64]) -> Tensor:
        if self._rows is not None:
            return self._rows[torch.from_numpy(place)].to(self._device).float()
        x: Tensor = self.data.spec.encode(self.data[idx], self._device)
        return x

    @torch.no_grad()
    def _computed(self, fixed: Callable[[Tensor], Tensor], on_progress: Callable[[int, int], None]) -> Tensor:
        parts = []
        for first in range(0, len(self._among), CHUNK_ROWS):
            idx = self._among[first : first + CHUNK_ROWS]
            parts.append(fixed(self.data.spec.encode(self.data[idx], self._device)).half().cpu())
            on_progress(min(first + CHUNK_ROWS, len(self._among)), len(self._among))
        return torch.cat(parts)
