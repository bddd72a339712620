"""Capture a turn (loss and gradients) as one CUDA graph and replay it, to remove the launch overhead of small kernels.

A graph reads and writes fixed memory. So the inputs that a turn reads from its batch (data, labels, noise) lie in
`StaticInputs`, and later batches are copied into these buffers. Only games whose turns have no control flow that
depends on data, step or `at` can be captured (`engine.loop.System.graph_capturable`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sparring.engine.device import Hardware
from sparring.engine.game import Batch, Game, freeze_others

WARM_UP_TURNS = 3
"""Discarded turns before the capture, in which libraries choose kernels and allocate memory."""

Read = Callable[[Batch], tuple[Tensor, ...]]
"""Function that reads tensors from a batch."""


class StaticInputs:
    """Buffers for all tensors that a turn reads from its batch, in the order of its reads."""

    def __init__(self, first: Batch) -> None:
        self._first = first
        self._buffers: list[tuple[tuple[Tensor, ...], Read]] = []
        self._reads = 0

    def batch(self) -> Batch:
        """Return a batch that reads the buffers, from the first one on."""
        self._reads = 0
        x, y = self.read(lambda other: (other.x, other.y))
        first = self._first
        labelled = None if first.labelled is None else self._labelled
        (group,) = (None,) if first.group is None else self.read(lambda other: (_group_of(other),))
        return _StaticBatch(
            x, y, first.step, first.seed, first.batch_slice, first.full_size, labelled, group, self, lambda other: other
        )

    def read(self, source: Read) -> tuple[Tensor, ...]:
        """Return the next buffers. At the first read they are allocated and filled with `source(first batch)`."""
        if self._reads == len(self._buffers):
            device = self._first.x.device
            self._buffers.append((tuple(tensor.to(device, copy=True) for tensor in source(self._first)), source))
        self._reads += 1
        return self._buffers[self._reads - 1][0]

    def copy_(self, batch: Batch) -> None:
        """Copy the inputs of `batch`, which has the same size, into the buffers."""
        for buffers, source in self._buffers:
            for buffer, value in zip(buffers, source(batch), strict=True):
                buffer.copy_(value, non_blocking=True)

    def _labelled(self) -> tuple[Tensor, Tensor]:
        def source(other: Batch) -> tuple[Tensor, Tensor]:
            assert other.labelled is not None
            return other.labelled()

        x, y = self.read(source)
        return x, y


def _group_of(batch: Batch) -> Tensor:
    assert batch.group is not None
    return batch.group


@dataclass(frozen=True)
class _StaticBatch(Batch):
    """A batch whose tensors are static buffers."""

    inputs: StaticInputs | None = None
    counterpart: Callable[[Batch], Batch] | None = None
    """Map from an ordinary full batch to the ordinary batch that corresponds to this one."""

    def derive(self, x: Tensor, y: Tensor, salt: int) -> Batch:
        """Return a static batch whose counterpart is the counterpart's derived batch."""
        assert self.counterpart is not None
        plain, counterpart = super().derive(x, y, salt), self.counterpart
        return _StaticBatch(plain.x, plain.y, plain.step, plain.seed, inputs=self.inputs,
                            counterpart=lambda other: counterpart(other).derive(x, y, salt))  # fmt: skip

    def _draw(self, draw: Callable[..., Tensor], *shape: int) -> Tensor:
        assert self.inputs is not None and self.counterpart is not None
        self._draws.append(1)
        counterpart, count = self.counterpart, len(self._draws)
        (noise,) = self.inputs.read(lambda other: (counterpart(other)._noise(draw, count, *shape),))
        return noise


class CapturedTurn:
    """A CUDA graph of one player's loss and gradients. The optimizer's step is not part of it.

    The capture leaves weights and buffers unchanged. Gradients are written into `.grad` of the player's parameters,
    which must not be set to None afterwards.
    """

    def __init__(self, game: Game, player: str, batch: Batch, hardware: Hardware) -> None:
        self._graph, self._inputs = torch.cuda.CUDAGraph(), StaticInputs(batch)
        parameters = list(game.players[player].parameters())

        def turn() -> dict[str, Tensor]:
            batch = self._inputs.batch()
            for p in parameters:
                p.grad = None
            with freeze_others(game, player):
                with hardware.autocast():
                    loss, extra = game.loss(player, batch, float("nan"))
                loss.backward()  # type: ignore[no-untyped-call]
            stats = {player: loss, **extra}
            return {name: v.detach() if isinstance(v, Tensor) else loss.new_full((), v) for name, v in stats.items()}

        saved = [(b, b.clone()) for net in game.players.values() for b in net.buffers()]
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        try:
            with torch.cuda.stream(stream):
                for _ in range(WARM_UP_TURNS):
                    turn()
            torch.cuda.current_stream().wait_stream(stream)
            with torch.cuda.graph(self._graph):
                stats = turn()
                self._stats = torch.stack([value.float() for value in stats.values()])
        finally:
            for buffer, before in saved:
                buffer.copy_(before)
        self._names = tuple(stats)

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """Replay the turn on `batch`. Return the loss under the player's name, and the statistics."""
        self._inputs.copy_(batch)
        self._graph.replay()
        return dict(zip(self._names, self._stats.clone(), strict=True))


def capture_turn(game: Game, player: str, batch: Batch, hardware: Hardware) -> CapturedTurn | None:
    """Capture a turn. Warn and return None if it cannot be captured, e.g. because it reads values of the device."""
    try:
        return CapturedTurn(game, player, batch, hardware)
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        warnings.warn(f"no CUDA graph of the {player}'s turn, which makes it slower: {reason}", stacklevel=2)
        return None
