"""Save and load a system's state as safetensors and JSON, bit-exactly and in place.

Own code, since `torch.save` writes pickles, checks no digests and loses memory formats that fused kernels depend on.
"""

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
"""Names of the safetensors files of a checkpoint."""


class Corrupt(SparringError):
    """A file of a checkpoint is missing or damaged."""


class Mismatch(SparringError):
    """An intact checkpoint belongs to other networks or optimizers."""


def save(system: System, folder: Path, nimg: int) -> None:
    """Write `system` into the new `folder`: three safetensors files, and `state.json` with digests and other state.

    Raises Diverged if a weight is NaN or infinite.
    """
    check_finite([*system.game.players.items(), ("average", system.ema.net)], nimg)
    folder.mkdir()
    moments: dict[str, Tensor] = {}
    optimizers = {player: _fold(_state(system, player), player, moments) for player in system.optimizers}
    for name, tensors in zip(FILES, (*_weights(system), moments), strict=True):
        write_tensors(tensors, folder / f"{name}.safetensors")
    digests = {name: _digest(folder / f"{name}.safetensors") for name in FILES}
    state = {"nimg": nimg, "blake2b": digests, "optimizers": optimizers}
    (folder / "state.json").write_text(json.dumps({**state, "seal": _seal(state)}) + "\n", encoding="utf-8")


def load(system: System, folder: Path) -> int:
    """Load the checkpoint in `folder` into `system`, in place; return nimg.

    Raises Corrupt if a file is missing or damaged and Mismatch if it does not fit the system. Nothing is changed then.
    """
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        if state.pop("seal") != _seal(state):
            raise Corrupt("state.json does not match its digest")
        for name in FILES:
            if _digest(folder / f"{name}.safetensors") != state["blake2b"][name]:
                raise Corrupt(f"{name}.safetensors does not match its digest")
        players, average, moments = (load_file(folder / f"{name}.safetensors") for name in FILES)
        optimizers = {player: _unfold(folded, moments) for player, folded in state["optimizers"].items()}
    except MemoryError:
        raise
    except Exception as error:  # a damaged file can raise anything in a parser
        raise Corrupt(f"{folder} cannot be read: {error}") from error
    present = _weights(system)
    _check_fit(players, present[0], folder)
    _check_fit(average, present[1], folder)
    for player, optimizer in system.optimizers.items():
        name = type(optimizer).__name__
        if player not in optimizers or optimizers[player]["kind"] != name:
            raise Mismatch(f"{folder} does not fit: it has no {name} state of the {player}")
    with torch.no_grad():
        for stored, tensors in ((players, present[0]), (average, present[1])):
            for name, tensor in tensors.items():
                tensor.copy_(stored[name])
    for player in system.optimizers:
        _restore(system, player, optimizers[player])
    return int(state["nimg"])


def check_finite(nets: Iterable[tuple[str, nn.Module]], nimg: int) -> None:
    """Raise Diverged, with the tensor's name, if a weight or buffer is NaN or infinite."""
    for player, net in nets:
        for name, tensor in net.state_dict().items():
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise Diverged(f"{player}.{name} holds NaN or infinite values at image {nimg:,}")


def _weights(system: System) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    players = {f"{player}.{k}": t for player, net in system.game.players.items() for k, t in net.state_dict().items()}
    return players, dict(system.ema.net.state_dict())


def _check_fit(stored: Mapping[str, Tensor], present: Mapping[str, Tensor], folder: Path) -> None:
    for name in sorted(stored.keys() | present.keys()):
        saved, expected = (
            [str(t.dtype), *t.shape] if t is not None else None for t in (stored.get(name), present.get(name))
        )
        if saved != expected:
            raise Mismatch(
                f"{folder} does not fit: {name} is {saved or 'missing'} in it, {expected or 'missing'} in the networks"
            )


def _names(system: System, player: str) -> list[str]:
    """Return the names of an optimizer's parameters, in its own order."""
    names = {id(p): name for name, p in system.game.players[player].named_parameters()}
    return [names.get(id(p), str(k)) for k, p in enumerate(_parameters(system.optimizers[player]))]


def _parameters(optimizer: Optimizer) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def _state(system: System, player: str) -> dict[str, Any]:
    """Return an optimizer's state by parameter name, and its parameter groups."""
    names, state_dict = _names(system, player), system.optimizers[player].state_dict()
    state = {names[key] if isinstance(key, int) else key: value for key, value in state_dict["state"].items()}
    return {"kind": type(system.optimizers[player]).__name__, "state": state, "groups": state_dict["param_groups"]}


def _restore(system: System, player: str, stored: Mapping[str, Any]) -> None:
    optimizer, names = system.optimizers[player], _names(system, player)
    indices, parameters = {name: k for k, name in enumerate(names)}, _parameters(optimizer)
    state = {indices.get(key, key): value for key, value in stored["state"].items()}
    for k, values in state.items():
        if isinstance(k, int):
            p = parameters[k]
            for key, value in values.items():
                # with the parameter's memory format, which fused kernels expect
                if isinstance(value, Tensor) and value.shape == p.shape:
                    values[key] = torch.empty_like(p, dtype=value.dtype).copy_(value)
    optimizer.load_state_dict({"state": state, "param_groups": stored["groups"]})


def _fold(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """Convert `value` to JSON. Its tensors are moved to `tensors`, under their path."""
    if isinstance(value, Tensor):
        tensors[path] = value
        return {"tensor": path}
    if isinstance(value, Mapping):
        return {"dict": [[key, _fold(inner, f"{path}/{key}", tensors)] for key, inner in value.items()]}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_fold(inner, f"{path}/{k}", tensors) for k, inner in enumerate(value)]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise SparringError(
        f"the optimizer's state has a {type(value).__name__} at {path}: checkpoints hold tensors, numbers and text only"
    )


def _unfold(folded: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(folded, dict):
        return folded
    ((kind, inner),) = folded.items()
    if kind == "tensor":
        return tensors[inner].clone()  # into memory aligned by torch: the alignment decides how sums are rounded
    if kind == "dict":
        return {key: _unfold(value, tensors) for key, value in inner}
    values = [_unfold(value, tensors) for value in inner]
    return tuple(values) if kind == "tuple" else values


def _seal(state: Mapping[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(state, sort_keys=True).encode(), digest_size=16).hexdigest()


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
