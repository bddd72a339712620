"""The script that test_torchrun.py runs on two processes. It writes its results to `<folder>/<rank>.json`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from small_game import CPU, BatchLoader, make, tensors
from torch import Tensor, nn
from torch.optim import LBFGS, SGD, Optimizer

from sparring.engine import dist
from sparring.engine.errors import Diverged, SparringError
from sparring.engine.game import Batch, freeze_others
from sparring.engine.loop import System, play
from sparring.engine.run_folder import Run
from sparring.games.penalties import r1, r2, wgan_gp

GAMES: dict[str, Callable[[], System]] = {
    "relativistic": lambda: make(plain=True, penalties=(), optimizer=sgd),
    "r1+r2": lambda: make(plain=True, penalties=[r1(1.0), r2(1.0)], optimizer=sgd),
    "r1+r2, lazy": lambda: make(plain=True, penalties=[r1(1.0, 4), r2(1.0, 2)], optimizer=sgd),
    "wgan-gp": lambda: make(plain=True, penalties=[wgan_gp()], objective="wasserstein", optimizer=sgd),
    "wgan-gp, lazy": lambda: make(plain=True, penalties=[wgan_gp(10, 4)], objective="wasserstein", optimizer=sgd),
}


def sgd(net: nn.Module) -> Optimizer:
    return SGD(net.parameters(), 0.05)


class Proportion:
    """This process's rows of a feed's batches."""

    batch_size = 8

    def __init__(self, parts: int = 1) -> None:
        self.parts = parts

    def batches(self, nimg: int, turn: int) -> Sequence[Batch]:
        every = BatchLoader(parts=self.parts * dist.world_size()).batches(nimg, turn)
        return every[dist.rank() * self.parts : (dist.rank() + 1) * self.parts]


def gradients(system: System, step: int) -> dict[str, Tensor]:
    """Of one turn of each player in round `step`, averaged over the processes."""
    found = {}
    for turn, player in enumerate(system.game.turns):
        net = system.game.players[player]
        (batch,) = Proportion().batches(step * 8, turn)
        with freeze_others(system.game, player):
            system.game.loss(player, batch, 0.25)[0].backward()
        dist.average_gradients(net, system.game.players.values())
        found |= {f"{player}.{name}": p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}
        net.zero_grad()
    return found


def furthest(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    """The largest difference in any tensor, relative to its largest value or 1."""
    assert a.keys() == b.keys()
    return max(float((a[k] - b[k]).abs().max() / b[k].abs().max().clamp(min=1)) for k in a)


def ended(act: Callable[[], object]) -> str:
    try:
        act()
    except SparringError as error:
        return f"{type(error).__name__}: {error}"
    return "fine"


def played(system: System, **how: Any) -> dict[str, Tensor]:
    play(system, Proportion(how.pop("parts", 1)), total=48, hardware=CPU, **how)
    return tensors(system)


def main(folder: Path) -> None:
    alone = {name: [gradients(build(), step) for step in (0, 1, 2)] for name, build in GAMES.items()}
    ends = {name: played(build()) for name, build in GAMES.items()}
    if not (folder / "run").exists() and int(sys.argv[2]) == 0:
        for images in (8, 16):
            Run(folder / "run").save(make(plain=True), images)
        torn = folder / "run" / "checkpoints" / "000000016" / "average.safetensors"
        torn.write_bytes(torn.read_bytes()[:-8])
    dist.init()
    seen: dict[str, Any] = {"size": dist.world_size(), "rank": dist.rank()}
    seen["gradients"] = {
        name: [furthest(gradients(build(), step), alone[name][step]) for step in (0, 1, 2)]
        for name, build in GAMES.items()
    }
    seen["ends"] = {name: furthest(played(build(), parts=2), ends[name]) for name, build in GAMES.items()}

    normed = make()  # batch statistics, dropout, fused Adam
    played(normed)
    seen["agree"] = ended(lambda: dist.check_in_sync(normed.game.players.items()))
    running_attack = make(
        plain=True, format=torch.contiguous_format,
        optimizer=lambda net: LBFGS(net.parameters(), max_iter=3, line_search_fn="strong_wolfe"),
    )  # fmt: skip
    played(running_attack)
    seen["agree, lbfgs"] = ended(lambda: dist.check_in_sync(running_attack.game.players.items()))
    if dist.rank() == 1:
        with torch.no_grad():
            normed.game.players["generator"].get_buffer("norm.running_var")[3] += 1e-6
    seen["apart"] = ended(lambda: dist.check_in_sync(normed.game.players.items()))

    asked = iter([False, False, dist.rank() == 1, True])
    seen["stopped"] = play(make(plain=True), Proportion(), total=48, hardware=CPU, should_stop=lambda: next(asked))

    broken = make(plain=True)
    whole = broken.game.loss

    def loss(player: str, batch: Batch, at: float) -> Any:
        found, stats = whole(player, batch, at)
        return (found * float("nan") if dist.rank() == 1 and batch.step == 2 else found), stats

    broken.game.loss = loss  # type: ignore[method-assign]
    seen["diverged"] = ended(lambda: played(broken))
    assert issubclass(Diverged, SparringError)

    run = Run(folder / "run")
    seen["loaded"] = run.load_latest(make(plain=True))
    seen["warnings"] = len(run.warnings)
    (folder / f"{dist.rank()}.json").write_text(json.dumps(seen))
    dist.shutdown()


if __name__ == "__main__":
    import os

    sys.argv.append(os.environ["RANK"])
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
