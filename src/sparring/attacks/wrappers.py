"""Models around models, for what hides gradients: chance, and stages that have none (Athalye, Carlini and Wagner 2018)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from sparring.attacks.validation import Model, frozen
from sparring.engine.errors import UsageError

Stage = Callable[[Tensor], Tensor]
"""From inputs `[B, ...]` to what the rest of a model is given, `[B, ...]`."""


def eot(model: Model, draws: int, *, seed: int | None = None) -> nn.Module:
    """A model whose logits, and so their gradients, are means over `draws` passes of a `model` that draws random numbers.

    Expectation over transformation (section 4.2). Each pass draws anew, from the global random numbers, which attacks seed;
    with a `seed` of its own, the same draws are repeated in every pass: then an attack that walks along the boundary has
    one to walk on. One pass of it counts as one query.
    """
    if draws < 1:
        raise UsageError(f"draws must be 1 or more, not {draws}")
    return _Expected(model, draws, seed)


def bpda(stage: Stage, model: Model, *, backward: Stage | None = None) -> nn.Module:
    """`model(stage(x))`, whose backward pass takes `backward` in the place of `stage`; by default the identity.

    The backward pass differentiable approximation (section 4.1), for a stage that lets no gradient through, or a useless
    one: rounding, JPEG, numpy. `backward` is any differentiable function of x that returns the stage's shape.
    """
    return _Approximated(stage, model, backward)


class _Expected(nn.Module):
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


class _Approximated(nn.Module):
    def __init__(self, stage: Stage, model: Model, backward: Stage | None) -> None:
        super().__init__()
        self.stage, self.model, self.stand_in = stage, model, backward

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            staged = self.stage(x.detach())
        near = x if self.stand_in is None else self.stand_in(x)
        if near.shape != staged.shape:
            raise UsageError(
                f"the stage returns {list(staged.shape)}, and what stands in for it in the backward pass "
                f"{list(near.shape)}: give bpda a backward that returns the stage's shape"
            )
        through = near - near.detach()  # 0 to the last bit, with the stand-in's gradient
        return self.model(staged + through)


def gradient_blockers(model: Model, x: Tensor) -> list[str]:
    """The submodules of `model` that keep their input's shape and let no gradient through to it, by name, at x `[B, ...]`.

    Rounding, thresholds and passes through numpy, if they are modules. [] for a plain function, whose inside nobody sees.
    The model is looked at in eval mode, and left as it was found.
    """
    if not isinstance(model, nn.Module):
        return []
    found: list[str] = []

    def watch(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def look(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if _keeps_shape(inputs, output) and name not in found and _is_flat(module, inputs[0]):
                found.append(name)

        return look

    inner = {name: module for name, module in model.named_modules() if name}
    handles = [module.register_forward_hook(watch(name)) for name, module in inner.items()]
    try:
        with torch.no_grad(), frozen(model, seed=0):
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return [name for name in found if not any(other.startswith(f"{name}.") for other in found)]


def straight_through(model: nn.Module, stages: Sequence[str]) -> nn.Module:
    """`model` with the gradient of each of its submodules in `stages` taken for 1: BPDA, with the identity, inside a model.

    What it answers is the same to the last bit.
    """
    return _Straight(model, stages)


def _keeps_shape(inputs: tuple[Tensor, ...], output: object) -> bool:
    """One float tensor in, another of its shape out."""
    one = len(inputs) == 1 and isinstance(inputs[0], Tensor) and isinstance(output, Tensor)
    return one and inputs[0].is_floating_point() and inputs[0].shape == output.shape  # type: ignore[attr-defined]


def _is_flat(module: nn.Module, x: Tensor) -> bool:
    """True where nothing that `module` returns depends on x, as far as gradients tell."""
    leaf = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        out = module.forward(leaf)
        if not out.requires_grad:
            return True
        (slope,) = torch.autograd.grad(out.sum(), leaf, allow_unused=True)
    return slope is None or not slope.any()


class _Straight(nn.Module):
    def __init__(self, model: nn.Module, stages: Sequence[str]) -> None:
        super().__init__()
        self.model, self.stages = model, tuple(stages)

    def forward(self, x: Tensor) -> Tensor:
        inner = dict(self.model.named_modules())
        handles = [inner[name].register_forward_hook(_through) for name in self.stages]
        try:
            logits: Tensor = self.model(x)
        finally:
            for handle in handles:
                handle.remove()
        return logits


def _through(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    near = inputs[0]
    return output.detach() + (near - near.detach())
