"""What an attack owes to the model it is given, and what it asks of what it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from sparring.attacks.threat_model import Threat
from sparring.engine.device import full_precision
from sparring.engine.errors import UsageError

Model = Callable[[Tensor], Tensor]
"""Anything from inputs `[B, ...]` to logits `[B, K]`: a module or a plain function."""


@contextmanager
def frozen(model: Model, seed: int | None = None) -> Iterator[None]:
    """Hold `model` still: in eval mode, its parameters without gradients; afterwards everything is as it was found.

    The mode of every submodule, every requires_grad and grad, and the state of the global random numbers come back, by
    whatever way this is left. `seed` seeds those numbers meanwhile, for models that draw some. float32 is float32: on CUDA
    TF32, torch's default for convolutions, would move verdicts.
    """
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    modes = [(module, module.training) for module in modules]
    parameters = list(model.parameters()) if isinstance(model, nn.Module) else []
    wanted = [(p, p.requires_grad, p.grad) for p in parameters]
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
            for p, requires_grad, grad in wanted:
                p.requires_grad_(requires_grad)
                p.grad = grad


def check_inputs(model: Model, x: Tensor, y: Tensor, threat: Threat, *, target: Tensor | None = None) -> Tensor:
    """The logits `[B, K]` of `model` at `x`, in its precision, after all that attacks rely on was looked at; else UsageError.

    x `[B, ...]` is float, finite and in the box of `threat`; y and `target` are whole-number labels `[B]`, each one of
    the model's classes; the logits are finite and not probabilities. The model, of the precision of x, is used in eval mode.
    """
    _check_data(x, threat)
    for name, labels in {"y": y, "target": target}.items():
        if labels is not None:
            _check_labels(name, labels, len(x))
    with torch.no_grad(), frozen(model):
        logits = _asked(model, x)
    _check_logits(logits, len(x))
    classes = logits.shape[1]
    for name, labels in {"y": y, "target": target}.items():
        if labels is not None and not ((labels >= 0) & (labels < classes)).all():
            wrong = int(labels[(labels < 0) | (labels >= classes)][0])
            way_out = "leave out rows without a label" if wrong == -1 else f"classes are 0 to {classes - 1}"
            raise UsageError(f"{name} has the label {wrong}, but the model has {classes} classes: {way_out}")
    return logits.detach().to(x.dtype)


def _asked(model: Model, x: Tensor) -> Tensor:
    """What it says; UsageError where it fails and its weights are of another precision than x."""
    try:
        return model(x)
    except RuntimeError as error:
        weights = model.parameters() if isinstance(model, nn.Module) else ()
        others = {p.dtype for p in weights if p.is_floating_point()} - {x.dtype}
        if len(others) != 1:
            raise
        here, there = (str(dtype).removeprefix("torch.") for dtype in (x.dtype, others.pop()))
        way_out = "give x.double(), or net.float()" if there == "float64" else f"give net.to(x.dtype), {here}"
        raise UsageError(f"the model has weights in {there}, and x is {here}: {way_out}") from error


def _check_data(x: Tensor, threat: Threat) -> None:
    if x.dim() < 2 or not len(x):
        raise UsageError(f"x is {list(x.shape)}: give a batch of rows [B, ...]; x[None] makes one of a single row")
    if x.dtype not in (torch.float32, torch.float64):
        way_out = "x.float() / 255" if x.dtype == torch.uint8 else "x.float()"
        raise UsageError(
            f"x is {str(x.dtype).removeprefix('torch.')}, and verdicts are taken in float32: give {way_out}"
        )
    if not torch.isfinite(x).all():
        row = int((~torch.isfinite(x)).flatten(1).any(1).nonzero()[0])
        raise UsageError(f"row {row} of x is not finite: leave it out")
    threat.check(x)


def _check_labels(name: str, labels: Tensor, count: int) -> None:
    if labels.dim() == 2:
        raise UsageError(f"{name} is {list(labels.shape)}, one-hot by the look of it: give {name}.argmax(1)")
    if labels.dtype.is_floating_point or labels.dtype == torch.bool:
        dtype = str(labels.dtype).removeprefix("torch.")
        raise UsageError(f"{name} is {dtype}: labels are whole numbers, give {name}.long()")
    if labels.shape != (count,):
        raise UsageError(f"{name} is {list(labels.shape)}, and x has {count} rows: give one label for each, [{count}]")


def _check_logits(logits: Tensor, count: int) -> None:
    if not isinstance(logits, Tensor):
        raise UsageError(
            f"the model returns {type(logits).__name__}, not logits [B, K]: wrap it, as in lambda x: net(x)[0]"
        )
    shape = list(logits.shape)
    if logits.numel() == count:
        raise UsageError(
            f"the model returns {shape}, one number a row: give two logits, as in "
            "lambda x: net(x).reshape(-1, 1) * torch.tensor([-0.5, 0.5])"
        )
    if logits.dim() != 2 or len(logits) != count:
        raise UsageError(f"the model returns {shape} for {count} rows: it must return logits [B, K]")
    if not torch.isfinite(logits).all():
        raise UsageError(
            f"the model's logits at row {int((~torch.isfinite(logits)).any(1).nonzero()[0])} are not finite"
        )
    if (logits >= 0).all() and ((logits.double().sum(1) - 1).abs() < 1e-3).all():
        raise UsageError(
            "the model returns probabilities: attacks need logits, for a softmax flattens the gradients. Leave the "
            "softmax out, or give lambda x: net(x).clamp(min=1e-30).log()"
        )
