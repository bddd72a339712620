"""Clean and robust accuracy from the results of AutoAttack, after the follow-up attacks that failed checks call for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sparring.attacks.autoattack import CLEAN, ROBUST, AutoAttackResult
from sparring.attacks.losses import margin
from sparring.attacks.masking_checks import (
    DETERMINISTIC,
    GRADIENTS_FLOW,
    FollowUp,
    MaskingCheck,
    check_masking,
    follow_ups,
)
from sparring.attacks.stochastic_models import DRAWS, error_rates
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model, frozen
from sparring.engine.seeds import mix
from sparring.measure.classifier.robustness import BATCH_ROWS, robustness
from sparring.stats.proportion import CurvePoint, Proportion

CHUNK_ROWS = 100
"""Rows that a follow-up attack tries before it decides whether to continue."""
COMPARISON_DRAWS = 20
"""Passes by which attacks on a stochastic model are compared; reported rates take DRAWS passes."""

Log = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class AttackSummary:
    """Accuracy of a model without and under attack, and the evidence for it."""

    result: AutoAttackResult
    """Results of AutoAttack and of the follow-up attacks."""
    checks: list[MaskingCheck]
    per_attack: dict[str, int]
    """Attack -> rows that it broke, in the order in which the attacks ran."""
    clean: Proportion
    robust: Proportion
    """Rows that no attack broke; for a stochastic model the mean probability of a correct answer."""
    draws: int
    """Passes behind each probability; 1 for a deterministic model."""
    curve: list[CurvePoint]


def summarize(
    model: Model,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    result: AutoAttackResult,
    seed: int = 0,
    log: Log = lambda message: None,
) -> AttackSummary:
    """Check an `autoattack` result on x `[B, ...]` with labels y `[B]`, run the follow-up attacks, and count.

    Raises UsageError where the model classifies no row correctly.
    """
    checks = check_masking(model, x, y, threat, result, seed)
    stochastic = not next(check for check in checks if check.name == DETERMINISTIC).passed
    if stochastic:  # one draw is no verdict: a row that is wrong in half of the passes counts as broken
        robust = error_rates(model, result.adv, y, draws=COMPARISON_DRAWS, seed=seed) < 0.5
        last = result.attacks[-1]
        broken_by = (
            ROBUST if is_robust else name or last
            for is_robust, name in zip(robust.tolist(), result.broken_by, strict=True)
        )
        result = replace(result, robust=robust, broken_by=tuple(broken_by))
    for number, attack in enumerate(follow_ups(checks, model, x[:2])):
        before = int(result.robust.sum())
        if not before:
            break
        log(f"a masking check failed: running {attack.name} on {before:,} unbroken rows")
        result, tried = _follow_up(attack, model, x, y, threat, result, mix(seed, number), stochastic)
        outcome = f"{attack.name} then broke {before - int(result.robust.sum()):,} of {tried:,} unbroken rows"
        if tried < before:
            outcome += f" (those with the smallest margin, so it skipped the other {before - tried:,})"
        checks = [
            replace(check, follow_up=outcome) if check.name in attack.failed_checks else check for check in checks
        ]
    per_attack = {name: result.broken_by.count(name) for name in result.attacks}
    if stochastic:
        clean, robust_mean = _correct_rates(model, x, y, result.adv, seed)
        return AttackSummary(result, checks, per_attack, clean, robust_mean, DRAWS, [])
    return AttackSummary(
        result,
        checks,
        per_attack,
        Proportion.count(len(x) - result.broken_by.count(CLEAN), len(x)),
        Proportion.count(int(result.robust.sum()), len(x)),
        1,
        _curve(model, x, y, threat, result, checks, log),
    )


def _correct_rates(model: Model, x: Tensor, y: Tensor, adv: Tensor, seed: int) -> tuple[Proportion, Proportion]:
    """Return the mean probabilities of a correct answer of a stochastic model, without and under attack."""
    clean = error_rates(model, x, y, draws=DRAWS, seed=mix(seed, 1))
    attacked = torch.maximum(clean, error_rates(model, adv, y, draws=DRAWS, seed=mix(seed, 2)))
    return Proportion.mean(1 - clean), Proportion.mean(1 - attacked)


def _follow_up(
    follow_up: FollowUp,
    model: Model,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    result: AutoAttackResult,
    seed: int,
    stochastic: bool,
) -> tuple[AutoAttackResult, int]:
    """Run one more attack on unbroken rows; returns the new result and the number of rows tried.

    Rows with the smallest margin are tried first, a chunk at a time, until a chunk breaks none. For a stochastic model
    the points with the higher error rate are kept.
    """
    adv, robust = result.adv.clone(), result.robust.clone()
    queries, gradients = result.queries.clone(), result.gradients.clone()
    broken_by = list(result.broken_by)
    tried = 0
    for idx in torch.split(_by_margin(model, y, result), CHUNK_ROWS):
        attacked = follow_up.attack(model, x[idx], y[idx], threat.rows(idx, x), seed=seed)
        success = attacked.success
        if stochastic:
            before, now = (
                error_rates(model, points, y[idx], draws=COMPARISON_DRAWS, seed=seed)
                for points in (adv[idx], attacked.adv)
            )
            better, success = now > before, now >= 0.5
            adv[idx[better]] = attacked.adv[better]
        else:
            adv[idx[success]] = attacked.adv[success]
        broken = idx[success]
        robust[broken] = False
        queries[idx] += attacked.queries
        gradients[idx] += attacked.gradients
        for row in broken.tolist():
            broken_by[row] = follow_up.name
        tried += len(idx)
        if not len(broken):
            break
    extended = replace(
        result,
        adv=adv,
        robust=robust,
        queries=queries,
        gradients=gradients,
        broken_by=tuple(broken_by),
        attacks=(*result.attacks, follow_up.name),
    )
    return extended, tried


@torch.no_grad()
def _by_margin(model: Model, y: Tensor, result: AutoAttackResult) -> Tensor:
    """Return the unbroken rows, int64 `[R]`, those first whose label wins by the least at their best point."""
    idx = result.robust.nonzero().squeeze(1)
    with frozen(model, seed=0):
        chunks = zip(torch.split(result.adv[idx], BATCH_ROWS), torch.split(y[idx], BATCH_ROWS), strict=True)
        margins = [margin(model(points), labels) for points, labels in chunks]
    return idx[torch.cat(margins).argsort(descending=True, stable=True)]


def _curve(
    model: Model,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    result: AutoAttackResult,
    checks: Sequence[MaskingCheck],
    log: Log,
) -> list[CurvePoint]:
    """Return the accuracy over the radius; [] where gradients fail, or where the rows have radii of their own."""
    usable = any(check.name == GRADIENTS_FLOW and check.passed for check in checks)
    if not usable or isinstance(threat.eps, Tensor) or not threat.eps:
        return []

    def within(eps: float) -> Threat:
        return replace(threat, eps=eps)

    log("computing the accuracy over eps ...")
    return robustness(model, x, y, within, threat.eps, threat.widest(x), unbroken=result.robust).levels


def samples(names: Sequence[str], labels: Sequence[str], result: AutoAttackResult) -> list[tuple[str | int, ...]]:
    """Return (name, label, broken_by, queries, gradients) of each row.

    `broken_by` is an attack, `clean` where the row is misclassified without one, or empty where it is robust.
    """
    columns = names, labels, result.broken_by, result.queries.tolist(), result.gradients.tolist()
    return list(zip(*columns, strict=True))


def fooled(result: AutoAttackResult, count: int) -> list[int]:
    """Return the first `count` rows that were classified correctly and that an attack broke."""
    return [row for row, attack in enumerate(result.broken_by) if attack and attack != CLEAN][:count]
