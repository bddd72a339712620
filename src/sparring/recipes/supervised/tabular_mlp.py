"""A small classifier of a table's rows, to be attacked: standardised within, so that rows keep their own units."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Adam

from sparring.data.in_memory import InMemoryDataset
from sparring.data.loader import BatchLoader
from sparring.data.tabular import Table
from sparring.engine.data_spec import TableSpec
from sparring.engine.device import Hardware
from sparring.engine.ema import EMA
from sparring.engine.errors import UsageError
from sparring.engine.game import Batch
from sparring.engine.loop import System, play
from sparring.engine.schedules import cosine
from sparring.games.single_player import SinglePlayer
from sparring.nets.tabular_mlp import Standardize, TabularClassifier


def fit_table(
    table: Table, *, rows: int = 400_000, hidden: int = 128, lr: float = 1e-3, batch_size: int = 256, seed: int = 0
) -> nn.Module:
    """Rows `[B, F]` in their own units -> logits `[B, classes]`: two hidden layers, trained on `rows` rows, some many times.

    Adam, whose learning rate falls to 0 by a cosine; the weights' average of the last twentieth. Same seed, same network.
    """
    for name, value in {"rows": rows, "hidden": hidden, "batch_size": batch_size}.items():
        if value < 1:
            raise UsageError(f"{name} must be 1 or more, not {value}")
    if not 0 < lr < float("inf"):
        raise UsageError(f"lr must be above 0, not {lr}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        columns = table.x.shape[1]
        net = nn.Sequential(Standardize(table.x), TabularClassifier(columns, len(table.classes), hidden))
    data = InMemoryDataset(table.x.numpy(), table.y.numpy(), TableSpec((), "", table.classes, len(table.x)), None)
    average = EMA(net, lambda at: rows / 20)
    system = System(
        SinglePlayer(net, _loss), {"net": Adam(net.parameters(), lr)}, average, {"net": {"lr": cosine(lr, 0.0)}}
    )
    play(system, BatchLoader(data, batch_size, seed=seed), total=rows, seed=seed, hardware=Hardware.find("cpu", "fp32"))
    return average.net


def _loss(net: nn.Module, batch: Batch) -> Tensor:
    return cross_entropy(net(batch.x), batch.y)
