"""Attacks that search with a faster surrogate model and verify their results with the model itself.

Most passes of an attack evaluate points that break nothing, so coarser rounding is enough there. Rows that are
adversarial only for the surrogate are attacked again with the model. No false example is reported, but a search by
other roundings takes other steps and may miss an example.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from sparring.attacks.losses import margin
from sparring.attacks.result import AttackFunction, Result
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model, frozen


def search_with_surrogate(surrogate: Model, attack: AttackFunction) -> AttackFunction:
    """Return an untargeted `attack` that searches with `surrogate` and verifies with the model it is given."""

    def search(model: Model, x: Tensor, y: Tensor, threat: Threat, *, seed: int) -> Result:
        with frozen(model):
            claimed = attack(surrogate, x, y, threat, seed=seed)
        result = reevaluate(claimed, model, x, y, threat, seed)
        idx = (claimed.success & ~result.success).nonzero().squeeze(1)
        if not len(idx):
            return result
        return _replace_rows(result, idx, attack(model, x[idx], y[idx], threat.rows(idx, x), seed=seed))

    return search


def reevaluate(result: Result, model: Model, x: Tensor, y: Tensor, threat: Threat, seed: int) -> Result:
    """Return the result of an untargeted attack on another model as evaluated by `model`, with one more query."""
    with torch.no_grad(), frozen(model, seed):
        logits = model(result.adv).to(x.dtype)
    success = (logits.argmax(1) != y) & threat.allows(result.adv, x)
    return replace(result, success=success, loss=margin(logits, y), queries=result.queries + 1)


def _replace_rows(result: Result, idx: Tensor, rerun: Result) -> Result:
    """Return `result` with the rows `idx` taken from `rerun`; the costs of both attacks are added."""

    def merged(name: str) -> Tensor:
        values: Tensor = getattr(result, name).clone()
        new: Tensor = getattr(rerun, name)
        values[idx] = new + values[idx] if name in ("iterations", "queries", "gradients") else new
        return values

    return Result(**{name: merged(name) for name in result.__dataclass_fields__})


def bf16_surrogate(model: Model) -> Model:
    """Return `model` under bf16 autocast: fast only where the hardware computes in bf16."""

    def logits(points: Tensor) -> Tensor:
        with torch.autocast(points.device.type, torch.bfloat16):
            return model(points).to(points.dtype)

    return logits
