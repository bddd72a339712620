"""What a classifier is worth under attack: shares that stand, over the radius of the ball, with intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from sparring.attacks.losses import ce, margin
from sparring.attacks.pgd import pgd
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model
from sparring.measure.classifier.calibration import ClassificationReport
from sparring.stats.proportion import CurvePoint

AT_ONCE = 250
LEVELS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
"""Radii of the curve, in eps."""
STEPS, RESTARTS = 40, 3
"""Of PGD; the restarts at eps alone, once for each of its two losses."""
ATTACK = f"PGD of {STEPS} steps, {RESTARTS} restarts on cross entropy and {RESTARTS} on the margin"


@dataclass(frozen=True)
class HardeningReport:
    """What adversarial training made of a classifier, and where it lies; `--json` prints it."""

    run: str
    method: str
    norm: str
    eps: float
    """What it was trained against, in units of pixels from 0 to 1."""
    minutes: float
    """Of training, on the clock."""
    seed: int
    clean: ClassificationReport
    """What it gets right where nobody attacks."""
    robust: CurvePoint
    """What it gets right under attack, at eps (or, trained against none, at the usual one)."""
    curve: list[CurvePoint]
    """The same from no attack to one and a half eps; what breaks at one radius counts as broken at all larger ones."""
    attack: str
    tested_on: str
    """Which images were attacked, in words."""
    rollbacks: list[int] = field(default_factory=list)
    """Images at which the guard went back to better weights."""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RobustnessResult:
    """What stood, and what did not."""

    levels: list[CurvePoint]
    """From no attack to the largest radius."""
    fooled: Tensor
    """Rows that were right and broke at eps, int64 `[K]`."""
    adv: Tensor
    """Their adversaries, `[K, ...]`."""

    @property
    def robust(self) -> CurvePoint:
        """At eps."""
        return self.levels[1 + LEVELS.index(1.0)]


def robustness(
    model: Model,
    x: Tensor,
    y: Tensor,
    threat_of: Callable[[float], Threat],
    eps: float,
    widest: float = torch.inf,
    on_progress: Callable[[int, int], None] = lambda done, of: None,
    unbroken: Tensor | None = None,
) -> RobustnessResult:
    """How many rows of `x` `[N, ...]` stay right under PGD, at 0 and at LEVELS times `eps`, but none above `widest`.

    `threat_of` makes a radius, in whatever units, a threat model of `x`. A row that broke in a smaller ball is broken in a larger one, and not attacked again.
    `unbroken`, bool `[N]`, are the rows that another attack left at `eps`: they take the place of PGD's there.
    """
    with torch.no_grad():
        stands = torch.cat([model(part).argmax(1) for part in torch.split(x, AT_ONCE)]) == y
    found = [CurvePoint.count(0.0, int(stands.sum()), len(y))]
    fooled, adv = [], []
    for done, level in enumerate(LEVELS):
        radius = min(level * eps, widest)
        attacks = [(ce, RESTARTS), (margin, RESTARTS)] if level == 1 else [(ce, 1)]
        if level == 1 and unbroken is not None:
            stands &= unbroken
            attacks = []
        for loss, restarts in attacks:
            for rows in torch.split(stands.nonzero().squeeze(1), AT_ONCE):
                if len(rows):
                    broke = pgd(model, x[rows], y[rows], threat_of(radius), loss=loss, steps=STEPS, restarts=restarts)
                    stands[rows] = ~broke.success
                    if level <= 1:
                        fooled.append(rows[broke.success])
                        adv.append(broke.adv[broke.success])
        found.append(CurvePoint.count(radius, int(stands.sum()), len(y)))
        on_progress((done + 1) * len(y) // len(LEVELS), len(y))
    return RobustnessResult(found, torch.cat([*fooled, y.new_empty(0)]), torch.cat([*adv, x[:0]]))
