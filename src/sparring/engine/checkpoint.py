"""All that must survive a stop, as named tensors; and back, in place, to the bit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from sparring.engine.errors import Diverged, SparringError
from sparring.engine.loop import System

FILES = ("players", "average", "optimizers")


class Corrupt(SparringError):
    """A checkpoint that is not what was once written."""


def save(system: System, folder: Path, nimg: int) -> None:
    """Write `system` into the new `folder`: three safetensors files and `state.json` with their digests."""
    check_finite([*system.game.players.items(), ("average", system.average.net)], nimg)
    folder.mkdir()
    for name, tensors in zip(FILES, _tensors(system), strict=True):
        save_file({key: t.detach().cpu().contiguous() for key, t in tensors.items()}, folder / f"{name}.safetensors")
    digests = {name: _digest(folder / f"{name}.safetensors") for name in FILES}
    (folder / "state.json").write_text(json.dumps({"nimg": nimg, "blake2b": digests}, indent=2) + "\n")


def load(system: System, folder: Path) -> int:
    """Put what `folder` holds into `system`, in place; returns nimg.

    Raises Corrupt, before anything is changed, where a file is missing, torn or does not fit.
    """
    try:
        state = json.loads((folder / "state.json").read_text())
        nimg = int(state["nimg"])
        for name in FILES:
            if _digest(folder / f"{name}.safetensors") != state["blake2b"][name]:
                raise Corrupt(f"{folder / name}.safetensors is not what was written")
        stored = [load_file(folder / f"{name}.safetensors") for name in FILES]
    except Corrupt:
        raise
    except Exception as error:  # whatever a damaged file makes a parser say
        raise Corrupt(f"{folder} cannot be read: {error}") from error
    players, average, optimizers = stored
    for tensors, present in zip((players, average), _tensors(system)[:2], strict=True):
        _copy(tensors, present, folder)
    for player, optimizer in system.optimizers.items():
        _load_optimizer(optimizer, _names(system, player), optimizers, player)
    return nimg


def check_finite(nets: Iterable[tuple[str, nn.Module]], nimg: int) -> None:
    """Raise Diverged, naming the first tensor that holds a value that is no finite number."""
    for player, net in nets:
        for name, tensor in net.state_dict().items():
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise Diverged(f"{player}.{name} holds a value that is no finite number at image {nimg:,}")


def _tensors(system: System) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    players = {f"{player}.{k}": t for player, net in system.game.players.items() for k, t in net.state_dict().items()}
    optimizers = {
        f"{player}/{name}/{key}": value
        for player, optimizer in system.optimizers.items()
        for name, values in _state(optimizer, _names(system, player)).items()
        for key, value in values.items()
    }
    return players, dict(system.average.net.state_dict()), optimizers


def _names(system: System, player: str) -> dict[int, str]:
    return {id(p): name for name, p in system.game.players[player].named_parameters()}


def _parameters(optimizer: Optimizer) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def _state(optimizer: Optimizer, names: Mapping[int, str]) -> dict[str, dict[str, Tensor]]:
    return {
        names[id(p)]: {key: torch.as_tensor(value) for key, value in optimizer.state[p].items()}
        for p in _parameters(optimizer)
        if p in optimizer.state
    }


def _load_optimizer(optimizer: Optimizer, names: Mapping[int, str], stored: Mapping[str, Tensor], player: str) -> None:
    state: dict[int, dict[str, Any]] = {}
    for index, p in enumerate(_parameters(optimizer)):
        prefix = f"{player}/{names[id(p)]}/"
        for key, tensor in stored.items():
            if key.startswith(prefix):
                # laid out like the parameter, channels_last or not: fused optimizers expect it
                laid = torch.empty_like(p, dtype=tensor.dtype).copy_(tensor) if tensor.shape == p.shape else tensor
                state.setdefault(index, {})[key.removeprefix(prefix)] = laid
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


@torch.no_grad()
def _copy(stored: Mapping[str, Tensor], present: Mapping[str, Tensor], folder: Path) -> None:
    for name, tensor in present.items():
        if name not in stored or stored[name].shape != tensor.shape:
            held = f"shape {list(stored[name].shape)}" if name in stored else "nothing"
            raise Corrupt(f"{folder} does not fit: {name} should have shape {list(tensor.shape)}, it holds {held}")
    for name, tensor in present.items():
        tensor.copy_(stored[name])


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
