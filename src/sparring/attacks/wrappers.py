"""Wrappers for models whose gradients are hidden by randomness or non-differentiable stages (Athalye et al. 2018)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from sparring.attacks.validation import Model, frozen
from sparring.engine.errors import UsageError

Stage = Callable[[Tensor], Tensor]
"""Preprocessing stage: inputs `[B, ...]` -> inputs of the rest of the model `[B, ...]`."""


def eot(model: Model, draws: int, *, seed: int | None = None) -> nn.Module:
    """Wrap a stochastic `model` so that its logits, and their gradients, are means over `draws` passes.

    Expectation over transformation (section 4.2). Each pass draws from the global random state, which attacks seed.
    With `seed` every pass repeats the same draws, which boundary attacks need. One pass of the wrapper counts as one
    query.
    """
    if draws < 1:
        raise UsageError(f"draws must be 1 or more, not {draws}")
    return _EOT(model, draws, seed)


def rescaled(model: Model, temperature: float) -> nn.Module:
    """Return `model` with logits divided by `temperature`: its answers stay, and a saturated softmax gets gradients."""
    return _Rescaled(model, temperature)


def bpda(stage: Stage, model: Model, *, backward: Stage | None = None) -> nn.Module:
    """Return `model(stage(x))` with the gradient of `stage` replaced by that of `backward`, by default the identity.

    Backward pass differentiable approximation (section 4.1), for a stage without a useful gradient: rounding, JPEG,
    numpy. `backward` is any differentiable function of x that returns the stage's shape.
    """
    return _BPDA(stage, model, backward)


class _EOT(nn.Module):
    def __init__(self, model: Model, draws: int, seed: int | None) -> None:
        super().__init__()
        self.model, self.draws, self.seed = model, draws, seed

    def forward(self, x: Tensor) -> Tensor:
        if self.seed is None:
            return self._mean(x)
        with torch.random.fork_rng(devices=[x.device] if x.is_cuda else []):
            torch.manual_seed(self.seed)
            return self._mean(x)

    def _mean(self, x: Tensor) -> Tensor:
        return torch.stack([self.model(x) for _ in range(self.draws)]).mean(0)


class _Rescaled(nn.Module):
    def __init__(self, model: Model, temperature: float) -> None:
        super().__init__()
        self.model, self.temperature = model, temperature

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x) / self.temperature


class _BPDA(nn.Module):
    def __init__(self, stage: Stage, model: Model, backward: Stage | None) -> None:
        super().__init__()
        self.stage, self.model, self.approximation = stage, model, backward

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            staged = self.stage(x.detach())
        approximate = x if self.approximation is None else self.approximation(x)
        if approximate.shape != staged.shape:
            raise UsageError(
                f"the stage returns {list(staged.shape)}, and its approximation in the backward pass "
                f"{list(approximate.shape)}: give bpda a backward that returns the stage's shape"
            )
        zero = approximate - approximate.detach()  # exactly 0, with the gradient of the approximation
        return self.model(staged + zero)


def gradient_blockers(model: Model, x: Tensor) -> list[str]:
    """Return the names of innermost submodules that keep their input's shape but pass it no gradient, at x `[B, ...]`.

    Examples are rounding, thresholds and numpy code. [] for a plain function, which has no submodules. The model is
    evaluated in eval mode and then restored.
    """
    if not isinstance(model, nn.Module):
        return []
    blockers: list[str] = []

    def hook_for(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if _keeps_shape(inputs, output) and name not in blockers and _has_no_gradient(module, inputs[0]):
                blockers.append(name)

        return hook

    submodules = {name: module for name, module in model.named_modules() if name}
    handles = [module.register_forward_hook(hook_for(name)) for name, module in submodules.items()]
    try:
        with torch.no_grad(), frozen(model, seed=0):
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return [name for name in blockers if not any(other.startswith(f"{name}.") for other in blockers)]


def straight_through(model: nn.Module, stages: Sequence[str]) -> nn.Module:
    """Wrap `model` so that each submodule named in `stages` has the gradient of the identity; outputs are unchanged.

    This is BPDA for stages inside a model.
    """
    return _StraightThrough(model, stages)


def _keeps_shape(inputs: tuple[Tensor, ...], output: object) -> bool:
    """Return True for one float tensor in and another of its shape out."""
    single = len(inputs) == 1 and isinstance(inputs[0], Tensor) and isinstance(output, Tensor)
    return single and inputs[0].is_floating_point() and inputs[0].shape == output.shape  # type: ignore[attr-defined]


def _has_no_gradient(module: nn.Module, x: Tensor) -> bool:
    """Return True if the gradient of the output of `module` by x is zero or undefined."""
    leaf = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        out = module.forward(leaf)
        if not out.requires_grad:
            return True
        (gradient,) = torch.autograd.grad(out.sum(), leaf, allow_unused=True)
    return gradient is None or not gradient.any()


class _StraightThrough(nn.Module):
    def __init__(self, model: nn.Module, stages: Sequence[str]) -> None:
        super().__init__()
        self.model, self.stages = model, tuple(stages)

    def forward(self, x: Tensor) -> Tensor:
        submodules = dict(self.model.named_modules())
        handles = [submodules[name].register_forward_hook(_identity_gradient) for name in self.stages]
        try:
            logits: Tensor = self.model(x)
        finally:
            for handle in handles:
                handle.remove()
        return logits


def _identity_gradient(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    x = inputs[0]
    return output.detach() + (x - x.detach())
