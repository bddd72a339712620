"""Losses that attacks maximise, for each row: logits `[B, K]`, labels `[B]`, optional targets `[B]` -> `[B]`.

Without a target a loss grows as the label's logit falls; with one, as the target's logit rises.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""(logits `[B, K]`, labels `[B]`, targets `[B]` or None) -> `[B]`."""


def ce(logits: Tensor, y: Tensor, target: Tensor | None = None) -> Tensor:
    """Return the cross-entropy of the label, or minus that of the target."""
    if target is None:
        return cross_entropy(logits, y, reduction="none")
    return -cross_entropy(logits, target, reduction="none")


def margin(logits: Tensor, y: Tensor, target: Tensor | None = None) -> Tensor:
    """Return the best other logit minus the label's: above 0 exactly where the row is misclassified.

    With a target: its logit minus the best other. Carlini and Wagner 2017, f6, without its constant.
    """
    chosen_class = y if target is None else target
    logit = logits.gather(1, chosen_class[:, None]).squeeze(1)
    best_other = logits.scatter(1, chosen_class[:, None], -torch.inf).amax(1)
    return best_other - logit if target is None else logit - best_other


def dlr(logits: Tensor, y: Tensor, target: Tensor | None = None) -> Tensor:
    """Return the difference of logits ratio (Croce and Hein 2020, Eqs. 6 and 7), invariant to scaling of the logits.

    With sorted logits z_1 >= z_2 >= ...: -(z_y - max_{i != y} z_i) / (z_1 - z_3), for 3 classes or more. With a target:
    (z_t - z_y) / (z_1 - (z_3 + z_4) / 2), for 4 or more. With fewer classes the numerator alone.
    """
    classes = logits.shape[1]
    if target is None:
        numerator, min_classes = margin(logits, y), 3
    else:
        numerator = (logits.gather(1, target[:, None]) - logits.gather(1, y[:, None])).squeeze(1)
        min_classes = 4
    if classes < min_classes:
        return numerator
    top = logits.topk(min_classes, dim=1).values
    denominator = top[:, 0] - (top[:, 2] if target is None else (top[:, 2] + top[:, 3]) / 2)
    return numerator / (denominator + 1e-12)


LOSSES: dict[str, Loss] = {"ce": ce, "dlr": dlr, "margin": margin}
"""Losses by name."""
