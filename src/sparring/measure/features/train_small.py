"""Train small auxiliary networks of measures, on rows drawn with replacement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Adam

from sparring.engine.device import Hardware
from sparring.engine.ema import EMA
from sparring.engine.game import Batch
from sparring.engine.loop import Callback, System, play
from sparring.engine.schedules import cosine
from sparring.engine.seeds import mix
from sparring.games.single_player import SinglePlayer
from sparring.measure.features.network_input import as_input

Fetch = Callable[[NDArray[np.int64]], NDArray[Any]]
"""Indices `[B]` -> images uint8 `[B, H, W, C]`, or rows of values `[B, F]`."""
EMA_HALF_LIFE = 0.05
"""Half-life of the averaged weights, as a fraction of the images so far."""


@dataclass(frozen=True)
class LabelledRows:
    """Labelled training rows, drawn with replacement: a `BatchSource` of `engine.loop`."""

    fetch: Fetch
    labels: NDArray[np.int64]
    batch_size: int
    seed: int
    device: torch.device

    def batches(self, nimg: int, turn: int) -> Sequence[Batch]:
        """Return the batch that begins at image `nimg`."""
        seed = mix(self.seed, nimg, turn)
        idx = np.random.default_rng(seed).integers(0, len(self.labels), self.batch_size)
        x = as_input(self.fetch(idx), self.device)
        return [Batch(x, torch.from_numpy(self.labels[idx]).to(self.device), nimg // self.batch_size, seed)]


def train_small_net(
    build: Callable[[], nn.Module],
    loss: Callable[[nn.Module, Batch], Tensor],
    rows: LabelledRows,
    *,
    images: int,
    lr: float,
    hardware: Hardware,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> nn.Module:
    """Train a new network on `images` drawn rows, and return its EMA in eval mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix(rows.seed))
        net = hardware.to_device(build())
    average = EMA(net, lambda at: float(images), EMA_HALF_LIFE)
    adam = {"net": Adam(net.parameters(), lr, (0.9, 0.99), fused=True)}
    system = System(SinglePlayer(net, loss), adam, average, {"net": {"lr": cosine(lr, lr / 100)}})
    progress = Callback(max(images // 50, 1), lambda nimg, means: on_progress(min(nimg, images), images))
    play(system, rows, total=images, seed=rows.seed, hardware=hardware, callbacks=[progress])
    return average.net
