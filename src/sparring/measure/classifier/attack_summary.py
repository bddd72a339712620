"""From what AutoAttack found to figures that can be told: doubts are answered by more attacks, chances are counted."""

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
from sparring.measure.classifier.robustness import AT_ONCE, robustness
from sparring.stats.intervals import normal_interval, wilson_interval
from sparring.stats.proportion import CurvePoint

FIRST = 100
"""Rows that an answering attack is tried on at once."""
FEW = 20
"""Draws by which attacks are compared; what is told is counted in more."""

Tell = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Figures:
    """What is told of a model under attack."""

    verdicts: AutoAttackResult
    """With what the answering attacks broke."""
    doctor: list[MaskingCheck]
    per_attack: dict[str, int]
    """Rows that each attack broke, in the order in which they ran."""
    clean_accuracy: float
    robust_accuracy: float
    low: float
    """Ends of its 95 % interval."""
    high: float
    draws: int
    """Passes that chances were counted in; 1 where there are none."""
    curve: list[CurvePoint]


def figures(
    model: Model,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    verdicts: AutoAttackResult,
    seed: int = 0,
    on_progress: Tell = lambda words: None,
) -> Figures:
    """Examine what `autoattack` found on x `[B, ...]` with labels y `[B]`; run what failed checks call for; count."""
    checks = check_masking(model, x, y, threat, verdicts, seed)
    chance = not next(check_inputs for check_inputs in checks if check_inputs.name == DETERMINISTIC).passed
    if chance:  # one draw is no verdict: what is wrong half of the time is broken
        robust = error_rates(model, verdicts.adv, y, draws=FEW, seed=seed) < 0.5
        last = verdicts.attacks[-1]
        by = (ROBUST if stands else by or last for stands, by in zip(robust.tolist(), verdicts.broken_by, strict=True))
        verdicts = replace(verdicts, robust=robust, broken_by=tuple(by))
    for number, answer in enumerate(follow_ups(checks, model, x[:2])):
        before = int(verdicts.robust.sum())
        if not before:
            break
        on_progress(f"the doctor asks for {answer.name}: {before:,} images stand")
        verdicts, tried = _pursued(answer, model, x, y, threat, verdicts, mix(seed, number), chance)
        told = f"{answer.name} then broke {before - int(verdicts.robust.sum()):,} of {tried:,} that stood"
        if tried < before:
            told += f", those that came nearest to breaking, and so was not run on the other {before - tried:,}"
        checks = [
            replace(check_inputs, follow_up=told) if check_inputs.name in answer.failed_checks else check_inputs
            for check_inputs in checks
        ]
    per_attack = {name: verdicts.broken_by.count(name) for name in verdicts.attacks}
    if chance:
        clean = error_rates(model, x, y, draws=DRAWS, seed=mix(seed, 1))
        right = 1 - torch.maximum(clean, error_rates(model, verdicts.adv, y, draws=DRAWS, seed=mix(seed, 2)))
        low, high = normal_interval(right)
        return Figures(verdicts, checks, per_attack, 1 - float(clean.mean()), float(right.mean()), low, high, DRAWS, [])
    low, high = wilson_interval(int(verdicts.robust.sum()), len(x))
    return Figures(
        verdicts, checks, per_attack, verdicts.clean_accuracy, verdicts.robust_accuracy, low, high, 1,
        _curve(model, x, y, threat, verdicts, checks, on_progress),
    )  # fmt: skip


def _pursued(
    answer: FollowUp,
    model: Model,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    verdicts: AutoAttackResult,
    seed: int,
    chance: bool,
) -> tuple[AutoAttackResult, int]:
    """One more attack on rows that stand, and on how many; by `chance`, what is wrong more often than the best so far is kept.

    Those that came nearest to breaking are tried first, so many at once, and where none of these breaks it ends.
    """
    adv, robust = verdicts.adv.clone(), verdicts.robust.clone()
    queries, gradients = verdicts.queries.clone(), verdicts.gradients.clone()
    broken_by = list(verdicts.broken_by)
    tried = 0
    for rows in torch.split(_nearest_first(model, y, verdicts), FIRST):
        found = answer.attack(model, x[rows], y[rows], threat.rows(rows, x), seed=seed)
        success = found.success
        if chance:
            before, now = (error_rates(model, at, y[rows], draws=FEW, seed=seed) for at in (adv[rows], found.adv))
            ahead, success = now > before, now >= 0.5
            adv[rows[ahead]] = found.adv[ahead]
        else:
            adv[rows[success]] = found.adv[success]
        broke = rows[success]
        robust[broke] = False
        queries[rows] += found.queries
        gradients[rows] += found.gradients
        for row in broke.tolist():
            broken_by[row] = answer.name
        tried += len(rows)
        if not len(broke):
            break
    pursued = replace(
        verdicts, adv=adv, robust=robust, queries=queries, gradients=gradients, broken_by=tuple(broken_by),
        attacks=(*verdicts.attacks, answer.name),
    )  # fmt: skip
    return pursued, tried


@torch.no_grad()
def _nearest_first(model: Model, y: Tensor, verdicts: AutoAttackResult) -> Tensor:
    """The rows that stand, those first at whose most promising point the label wins by the least."""
    rows = verdicts.robust.nonzero().squeeze(1)
    with frozen(model, seed=0):
        parts = zip(torch.split(verdicts.adv[rows], AT_ONCE), torch.split(y[rows], AT_ONCE), strict=True)
        margins = [margin(model(at), label) for at, label in parts]
    return rows[torch.cat(margins).argsort(descending=True, stable=True)]


def _curve(
    model: Model,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    verdicts: AutoAttackResult,
    checks: Sequence[MaskingCheck],
    on_progress: Tell,
) -> list[CurvePoint]:
    """The share that is right over the radius; [] where gradients lead PGD nowhere, or there is no one radius to grow."""
    blind = not any(check_inputs.name == GRADIENTS_FLOW and check_inputs.passed for check_inputs in checks)
    if blind or isinstance(threat.eps, Tensor) or not threat.eps:
        return []

    def within(eps: float) -> Threat:
        return replace(threat, eps=eps)

    on_progress("drawing the curve over eps ...")
    return robustness(model, x, y, within, threat.eps, threat.widest(x), standing=verdicts.robust).levels


def samples(names: Sequence[str], labels: Sequence[str], verdicts: AutoAttackResult) -> list[dict[str, str | int]]:
    """A line for each row: what it is, what broke it (`clean`: wrong from the start; empty: it stands), what it took."""
    lines = zip(names, labels, verdicts.broken_by, verdicts.queries.tolist(), verdicts.gradients.tolist(), strict=True)
    return [
        {"name": name, "label": label, "broken_by": by, "queries": queries, "gradients": gradients}
        for name, label, by, queries, gradients in lines
    ]


def fooled(verdicts: AutoAttackResult, most: int) -> list[int]:
    """Rows that were right and that an attack broke, at most so many."""
    return [row for row, by in enumerate(verdicts.broken_by) if by and by != CLEAN][:most]
