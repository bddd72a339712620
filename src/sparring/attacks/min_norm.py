"""The bookkeeping of attacks that look for the nearest adversarial example, however far it is."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from sparring.attacks.attack_state import AttackState
from sparring.attacks.norms import Norm, as_rows
from sparring.attacks.result import Result
from sparring.engine.errors import UsageError


class MinNormState:
    """The nearest adversarial example of each row so far, over the books of a `search`."""

    def __init__(self, search: AttackState) -> None:
        self.search = search
        self.region = search.threat.around(search.x, ball=False)
        """All that is allowed but for the ball."""
        self.adv = search.x.clone()
        self.distance = torch.full_like(self.region.eps, torch.inf).masked_fill(search.broken, 0)
        """How far it is, `[B]`; inf where none was found yet."""

    def note(self, at: Tensor, logits: Tensor, rows: Tensor, iteration: int) -> Tensor:
        """Keep what was seen at `at` in step `iteration` where it is nearer; True where it is adversarial, bool `[R]`.

        `at` `[R, ...]` lies in `region`; `rows` `[R]` are all different.
        """
        hit = self.search.wrong(logits, rows)
        far = self.search.threat.distance(at, self.search.x[rows])
        nearer = hit & (far < self.distance[rows])
        found = rows[nearer]
        self.adv[found], self.distance[found] = at[nearer], far[nearer]
        self.search.iterations[rows[nearer | torch.isinf(self.distance[rows])]] = iteration
        return hit

    def result(self) -> Result:
        """The verdict. What lies beyond eps is drawn into the ball, where it may be adversarial still, but rarely is.

        A row for which nothing was found keeps the data.
        """
        search = self.search
        within = search.threat.allows(self.adv, search.x)
        search.adv = torch.where(as_rows(within, self.adv), self.adv, search.region.project(self.adv))
        result = search.result()
        beyond = self.distance.masked_fill(within, torch.inf)
        return replace(result, distance=torch.minimum(result.distance, beyond))


def check_norm(attack: str, norm: Norm, known: tuple[Norm, ...]) -> None:
    """Raise UsageError where `attack` does not know the norm."""
    if norm not in known:
        raise UsageError(f"{attack} knows {' and '.join(known)}, not {norm}: take fmn, which knows all norms")
