"""The loop. Every system of Sparring is a game put into it."""

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
from sparring.engine.game import Batch, Game, Schedule, only
from sparring.engine.running_mean import RunningMean
from sparring.engine.seeds import mix


class BatchSource(Protocol):
    """Where batches come from. They are a function of (nimg, turn) alone, so a resumed run needs no random state."""

    @property
    def batch_size(self) -> int:
        """Images a round, over all processes."""
        ...

    def batches(self, nimg: int, turn: int) -> Sequence[Batch]:
        """This process's share of one batch, in one part or more; gradients are averaged over the parts."""
        ...


@dataclass
class System:
    """What a recipe builds and the loop plays."""

    game: Game
    """The players and what each of them wants."""
    optimizers: Mapping[str, Optimizer]
    """One for each player."""
    ema: EMA
    """The running average of the player that is sampled from."""
    schedules: Mapping[str, Mapping[str, Schedule]] = field(default_factory=dict)
    """Player -> `lr`, `beta1` or `beta2` -> its value over the run."""
    steady: bool = False
    """A turn does the same whatever `at`, the step and the numbers are: on CUDA it becomes a graph (`engine.cuda_graph`)."""


@dataclass(frozen=True)
class Callback:
    """Something to do every so many images, at image 0 and at the end; what a stop saved is not done again."""

    every: int
    act: Callable[[int, Mapping[str, float]], None]
    """Called with nimg and the mean statistics since this was last due."""


def play(
    system: System,
    feed: BatchSource,
    *,
    total: int,
    start: int = 0,
    seed: int = 0,
    hardware: Hardware,
    due: Sequence[Callback] = (),
    until: Callable[[], bool] = lambda: False,
) -> int:
    """Play rounds from image `start` to image `total`, or `until` says stop; returns the images played."""
    game, step = system.game, feed.batch_size
    seen = [RunningMean() for _ in due]
    records = system.steady and hardware.device.type == "cuda"
    graphs: dict[str, CapturedTurn | None] = {}
    nimg = start
    with torch.random.fork_rng(devices=[]):
        while True:
            last = nimg >= total or dist.any_true(until())
            for event, means in zip(due, seen, strict=True):
                fresh = nimg == 0 or nimg > start
                if last or (fresh and nimg // event.every > (nimg - step) // event.every):
                    event.act(nimg, means.take())
            if last:
                return nimg
            at = nimg / total
            for turn, player in enumerate(game.turns):
                rng = mix(seed, dist.rank(), nimg, turn)  # of dropout and the like
                parts = feed.batches(nimg, turn)
                if records and len(parts) == 1 and player not in graphs:
                    graphs[player] = capture_turn(game, player, parts[0], hardware)
                stats = _move(system, player, parts, at, rng, hardware, graphs.get(player))
                if not torch.isfinite(stats[player]):
                    raise Diverged(f"the {player}'s loss became {float(stats[player])} at image {nimg:,}")
                for means in seen:
                    means.add(stats)
            nimg += step
            system.ema.update(nimg, step, at)


def _move(
    system: System,
    player: str,
    parts: Sequence[Batch],
    at: float,
    rng: int,
    hardware: Hardware,
    graph: CapturedTurn | None,
) -> dict[str, Tensor]:
    """One player's turn: its loss and gradients over all parts of the batch, then its optimizer's step.

    An optimizer may ask for the loss more than once (a line search, say): it is the same function each time.
    """
    game, optimizer = system.game, system.optimizers[player]
    net = game.players[player]
    _set(optimizer, system.schedules.get(player, {}), at)
    told: dict[str, Tensor] = {}

    def loss_and_gradients() -> float:
        told.clear()
        hardware.seed(rng)
        if graph is not None:
            told.update(graph(parts[0]))
        else:
            optimizer.zero_grad(set_to_none=True)
            with only(game, player):
                for part in parts:
                    with hardware.autocast():
                        loss, stats = game.loss(player, replace(part), at)
                    (loss / len(parts)).backward()  # type: ignore[no-untyped-call]
                    for name, value in {player: loss, **stats}.items():
                        value = torch.as_tensor(value).detach() / len(parts)
                        told[name] = told[name] + value if name in told else value
        dist.average_gradients(net, game.players.values(), told.values())
        return float(told[player])

    optimizer.step(loss_and_gradients)
    return told


def _set(optimizer: Optimizer, schedules: Mapping[str, Schedule], at: float) -> None:
    for group in optimizer.param_groups:
        for name, schedule in schedules.items():
            if name == "lr":
                group["lr"] = schedule(at)
            else:
                beta1, beta2 = group["betas"]
                group["betas"] = (schedule(at), beta2) if name == "beta1" else (beta1, schedule(at))
