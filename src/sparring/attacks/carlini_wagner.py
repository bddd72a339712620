"""The L2 attack of Carlini and Wagner 2017, "Towards evaluating the robustness of neural networks", Eq. 7 and section VI-A."""

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
"""Of Adam."""


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
    """The nearest adversarial example in L2; success is one within eps, and `distance` tells how far it is in any case.

    Minimises |x' - x|^2 + c f(x') in `steps` steps of Adam, x' = tanh(w) stretched over the box, f being what the margin
    lacks (f6, with kappa = 0). `searches` times, each row with a c of its own: ten times larger after a failure, ten times
    smaller after a success, and between the two, once there were both. A row rests for the remainder of a search in which
    a tenth of the steps has brought it nothing.
    """
    check_budget(steps=steps, searches=searches)
    check_norm("carlini_wagner", threat.norm, ("L2",))
    if not (lr > 0 and c > 0):
        raise UsageError(f"lr and c must be above 0, not {lr} and {c}")
    with running_attack(model, x, y, threat, target=target, seed=seed) as state:
        nearest = MinNormState(state)
        weight = torch.full_like(nearest.distance, c)
        least, most = torch.zeros_like(weight), torch.full_like(weight, torch.inf)  # what failed, and what was enough
        for run in range(searches):
            hit = _minimise(nearest, weight, steps, lr, run * steps)
            least, most = torch.where(hit, least, weight), torch.where(hit, weight, most)
            between = torch.where(torch.isinf(most), 10 * weight, (least * most).sqrt())
            weight = torch.where(least == 0, weight / 10, between)
        return nearest.result()


def _minimise(nearest: MinNormState, c: Tensor, steps: int, lr: float, before: int) -> Tensor:
    """One search, after `before` steps in earlier ones, with weights c `[B]`; True where it found an example, bool `[B]`."""
    state, rows = nearest.state, nearest.state.unbroken_idx
    box = _TanhBox(nearest.region.select(rows))
    w = box.start()
    slow, fast = torch.zeros_like(w), torch.zeros_like(w)
    last, found = torch.full_like(c[rows], torch.inf), torch.zeros_like(state.broken)
    patience = max(steps // 10, 1)
    for step in range(steps):
        if not len(rows):
            break
        at, rate = box.point(w)
        seen = box.region.round_discrete(at)
        logits, above, gradient = state.gradient(seen, rows, margin)
        hit = nearest.record(seen, logits, rows, before + step)
        found[rows] |= hit
        change = at - box.region.x
        descent = (2 * change - unsqueeze_like(c[rows] * (above <= 0), at) * gradient) * rate
        slow, fast = torch.lerp(descent, slow, BETAS[0]), torch.lerp(descent.square(), fast, BETAS[1])
        unbiased, spread = slow / (1 - BETAS[0] ** (step + 1)), fast / (1 - BETAS[1] ** (step + 1))
        w = w - lr * unbiased / (spread.sqrt() + 1e-8)
        if step % patience == patience - 1:
            objective = length("L2", change).square() + c[rows] * (-above).clamp(min=0)
            moves = objective < 0.9999 * last
            rows, box, last = rows[moves], box.rows(moves), objective[moves]
            w, slow, fast = w[moves], slow[moves], fast[moves]
    return found


class _TanhBox:
    """The change of variables under which all of the reals are the box; entries without a box stay as they are."""

    def __init__(self, region: FeasibleSet) -> None:
        self.region = region
        self.boxed = torch.isfinite(region.high - region.low)
        self.middle = torch.where(self.boxed, (region.low + region.high) / 2, 0)
        self.half = torch.where(self.boxed, (region.high - region.low) / 2, 1)

    def rows(self, rows: Tensor) -> _TanhBox:
        """That of some rows."""
        return _TanhBox(self.region.select(rows))

    def start(self) -> Tensor:
        """The w of the data, but for what lies at the very end of the box."""
        x = self.region.x
        share = (x - self.middle) / self.half.clamp(min=torch.finfo(x.dtype).tiny)
        return torch.where(self.boxed, torch.atanh(share.clamp(-1 + 1e-6, 1 - 1e-6)), x)

    def point(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """The point of w, and how fast it moves with w; both `[R, ...]`."""
        tanh = torch.tanh(w)
        at = torch.where(self.boxed, self.middle + self.half * tanh, w)
        rate = torch.where(self.boxed, self.half * (1 - tanh.square()), 1)
        return torch.clamp(at, self.region.low, self.region.high), rate
