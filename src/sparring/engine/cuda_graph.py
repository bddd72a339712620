"""A turn as one CUDA graph: its loss and gradients recorded once and played again, so that no kernel waits for Python.

A graph reads and writes where it did when it was recorded. So the batch that it is recorded with lies in `Slots`, which
keep what the game asks for (images, labels, noise) in place; each later batch is poured into them. Only a steady game can
be recorded, one whose turns do the same whatever `at`, the step and the numbers are (`engine.loop.System.steady`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sparring.engine.device import Hardware
from sparring.engine.game import Batch, Game, only

WARM_UPS = 3
"""Times that a turn is played for nothing before it is recorded: libraries choose their kernels and take their memory."""

Told = Callable[[Batch], tuple[Tensor, ...]]
"""How a batch tells what was asked for."""


class StaticInputs:
    """All tensors that a turn asks of its batch, in the order of asking; they stay where they are."""

    def __init__(self, first: Batch) -> None:
        self._first = first
        self._slots: list[tuple[tuple[Tensor, ...], Told]] = []
        self._asked = 0

    def batch(self) -> Batch:
        """The batch that was poured in last, to be asked from the start, for the same as ever."""
        self._asked = 0
        x, y = self.ask(lambda other: (other.x, other.y))
        first = self._first
        labelled = None if first.labelled is None else self._with_labels
        return _Held(x, y, first.step, first.seed, first.rows, first.size, labelled, self, lambda other: other)

    def ask(self, told: Told) -> tuple[Tensor, ...]:
        """The tensors asked for next. `told` is how other batches tell them."""
        if self._asked == len(self._slots):
            device = self._first.x.device
            self._slots.append((tuple(tensor.to(device, copy=True) for tensor in told(self._first)), told))
        self._asked += 1
        return self._slots[self._asked - 1][0]

    def pour(self, batch: Batch) -> None:
        """Let all tensors be what `batch`, of the same size, tells where it is asked for the same."""
        for tensors, told in self._slots:
            for tensor, value in zip(tensors, told(batch), strict=True):
                tensor.copy_(value, non_blocking=True)

    def _with_labels(self) -> tuple[Tensor, Tensor]:
        def told(other: Batch) -> tuple[Tensor, Tensor]:
            assert other.labelled is not None
            return other.labelled()

        x, y = self.ask(told)
        return x, y


@dataclass(frozen=True)
class _Held(Batch):
    """A batch whose tensors lie in slots."""

    slots: StaticInputs | None = None
    counterpart: Callable[[Batch], Batch] | None = None
    """What plays the part in another batch that this one plays in its own."""

    def beside(self, x: Tensor, y: Tensor, salt: int) -> Batch:
        assert self.counterpart is not None
        plain, mine = super().beside(x, y, salt), self.counterpart
        return _Held(plain.x, plain.y, plain.step, plain.seed, slots=self.slots,
                     counterpart=lambda other: mine(other).beside(x, y, salt))  # fmt: skip

    def _draw(self, draw: Callable[..., Tensor], *shape: int) -> Tensor:
        assert self.slots is not None and self.counterpart is not None
        self._draws.append(1)
        mine, count = self.counterpart, len(self._draws)
        (noise,) = self.slots.ask(lambda other: (mine(other)._noise(draw, count, *shape),))
        return noise


class CapturedTurn:
    """Loss and gradients of one `player` of a steady game, on a CUDA device. Optimizers step outside of it.

    Recording leaves weights and buffers as they are. The gradients lie in `.grad` of the player's parameters, which must not
    be set to None afterwards.
    """

    def __init__(self, game: Game, player: str, batch: Batch, hardware: Hardware) -> None:
        self._graph, self._slots = torch.cuda.CUDAGraph(), StaticInputs(batch)
        parameters = list(game.players[player].parameters())

        def turn() -> dict[str, Tensor]:
            batch = self._slots.batch()
            for p in parameters:
                p.grad = None
            with only(game, player):
                with hardware.autocast():
                    loss, stats = game.loss(player, batch, float("nan"))
                loss.backward()  # type: ignore[no-untyped-call]
            told = {player: loss, **stats}
            return {name: v.detach() if isinstance(v, Tensor) else loss.new_full((), v) for name, v in told.items()}

        buffers = [(b, b.clone()) for net in game.players.values() for b in net.buffers()]
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        try:
            with torch.cuda.stream(aside):
                for _ in range(WARM_UPS):
                    turn()
            torch.cuda.current_stream().wait_stream(aside)
            with torch.cuda.graph(self._graph):
                told = turn()
                self._told = torch.stack([value.float() for value in told.values()])
        finally:
            for buffer, before in buffers:
                buffer.copy_(before)
        self._names = tuple(told)

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """The player's loss under its name, and statistics, of `batch`; its gradients are there afterwards."""
        self._slots.pour(batch)
        self._graph.replay()
        return dict(zip(self._names, self._told.clone(), strict=True))


def capture_turn(game: Game, player: str, batch: Batch, hardware: Hardware) -> CapturedTurn | None:
    """`Captured`, or None, with a warning, where a network cannot be recorded: one that asks the device for a number, say."""
    try:
        return CapturedTurn(game, player, batch, hardware)
    except RuntimeError as error:
        why = str(error).partition("\n")[0]
        warnings.warn(f"the {player}'s turn is no CUDA graph, and plays more slowly without: {why}", stacklevel=2)
        return None
