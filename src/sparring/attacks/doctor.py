"""Whether an evaluation under attack can be believed: checks for the usual signs that gradients led the attacks astray.

After Carlini et al. 2019, "On evaluating adversarial robustness" (section 5), and Athalye, Carlini and Wagner 2018,
"Obfuscated gradients give a false sense of security" (section 3.1).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sparring.attacks.autoattack import CLEAN, Verdicts, differs
from sparring.attacks.contract import Model, held
from sparring.attacks.losses import ce
from sparring.attacks.pgd import fgsm, pgd
from sparring.attacks.search import searching
from sparring.attacks.threat import Threat
from sparring.engine.errors import UsageError

ROWS = 100
"""That are looked at, at most."""
STEPS, FEWER = 40, 10
LUCK, APART, VANISHED, BROKEN, LATE = 0.02, 0.05, 0.05, 0.95, 0.002
"""Shares of rows: by which FGSM may beat PGD; by which 40 steps may beat 10; without a gradient, at most; broken in the
widest ball, at least; that Square alone may break (as AutoAttack warns)."""


@dataclass(frozen=True)
class Check:
    """One thing that holds of an evaluation that can be believed."""

    name: str
    passed: bool
    evidence: str
    """The figures, in words."""


def examine(model: Model, x: Tensor, y: Tensor, threat: Threat, verdicts: Verdicts, seed: int = 0) -> list[Check]:
    """Check what `autoattack` found of `model` on `x` `[B, ...]` with labels `y` `[B]`, on 100 rows that it knows.

    Raises UsageError where it knows none of them, and what attacks raise.
    """
    known = [row for row, by in enumerate(verdicts.broken_by) if by != CLEAN][:ROWS]
    if not known:
        raise UsageError(
            f"the model is right on none of {len(x):,} rows: there is nothing to attack. Are its classes in the order of the labels?"
        )
    rows = torch.tensor(known, device=x.device)
    threat, x, y, of = threat.rows(rows, x), x[rows], y[rows], len(known)

    def broken(steps: int, within: Threat = threat) -> int:
        return int(pgd(model, x, y, within, steps=steps, seed=seed).success.sum())

    many, few, one = broken(STEPS), broken(FEWER), int(fgsm(model, x, y, threat, seed=seed).success.sum())
    wide = broken(STEPS, replace(threat, eps=threat.widest(x)))
    flat = _without_gradient(model, x, y, threat, seed)
    checks = [
        Check("gradients are there", flat <= VANISHED * of, f"the gradient is zero or not finite on {flat} of {of} rows"),
        Check(
            "many steps beat one", many >= one - LUCK * of,
            f"PGD of {STEPS} steps breaks {many} of {of} rows, a single step {one}",
        ),
        Check(
            "more steps break no more", abs(many - few) <= APART * of,
            f"PGD breaks {few} of {of} rows in {FEWER} steps, {many} in {STEPS}",
        ),
        Check("a ball as wide as the box breaks all", wide >= BROKEN * of, f"PGD breaks {wide} of {of} rows in it"),
        _is_still(model, x, seed),
    ]  # fmt: skip
    return [*checks, _white_beats_black(verdicts)] if "square" in verdicts.attacks else checks


def _without_gradient(model: Model, x: Tensor, y: Tensor, threat: Threat, seed: int) -> int:
    with searching(model, x, y, threat, seed=seed) as search:
        _, _, gradient = search.gradient(x, torch.arange(len(x), device=x.device), ce)
    slopes = gradient.flatten(1)
    return int(((slopes == 0).all(1) | ~slopes.isfinite().all(1)).sum())


def _is_still(model: Model, x: Tensor, seed: int) -> Check:
    with torch.no_grad(), held(model, seed):
        first, second = model(x), model(x)
    apart = float((second - first).abs().max())
    return Check("it answers the same twice", not differs(first, second), f"two passes are at most {apart:.2g} apart")


def _white_beats_black(verdicts: Verdicts) -> Check:
    late, of = verdicts.broken_by.count("square"), len(verdicts.broken_by)
    told = f"Square, which sees no gradients, alone breaks {late} of {of} rows"
    return Check("black box does not beat white box", late <= LATE * of, told)
