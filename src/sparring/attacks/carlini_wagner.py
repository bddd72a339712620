"""The L2 attack of Carlini and Wagner 2017, "Towards evaluating the robustness of neural networks" (Eq. 7, VI-A)."""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.attacks.attack_state import check_budget, running_attack
from sparring.attacks.feasible_set import FeasibleSet
from sparring.attacks.losses import margin
from sparring.attacks.min_norm import MinNormState, check_norm
from sparring.attacks.norms import length, unsqueeze_like
from sparring.attacks.result import Result
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model
from sparring.engine.errors import UsageError

BETAS = (0.9, 0.999)
"""Decay rates of Adam's moments."""


def carlini_wagner(
    model: Model,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    *,
    target: Tensor | None = None,
    steps: int = 500,
    searches: int = 8,
    lr: float = 0.01,
    c: float = 1.0,
    seed: int = 0,
) -> Result:
    """Search for the nearest adversarial example of x `[B, ...]` in L2; `distance` is set beyond eps too.

    One search minimises |x' - x|^2 + c f(x') by `steps` steps of Adam, where f = max(-margin, 0) (f6, kappa = 0). The
    variable is w, and x' = tanh(w) scaled to the box. A row stops once a tenth of the steps has not lowered its
    objective.

    There are `searches` searches, and each row has its own c. A failure multiplies it by 10, a success divides it by
    10. Once both have occurred, c is the geometric mean of the bounds.
    """
    check_budget(steps=steps, searches=searches)
    check_norm("carlini_wagner", threat.norm, ("L2",))
    if not (lr > 0 and c > 0):
        raise UsageError(f"lr and c must be above 0, not {lr} and {c}")
    with running_attack(model, x, y, threat, target=target, seed=seed) as state:
        nearest = MinNormState(state)
        weight = torch.full_like(nearest.distance, c)
        lower, upper = torch.zeros_like(weight), torch.full_like(weight, torch.inf)  # c that failed, c that succeeded
        for search in range(searches):
            success = _minimise(nearest, weight, steps, lr, search * steps)
            lower, upper = torch.where(success, lower, weight), torch.where(success, weight, upper)
            larger = torch.where(torch.isinf(upper), 10 * weight, (lower * upper).sqrt())
            weight = torch.where(lower == 0, weight / 10, larger)
        return nearest.result()


def _minimise(nearest: MinNormState, c: Tensor, steps: int, lr: float, first_step: int) -> Tensor:
    """Run one search with weights c `[B]`; return the rows for which it found an example, bool `[B]`.

    `first_step` counts the steps of earlier searches.
    """
    state, idx = nearest.state, nearest.state.unbroken_idx
    box = _TanhBox(nearest.region.select(idx))
    w = box.initial_w()
    moment1, moment2 = torch.zeros_like(w), torch.zeros_like(w)
    last, success = torch.full_like(c[idx], torch.inf), torch.zeros_like(state.success)
    patience = max(steps // 10, 1)
    for step in range(steps):
        if not len(idx):
            break
        x_adv, rate = box.point(w)
        x_proj = box.region.round_discrete(x_adv)
        logits, margins, gradient = state.gradient(x_proj, idx, margin)
        hit = nearest.record(x_proj, logits, idx, first_step + step)
        success[idx] |= hit
        delta = x_adv - box.region.x
        descent = (2 * delta - unsqueeze_like(c[idx] * (margins <= 0), x_adv) * gradient) * rate
        moment1, moment2 = torch.lerp(descent, moment1, BETAS[0]), torch.lerp(descent.square(), moment2, BETAS[1])
        mean, variance = moment1 / (1 - BETAS[0] ** (step + 1)), moment2 / (1 - BETAS[1] ** (step + 1))
        w = w - lr * mean / (variance.sqrt() + 1e-8)
        if step % patience == patience - 1:
            objective = length("L2", delta).square() + c[idx] * (-margins).clamp(min=0)
            improving = objective < 0.9999 * last
            idx, box, last = idx[improving], box.select(improving), objective[improving]
            w, moment1, moment2 = w[improving], moment1[improving], moment2[improving]
    return success


class _TanhBox:
    """Change of variables from unbounded w to the box; entries without a box are w itself."""

    def __init__(self, region: FeasibleSet) -> None:
        self.region = region
        self.bounded = torch.isfinite(region.high - region.low)
        self.centre = torch.where(self.bounded, (region.low + region.high) / 2, 0)
        self.half_width = torch.where(self.bounded, (region.high - region.low) / 2, 1)

    def select(self, mask: Tensor) -> _TanhBox:
        """Return the change of variables of some rows."""
        return _TanhBox(self.region.select(mask))

    def initial_w(self) -> Tensor:
        """Return the w of the data, which are first moved slightly off the edges of the box."""
        x = self.region.x
        scaled = (x - self.centre) / self.half_width.clamp(min=torch.finfo(x.dtype).tiny)
        return torch.where(self.bounded, torch.atanh(scaled.clamp(-1 + 1e-6, 1 - 1e-6)), x)

    def point(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Return the point of w and its derivative by w; both `[R, ...]`."""
        tanh = torch.tanh(w)
        points = torch.where(self.bounded, self.centre + self.half_width * tanh, w)
        rate = torch.where(self.bounded, self.half_width * (1 - tanh.square()), 1)
        return torch.clamp(points, self.region.low, self.region.high), rate
