"""Measure the accuracy of a classifier under PGD over the radius of the perturbation, with intervals."""

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
from sparring.stats.proportion import CurvePoint, beats_constant_answer

BATCH_ROWS = 250
LEVELS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
"""Radii of the curve, in eps."""
STEPS, RESTARTS = 40, 3
"""Number of steps of PGD, and of its restarts with each of two losses at eps; at other radii there is one run."""
ATTACK = f"PGD of {STEPS} steps, {RESTARTS} restarts on cross entropy and {RESTARTS} on the margin"


@dataclass(frozen=True)
class HardeningReport:
    """Test of a classifier after adversarial training; `--json` prints it."""

    run: str
    """Run folder."""
    method: str
    """Method of adversarial training."""
    norm: str
    """Norm of the perturbation."""
    eps: float
    """Radius that it was trained with, in units of the range from 0 to 1."""
    minutes: float
    """Duration of the training."""
    seed: int
    """Random seed of the training."""
    clean: ClassificationReport
    """Test without an attack."""
    robust: CurvePoint
    """Accuracy under attack at eps, or at the default radius where it was trained without one."""
    curve: list[CurvePoint]
    """Accuracy from no attack to 1.5 eps; a row broken at one radius counts as broken at all larger ones."""
    attack: str
    """Description of the attack."""
    tested_on: str
    """Description of the attacked images."""
    rollbacks: list[int] = field(default_factory=list)
    """Numbers of training images at which earlier weights were restored."""
    restarts: list[int] = field(default_factory=list)
    """Numbers of training images at which the training began anew, since it had learnt nothing."""
    verdict: str = ""
    """What is wrong with the classifier, and what to try; empty where it is robust to some degree."""
    notes: list[str] = field(default_factory=list)
    """Remarks on the data and the training."""


@dataclass(frozen=True)
class RobustnessResult:
    """Accuracy over the radius, and adversarial examples."""

    levels: list[CurvePoint]
    """Accuracy from no attack to the largest radius."""
    fooled: Tensor
    """Correct rows that were broken at eps or below, int64 `[K]`."""
    adv: Tensor
    """Their adversarial examples, `[K, ...]`."""

    @property
    def robust(self) -> CurvePoint:
        """Accuracy at eps."""
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
    """Measure accuracy on `x` `[N, ...]` with labels `y` `[N]`, without an attack and under PGD at LEVELS times `eps`.

    Radii are at most `widest`; `threat_of` makes the threat model of a radius. A row broken at one radius counts as
    broken at all larger ones and is not attacked again. `unbroken`, bool `[N]`, is the result of another attack at
    `eps`, which takes the place of PGD there.
    """
    with torch.no_grad():
        robust = torch.cat([model(part).argmax(1) for part in torch.split(x, BATCH_ROWS)]) == y
    curve = [CurvePoint.count(0.0, int(robust.sum()), len(y))]
    fooled, adv = [], []
    for done, level in enumerate(LEVELS):
        radius = min(level * eps, widest)
        attacks = [(ce, RESTARTS), (margin, RESTARTS)] if level == 1 else [(ce, 1)]
        if level == 1 and unbroken is not None:
            robust &= unbroken
            attacks = []
        for loss, restarts in attacks:
            for idx in torch.split(robust.nonzero().squeeze(1), BATCH_ROWS):
                if len(idx):
                    result = pgd(model, x[idx], y[idx], threat_of(radius), loss=loss, steps=STEPS, restarts=restarts)
                    robust[idx] = ~result.success
                    if level <= 1:
                        fooled.append(idx[result.success])
                        adv.append(result.adv[result.success])
        curve.append(CurvePoint.count(radius, int(robust.sum()), len(y)))
        on_progress((done + 1) * len(y) // len(LEVELS), len(y))
    return RobustnessResult(curve, torch.cat([*fooled, y.new_empty(0)]), torch.cat([*adv, x[:0]]))


def verdict(result: RobustnessResult, y: Tensor) -> str:
    """Return a remark where a classifier is no better than a constant answer to rows of labels `y` `[N]`."""
    clean, robust = result.levels[0].accuracy, result.robust.accuracy
    constant = f"the same answer to all would be right on {int(y.bincount().max()) / len(y):.1%}"
    if not beats_constant_answer(clean, y):
        return (
            f"this classifier has learnt nothing: {clean.value:.1%} are correct without an attack, and {constant}. "
            "Train it longer, or against less: a smaller --eps (of noisy: --sigma)"
        )
    if not beats_constant_answer(robust, y):
        return (
            f"this classifier is not robust at eps {result.robust.eps:g}: {robust.value:.1%} are correct under "
            f"attack, and {constant}. Train it longer, by another --method, or with a smaller --eps"
        )
    return ""
