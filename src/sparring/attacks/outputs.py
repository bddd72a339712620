"""Check what a model returns: attacks need logits, real floating-point numbers `[B, K]` with K of 2 or more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparring.engine.errors import UsageError

TWO_LOGITS = "give two logits, as in lambda x: net(x).reshape(-1, 1) * torch.tensor([-0.5, 0.5])"


def check_logits(outputs: Any, count: int, name: str = "the model") -> Tensor:
    """Return `outputs` of the model called `name` for `count` rows; raise UsageError where they are no logits."""
    problem = _type_problem(outputs) or _shape_problem(outputs, count) or _value_problem(outputs)
    if problem:
        raise UsageError(f"{name} returns {problem}")
    assert isinstance(outputs, Tensor)
    return outputs


def tensors_in(outputs: Any) -> dict[int | str, Tensor]:
    """Return the tensors in a tuple, a mapping or an object with `logits`, by place or name; {} for anything else."""
    items: Any = ()
    if isinstance(outputs, Mapping):
        items = outputs.items()
    elif isinstance(outputs, tuple | list):
        items = enumerate(outputs)
    elif not isinstance(outputs, Tensor) and hasattr(outputs, "logits"):
        items = [("logits", outputs.logits)]
    return {key: value for key, value in items if isinstance(value, Tensor)}


def are_probabilities(values: Tensor) -> bool:
    """Return whether `values` `[B, K]` are 0 or more and sum to 1 in each row."""
    return bool((values >= 0).all() and ((values.double().sum(1) - 1).abs() < 1e-3).all())


def _type_problem(outputs: Any) -> str:
    if not isinstance(outputs, Tensor):
        return f"{type(outputs).__name__}, not logits [B, K]: {_unwrapped(outputs)}"
    if outputs.is_complex():
        return "complex numbers: attacks need real logits, as in lambda x: net(x).real or lambda x: net(x).abs()"
    return ""


def _unwrapped(outputs: Any) -> str:
    """Return how to get logits from what is no tensor."""
    if outputs is None:
        return "let its forward end with a return"
    if isinstance(outputs, np.ndarray):
        return (
            "give lambda x: torch.as_tensor(net(x)). No gradient flows through it, which Square (version square) and "
            "the attack on tables do not need"
        )
    if tensors := tensors_in(outputs):
        shapes = ", ".join(f"{key}: {list(tensor.shape)}" for key, tensor in tensors.items())
        key = next(iter(tensors))
        access = f"[{key!r}]" if isinstance(outputs, Mapping | tuple | list) else f".{key}"
        return f"wrap it, as in lambda x: net(x){access}. It holds {shapes}"
    return "it must return a tensor"


def _shape_problem(logits: Tensor, count: int) -> str:
    shape = list(logits.shape)
    if logits.dim() == 0:
        return f"a single number for {count} rows: leave out the mean or sum at its end, and return logits [B, K]"
    if logits.numel() == count:
        return f"{shape}, {_one_number(logits)}"
    if len(logits) != count:
        return f"{shape} for {count} rows: it must return logits [B, K], which a squeeze or a mean over B spoils"
    if logits.dim() == 2:
        return "" if logits.shape[1] else f"{shape}, no classes: it must return logits [B, K]"
    if logits[0].numel() == max(logits[0].shape):
        return f"{shape}: it must return logits [B, K], as in lambda x: net(x).flatten(1)"
    several = " x ".join(map(str, shape[2:] if logits.dim() > 3 else shape[1:2]))
    mean = "net(x).mean(1)" if logits.dim() == 3 else "net(x).flatten(2).mean(2)"
    return (
        f"{shape}, several outputs a row (features, {several} places, steps or boxes): it must return logits [B, K] of "
        f"the whole row, one for each class. Name that output, or take a mean, as in lambda x: {mean}"
    )


def _one_number(values: Tensor) -> str:
    """Return what one number a row means, and how to make logits of it."""
    values = values.flatten()
    if not values.is_floating_point() or (len(values) > 1 and bool((values == values.round()).all())):
        return "whole numbers, which look like classes: return the logits [B, K] of which argmax takes the largest"
    looks = (
        ". It looks like a probability: leave the sigmoid out" if bool(((values >= 0) & (values <= 1)).all()) else ""
    )
    return f"one number a row: {TWO_LOGITS}{looks}"


def _value_problem(logits: Tensor) -> str:
    if not logits.is_floating_point():
        dtype = str(logits.dtype).removeprefix("torch.")
        return f"{dtype}: logits are floating-point numbers, as in lambda x: net(x).float()"
    if not torch.isfinite(logits).all():
        row = int((~torch.isfinite(logits)).any(1).nonzero()[0])
        return f"logits that are not finite at row {row}: look for a division by 0, a logarithm of 0 or an overflow"
    if are_probabilities(logits):
        return (
            "probabilities: attacks need logits, since a softmax flattens the gradients. Leave the softmax out, or "
            "give lambda x: net(x).clamp(min=1e-30).log()"
        )
    return ""
