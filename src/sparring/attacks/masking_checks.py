"""Checks for gradient masking after AutoAttack, and the stronger attacks to run where a check fails.

Sources:
- Athalye, Carlini and Wagner 2018, "Obfuscated gradients give a false sense of security", section 3.1.
- Carlini et al. 2019, "On evaluating adversarial robustness", section 5.
- Pintor et al. 2022, "Indicators of attack failure". Two of its indicators are missing. Silent success cannot occur,
  since attacks evaluate every point they visit; transfer needs a second model.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from sparring.attacks.apgd import apgd
from sparring.attacks.attack_state import running_attack
from sparring.attacks.autoattack import CLEAN, AutoAttackResult, ensemble, max_by_square
from sparring.attacks.losses import ce, dlr, margin
from sparring.attacks.pgd import fgsm, pgd
from sparring.attacks.result import AttackFunction, Result
from sparring.attacks.square import square
from sparring.attacks.stochastic_models import is_stochastic
from sparring.attacks.surrogate import reevaluate
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model, frozen
from sparring.attacks.wrappers import eot, gradient_blockers, rescaled, straight_through
from sparring.engine.errors import UsageError

MAX_ROWS = 100
"""Rows that are checked, at most."""
MANY, FEW = 40, 10
"""Steps of the longer and of the shorter PGD run."""
FGSM_TOLERANCE = 0.02
"""Fraction of rows by which FGSM may break more than PGD."""
CONVERGENCE_TOLERANCE = 0.05
"""Fraction of rows by which 40 PGD steps may break more, or fewer, than 10."""
MAX_WITHOUT_GRADIENT = 0.05
"""Fraction of rows that may have a zero or non-finite gradient."""
MIN_UNBOUNDED_SUCCESS = 0.95
"""Fraction of rows that PGD must break where eps spans the whole box."""
NOISE, DRAWS, MAX_MARGIN_CHANGE = 0.1, 20, 0.3
"""Noise in units of eps, number of draws, and largest relative change of the margin (mean of draws, median of rows)."""

SATURATED_LEAD, NORMAL_LEAD = 80.0, 10.0
"""Lead of the label's logit over the others: above the first, cross entropy has no gradient in float32."""

UNSATURATED, GRADIENTS_FLOW, MANY_STEPS, CONVERGED, UNBOUNDED, DETERMINISTIC, SMOOTH, BLACK_BOX = (
    "the softmax is not saturated",
    "gradients reach the input", "many steps break at least as many as one", "more steps break no more",
    "an unbounded attack breaks all", "the model is deterministic", "the loss is smooth",
    "black-box attacks do not beat gradient attacks",
)  # fmt: skip
"""Names of the checks, each a statement that holds if the check passes."""

HIDDEN_STAGE = "; if a stage rounds its input, make it a separate nn.Module, so that BPDA can replace its gradient"


SATURATION = (
    "the label's logit leads by {lead:,.4g} (median), so that cross entropy has no gradient on {rows} of {total} rows; "
    "the other checks divide the logits, which changes no answer"
)


@dataclass(frozen=True)
class MaskingCheck:
    """One condition that a trustworthy evaluation meets."""

    name: str
    passed: bool
    evidence: str
    """Measurements behind `passed`, as a sentence."""
    follow_up: str = ""
    """Attack run because the check failed, and its result; empty if none was run."""


@dataclass(frozen=True, eq=False)
class FollowUp:
    """An attack to run because of failed checks."""

    name: str
    failed_checks: tuple[str, ...]
    attack: AttackFunction


def check_masking(
    model: Model, x: Tensor, y: Tensor, threat: Threat, result: AutoAttackResult, seed: int = 0
) -> list[MaskingCheck]:
    """Check the `autoattack` result on x `[B, ...]`, y `[B]` for gradient masking.

    Up to 100 correctly classified rows are used. Raises UsageError if there is none.
    """
    correct = [row for row, name in enumerate(result.broken_by) if name != CLEAN][:MAX_ROWS]
    if not correct:
        raise UsageError(
            f"the model classifies none of {len(x):,} rows correctly, so there is nothing to attack: "
            "check that its classes are in the order of the labels"
        )
    idx = torch.tensor(correct, device=x.device)
    few_threat, few_x, few_y = threat.rows(idx, x), x[idx], y[idx]
    deterministic = not is_stochastic(model, few_x, seed)
    evidence = "two passes agree" if deterministic else "two passes over the same rows differ"
    checks = [MaskingCheck(DETERMINISTIC, deterministic, evidence)]
    if set(result.attacks) != {"square"}:  # without gradients there is nothing else to check
        checks += _gradient_checks(model if deterministic else eot(model, DRAWS), few_x, few_y, few_threat, seed)
    if "square" in result.attacks and len(result.attacks) > 1:
        checks.append(_black_box_check(model, x, y, threat, result, seed))
    return checks


def follow_ups(checks: Sequence[MaskingCheck], model: Model, x: Tensor) -> list[FollowUp]:
    """Return the attacks to run on unbroken rows, one per kind of failure; x `[B, ...]` are a few rows."""
    failed = {check.name for check in checks if not check.passed}
    candidates: list[tuple[str, set[str], AttackFunction]] = [
        ("apgd-eot", {DETERMINISTIC}, _apgd_eot),
        ("apgd-rescaled", {UNSATURATED}, _apgd_rescaled),
        ("apgd-smoothed", {SMOOTH}, _apgd_smoothed),
        (
            "apgd-long",
            {MANY_STEPS, CONVERGED},
            _apgd_long,
        ),
    ]
    if failed & {GRADIENTS_FLOW, UNBOUNDED, BLACK_BOX}:
        stages = gradient_blockers(model, x)
        masked = {GRADIENTS_FLOW, UNBOUNDED, BLACK_BOX, MANY_STEPS}
        if stages:
            candidates.append((f"bpda through {', '.join(stages[:3])}", masked, partial(_apgd_bpda, stages)))
        else:
            candidates.append(("square-long", masked, partial(square, steps=20_000)))
    return [
        FollowUp(name, tuple(sorted(failed & causes)), attack) for name, causes, attack in candidates if failed & causes
    ]


def _black_box_check(
    model: Model, x: Tensor, y: Tensor, threat: Threat, result: AutoAttackResult, seed: int
) -> MaskingCheck:
    """Check that long gradient attacks break the rows that only Square broke; x `[B, ...]` are all rows."""
    rows, total = [row for row, name in enumerate(result.broken_by) if name == "square"], len(result.broken_by)
    evidence = f"Square, which uses no gradients, alone breaks {len(rows)} of {total} rows"
    count = len(rows)
    if count and count <= MAX_ROWS:
        idx = torch.tensor(rows, device=x.device)
        with suppress(UsageError):  # no gradient reaches the input
            count = int((~_apgd_long(model, x[idx], y[idx], threat.rows(idx, x), seed=seed).success).sum())
            evidence += f", of which longer gradient attacks break {len(rows) - count}"
    return MaskingCheck(BLACK_BOX, count <= max_by_square(total), evidence)


def _gradient_checks(model: Model, x: Tensor, y: Tensor, threat: Threat, seed: int) -> list[MaskingCheck]:
    total = len(x)

    def pgd_success(steps: int, threat: Threat = threat) -> int:
        return int(pgd(model, x, y, threat, steps=steps, seed=seed).success.sum())

    lead = _lead(model, x, y, seed)
    saturated = int((lead > SATURATED_LEAD).sum())
    checks = []
    if saturated > MAX_WITHOUT_GRADIENT * total:
        model = _with_normal_lead(model, lead)
        checks = [
            MaskingCheck(UNSATURATED, False, SATURATION.format(lead=float(lead.median()), rows=saturated, total=total))
        ]
    try:
        flat = _count_without_gradient(model, x, y, threat, seed)
    except UsageError:
        return [*checks, MaskingCheck(GRADIENTS_FLOW, False, "no gradient flows from the logits to the input")]
    many, few = pgd_success(MANY), pgd_success(FEW)
    one = int(fgsm(model, x, y, threat, seed=seed).success.sum())
    unbounded = pgd_success(MANY, replace(threat, eps=threat.widest(x)))
    change = _margin_change(model, x, y, threat, seed)
    flows = flat <= MAX_WITHOUT_GRADIENT * total
    hint = "" if flows or gradient_blockers(model, x[:2]) else HIDDEN_STAGE
    return [
        *checks,
        MaskingCheck(GRADIENTS_FLOW, flows, f"the gradient is zero or not finite on {flat} of {total} rows{hint}"),
        MaskingCheck(
            MANY_STEPS, many >= one - FGSM_TOLERANCE * total,
            f"PGD of {MANY} steps breaks {many} of {total} rows, a single step {one}",
        ),
        MaskingCheck(
            CONVERGED, abs(many - few) <= CONVERGENCE_TOLERANCE * total,
            f"PGD breaks {few} of {total} rows in {FEW} steps, {many} in {MANY}",
        ),
        MaskingCheck(
            UNBOUNDED, unbounded >= MIN_UNBOUNDED_SUCCESS * total,
            f"PGD breaks {unbounded} of {total} rows where eps spans the whole box",
        ),
        MaskingCheck(
            SMOOTH, change <= MAX_MARGIN_CHANGE,
            f"noise of {NOISE:g} eps changes the margin by {change:.0%} (at most {MAX_MARGIN_CHANGE:.0%})",
        ),
    ]  # fmt: skip


@torch.no_grad()
def _lead(model: Model, x: Tensor, y: Tensor, seed: int) -> Tensor:
    """Return the lead of the label's logit over the best other, `[B]`."""
    with frozen(model, seed):
        return -margin(model(x), y)


def _with_normal_lead(model: Model, lead: Tensor) -> Model:
    """Return the model with logits scaled so that the largest lead is a normal one."""
    return rescaled(model, max(float(lead.max()) / NORMAL_LEAD, 1.0))


def _count_without_gradient(model: Model, x: Tensor, y: Tensor, threat: Threat, seed: int) -> int:
    """Return the number of rows whose gradient is zero or not finite."""
    with running_attack(model, x, y, threat, seed=seed) as state:
        _, _, gradient = state.gradient(x, torch.arange(len(x), device=x.device), ce)
    flat = gradient.flatten(1)
    return int(((flat == 0).all(1) | ~flat.isfinite().all(1)).sum())


@torch.no_grad()
def _margin_change(model: Model, x: Tensor, y: Tensor, threat: Threat, seed: int) -> float:
    """Return the relative margin change under noise of a tenth of eps: mean of draws, median of rows, at most 1."""
    generator = torch.Generator().manual_seed(seed)
    small = replace(threat, eps=torch.as_tensor(threat.eps) * NOISE) if threat.norm != "L0" else threat
    with frozen(model, seed):
        clean = margin(model(x), y)
        changes = [(margin(model(small.start(x, generator)), y) - clean).abs() for _ in range(DRAWS)]
    return float((torch.stack(changes).mean(0) / clean.abs().clamp(min=1e-12)).clamp(max=1).median())


# Follow-up attacks; each result is evaluated on the unmodified model.


def _best_of(
    attacks: Sequence[AttackFunction], model: Model, x: Tensor, y: Tensor, threat: Threat, *, seed: int = 0
) -> Result:
    """Return, for each row, the result of the attack with the largest margin; costs are summed."""
    results = [attack(model, x, y, threat, seed=seed) for attack in attacks]
    best = torch.stack([result.loss for result in results]).argmax(0)
    picked = {
        name: torch.stack([getattr(result, name) for result in results])[best, torch.arange(len(x), device=x.device)]
        for name in ("adv", "success", "iterations", "loss", "distance")
    }
    cost = {
        name: torch.stack([getattr(result, name) for result in results]).sum(0) for name in ("queries", "gradients")
    }
    return Result(**picked, **cost)


def _apgd_long(model: Model, x: Tensor, y: Tensor, threat: Threat, *, seed: int = 0) -> Result:
    """Run APGD of 400 steps with each of two losses."""
    return _best_of([partial(apgd, loss=loss, steps=400) for loss in (ce, dlr)], model, x, y, threat, seed=seed)


def _apgd_eot(model: Model, x: Tensor, y: Tensor, threat: Threat, *, seed: int = 0) -> Result:
    """Run AutoAttack's `rand` attacks, whose gradients are averaged over 20 passes."""
    return _best_of(list(ensemble("rand", threat.norm).values()), model, x, y, threat, seed=seed)


def _apgd_rescaled(model: Model, x: Tensor, y: Tensor, threat: Threat, *, seed: int = 0) -> Result:
    """Run APGD on logits scaled down so far that the softmax is not saturated."""
    scaled = _with_normal_lead(model, _lead(model, x, y, seed))
    return reevaluate(apgd(scaled, x, y, threat, seed=seed), model, x, y, threat, seed)


def _apgd_smoothed(model: Model, x: Tensor, y: Tensor, threat: Threat, *, seed: int = 0) -> Result:
    """Run APGD on the mean of the logits in noise of a tenth of eps, which averages out ripples of the loss."""
    spread = NOISE * torch.as_tensor(threat.eps).max() if threat.norm == "Linf" else 0.01

    def noisy(points: Tensor) -> Tensor:
        return model(points + spread * (2 * torch.rand_like(points) - 1))

    return reevaluate(apgd(noisy, x, y, threat, eot=DRAWS, seed=seed), model, x, y, threat, seed)


def _apgd_bpda(stages: Sequence[str], model: Model, x: Tensor, y: Tensor, threat: Threat, *, seed: int = 0) -> Result:
    """Run APGD with the gradient of `stages` replaced by the identity."""
    assert isinstance(model, nn.Module)
    return _best_of([apgd, partial(apgd, loss=dlr)], straight_through(model, stages), x, y, threat, seed=seed)
