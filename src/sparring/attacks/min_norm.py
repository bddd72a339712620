"""State of minimum-norm attacks, which search for the nearest adversarial example at any distance."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from sparring.attacks.attack_state import AttackState
from sparring.attacks.norms import Norm, unsqueeze_like
from sparring.attacks.result import Result
from sparring.engine.errors import UsageError


class MinNormState:
    """The nearest adversarial example of each row so far, on top of an `AttackState`."""

    def __init__(self, state: AttackState) -> None:
        self.state = state
        self.region = state.threat.around(state.x, ball=False)
        """Feasible set without the ball."""
        self.adv = state.x.clone()
        self.distance = torch.full_like(self.region.eps, torch.inf).masked_fill(state.success, 0)
        """Distance of `adv`, `[B]`; inf where no example is known."""

    def record(self, points: Tensor, logits: Tensor, idx: Tensor, iteration: int) -> Tensor:
        """Keep the points of step `iteration` that are adversarial and nearer; return the adversarial mask, bool `[R]`.

        `points` `[R, ...]` lie in `region`; `idx` `[R]` are distinct.
        """
        success = self.state.is_adversarial(logits, idx)
        distance = self.state.threat.distance(points, self.state.x[idx])
        nearer = success & (distance < self.distance[idx])
        improved = idx[nearer]
        self.adv[improved], self.distance[improved] = points[nearer], distance[nearer]
        self.state.iterations[idx[nearer | torch.isinf(self.distance[idx])]] = iteration
        return success

    def result(self) -> Result:
        """Return the result: examples beyond eps are projected into the ball, where they rarely stay adversarial.

        A row without any example keeps its data.
        """
        state = self.state
        within = state.threat.allows(self.adv, state.x)
        state.adv = torch.where(unsqueeze_like(within, self.adv), self.adv, state.region.project(self.adv))
        result = state.result()
        beyond = self.distance.masked_fill(within, torch.inf)
        return replace(result, distance=torch.minimum(result.distance, beyond))


def check_norm(attack: str, norm: Norm, supported: tuple[Norm, ...]) -> None:
    """Raise UsageError if `attack` does not support the norm."""
    if norm not in supported:
        raise UsageError(f"{attack} supports {' and '.join(supported)}, not {norm}: use fmn, which supports all norms")
