"""Optimizers for players without gradients: evolution strategies that need the values of a loss alone.

A player may be a renderer, a tree or a remote system. Its loss is evaluated at perturbed weights, all on one batch.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam, Optimizer

from sparring.engine.errors import UsageError
from sparring.engine.seeds import mix

Evaluate = Callable[[], float]
"""A function that returns the loss at the current weights; a NaN counts as the worst."""


class GradientFree:
    """Mark of an optimizer that needs no gradients: the loop evaluates its losses without a graph."""


class EvolutionStrategy(GradientFree, Adam):
    """Adam on a gradient that is estimated from losses alone (Salimans et al. 2017, arXiv:1703.03864, Algorithm 2).

    With noise e_k from N(0, I) and u the centred ranks of the losses of `pairs` antithetic pairs w ± sigma e_k, the
    estimate is sum_k (u_k+ - u_k-) e_k / (2 pairs sigma). Noise is drawn again from its seed (`seed`, step, k) instead
    of being stored, so a step needs one copy of the weights. A step evaluates the loss 2 pairs + 1 times. The last one
    is at the new weights.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-2,
        betas: tuple[float, float] = (0.9, 0.999),
        *,
        sigma: float = 0.05,
        pairs: int = 16,
        seed: int = 0,
    ) -> None:
        """Raise UsageError unless `sigma` and `pairs` are above 0."""
        if not sigma > 0 or pairs < 1:
            raise UsageError(f"evolution needs sigma above 0 and 1 pair or more, not {sigma} and {pairs}")
        super().__init__(params, lr, betas)
        for group in self.param_groups:
            group.update(sigma=sigma, pairs=pairs, seed=seed)

    @torch.no_grad()
    def step(self, closure: Evaluate) -> float:  # type: ignore[override]
        """Move the weights down the estimated gradient; return the loss at the new ones."""
        self.estimate(closure)
        super().step()
        self.zero_grad()
        return closure()

    @torch.no_grad()
    def estimate(self, closure: Evaluate) -> None:
        """Write the estimate into the gradients of the weights, and leave the weights as they are."""
        group = self.param_groups[0]
        sigma, pairs, step = group["sigma"], group["pairs"], self._steps()
        weights = list(_parameters(self))
        start = [p.clone() for p in weights]
        losses = torch.empty(pairs, 2, dtype=torch.float64)
        for k in range(pairs):
            for side, sign in enumerate((1, -1)):
                for p, at, noise in zip(weights, start, self._noise(step, k), strict=True):
                    torch.add(at, noise, alpha=sign * sigma, out=p)
                losses[k, side] = closure()
        utility = centred_ranks(losses.flatten()).view(pairs, 2)
        scale = (utility[:, 0] - utility[:, 1]) / (2 * pairs * sigma)
        for p, at in zip(weights, start, strict=True):
            p.copy_(at)
            p.grad = torch.zeros_like(p)
        for k in range(pairs):
            for p, noise in zip(weights, self._noise(step, k), strict=True):
                assert p.grad is not None
                p.grad.add_(noise, alpha=float(scale[k]))

    def _steps(self) -> int:
        """Return the number of steps so far, which Adam keeps with its moments."""
        state: Any = self.state.get(next(_parameters(self)), {})
        return int(state["step"]) if state else 0

    def _noise(self, step: int, k: int) -> Iterator[Tensor]:
        """Yield the noise of pair `k` for each parameter; drawn on the CPU, so that all devices get the same."""
        generator = torch.Generator().manual_seed(mix(self.param_groups[0]["seed"], step, k))
        for p in _parameters(self):
            yield torch.randn(p.shape, generator=generator).to(p)


class CMAES(GradientFree, Optimizer):
    """Covariance matrix adaptation for players of up to some hundred weights, by the library `cma` (Hansen 2016).

    A step evaluates one population and once the new mean, which become the weights. What is saved is the start and
    the losses of all populations: a resumed run replays them, which gives the same state bit for bit.
    """

    def __init__(
        self, params: Iterable[Tensor], *, sigma: float = 0.3, population: int | None = None, seed: int = 0
    ) -> None:
        """Raise UsageError where `cma` is not installed; `population` None: 4 + 3 ln(weights), by the library."""
        cma_library()
        super().__init__(params, {"sigma": sigma, "population": population, "seed": seed})
        self._strategy: Any = None

    @torch.no_grad()
    def step(self, closure: Evaluate) -> float:  # type: ignore[override]
        """Evaluate one population and move the weights to the new mean; return the loss there."""
        first = next(_parameters(self))
        state = self.state[first]
        if not state:
            state["start"], state["losses"] = _flat(self), first.new_empty(0)
        strategy = self._strategy = self._strategy or self._replayed(state["start"], state["losses"])
        points, losses = strategy.ask(), []
        for point in points:
            _set(self, point)
            losses.append(closure())
        worst = torch.finfo(first.dtype).max
        new = torch.tensor(losses, dtype=torch.float64).nan_to_num(worst).clamp(max=worst).to(first)  # as it is saved
        strategy.tell(points, new.double().tolist())
        state["losses"] = torch.cat([state["losses"], new])
        _set(self, strategy.mean)
        return closure()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a saved state; the next step replays it."""
        super().load_state_dict(state_dict)
        self._strategy = None

    def _replayed(self, start: Tensor, losses: Tensor) -> Any:
        """Return the library's strategy after the populations whose `losses` are known."""
        import numpy as np

        group = self.param_groups[0]
        rng = np.random.default_rng(group["seed"])
        options = {"seed": float("nan"), "randn": lambda *shape: rng.standard_normal(shape)}  # nothing global is seeded
        options |= {"verbose": -9, "verb_log": 0}
        if group["population"]:
            options["popsize"] = group["population"]
        strategy = cma_library().CMAEvolutionStrategy(start.double().tolist(), group["sigma"], options)
        for population in losses.double().view(-1, strategy.popsize).tolist():
            strategy.tell(strategy.ask(), population)
        return strategy


def centred_ranks(losses: Tensor) -> Tensor:
    """Return the ranks of losses `[N]`, spread evenly over [-0.5, 0.5]; equal losses share a rank, NaN is the worst."""
    values = losses.nan_to_num(torch.inf)
    below = (values[:, None] > values).double().sum(1)
    ties = (values[:, None] == values).double().sum(1)
    return (below + (ties - 1) / 2) / max(len(losses) - 1, 1) - 0.5


def cma_library() -> Any:
    """Return the module `cma`; raise UsageError where it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns that it cannot plot
            return importlib.import_module("cma")
    except ImportError as error:
        raise UsageError("CMA-ES needs the library cma: pip install 'sparring[tune]'") from error


def _parameters(optimizer: Optimizer) -> Iterator[Tensor]:
    return (p for group in optimizer.param_groups for p in group["params"])


def _flat(optimizer: Optimizer) -> Tensor:
    return torch.cat([p.detach().flatten() for p in _parameters(optimizer)])


def _set(optimizer: Optimizer, point: Any) -> None:
    """Write a point `[weights]` of the search into the parameters."""
    parts = torch.split(torch.as_tensor(point), [p.numel() for p in _parameters(optimizer)])
    for p, part in zip(_parameters(optimizer), parts, strict=True):
        p.copy_(part.view(p.shape))
