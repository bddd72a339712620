"""Validation of attack inputs, and freezing of the model during an attack."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from sparring.attacks.outputs import check_logits
from sparring.attacks.threat_model import Threat
from sparring.engine.device import full_precision
from sparring.engine.errors import UsageError

Model = Callable[[Tensor], Tensor]
"""A module or plain function: inputs `[B, ...]` -> logits `[B, K]`."""


@contextmanager
def frozen(model: Model, seed: int | None = None) -> Iterator[None]:
    """Put `model` in eval mode with parameters that need no gradient, and restore everything on exit.

    Restored are the mode of every submodule, every requires_grad and grad, and the global random state. `seed` seeds
    that state meanwhile, for stochastic models. TF32, torch's default for convolutions on CUDA, is off, because it
    would change results.
    """
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    modes = [(module, module.training) for module in modules]
    parameters = list(model.parameters()) if isinstance(model, nn.Module) else []
    saved = [(p, p.requires_grad, p.grad) for p in parameters]
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    with torch.random.fork_rng(devices=devices), full_precision():
        try:
            for module in modules:
                module.training = False
            for p in parameters:
                p.requires_grad_(False)
            if seed is not None:
                torch.manual_seed(seed)
            yield
        finally:
            for module, mode in modes:
                module.training = mode
            for p, requires_grad, grad in saved:
                p.requires_grad_(requires_grad)
                p.grad = grad


def check_inputs(model: Model, x: Tensor, y: Tensor, threat: Threat, *, target: Tensor | None = None) -> Tensor:
    """Check the inputs of an attack, and return the logits `[B, K]` of `model` at `x` in the precision of x.

    Raises UsageError unless
    - x `[B, ...]` is float32 or float64, finite and in the box of `threat`,
    - y and `target` are integer labels `[B]` of the model's classes,
    - the logits are finite and not probabilities.
    """
    _check_data(x, threat)
    for name, labels in {"y": y, "target": target}.items():
        if labels is not None:
            _check_labels(name, labels, len(x))
    with torch.no_grad(), frozen(model):
        logits = _forward(model, x)
    check_logits(logits, len(x))
    classes = logits.shape[1]
    for name, labels in {"y": y, "target": target}.items():
        if labels is not None and not ((labels >= 0) & (labels < classes)).all():
            wrong = int(labels[(labels < 0) | (labels >= classes)][0])
            way_out = "leave out rows without a label" if wrong == -1 else f"classes are 0 to {classes - 1}"
            raise UsageError(f"{name} has the label {wrong}, but the model has {classes} classes: {way_out}")
    return logits.detach().to(x.dtype)


def _forward(model: Model, x: Tensor) -> Tensor:
    """Return the logits; raise UsageError if the model fails because its weights are of another precision than x."""
    try:
        return model(x)
    except RuntimeError as error:
        weights = model.parameters() if isinstance(model, nn.Module) else ()
        other_dtypes = {p.dtype for p in weights if p.is_floating_point()} - {x.dtype}
        if len(other_dtypes) != 1:
            raise
        x_dtype, dtype = (str(dtype).removeprefix("torch.") for dtype in (x.dtype, other_dtypes.pop()))
        way_out = "give x.double(), or net.float()" if dtype == "float64" else f"give net.to(x.dtype), {x_dtype}"
        raise UsageError(f"the model has weights in {dtype}, and x is {x_dtype}: {way_out}") from error


def _check_data(x: Tensor, threat: Threat) -> None:
    if x.dim() < 2 or not len(x):
        raise UsageError(f"x is {list(x.shape)}: give a batch of rows [B, ...]; x[None] makes one of a single row")
    if x.dtype not in (torch.float32, torch.float64):
        way_out = "x.float() / 255" if x.dtype == torch.uint8 else "x.float()"
        raise UsageError(
            f"x is {str(x.dtype).removeprefix('torch.')}, and attacks need float32 or float64: give {way_out}"
        )
    if not torch.isfinite(x).all():
        row = int((~torch.isfinite(x)).flatten(1).any(1).nonzero()[0])
        raise UsageError(f"row {row} of x is not finite: leave it out")
    threat.check(x)


def _check_labels(name: str, labels: Tensor, count: int) -> None:
    if labels.dim() == 2:
        raise UsageError(f"{name} is {list(labels.shape)}, which looks one-hot: give {name}.argmax(1)")
    if labels.dtype.is_floating_point or labels.dtype == torch.bool:
        dtype = str(labels.dtype).removeprefix("torch.")
        raise UsageError(f"{name} is {dtype}: labels must be integers, give {name}.long()")
    if labels.shape != (count,):
        raise UsageError(f"{name} is {list(labels.shape)}, and x has {count} rows: give one label for each, [{count}]")
