"""Square Attack: a random search that needs no gradients (Andriushchenko et al. 2020; in L1, Croce and Hein 2021).

Waveforms and tables are images of one line, whose squares are intervals. Every row of a batch is offered the same squares,
so what becomes of it does not depend on who else is in the batch.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from sparring.attacks.attack_state import AttackState, check_budget, running_attack
from sparring.attacks.feasible_set import FeasibleSet
from sparring.attacks.losses import margin
from sparring.attacks.norms import length, unsqueeze_like
from sparring.attacks.result import Result
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model
from sparring.engine.errors import UsageError
from sparring.engine.seeds import mix

HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""Steps after which the share of the image that a square covers is halved (section 4.1)."""


def square(
    model: Model,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    *,
    target: Tensor | None = None,
    steps: int = 5000,
    p: float = 0.8,
    restarts: int = 1,
    seed: int = 0,
) -> Result:
    """Offer `steps` random squares to each row, of `p` of the image at first, and keep those that raise the margin.

    A row leaves as soon as it breaks. What would change nothing is not looked at, so there are fewer queries than steps.
    Linf, L2 and L1.
    """
    if threat.norm == "L0":
        raise UsageError("square knows no L0: take pgd")
    check_budget(steps=steps, restarts=restarts)
    if not 0 < p <= 1:
        raise UsageError(f"p is a share of the image, above 0 and at most 1, not {p}")
    with running_attack(model, x, y, threat, target=target, seed=seed) as state:
        for run in range(restarts):
            if len(state.unbroken_idx):
                _search(state, steps, p, _Draw(mix(seed, run), _as_image(x), x), run * steps)
        return state.result()


def share(step: int, p: float) -> float:
    """How much of the image a square covers in `step`, of `p` at first."""
    return p * 0.5 ** sum(step > after for after in HALVINGS)


def _search(state: AttackState, steps: int, p: float, draw: _Draw, before: int) -> None:
    """The search of all rows that stand, after `before` steps in earlier restarts."""
    rows = state.unbroken_idx
    region = state.region.select(rows)
    begin, change = (_stripes, _repaint) if region.norm == "Linf" else (_tiles, _exchange)
    at, best = region.x.clone(), torch.full_like(region.eps, -torch.inf)
    for step in range(steps + 1):
        ahead = change(region, at, share(step - 1, p), draw) if step else begin(region, draw)
        moved = (
            (ahead != at).flatten(1).any(1).nonzero().squeeze(1) if step else torch.arange(len(rows), device=at.device)
        )
        if not len(moved):
            continue
        some, seen = rows[moved], ahead[moved]
        if region.columns.discrete:
            seen = region.select(moved).round_discrete(seen)
        logits = state.logits(seen, some)
        gains = margin(logits, state.y[some], None if state.target is None else state.target[some])
        better = gains > best[moved]
        risen = moved[better]
        at[risen], best[risen] = ahead[risen], gains[better]
        broken = state.succeeds(logits, some)
        if broken.any():
            state.record(seen[broken], logits[broken], some[broken], before + step)
            stands = ~state.broken[rows]
            rows, region, at, best = rows[stands], region.select(stands), at[stands], best[stands]
            if not len(rows):
                return
    seen = region.round_discrete(at)
    state.record(seen, state.logits(seen, rows), rows, before + steps)


class _Draw:
    """Chance, the same for all rows, on the CPU: so the same on every device."""

    def __init__(self, seed: int, shape: tuple[int, int, int], like: Tensor) -> None:
        self.generator, self.shape, self.like = torch.Generator().manual_seed(seed), shape, like

    def signs(self, *shape: int) -> Tensor:
        """1 or -1, each as likely."""
        return (torch.randint(0, 2, shape, generator=self.generator) * 2 - 1).to(self.like)

    def corner(self, height: int, width: int) -> tuple[slice, slice]:
        """A window of this size, anywhere in the image; the authors' own never reach its last line and column."""
        _, h, w = self.shape
        top = int(torch.randint(0, h - height + 1, (1,), generator=self.generator))
        left = int(torch.randint(0, w - width + 1, (1,), generator=self.generator))
        return slice(top, top + height), slice(left, left + width)


def _as_image(x: Tensor) -> tuple[int, int, int]:
    """Channels, height and width of each row; what is no image is one line."""
    if x.dim() == 4:
        return x.shape[1], x.shape[2], x.shape[3]
    channels = x.shape[1] if x.dim() > 2 else 1
    return channels, 1, x[0].numel() // channels


def _side(shape: tuple[int, int, int], share: float, least: int = 1) -> tuple[int, int]:
    """Height and width of a square, or of an interval, that covers `share` of the image."""
    _, h, w = shape
    if h == 1:
        return 1, min(max(round(share * w), least), w)
    side = max(round(math.sqrt(share * h * w)), least)
    side = min(side + (side % 2 == 0 and least > 1), h, w)
    return side, side


def _stripes(region: FeasibleSet, draw: _Draw) -> Tensor:
    """Linf: vertical stripes, each at one end of what is allowed (section 4.2)."""
    channels, _, w = draw.shape
    up = draw.signs(1, channels, 1, w) > 0
    low, high = (bound.reshape(-1, *draw.shape) for bound in (region.low, region.high))
    return torch.where(up, high, low).view_as(region.x)


def _repaint(region: FeasibleSet, at: Tensor, share: float, draw: _Draw) -> Tensor:
    """Linf: a square goes to one end of what is allowed (Algorithm 2): adding 2 eps to it or taking them away does just that."""
    where = (slice(None), slice(None), *draw.corner(*_side(draw.shape, share)))
    up = draw.signs(draw.shape[0], 1, 1) > 0
    low, high = (bound.reshape(-1, *draw.shape)[where] for bound in (region.low, region.high))
    ahead = at.clone(memory_format=torch.contiguous_format)
    ahead.view(-1, *draw.shape)[where] = torch.where(up, high, low)
    return ahead


def _tiles(region: FeasibleSet, draw: _Draw) -> Tensor:
    """L2 and L1: a grid of five by five bumps, of random signs (section 4.3)."""
    channels, h, w = draw.shape
    side = (max(h // 5, 1), max(w // 5, 1)) if h == 1 else (max(h // 5, 1),) * 2
    change = region.x.new_zeros(1, *draw.shape)
    tops, lefts = (range((n - n // s * s) // 2, n - s + 1, s) for n, s in zip((h, w), side, strict=True))
    for top in tops:
        for left in lefts:
            bump = _bump(*side, region.norm, draw) * draw.signs(channels, 1, 1)
            change[:, :, top : top + side[0], left : left + side[1]] = bump
    change = change.view_as(region.x[:1])
    scale = unsqueeze_like(region.eps, change) / length(region.norm, change) if region.norm == "L2" else 1
    return region.clip(region.x + scale * change)


def _exchange(region: FeasibleSet, at: Tensor, share: float, draw: _Draw) -> Tensor:
    """L2 and L1: a square takes over the change of another one, in a new shape (Algorithm 3)."""
    side = _side(draw.shape, share, least=3)
    one, other = draw.corner(*side), draw.corner(*side)
    change = (at - region.x).reshape(-1, *draw.shape)
    window = change[:, :, *one]
    either = torch.zeros_like(change[:1])
    either[:, :, *one], either[:, :, *other] = 1, 1
    both, unused = _length(region.norm, change * either), _unused(region, change)
    bump = _bump(*side, region.norm, draw) * draw.signs(draw.shape[0], 1, 1)
    new = bump + window / (1e-12 + _length(region.norm, window))
    budget = (unused / draw.shape[0] + both.square()).sqrt() if region.norm == "L2" else unused + both * draw.shape[0]
    new = new / (1e-12 + _length(region.norm, new)) * budget
    change[:, :, *other] = 0
    change[:, :, *one] = new
    return region.clip(region.x + change.view_as(at))


def _length(norm: str, change: Tensor) -> Tensor:
    """Of each channel, `[B, C, 1, 1]`."""
    if norm == "L2":
        return change.square().sum((2, 3), keepdim=True).sqrt()
    return change.abs().sum((2, 3), keepdim=True)


def _unused(region: FeasibleSet, change: Tensor) -> Tensor:
    """What is left of the ball, `[B, 1, 1, 1]`: of eps in L1, of its square in L2."""
    spent = length(region.norm, change)
    left = region.eps.square() - spent.square() if region.norm == "L2" else region.eps - spent
    return unsqueeze_like(left.clamp(min=0), change)


def _bump(height: int, width: int, norm: str, draw: _Draw) -> Tensor:
    """Two humps of opposite sign, side by side, of length 1; lying or standing as chance has it (section 4.3, eta)."""
    if height == 1:
        bump = torch.cat([_hump(1, width // 2, norm), -_hump(1, width - width // 2, norm)], 1)
    else:
        bump = torch.cat([_hump(height // 2, width, norm), -_hump(height - height // 2, width, norm)], 0)
        if draw.signs(1) > 0 and height == width:
            bump = bump.T
    return (bump / (bump.norm() if norm == "L2" else bump.abs().sum()).clamp(min=1e-12)).to(draw.like)


@lru_cache(maxsize=512)
def _hump(height: int, width: int, norm: str) -> Tensor:
    """Nested rectangles about the middle, the k-th of height 1 / k^2 (L1: 1 / k^4), of length 1 in all."""
    middle = (height // 2, width // 2)
    across, along = (torch.arange(n) - m for n, m in zip((height, width), middle, strict=True))
    rank = torch.maximum(across.abs()[:, None], along.abs()[None])  # which rectangle it is in, from within
    most = max(middle) + 1
    heights = 1 / torch.arange(1, most + 1).double() ** (2 if norm == "L2" else 4)
    hump = heights.flip(0).cumsum(0).flip(0)[rank]
    return hump / (hump.norm() if norm == "L2" else hump.sum()).clamp(min=1e-12)
