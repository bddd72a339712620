"""AutoAttack: an ensemble of attacks without knobs, so that figures of different models can be compared.

Croce and Hein 2020, "Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free attacks".
The recipes are theirs. What differs from their code: a row leaves at the step at which it breaks; targets are as many as
there are wrong classes, and with two or three classes the margin stands in for the difference of logits ratio, which they
do not define; steps of APGD in L2 keep to the box first (`Region.relax`), and squares reach every line and column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from sparring.attacks.apgd import apgd
from sparring.attacks.fab import fab
from sparring.attacks.losses import dlr
from sparring.attacks.norms import Norm
from sparring.attacks.result import AttackFunction
from sparring.attacks.square import square
from sparring.attacks.stochastic_models import outputs_differ
from sparring.attacks.surrogate import search_with_surrogate
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model, check_inputs, frozen
from sparring.engine.errors import UsageError, did_you_mean
from sparring.engine.seeds import mix

LATE = 0.002
"""The share of rows that Square may break after the others without casting doubt on the gradients they went by."""
CLEAN, ROBUST = "clean", ""
"""In place of an attack's name: wrong without any attack, and right after all of them."""


@dataclass(frozen=True, eq=False)
class AutoAttackResult:
    """What became of each of B rows."""

    adv: Tensor
    """The examples that broke them, `[B, ...]`; where nothing did, the most promising point that was seen."""
    broken_by: tuple[str, ...]
    """The attack that broke it, for each row; `clean`: it was misclassified from the start; empty: it is robust."""
    robust: Tensor
    """True where no attack broke it, bool `[B]`."""
    queries: Tensor
    """Forward passes, int64 `[B]`."""
    gradients: Tensor
    """Backward passes, int64 `[B]`."""
    notes: tuple[str, ...]
    """What casts doubt on the figures, in words."""
    attacks: tuple[str, ...]
    """That were run, in their order."""

    @classmethod
    def join(cls, parts: Sequence[AutoAttackResult]) -> AutoAttackResult:
        """Those of several batches as of one; what casts doubt on some casts it on all."""
        first, *_ = parts
        adv, robust, queries, gradients = (
            torch.cat([getattr(part, name) for part in parts]) for name in ("adv", "robust", "queries", "gradients")
        )
        broken_by = tuple(by for part in parts for by in part.broken_by)
        of_all = _late(broken_by, first.attacks)
        of_some = (
            record for part in parts for record in part.notes if record not in _late(part.broken_by, part.attacks)
        )
        notes = (*dict.fromkeys(of_some), *of_all)
        return cls(adv, broken_by, robust, queries, gradients, notes, first.attacks)

    @property
    def clean_accuracy(self) -> float:
        """The share of rows that are classified rightly without an attack."""
        return 1 - self.broken_by.count(CLEAN) / len(self.broken_by)

    @property
    def robust_accuracy(self) -> float:
        """The share of rows that no attack broke: an upper bound of the true one."""
        return float(self.robust.double().mean())


def ensemble(version: str, norm: Norm) -> Mapping[str, AttackFunction]:
    """The attacks of a version, in their order: name -> attack."""
    if norm == "L0":
        raise UsageError("autoattack knows Linf, L2 and L1: few pixels (L0) are what sparring.attacks.pgd changes")
    ce, sparse = partial(apgd, restarts=5 if norm == "L1" else 1), norm == "L1"
    apgd_t = partial(apgd, loss=dlr, n_targets=5 if sparse else 9)
    versions: dict[str, dict[str, AttackFunction]] = {
        "standard": {"apgd-ce": ce, "apgd-t": apgd_t, "fab-t": partial(fab, n_targets=9), "square": square},
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
    on_progress: Callable[[str, int], None] = lambda attack, unbroken_idx: None,
) -> AutoAttackResult:
    """Run the attacks of `version` one after the other, each on the rows that still stand.

    `standard`: APGD on cross-entropy, APGD-T, FAB-T and Square; `plus`: more restarts, and untargeted APGD and FAB as well;
    `rand`: APGD with means of 20 passes, for models that draw random numbers; `square`: Square alone, for models that have no
    gradients to see. `stand_in`, a faster model, is searched with in place of `model`, which still gives all verdicts
    (`standin.searching_with`). `tell` hears the name of each attack before it starts and how many rows stand.
    """
    attacks = ensemble(version, threat.norm)
    if batch_size < 1:
        raise UsageError(f"batch_size must be 1 or more, not {batch_size}")
    everyone = torch.arange(len(x), device=x.device)
    cut = [(part, threat.rows(part, x)) for part in torch.split(everyone, batch_size)]
    logits = torch.cat(
        [check_inputs(model, x[part], y[part], few) for part, few in cut] or [check_inputs(model, x, y, threat)]
    )
    robust = logits.argmax(1) == y
    broken_by = [ROBUST if right else CLEAN for right in robust.tolist()]
    adv, queries = x.clone(), torch.ones_like(everyone)
    furthest = torch.full_like(logits[:, 0], -torch.inf)
    gradients = torch.zeros_like(queries)
    for number, (name, attack) in enumerate(attacks.items()):
        unbroken_idx = robust.nonzero().squeeze(1)
        on_progress(name, len(unbroken_idx))
        state = attack if surrogate is None else search_with_surrogate(surrogate, attack)
        for part in torch.split(unbroken_idx, batch_size) if len(unbroken_idx) else ():
            found = state(model, x[part], y[part], threat.rows(part, x), seed=mix(seed, number))
            ahead = found.success | (found.loss > furthest[part])
            adv[part[ahead]], furthest[part[ahead]] = found.adv[ahead], found.loss[ahead]
            broken = part[found.success]
            robust[broken] = False
            for row in broken.tolist():
                broken_by[row] = name
            queries[part] += found.queries
            gradients[part] += found.gradients
    notes = [*_of_model(model, x[:batch_size], logits[:batch_size], version), *_late(broken_by, tuple(attacks))]
    return AutoAttackResult(adv, tuple(broken_by), robust, queries, gradients, tuple(notes), tuple(attacks))


def _of_model(model: Model, x: Tensor, logits: Tensor, version: str) -> list[str]:
    """What is odd about the model itself."""
    notes = []
    if isinstance(model, nn.Module) and any(module.training for module in model.modules()):
        notes.append("the model was in training mode: it was attacked in eval mode, and put back")
    if version != "rand":
        with torch.no_grad(), frozen(model, seed=1):  # not the state that the first pass began with
            again = model(x)
        if outputs_differ(logits, again):
            notes.append('the model answers differently each time: take version="rand", and more than one seed')
    return notes


def _late(broken_by: Sequence[str], attacks: Sequence[str]) -> list[str]:
    """What to say where Square breaks more than a few rows that attacks before it did not."""
    late = broken_by.count("square")
    if len(attacks) == 1 or late <= LATE * len(broken_by):
        return []
    return [
        f"square, which sees no gradients, broke {late} rows that attacks with gradients did not: the gradients may "
        "be masked, and the true robust accuracy lower"
    ]
