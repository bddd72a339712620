"""Certified accuracy of a smoothed classifier, and its accuracy under attack, over the L2 radius.

All lengths are L2 distances in the units of x.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace

import torch
from torch import Tensor

from sparring.attacks.attack_state import input_gradient
from sparring.attacks.losses import ce
from sparring.attacks.norms import length, unsqueeze_like
from sparring.attacks.smoothing import ABSTAIN, certify, predict, smoothed_model
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model, check_inputs, frozen
from sparring.engine.errors import UsageError
from sparring.engine.seeds import mix
from sparring.stats.proportion import CurvePoint

CHUNK_ROWS = 50
"""Rows that are certified and attacked together."""
N0, ALPHA = 100, 0.001
"""Draws that choose the class, and the error probability of each certificate and vote (Cohen et al. 2019)."""
CHUNK_POINTS = {"cpu": 256, "cuda": 8192}
"""Noisy points in one forward pass, by device type: on a CPU, what fits its caches."""
STEPS, DRAWS = 20, 16
"""Steps of the attack at each radius, and draws of noise behind each gradient."""
VOTES = 500
"""Draws that decide whether the smoothed model is broken."""
HALVINGS = 5
"""Bisection steps between a row and its adversarial example."""
ATTACK = (
    f"PGD on the mean softmax of {DRAWS} draws of noise, {STEPS} steps at each radius, each success confirmed by a "
    f"vote of {VOTES} draws"
)


@dataclass(frozen=True, eq=False)
class Brackets:
    """Lower and upper bounds on the robust radius of each of N rows."""

    correct: Tensor
    """Whether the certified class is the label, bool `[N]`."""
    lower: Tensor
    """Certified radius, float64 `[N]`; 0 where it is not correct."""
    upper: Tensor
    """Distance of the nearest adversarial example, float64 `[N]`; 0: misclassified; inf: none was found."""
    adv: Tensor
    """Adversarial examples `[N, ...]`; the rows themselves where there is none."""

    def certified(self, radius: float) -> CurvePoint:
        """Return the rows that no change of up to `radius` can break."""
        return CurvePoint.count(radius, int((self.correct & (self.lower >= radius)).sum()), len(self.correct))

    def attacked(self, radius: float) -> CurvePoint:
        """Return the rows that no attack broke within `radius`."""
        return CurvePoint.count(radius, int((self.upper > radius).sum()), len(self.correct))


@dataclass(frozen=True)
class Row:
    """Bounds on the robust radius of one image, pixels in [0, 1]."""

    name: str
    label: str
    certified: float | None
    """Radius up to which the correct answer is certified; None where it is not."""
    broken: float | None
    """Distance of the nearest adversarial example; 0: misclassified; None: none was found."""


@dataclass(frozen=True)
class CertificationReport:
    """Certified accuracy of a run's classifier in noise, beside its accuracy under attack."""

    target: str
    """Run of the classifier."""
    data: str
    """Source of the images."""
    selection: str
    """Description of the certified subset."""
    settings: dict[str, float]
    """Settings that another report must share to be comparable: sigma, draws, and the radius of the conditions."""
    sigma: float
    """Standard deviation of the noise, pixels in [0, 1], as all radii."""
    draws: int
    """Draws of noise behind each certificate."""
    alpha: float
    """Probability that the certificate of an image is wrong, at most."""
    attack: str
    """Description of the attack."""
    certified: list[CurvePoint]
    """Proportion that no attack can break, over the radius."""
    attacked: list[CurvePoint]
    """Proportion that this attack did not break, over the radius."""
    rows: list[Row]
    """Bounds of each image."""
    seed: int
    out: str
    """Folder with report.html and report.json."""
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """Conditions of `fail_below` and `baseline` that are not met."""


OfChunk = Callable[[int, Tensor], Brackets]
"""Map of the number of a chunk and its indices int64 `[B]` to its bounds."""


def in_order(function: OfChunk, count: int, chunk: int) -> list[Brackets]:
    """Return `function(number, idx)` of each chunk of the indices 0 to `count` - 1."""
    return [function(number, idx) for number, idx in enumerate(torch.split(torch.arange(count), chunk))]


def brackets(
    model: Model,
    x: Tensor,
    y: Tensor,
    sigma: float,
    radii: Sequence[float],
    *,
    box: tuple[float, float] = (0.0, 1.0),
    n: int = 10_000,
    seed: int = 0,
    each: Callable[[OfChunk, int, int], list[Brackets]] = in_order,
) -> Brackets:
    """Certify the smoothed `model` on x `[N, ...]` with labels y `[N]`, and attack it at the `radii` within `box`.

    Each certificate takes `n` draws of noise N(0, sigma^2). The attack ascends the mean softmax over the noise (Salman
    et al. 2019) and counts where a vote is significant; rows are not attacked within their certified radius.
    `each` does what `in_order` does, and may save results or share the work. Raises UsageError on invalid data or
    radii.
    """
    levels = sorted({float(radius) for radius in radii})
    if not levels or not all(0 <= radius < math.inf for radius in levels):
        raise UsageError(f"radii must be numbers of 0 or more, not {', '.join(map(str, radii)) or 'none'}")
    threats = [Threat("L2", radius, *box) for radius in levels]

    def of_chunk(number: int, idx: Tensor) -> Brackets:
        points, labels = x[idx], y[idx]
        check_inputs(model, points, labels, replace(threats[-1], eps=0.0))
        _check_reach(threats[-1], points)
        certificates = certify(
            model, points, sigma, n0=N0, n=n, alpha=ALPHA, batch_size=_chunk_points(x), seed=mix(seed, number)
        )
        correct = certificates.certified(labels)
        lower = certificates.radius.masked_fill(~correct, 0)
        with frozen(model, mix(seed, number, 2)):  # the attack draws from the global generator
            bounds = _attacked(model, points, labels, sigma, threats, lower, mix(seed, number, 1))
        return Brackets(correct, lower, *bounds)

    with frozen(model):
        results = each(of_chunk, len(x), CHUNK_ROWS)
    return Brackets(*(torch.cat([getattr(result, name.name) for result in results]) for name in fields(Brackets)))


def _check_reach(threat: Threat, x: Tensor) -> None:
    """Raise UsageError where the radius is beyond the box; the threat model would call it eps."""
    if threat.eps > (widest := threat.widest(x)) * (1 + 1e-6):
        raise UsageError(f"the radius {threat.eps:g} is beyond the whole box, which is {widest:g} across in L2")


def _attacked(
    model: Model, x: Tensor, y: Tensor, sigma: float, threats: Sequence[Threat], lower: Tensor, seed: int
) -> tuple[Tensor, Tensor]:
    """Return the distance of the nearest adversarial example of each row, and these examples."""

    def broken(points: Tensor, idx: Tensor, *stream: int) -> Tensor:
        votes = predict(
            model, points, sigma, n=VOTES, alpha=ALPHA, batch_size=_chunk_points(x), seed=mix(seed, *stream)
        )
        return (votes != y[idx]) & (votes != ABSTAIN)

    every = torch.arange(len(x), device=x.device)
    upper = torch.where(broken(x, every, 0), 0.0, torch.inf).double()
    adv, points = x.clone(), x.clone()
    for number, threat in enumerate(threats, 1):
        idx = (torch.isinf(upper) & (lower < threat.eps)).nonzero().squeeze(1)
        if not len(idx):
            continue
        points[idx] = _ascend(smoothed_model(model, sigma, DRAWS), x[idx], y[idx], threat, points[idx])
        idx = idx[broken(points[idx], idx, number)]
        if not len(idx):
            continue
        change = points[idx] - x[idx]
        high = torch.ones_like(upper[idx])
        low = (lower[idx] / length("L2", change).double()).clamp(max=1)
        for halving in range(HALVINGS):
            middle = (low + high) / 2
            hit = broken(x[idx] + unsqueeze_like(middle.to(x), x) * change, idx, number, halving + 1)
            low, high = torch.where(hit, low, middle), torch.where(hit, middle, high)
        adv[idx] = x[idx] + unsqueeze_like(high.to(x), x) * change
        upper[idx] = high * length("L2", change).double()
    return upper, adv


def _ascend(model: Model, x: Tensor, y: Tensor, threat: Threat, points: Tensor) -> Tensor:
    """Take STEPS steps up the cross entropy from `points`, without an early stop: one noisy prediction says little."""
    region = threat.around(x)
    stride = unsqueeze_like(2.5 / STEPS * region.eps, x)
    for _ in range(STEPS):
        leaf = points.detach().requires_grad_()
        with torch.enable_grad():
            gradient = input_gradient(ce(model(leaf), y), leaf)
        points = region.clip(points + stride * region.steepest(gradient, points))
    return points.detach()


def _chunk_points(x: Tensor) -> int:
    return CHUNK_POINTS.get(x.device.type, CHUNK_POINTS["cpu"])
