"""All that must survive a stop, as named tensors; and back, in place, to the bit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from sparring.engine.errors import Diverged, SparringError
from sparring.engine.loop import System
from sparring.engine.safetensors_io import load_file, write_tensors

FILES = ("players", "average", "optimizers")


class Corrupt(SparringError):
    """A checkpoint that is not what was once written."""


class Misfit(SparringError):
    """A checkpoint that is whole, but of other networks or optimizers."""


def save(system: System, folder: Path, nimg: int) -> None:
    """Write `system` into the new `folder`: three safetensors files, and `state.json` with all else and the digests."""
    check_finite([*system.game.players.items(), ("average", system.ema.net)], nimg)
    folder.mkdir()
    moments: dict[str, Tensor] = {}
    rest = {player: _fold(_state(system, player), player, moments) for player in system.optimizers}
    for name, tensors in zip(FILES, (*_weights(system), moments), strict=True):
        write_tensors(tensors, folder / f"{name}.safetensors")
    digests = {name: _digest(folder / f"{name}.safetensors") for name in FILES}
    state = {"nimg": nimg, "blake2b": digests, "optimizers": rest}
    (folder / "state.json").write_text(json.dumps({**state, "seal": _seal(state)}) + "\n", encoding="utf-8")


def load(system: System, folder: Path) -> int:
    """Put what `folder` holds into `system`, in place; returns nimg.

    Raises, before anything is changed, Corrupt where a file is missing or damaged and Misfit where it does not fit.
    """
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        if state.pop("seal") != _seal(state):
            raise Corrupt("state.json is not what was written")
        for name in FILES:
            if _digest(folder / f"{name}.safetensors") != state["blake2b"][name]:
                raise Corrupt(f"{name}.safetensors is not what was written")
        players, average, moments = (load_file(folder / f"{name}.safetensors") for name in FILES)
        optimizers = {player: _unfold(folded, moments) for player, folded in state["optimizers"].items()}
    except MemoryError:
        raise
    except Exception as error:  # whatever a damaged file makes a parser say
        raise Corrupt(f"{folder} cannot be read: {error}") from error
    present = _weights(system)
    _check_fit(players, present[0], folder)
    _check_fit(average, present[1], folder)
    for player, optimizer in system.optimizers.items():
        kind = type(optimizer).__name__
        if player not in optimizers or optimizers[player]["kind"] != kind:
            raise Misfit(f"{folder} does not fit: it holds no state of an {kind} of the {player}")
    with torch.no_grad():
        for stored, tensors in ((players, present[0]), (average, present[1])):
            for name, tensor in tensors.items():
                tensor.copy_(stored[name])
    for player in system.optimizers:
        _restore(system, player, optimizers[player])
    return int(state["nimg"])


def check_finite(nets: Iterable[tuple[str, nn.Module]], nimg: int) -> None:
    """Raise Diverged, naming the first tensor that holds a value that is no finite number."""
    for player, net in nets:
        for name, tensor in net.state_dict().items():
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise Diverged(f"{player}.{name} holds a value that is no finite number at image {nimg:,}")


def _weights(system: System) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    players = {f"{player}.{k}": t for player, net in system.game.players.items() for k, t in net.state_dict().items()}
    return players, dict(system.ema.net.state_dict())


def _check_fit(stored: Mapping[str, Tensor], present: Mapping[str, Tensor], folder: Path) -> None:
    for name in sorted(stored.keys() | present.keys()):
        there, here = (
            [str(t.dtype), *t.shape] if t is not None else None for t in (stored.get(name), present.get(name))
        )
        if there != here:
            raise Misfit(
                f"{folder} does not fit: {name} is {there or 'not there'} in it, {here or 'nothing'} in the networks"
            )


def _names(system: System, player: str) -> list[str]:
    """The names of the parameters that an optimizer moves, in its own order."""
    names = {id(p): name for name, p in system.game.players[player].named_parameters()}
    return [names.get(id(p), str(k)) for k, p in enumerate(_parameters(system.optimizers[player]))]


def _parameters(optimizer: Optimizer) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def _state(system: System, player: str) -> dict[str, Any]:
    """An optimizer's state by names of parameters, and the numbers it keeps in its groups."""
    names, whole = _names(system, player), system.optimizers[player].state_dict()
    state = {names[key] if isinstance(key, int) else key: value for key, value in whole["state"].items()}
    return {"kind": type(system.optimizers[player]).__name__, "of": state, "groups": whole["param_groups"]}


def _restore(system: System, player: str, stored: Mapping[str, Any]) -> None:
    optimizer, names = system.optimizers[player], _names(system, player)
    numbers, parameters = {name: k for k, name in enumerate(names)}, _parameters(optimizer)
    state = {numbers.get(key, key): value for key, value in stored["of"].items()}
    for k, values in state.items():
        if isinstance(k, int):
            p = parameters[k]
            for key, value in values.items():
                # laid out like the parameter, channels_last or not: fused kernels expect it
                if isinstance(value, Tensor) and value.shape == p.shape:
                    values[key] = torch.empty_like(p, dtype=value.dtype).copy_(value)
    optimizer.load_state_dict({"state": state, "param_groups": stored["groups"]})


def _fold(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """`value` as JSON; its tensors go into `tensors`, under their path."""
    if isinstance(value, Tensor):
        tensors[path] = value
        return {"tensor": path}
    if isinstance(value, Mapping):
        return {"dict": [[key, _fold(inner, f"{path}/{key}", tensors)] for key, inner in value.items()]}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_fold(inner, f"{path}/{k}", tensors) for k, inner in enumerate(value)]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise SparringError(f"the optimizer keeps a {type(value).__name__} at {path}, which a checkpoint cannot hold")


def _unfold(folded: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(folded, dict):
        return folded
    ((kind, inner),) = folded.items()
    if kind == "tensor":
        return tensors[inner].clone()  # into memory aligned as torch does it: sums are rounded by where they lie
    if kind == "dict":
        return {key: _unfold(value, tensors) for key, value in inner}
    values = [_unfold(value, tensors) for value in inner]
    return tuple(values) if kind == "tuple" else values


def _seal(state: Mapping[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(state, sort_keys=True).encode(), digest_size=16).hexdigest()


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
