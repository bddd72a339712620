"""What a smoothed classifier is worth: each row between what is certain and the strongest attack, and accuracy over the radius.

All lengths are L2 distances in the units of x.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial

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

AT_ONCE = 50
"""Rows; each is many points."""
N0, ALPHA = 100, 0.001
"""Draws that choose the class, and the chance that a certificate, or one of the votes, is wrong (Cohen et al. 2019)."""
POINTS = {"cpu": 256, "cuda": 8192}
"""In one pass, by device: on a CPU what its caches hold, a third faster than four times as many."""
STEPS, DRAWS = 20, 16
"""Of the attack: steps at each radius, and draws of noise behind each gradient."""
VOTES = 500
"""Draws that say whether the smoothed model was really broken."""
HALVINGS = 5
"""Of the way from a row to its adversary, to come as near as it can."""
ATTACK = f"PGD on the mean softmax of {DRAWS} draws of noise, {STEPS} steps at each radius, every hit put to a vote of {VOTES} draws"


@dataclass(frozen=True, eq=False)
class Brackets:
    """Of each of N rows: how far the smoothed model is certain to hold, and where it was seen to break."""

    right: Tensor
    """True where what it is certain of is the label, bool `[N]`."""
    lower: Tensor
    """The certified radius, float64 `[N]`; 0 where it is not right."""
    upper: Tensor
    """The distance of the nearest adversary that was found, float64 `[N]`; 0: wrong as it is; inf: none was found."""
    adv: Tensor
    """Those adversaries `[N, ...]`; the rows themselves where there is none."""

    def certified(self, radius: float) -> CurvePoint:
        """How many rows no change of up to `radius` can break."""
        return CurvePoint.count(radius, int((self.right & (self.lower >= radius)).sum()), len(self.right))

    def attacked(self, radius: float) -> CurvePoint:
        """How many rows no attack was seen to break within `radius`."""
        return CurvePoint.count(radius, int((self.upper > radius).sum()), len(self.right))


@dataclass(frozen=True)
class Row:
    """One image between its bounds, in units of pixels from 0 to 1."""

    name: str
    label: str
    certified: float | None
    """Up to this radius it is certain to be right; None: it is not certain at all."""
    broken: float | None
    """At this distance it was broken; 0: wrong as it is; None: it never was."""


@dataclass(frozen=True)
class CertificationReport:
    """What was found about a run's classifier in noise; `--json` prints it."""

    run: str
    source: str
    sigma: float
    """The noise's standard deviation, of pixels from 0 to 1, as all radii."""
    draws: int
    """Of noise, behind each certificate."""
    alpha: float
    """The chance that the certificate of an image is wrong."""
    attack: str
    tested_on: str
    """Which images, in words."""
    certified: list[CurvePoint]
    """The share that no attack whatever can break, over the radius; but for alpha."""
    attacked: list[CurvePoint]
    """The share that this attack did not break."""
    rows: list[Row]
    notes: list[str] = field(default_factory=list)


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
    keep: Callable[[int, Callable[[], Brackets]], Brackets] = lambda part, find: find(),
    on_progress: Callable[[int, int], None] = lambda done, of: None,
) -> Brackets:
    """Certify the smoothed `model` on rows x `[N, ...]` with labels y `[N]`, and attack it at each of the `radii`, within `box`.

    `n` draws of noise N(0, sigma^2) are behind each certificate. The attack climbs through the mean softmax of the noise
    (Salman et al. 2019) and counts where a vote is significant; rows are not attacked within their certified radius. `keep`
    is given the number of each batch and what finds its brackets, and may know them from before. Raises UsageError on data
    or radii that make no sense.
    """
    levels = sorted({float(radius) for radius in radii})
    if not levels or not all(0 <= radius < math.inf for radius in levels):
        raise UsageError(f"radii must be numbers of 0 or more, not {', '.join(map(str, radii)) or 'none'}")
    threats = [Threat("L2", radius, *box) for radius in levels]

    def of_batch(part: int, some: Tensor, labels: Tensor) -> Brackets:
        check_inputs(model, some, labels, replace(threats[-1], eps=0.0))
        _check_reach(threats[-1], some)
        sure = certify(model, some, sigma, n0=N0, n=n, alpha=ALPHA, batch_size=_points(x), seed=mix(seed, part))
        right = sure.certified(labels)
        lower = sure.radius.masked_fill(~right, 0)
        with frozen(model, mix(seed, part, 2)):  # the attack draws from the global random numbers
            return Brackets(right, lower, *_attacked(model, some, labels, sigma, threats, lower, mix(seed, part, 1)))

    found: list[Brackets] = []
    on_progress(0, len(x))
    with frozen(model):
        for part, batch in enumerate(zip(torch.split(x, AT_ONCE), torch.split(y, AT_ONCE), strict=True)):
            found.append(keep(part, partial(of_batch, part, *batch)))
            on_progress(min((part + 1) * AT_ONCE, len(x)), len(x))
    return Brackets(*(torch.cat([getattr(one, name.name) for one in found]) for name in fields(Brackets)))


def _check_reach(threat: Threat, x: Tensor) -> None:
    """As the threat model would: but here its eps is called a radius."""
    if threat.eps > (widest := threat.widest(x)) * (1 + 1e-6):
        raise UsageError(f"the radius {threat.eps:g} is beyond the whole box, which is {widest:g} across in L2")


def _attacked(
    model: Model, x: Tensor, y: Tensor, sigma: float, threats: Sequence[Threat], lower: Tensor, seed: int
) -> tuple[Tensor, Tensor]:
    """The distance of the nearest adversary of each row, and the adversaries; each radius goes on where the last one ended."""

    def broken(at: Tensor, rows: Tensor, *turn: int) -> Tensor:
        said = predict(model, at, sigma, n=VOTES, alpha=ALPHA, batch_size=_points(x), seed=mix(seed, *turn))
        return (said != y[rows]) & (said != ABSTAIN)

    everyone = torch.arange(len(x), device=x.device)
    upper = torch.where(broken(x, everyone, 0), 0.0, torch.inf).double()
    adv, at = x.clone(), x.clone()
    for turn, threat in enumerate(threats, 1):
        rows = (torch.isinf(upper) & (lower < threat.eps)).nonzero().squeeze(1)
        if not len(rows):
            continue
        at[rows] = _climbed(smoothed_model(model, sigma, DRAWS), x[rows], y[rows], threat, at[rows])
        rows = rows[broken(at[rows], rows, turn)]
        if not len(rows):
            continue
        change = at[rows] - x[rows]
        far = torch.ones_like(upper[rows])
        near = (lower[rows] / length("L2", change).double()).clamp(max=1)
        for halving in range(HALVINGS):
            middle = (near + far) / 2
            hit = broken(x[rows] + unsqueeze_like(middle.to(x), x) * change, rows, turn, halving + 1)
            near, far = torch.where(hit, near, middle), torch.where(hit, middle, far)
        adv[rows] = x[rows] + unsqueeze_like(far.to(x), x) * change
        upper[rows] = far * length("L2", change).double()
    return upper, adv


def _climbed(model: Model, x: Tensor, y: Tensor, threat: Threat, at: Tensor) -> Tensor:
    """STEPS steps up the cross entropy from `at`: all the way, for of a model in noise one look says little."""
    region = threat.around(x)
    stride = unsqueeze_like(2.5 / STEPS * region.eps, x)
    for _ in range(STEPS):
        leaf = at.detach().requires_grad_()
        with torch.enable_grad():
            gradient = input_gradient(ce(model(leaf), y), leaf)
        at = region.clip(at + stride * region.steepest(gradient, at))
    return at.detach()


def _points(x: Tensor) -> int:
    return POINTS.get(x.device.type, POINTS["cpu"])
