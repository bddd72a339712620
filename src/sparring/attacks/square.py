"""Square Attack: a random search without gradients (Andriushchenko et al. 2020; in L1, Croce and Hein 2021).

Waveforms and tables are treated as images of one line, whose squares are intervals. All rows of a batch are offered the
same squares, so a row's result does not depend on the rest of the batch.
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

HALVING_STEPS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""Steps after which the area of the square is halved (section 4.1)."""


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
    """Propose `steps` random squares to each row of x `[B, ...]` and keep those that raise the margin.

    `p` is the fraction of the image that the first squares cover. A row leaves when it is misclassified. Proposals that
    change nothing are not evaluated, so there are fewer queries than steps. Linf, L2 and L1.
    """
    if threat.norm == "L0":
        raise UsageError("square does not support L0: use pgd")
    check_budget(steps=steps, restarts=restarts)
    if not 0 < p <= 1:
        raise UsageError(f"p is a fraction of the image, above 0 and at most 1, not {p}")
    with running_attack(model, x, y, threat, target=target, seed=seed) as state:
        for restart in range(restarts):
            if len(state.unbroken_idx):
                _search(state, steps, p, _Sampler(mix(seed, restart), _image_shape(x), x), restart * steps)
        return state.result()


def square_fraction(step: int, p: float) -> float:
    """Return the fraction of the image that a square covers in `step`, if `p` at first."""
    return p * 0.5 ** sum(step > halving for halving in HALVING_STEPS)


def _search(state: AttackState, steps: int, p: float, sampler: _Sampler, first_step: int) -> None:
    """Search on all unbroken rows; `first_step` counts the steps of earlier restarts."""
    idx = state.unbroken_idx
    region = state.region.select(idx)
    initialise, propose = (_stripes, _repaint) if region.norm == "Linf" else (_tiles, _exchange)
    x_adv, best = region.x.clone(), torch.full_like(region.eps, -torch.inf)
    for step in range(steps + 1):
        if step:
            points = propose(region, x_adv, square_fraction(step - 1, p), sampler)
            changed = (points != x_adv).flatten(1).any(1).nonzero().squeeze(1)
        else:
            points, changed = initialise(region, sampler), torch.arange(len(idx), device=x_adv.device)
        if not len(changed):
            continue
        changed_idx, x_proj = idx[changed], points[changed]
        if region.columns.discrete:
            x_proj = region.select(changed).round_discrete(x_proj)
        logits = state.logits(x_proj, changed_idx)
        margins = margin(logits, state.y[changed_idx], None if state.target is None else state.target[changed_idx])
        better = margins > best[changed]
        improved = changed[better]
        x_adv[improved], best[improved] = points[improved], margins[better]
        success = state.is_adversarial(logits, changed_idx)
        if success.any():
            state.record(x_proj[success], logits[success], changed_idx[success], first_step + step)
            unbroken = ~state.success[idx]
            idx, region, x_adv, best = idx[unbroken], region.select(unbroken), x_adv[unbroken], best[unbroken]
            if not len(idx):
                return
    x_proj = region.round_discrete(x_adv)
    state.record(x_proj, state.logits(x_proj, idx), idx, first_step + steps)


class _Sampler:
    """Random signs and windows, shared by all rows and drawn on the CPU, so the same on every device."""

    def __init__(self, seed: int, shape: tuple[int, int, int], like: Tensor) -> None:
        self.generator, self.shape, self.like = torch.Generator().manual_seed(seed), shape, like

    def signs(self, *shape: int) -> Tensor:
        """Draw 1 or -1 with equal probability."""
        return (torch.randint(0, 2, shape, generator=self.generator) * 2 - 1).to(self.like)

    def window(self, height: int, width: int) -> tuple[slice, slice]:
        """Draw a window of this size anywhere in the image; the authors' code never reaches the last row and column."""
        _, h, w = self.shape
        top = int(torch.randint(0, h - height + 1, (1,), generator=self.generator))
        left = int(torch.randint(0, w - width + 1, (1,), generator=self.generator))
        return slice(top, top + height), slice(left, left + width)


def _image_shape(x: Tensor) -> tuple[int, int, int]:
    """Return channels, height and width of each row; data other than images have height 1."""
    if x.dim() == 4:
        return x.shape[1], x.shape[2], x.shape[3]
    channels = x.shape[1] if x.dim() > 2 else 1
    return channels, 1, x[0].numel() // channels


def _side(shape: tuple[int, int, int], fraction: float, min_side: int = 1) -> tuple[int, int]:
    """Return height and width of the square, or interval, that covers `fraction` of the image."""
    _, h, w = shape
    if h == 1:
        return 1, min(max(round(fraction * w), min_side), w)
    side = max(round(math.sqrt(fraction * h * w)), min_side)
    side = min(side + (side % 2 == 0 and min_side > 1), h, w)
    return side, side


def _stripes(region: FeasibleSet, sampler: _Sampler) -> Tensor:
    """Linf: draw vertical stripes, each at its lower or upper bound (section 4.2)."""
    channels, _, w = sampler.shape
    up = sampler.signs(1, channels, 1, w) > 0
    low, high = (bound.reshape(-1, *sampler.shape) for bound in (region.low, region.high))
    return torch.where(up, high, low).view_as(region.x)


def _repaint(region: FeasibleSet, x_adv: Tensor, fraction: float, sampler: _Sampler) -> Tensor:
    """Linf: set a square to its lower or upper bounds, which is what adding or subtracting 2 eps does (Algorithm 2)."""
    window = (slice(None), slice(None), *sampler.window(*_side(sampler.shape, fraction)))
    up = sampler.signs(sampler.shape[0], 1, 1) > 0
    low, high = (bound.reshape(-1, *sampler.shape)[window] for bound in (region.low, region.high))
    points = x_adv.clone(memory_format=torch.contiguous_format)
    points.view(-1, *sampler.shape)[window] = torch.where(up, high, low)
    return points


def _tiles(region: FeasibleSet, sampler: _Sampler) -> Tensor:
    """L2 and L1: draw a grid of five by five bumps of random signs (section 4.3)."""
    channels, h, w = sampler.shape
    side = (max(h // 5, 1), max(w // 5, 1)) if h == 1 else (max(h // 5, 1),) * 2
    delta = region.x.new_zeros(1, *sampler.shape)
    tops, lefts = (range((n - n // s * s) // 2, n - s + 1, s) for n, s in zip((h, w), side, strict=True))
    for top in tops:
        for left in lefts:
            bump = _bump(*side, region.norm, sampler) * sampler.signs(channels, 1, 1)
            delta[:, :, top : top + side[0], left : left + side[1]] = bump
    delta = delta.view_as(region.x[:1])
    scale = unsqueeze_like(region.eps, delta) / length(region.norm, delta) if region.norm == "L2" else 1
    return region.clip(region.x + scale * delta)


def _exchange(region: FeasibleSet, x_adv: Tensor, fraction: float, sampler: _Sampler) -> Tensor:
    """L2 and L1: move the perturbation of one square to another, in a new shape (Algorithm 3)."""
    side = _side(sampler.shape, fraction, min_side=3)
    to, source = sampler.window(*side), sampler.window(*side)
    delta = (x_adv - region.x).reshape(-1, *sampler.shape)
    old = delta[:, :, *to]
    both_mask = torch.zeros_like(delta[:1])
    both_mask[:, :, *to], both_mask[:, :, *source] = 1, 1
    both, unused = _channel_length(region.norm, delta * both_mask), _unused(region, delta)
    bump = _bump(*side, region.norm, sampler) * sampler.signs(sampler.shape[0], 1, 1)
    new = bump + old / (1e-12 + _channel_length(region.norm, old))
    channels = sampler.shape[0]
    budget = (unused / channels + both.square()).sqrt() if region.norm == "L2" else unused + both * channels
    new = new / (1e-12 + _channel_length(region.norm, new)) * budget
    delta[:, :, *source] = 0
    delta[:, :, *to] = new
    return region.clip(region.x + delta.view_as(x_adv))


def _channel_length(norm: str, delta: Tensor) -> Tensor:
    """Return the norm of each channel, `[B, C, 1, 1]`."""
    if norm == "L2":
        return delta.square().sum((2, 3), keepdim=True).sqrt()
    return delta.abs().sum((2, 3), keepdim=True)


def _unused(region: FeasibleSet, delta: Tensor) -> Tensor:
    """Return the unused part of eps (L1) or of eps squared (L2), `[B, 1, 1, 1]`."""
    spent = length(region.norm, delta)
    unused = region.eps.square() - spent.square() if region.norm == "L2" else region.eps - spent
    return unsqueeze_like(unused.clamp(min=0), delta)


def _bump(height: int, width: int, norm: str, sampler: _Sampler) -> Tensor:
    """Draw two adjacent humps of opposite sign, of norm 1 together, in random orientation (section 4.3, eta)."""
    if height == 1:
        bump = torch.cat([_hump(1, width // 2, norm), -_hump(1, width - width // 2, norm)], 1)
    else:
        bump = torch.cat([_hump(height // 2, width, norm), -_hump(height - height // 2, width, norm)], 0)
        if sampler.signs(1) > 0 and height == width:
            bump = bump.T
    return (bump / (bump.norm() if norm == "L2" else bump.abs().sum()).clamp(min=1e-12)).to(sampler.like)


@lru_cache(maxsize=512)
def _hump(height: int, width: int, norm: str) -> Tensor:
    """Return nested rectangles around the centre, the k-th of height 1 / k^2 (L1: 1 / k^4), scaled to norm 1."""
    centre = (height // 2, width // 2)
    rows, columns = (torch.arange(n) - c for n, c in zip((height, width), centre, strict=True))
    rank = torch.maximum(rows.abs()[:, None], columns.abs()[None])  # index of the rectangle, from the centre
    count = max(centre) + 1
    heights = 1 / torch.arange(1, count + 1).double() ** (2 if norm == "L2" else 4)
    hump = heights.flip(0).cumsum(0).flip(0)[rank]
    return hump / (hump.norm() if norm == "L2" else hump.sum()).clamp(min=1e-12)
