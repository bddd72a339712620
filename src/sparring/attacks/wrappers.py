"""Models around models, for what hides gradients: chance, and stages that have none (Athalye, Carlini and Wagner 2018)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sparring.attacks.contract import Model
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
