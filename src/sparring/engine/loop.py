"""The training loop. Every system of Sparring is a game that this loop plays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer

from sparring.engine import dist
from sparring.engine.cuda_graph import CapturedTurn, capture_turn
from sparring.engine.device import Hardware
from sparring.engine.ema import EMA
from sparring.engine.errors import Diverged
from sparring.engine.evolution import GradientFree
from sparring.engine.game import Batch, Game, Schedule, freeze_others
from sparring.engine.running_mean import RunningMean
from sparring.engine.seeds import mix


class BatchSource(Protocol):
    """A source of batches that depend on (nimg, turn) alone, so that a resumed run needs no random state."""

    @property
    def batch_size(self) -> int:
        """Images per round, over all processes."""
        ...

    def batches(self, nimg: int, turn: int) -> Sequence[Batch]:
        """Return this process's micro-batches of the batch that begins at image `nimg`."""
        ...


@dataclass
class System:
    """A game with its optimizers, as a recipe builds it."""

    game: Game
    """The players and their losses."""
    optimizers: Mapping[str, Optimizer]
    """One optimizer for each player that takes turns."""
    ema: EMA
    """Moving average of the networks that samples or answers come from."""
    schedules: Mapping[str, Mapping[str, Schedule]] = field(default_factory=dict)
    """Player -> `lr`, `beta1`, `beta2` or `sigma` (of evolution) -> its value over the run."""
    graph_capturable: bool = False
    """True if all turns have gradients, and no control flow that depends on data, step or `at`: graphs on CUDA."""


@dataclass(frozen=True)
class Callback:
    """A function called every `every` images, at image 0 and at the end. A resumed run repeats no call."""

    every: int
    call: Callable[[int, Mapping[str, float]], None]
    """Function of nimg and the mean statistics since the last call."""


def play(
    system: System,
    source: BatchSource,
    *,
    total: int,
    start: int = 0,
    seed: int = 0,
    hardware: Hardware,
    callbacks: Sequence[Callback] = (),
    should_stop: Callable[[], bool] = lambda: False,
) -> int:
    """Play rounds from image `start` to `total`, or until `should_stop()`; return nimg. Raises Diverged on NaN."""
    game, step = system.game, source.batch_size
    means = [RunningMean() for _ in callbacks]
    captures = system.graph_capturable and hardware.device.type == "cuda"
    graphs: dict[str, CapturedTurn | None] = {}
    nimg = start
    with torch.random.fork_rng(devices=[]):
        while True:
            last = nimg >= total or dist.any_true(should_stop())
            for callback, mean in zip(callbacks, means, strict=True):
                fresh = nimg == 0 or nimg > start
                if last or (fresh and nimg // callback.every > (nimg - step) // callback.every):
                    callback.call(nimg, mean.take())
            if last:
                return nimg
            at = nimg / total
            for turn, player in enumerate(game.turns):
                rng = mix(seed, dist.rank(), nimg, turn)  # for dropout and other noise of layers
                micro_batches = source.batches(nimg, turn)
                if captures and len(micro_batches) == 1 and player not in graphs:
                    graphs[player] = capture_turn(game, player, micro_batches[0], hardware)
                stats = _take_turn(system, player, micro_batches, at, rng, hardware, graphs.get(player))
                if not torch.isfinite(stats[player]):
                    raise Diverged(f"the {player}'s loss became {float(stats[player])} at image {nimg:,}")
                for mean in means:
                    mean.add(stats)
            nimg += step
            system.ema.update(nimg, step, at)


def _take_turn(
    system: System,
    player: str,
    micro_batches: Sequence[Batch],
    at: float,
    rng: int,
    hardware: Hardware,
    graph: CapturedTurn | None,
) -> dict[str, Tensor]:
    """Accumulate one player's gradients over the micro-batches, take its optimizer's step and return statistics."""
    game, optimizer = system.game, system.optimizers[player]
    net = game.players[player]
    _apply_schedules(optimizer, system.schedules.get(player, {}), at)
    gradients = not isinstance(optimizer, GradientFree)
    stats: dict[str, Tensor] = {}

    def loss_and_gradients() -> float:
        stats.clear()
        hardware.seed(rng)  # a line search evaluates the loss several times: it must be the same function
        if graph is not None:
            stats.update(graph(micro_batches[0]))
        else:
            optimizer.zero_grad(set_to_none=True)
            with freeze_others(game, player), torch.set_grad_enabled(gradients):
                for batch in micro_batches:
                    with hardware.autocast():
                        loss, extra = game.loss(player, replace(batch), at)
                    if gradients:
                        (loss / len(micro_batches)).backward()  # type: ignore[no-untyped-call]
                    for name, value in {player: loss, **extra}.items():
                        value = torch.as_tensor(value).detach() / len(micro_batches)
                        stats[name] = stats[name] + value if name in stats else value
        dist.average_gradients(net, game.players.values(), stats.values())
        return float(stats[player])

    optimizer.step(loss_and_gradients)
    return stats


def _apply_schedules(optimizer: Optimizer, schedules: Mapping[str, Schedule], at: float) -> None:
    for group in optimizer.param_groups:
        for name, schedule in schedules.items():
            if name in group:  # lr, sigma
                group[name] = schedule(at)
            else:
                beta1, beta2 = group["betas"]
                group["betas"] = (schedule(at), beta2) if name == "beta1" else (beta1, schedule(at))
