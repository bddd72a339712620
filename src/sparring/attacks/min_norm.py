"""The bookkeeping of attacks that look for the nearest adversarial example, however far it is."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from sparring.attacks.attack_state import AttackState
from sparring.attacks.norms import Norm, unsqueeze_like
from sparring.attacks.result import Result
from sparring.engine.errors import UsageError


class MinNormState:
    """The nearest adversarial example of each row so far, over the books of a `search`."""

    def __init__(self, state: AttackState) -> None:
        self.state = state
        self.region = state.threat.around(state.x, ball=False)
        """All that is allowed but for the ball."""
        self.adv = state.x.clone()
        self.distance = torch.full_like(self.region.eps, torch.inf).masked_fill(state.broken, 0)
        """How far it is, `[B]`; inf where none was found yet."""

    def record(self, at: Tensor, logits: Tensor, rows: Tensor, iteration: int) -> Tensor:
        """Keep what was seen at `at` in step `iteration` where it is nearer; True where it is adversarial, bool `[R]`.

        `at` `[R, ...]` lies in `region`; `rows` `[R]` are all different.
        """
        hit = self.state.succeeds(logits, rows)
        far = self.state.threat.distance(at, self.state.x[rows])
        nearer = hit & (far < self.distance[rows])
        found = rows[nearer]
        self.adv[found], self.distance[found] = at[nearer], far[nearer]
        self.state.iterations[rows[nearer | torch.isinf(self.distance[rows])]] = iteration
        return hit

    def result(self) -> Result:
        """The verdict. What lies beyond eps is drawn into the ball, where it may be adversarial still, but rarely is.

        A row for which nothing was found keeps the data.
        """
        state = self.state
        within = state.threat.allows(self.adv, state.x)
        state.adv = torch.where(unsqueeze_like(within, self.adv), self.adv, state.region.project(self.adv))
        result = state.result()
        beyond = self.distance.masked_fill(within, torch.inf)
        return replace(result, distance=torch.minimum(result.distance, beyond))


def check_norm(attack: str, norm: Norm, known: tuple[Norm, ...]) -> None:
    """Raise UsageError where `attack` does not know the norm."""
    if norm not in known:
        raise UsageError(f"{attack} knows {' and '.join(known)}, not {norm}: take fmn, which knows all norms")
