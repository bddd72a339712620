"""Check that a game that is stopped, saved, loaded and continued ends with the bits of an uninterrupted one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from test_conformance import CPU
from torch import nn

from sparring.engine import checkpoint
from sparring.engine.loop import BatchSource, System, play


def check_exact_resume(
    build: Callable[[], tuple[System, BatchSource]], total: int, folder: Path, rounds: int = 3
) -> None:
    """Play fresh games at once and with a stop after `rounds`; raise AssertionError where their bits differ."""
    (whole, loader), (first, _), (second, _) = (build() for _ in range(3))
    at = rounds * loader.batch_size
    play(whole, loader, total=total, hardware=CPU)
    stop = iter([False] * rounds + [True]).__next__
    assert play(first, loader, total=total, hardware=CPU, should_stop=stop) == at
    checkpoint.save(first, folder / "at", at)
    assert checkpoint.load(second, folder / "at") == at
    play(second, loader, total=total, start=at, hardware=CPU)
    for player, net in whole.game.players.items():
        _check_equal(net, second.game.players[player], player)
    _check_equal(whole.ema.net, second.ema.net, "ema")


def _check_equal(net: nn.Module, other: nn.Module, name: str) -> None:
    tensors = other.state_dict()
    for key, tensor in net.state_dict().items():
        assert torch.equal(tensors[key], tensor), (name, key)


def trained_parameters(system: System) -> dict[str, torch.Tensor]:
    """Return the parameters of all players that have a turn, by player and name."""
    return {
        f"{player}.{key}": p
        for player in system.game.turns
        for key, p in system.game.players[player].named_parameters()
        if p.requires_grad
    }
