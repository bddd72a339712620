"""Whether an evaluation under attack can be believed; and where a check fails, the attack that answers it, which is run.

After Athalye, Carlini and Wagner 2018, "Obfuscated gradients give a false sense of security" (section 3.1), Carlini et al.
2019, "On evaluating adversarial robustness" (section 5), and Pintor et al. 2022, "Indicators of attack failure". Of the
latter's indicators, silent success cannot happen here, every point that attacks see being looked at, and transfer needs a
second model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from sparring.attacks.apgd import apgd
from sparring.attacks.attack_state import running_attack
from sparring.attacks.autoattack import CLEAN, LATE, AutoAttackResult, ensemble
from sparring.attacks.losses import ce, dlr, margin
from sparring.attacks.pgd import fgsm, pgd
from sparring.attacks.result import AttackFunction, Result
from sparring.attacks.square import square
from sparring.attacks.stochastic_models import is_stochastic
from sparring.attacks.surrogate import reevaluate
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model, frozen
from sparring.attacks.wrappers import eot, gradient_blockers, straight_through
from sparring.engine.errors import UsageError

ROWS = 100
"""That are looked at, at most."""
STEPS, FEWER = 40, 10
LUCK, APART, VANISHED, BROKEN = 0.02, 0.05, 0.05, 0.95
"""Shares of rows: by which FGSM may beat PGD; by which 40 steps may beat 10; without a gradient, at most; broken in the
widest ball, at least."""
NOISE, DRAWS, SHAKEN = 0.1, 20, 0.3
"""Noise of a tenth of eps may change the margin by this share of it, in the mean of 20 draws and the median of the rows."""

GRADIENTS_FLOW, MANY_STEPS, CONVERGED, UNBOUNDED, DETERMINISTIC, SMOOTH, BLACK_BOX = (
    "gradients are there", "many steps beat one", "more steps break no more", "a ball as wide as the box breaks all",
    "it answers the same twice", "the loss is steady", "black box does not beat white box",
)  # fmt: skip

UNSEEN = "; if a stage rounds, say, make it a module of its own: BPDA goes through what it can see"


@dataclass(frozen=True)
class MaskingCheck:
    """One thing that holds of an evaluation that can be believed."""

    name: str
    passed: bool
    evidence: str
    """The figures, in words."""
    follow_up: str = ""
    """Where it failed: the attack that was run because of it, and what this broke."""


@dataclass(frozen=True, eq=False)
class FollowUp:
    """An attack that a failed check calls for, and which checks these were."""

    name: str
    failed_checks: tuple[str, ...]
    attack: AttackFunction


def check_masking(
    model: Model, x: Tensor, y: Tensor, threat: Threat, verdicts: AutoAttackResult, seed: int = 0
) -> list[MaskingCheck]:
    """Check what `autoattack` found of `model` on `x` `[B, ...]` with labels `y` `[B]`, on 100 rows that it knows.

    Raises UsageError where it knows none of them, and what attacks raise.
    """
    known = [row for row, by in enumerate(verdicts.broken_by) if by != CLEAN][:ROWS]
    if not known:
        raise UsageError(
            f"the model is right on none of {len(x):,} rows: there is nothing to attack. Are its classes in the order of the labels?"
        )
    rows = torch.tensor(known, device=x.device)
    threat, x, y = threat.rows(rows, x), x[rows], y[rows]
    still = not is_stochastic(model, x, seed)
    checks = [
        MaskingCheck(DETERMINISTIC, still, "two passes agree" if still else "two passes over the same rows differ")
    ]
    if set(verdicts.attacks) != {"square"}:  # which is all that can be done without gradients
        checks += _of_gradients(model if still else eot(model, DRAWS), x, y, threat, seed)
    late, of = verdicts.broken_by.count("square"), len(verdicts.broken_by)
    if "square" in verdicts.attacks and len(verdicts.attacks) > 1:
        told = f"Square, which sees no gradients, alone breaks {late} of {of} rows"
        checks.append(MaskingCheck(BLACK_BOX, late <= LATE * of, told))
    return checks


def follow_ups(checks: Sequence[MaskingCheck], model: Model, x: Tensor) -> list[FollowUp]:
    """The attacks to run next, on rows that still stand: one for each kind of failure. x `[B, ...]` are some rows."""
    failed = {check_inputs.name for check_inputs in checks if not check_inputs.passed}
    found: list[tuple[str, set[str], AttackFunction]] = [
        ("apgd-eot", {DETERMINISTIC}, _expecting),
        ("apgd-smoothed", {SMOOTH}, _smoothed),
        (
            "apgd-long",
            {MANY_STEPS, CONVERGED},
            partial(_each, [partial(apgd, loss=loss, steps=400) for loss in (ce, dlr)]),
        ),
    ]
    if failed & {GRADIENTS_FLOW, UNBOUNDED, BLACK_BOX}:
        stages = gradient_blockers(model, x)
        shown = ", ".join(stages[:3])
        masked = {GRADIENTS_FLOW, UNBOUNDED, BLACK_BOX, MANY_STEPS}
        found.append((f"bpda through {shown}", masked, partial(_through, stages)) if stages
                     else ("square-long", masked, partial(square, steps=20_000)))  # fmt: skip
    return [FollowUp(name, tuple(sorted(failed & causes)), attack) for name, causes, attack in found if failed & causes]


def _of_gradients(model: Model, x: Tensor, y: Tensor, threat: Threat, seed: int) -> list[MaskingCheck]:
    of = len(x)

    def broken(steps: int, within: Threat = threat) -> int:
        return int(pgd(model, x, y, within, steps=steps, seed=seed).success.sum())

    try:
        flat = _without_gradient(model, x, y, threat, seed)
    except UsageError:
        return [MaskingCheck(GRADIENTS_FLOW, False, "no gradient flows from the logits to the input")]
    many, few, one = broken(STEPS), broken(FEWER), int(fgsm(model, x, y, threat, seed=seed).success.sum())
    wide = broken(STEPS, replace(threat, eps=threat.widest(x)))
    shaken = _shaken(model, x, y, threat, seed)
    there = flat <= VANISHED * of
    unseen = "" if there or gradient_blockers(model, x[:2]) else UNSEEN
    return [
        MaskingCheck(GRADIENTS_FLOW, there, f"the gradient is zero or not finite on {flat} of {of} rows{unseen}"),
        MaskingCheck(MANY_STEPS, many >= one - LUCK * of, f"PGD of {STEPS} steps breaks {many} of {of} rows, a single step {one}"),
        MaskingCheck(
            CONVERGED, abs(many - few) <= APART * of,
            f"PGD breaks {few} of {of} rows in {FEWER} steps, {many} in {STEPS}",
        ),
        MaskingCheck(UNBOUNDED, wide >= BROKEN * of, f"PGD breaks {wide} of {of} rows in it"),
        MaskingCheck(
            SMOOTH, shaken <= SHAKEN,
            f"noise of {NOISE:g} eps changes the margin by {shaken:.0%} of it (at most {SHAKEN:.0%})",
        ),
    ]  # fmt: skip


def _without_gradient(model: Model, x: Tensor, y: Tensor, threat: Threat, seed: int) -> int:
    with running_attack(model, x, y, threat, seed=seed) as state:
        _, _, gradient = state.gradient(x, torch.arange(len(x), device=x.device), ce)
    slopes = gradient.flatten(1)
    return int(((slopes == 0).all(1) | ~slopes.isfinite().all(1)).sum())


@torch.no_grad()
def _shaken(model: Model, x: Tensor, y: Tensor, threat: Threat, seed: int) -> float:
    """How much the margin of a row changes in noise of a tenth of the threat, as a share of it, at most all."""
    generator = torch.Generator().manual_seed(seed)
    little = replace(threat, eps=torch.as_tensor(threat.eps) * NOISE) if threat.norm != "L0" else threat
    with frozen(model, seed):
        here = margin(model(x), y)
        away = [(margin(model(little.start(x, generator)), y) - here).abs() for _ in range(DRAWS)]
    return float((torch.stack(away).mean(0) / here.abs().clamp(min=1e-12)).clamp(max=1).median())


# the attacks that answer; each is judged on the model as it is


def _each(
    attacks: Sequence[AttackFunction], model: Model, x: Tensor, y: Tensor, threat: Threat, *, seed: int = 0
) -> Result:
    """Of some attacks, for each row, that which went furthest."""
    found = [attack(model, x, y, threat, seed=seed) for attack in attacks]
    best = torch.stack([one.loss for one in found]).argmax(0)
    picked = {
        name: torch.stack([getattr(one, name) for one in found])[best, torch.arange(len(x), device=x.device)]
        for name in ("adv", "success", "iterations", "loss", "distance")
    }
    cost = {name: torch.stack([getattr(one, name) for one in found]).sum(0) for name in ("queries", "gradients")}
    return Result(**picked, **cost)


def _expecting(model: Model, x: Tensor, y: Tensor, threat: Threat, *, seed: int = 0) -> Result:
    return _each(list(ensemble("rand", threat.norm).values()), model, x, y, threat, seed=seed)


def _smoothed(model: Model, x: Tensor, y: Tensor, threat: Threat, *, seed: int = 0) -> Result:
    """APGD on the mean of the logits in noise of a tenth of eps: a loss without the ripples of the model's own."""
    spread = NOISE * torch.as_tensor(threat.eps).max() if threat.norm == "Linf" else 0.01

    def noisy(at: Tensor) -> Tensor:
        return model(at + spread * (2 * torch.rand_like(at) - 1))

    return reevaluate(apgd(noisy, x, y, threat, eot=DRAWS, seed=seed), model, x, y, threat, seed)


def _through(stages: Sequence[str], model: Model, x: Tensor, y: Tensor, threat: Threat, *, seed: int = 0) -> Result:
    assert isinstance(model, nn.Module)
    return _each([apgd, partial(apgd, loss=dlr)], straight_through(model, stages), x, y, threat, seed=seed)
