"""AutoAttack: an ensemble of parameter-free attacks, so that robust accuracies of different models are comparable.

Croce and Hein 2020, "Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free attacks".
The versions are theirs. Differences from their code:
- A row leaves at the step at which it is misclassified.
- There are as many targets as wrong classes.
- With two or three classes the margin replaces the difference of logits ratio, which is undefined there.
- APGD steps in L2 are clipped to the box first (`FeasibleSet.clip`).
- Squares reach every row and column of the image.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from sparring.attacks.apgd import apgd
from sparring.attacks.fab import fab
from sparring.attacks.losses import dlr
from sparring.attacks.norms import Norm
from sparring.attacks.result import AttackFunction, Result
from sparring.attacks.square import square
from sparring.attacks.stochastic_models import outputs_differ
from sparring.attacks.surrogate import search_with_surrogate
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model, check_inputs, frozen
from sparring.engine.errors import UsageError, did_you_mean
from sparring.engine.seeds import mix

MAX_SQUARE_FRACTION = 0.002
"""Fraction of rows that Square may break after the gradient attacks without a sign of gradient masking."""
CLEAN, ROBUST = "clean", ""
"""Values of `broken_by` that are no attack: misclassified without an attack, and robust to all attacks."""


@dataclass(frozen=True, eq=False)
class AutoAttackResult:
    """Result of AutoAttack on B rows."""

    adv: Tensor
    """Adversarial examples, `[B, ...]`; for robust rows, the point with the largest margin."""
    broken_by: tuple[str, ...]
    """Name of the first successful attack per row; `clean`: misclassified without an attack; empty: robust."""
    robust: Tensor
    """True where no attack succeeded, bool `[B]`."""
    queries: Tensor
    """Forward passes, int64 `[B]`."""
    gradients: Tensor
    """Backward passes, int64 `[B]`."""
    notes: tuple[str, ...]
    """Reasons to doubt the result, for the user."""
    attacks: tuple[str, ...]
    """Names of the attacks, in the order they were run."""

    @classmethod
    def join(cls, parts: Sequence[AutoAttackResult]) -> AutoAttackResult:
        """Concatenate the results of several batches; notes on one batch are notes on all."""
        first, *_ = parts
        adv, robust, queries, gradients = (
            torch.cat([getattr(part, name) for part in parts]) for name in ("adv", "robust", "queries", "gradients")
        )
        broken_by = tuple(name for part in parts for name in part.broken_by)
        on_all = _square_notes(broken_by, first.attacks)
        on_parts = (
            note for part in parts for note in part.notes if note != _square_note(part.broken_by.count("square"))
        )
        notes = tuple(dict.fromkeys([*on_parts, *on_all]))
        return cls(adv, broken_by, robust, queries, gradients, notes, first.attacks)

    @property
    def clean_accuracy(self) -> float:
        """Fraction of rows that are classified correctly without an attack."""
        return 1 - self.broken_by.count(CLEAN) / len(self.broken_by)

    @property
    def robust_accuracy(self) -> float:
        """Fraction of rows on which no attack succeeded: an upper bound of the true robust accuracy."""
        return float(self.robust.double().mean())


def ensemble(version: str, norm: Norm) -> Mapping[str, AttackFunction]:
    """Return the attacks of a version by name, in their order; raise UsageError for an unknown version and for L0."""
    if norm == "L0":
        raise UsageError("autoattack supports Linf, L2 and L1: use sparring.attacks.pgd to change few pixels (L0)")
    apgd_ce, sparse = partial(apgd, restarts=5 if norm == "L1" else 1), norm == "L1"
    apgd_t = partial(apgd, loss=dlr, n_targets=5 if sparse else 9)
    versions: dict[str, dict[str, AttackFunction]] = {
        "standard": {"apgd-ce": apgd_ce, "apgd-t": apgd_t, "fab-t": partial(fab, n_targets=9), "square": square},
        "plus": {
            "apgd-ce": partial(apgd, restarts=5),
            "apgd-dlr": partial(apgd, loss=dlr, restarts=5),
            "fab": partial(fab, restarts=5),
            "square": square,
            "apgd-t": partial(apgd, loss=dlr, n_targets=9),
            "fab-t": partial(fab, n_targets=9),
        },
        "rand": {"apgd-ce": partial(apgd, eot=20), "apgd-dlr": partial(apgd, loss=dlr, eot=20)},
        "square": {"square": square},
    }
    if version not in versions:
        raise UsageError(f"unknown version '{version}': {did_you_mean(version, versions)}")
    return versions[version]


def autoattack(
    model: Model,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    *,
    version: str = "standard",
    seed: int = 0,
    batch_size: int = 256,
    surrogate: Model | None = None,
    keep: Callable[[int, Callable[[], Result]], Result] = lambda number, compute: compute(),
    on_progress: Callable[[str, int], None] = lambda attack, unbroken: None,
) -> AutoAttackResult:
    """Run the attacks of `version` on x `[B, ...]` with labels y `[B]`, each on the rows that are still unbroken.

    - `standard`: APGD on cross-entropy, APGD-T, FAB-T and Square.
    - `plus`: more restarts, and untargeted APGD and FAB besides.
    - `rand`: APGD with gradients averaged over 20 passes, for stochastic models.
    - `square`: Square alone, for models without gradients.

    `surrogate`, a faster model, replaces `model` during the search; `model` verifies every result
    (`surrogate.search_with_surrogate`). `keep(number, compute)` returns the result of one attack on one batch, of an
    earlier, interrupted call or computed now. `on_progress` receives each attack's name and its number of rows.
    """
    attacks = ensemble(version, threat.norm)
    if batch_size < 1:
        raise UsageError(f"batch_size must be 1 or more, not {batch_size}")
    all_idx = torch.arange(len(x), device=x.device)
    batches = [(idx, threat.rows(idx, x)) for idx in torch.split(all_idx, batch_size)]
    logits = torch.cat(
        [check_inputs(model, x[idx], y[idx], batch_threat) for idx, batch_threat in batches]
        or [check_inputs(model, x, y, threat)]
    )
    robust = logits.argmax(1) == y
    broken_by = [ROBUST if correct else CLEAN for correct in robust.tolist()]
    adv, queries = x.clone(), torch.ones_like(all_idx)
    best_margin = torch.full_like(logits[:, 0], -torch.inf)
    gradients, parts = torch.zeros_like(queries), itertools.count()
    for number, (name, attack) in enumerate(attacks.items()):
        unbroken_idx = robust.nonzero().squeeze(1)
        on_progress(name, len(unbroken_idx))
        run = attack if surrogate is None else search_with_surrogate(surrogate, attack)
        for idx in torch.split(unbroken_idx, batch_size) if len(unbroken_idx) else ():
            result = keep(next(parts), partial(run, model, x[idx], y[idx], threat.rows(idx, x), seed=mix(seed, number)))
            better = result.success | (result.loss > best_margin[idx])
            adv[idx[better]], best_margin[idx[better]] = result.adv[better], result.loss[better]
            broken_idx = idx[result.success]
            robust[broken_idx] = False
            for row in broken_idx.tolist():
                broken_by[row] = name
            queries[idx] += result.queries
            gradients[idx] += result.gradients
    notes = [
        *_model_notes(model, x[:batch_size], logits[:batch_size], version),
        *_square_notes(broken_by, tuple(attacks)),
    ]
    return AutoAttackResult(adv, tuple(broken_by), robust, queries, gradients, tuple(notes), tuple(attacks))


def _model_notes(model: Model, x: Tensor, logits: Tensor, version: str) -> list[str]:
    """Return notes on a model in training mode and on a stochastic model."""
    notes = []
    if isinstance(model, nn.Module) and any(module.training for module in model.modules()):
        notes.append("the model was in training mode: it was attacked in eval mode, and its mode was restored")
    if version != "rand":
        with torch.no_grad(), frozen(model, seed=1):  # another random state than in the first pass
            again = model(x)
        if outputs_differ(logits, again):
            notes.append('the model is stochastic (two passes differ): use version="rand" and several seeds')
    return notes


def max_by_square(total: int) -> float:
    """Return how many of `total` rows Square may break after the gradient attacks; a single one is no evidence."""
    return max(MAX_SQUARE_FRACTION * total, 1)


def _square_notes(broken_by: Sequence[str], attacks: Sequence[str]) -> list[str]:
    """Return a note if Square breaks more than a few rows on which the gradient attacks failed."""
    count = broken_by.count("square")
    if tuple(attacks) == ("square",):
        return [
            "only Square attacked, which uses no gradients: the true robust accuracy may be far lower. Attack the "
            "model with its gradients for a reliable figure"
        ]
    if count <= max_by_square(len(broken_by)):
        return []
    return [_square_note(count)]


def _square_note(count: int) -> str:
    return (
        f"square, which uses no gradients, broke {count} rows that gradient attacks did not: the gradients may be "
        "masked, and the true robust accuracy may be lower"
    )
