"""A faster stand-in to search with, while the model itself gives the verdicts.

Nearly all passes of an attack look at points that break nothing: they may be rounded more coarsely where what is found is
looked at again by the model. What the stand-in alone takes for broken is attacked again without it. A search by other
roundings takes other ways, and a coarse one may miss a row: nothing it finds is wrong, but less may be found.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from sparring.attacks.losses import margin
from sparring.attacks.result import AttackFunction, Result
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model, frozen


def search_with_surrogate(stand_in: Model, attack: AttackFunction) -> AttackFunction:
    """`attack`, untargeted, that searches with `stand_in`, and asks the model it is given about what was found."""

    def state(model: Model, x: Tensor, y: Tensor, threat: Threat, *, seed: int) -> Result:
        with frozen(model):
            claimed = attack(stand_in, x, y, threat, seed=seed)
        found = reevaluate(claimed, model, x, y, threat, seed)
        rows = (claimed.success & ~found.success).nonzero().squeeze(1)
        if not len(rows):
            return found
        return _with(found, rows, attack(model, x[rows], y[rows], threat.rows(rows, x), seed=seed))

    return state


def reevaluate(found: Result, model: Model, x: Tensor, y: Tensor, threat: Threat, seed: int) -> Result:
    """What an untargeted attack found on another model, by what `model` itself says of it."""
    with torch.no_grad(), frozen(model, seed):
        logits = model(found.adv).to(x.dtype)
    success = (logits.argmax(1) != y) & threat.allows(found.adv, x)
    return replace(found, success=success, loss=margin(logits, y), queries=found.queries + 1)


def _with(found: Result, rows: Tensor, again: Result) -> Result:
    """`found`, of whose `rows` there are new results; what both attacks cost is added."""

    def put(name: str) -> Tensor:
        whole: Tensor = getattr(found, name).clone()
        more: Tensor = getattr(again, name)
        whole[rows] = more + whole[rows] if name in ("iterations", "queries", "gradients") else more
        return whole

    return Result(**{name: put(name) for name in found.__dataclass_fields__})


def bf16_surrogate(model: Model) -> Model:
    """`model` under autocast: a stand-in where the hardware computes in bf16, and very slow where it does not."""

    def coarse(at: Tensor) -> Tensor:
        with torch.autocast(at.device.type, torch.bfloat16):
            return model(at).to(at.dtype)

    return coarse
