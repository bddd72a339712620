"""What an attack drives up, for each row: logits `[B, K]`, labels `[B]` and, if it has one, a target `[B]` -> `[B]`.

Without a target it grows as the label loses; with one, as the target wins.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy as torch_cross_entropy

Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""(logits `[B, K]`, labels `[B]`, targets `[B]` or None) -> `[B]`."""


def ce(logits: Tensor, y: Tensor, target: Tensor | None = None) -> Tensor:
    """The cross-entropy of the label; of the target, with the sign turned."""
    if target is None:
        return torch_cross_entropy(logits, y, reduction="none")
    return -torch_cross_entropy(logits, target, reduction="none")


def margin(logits: Tensor, y: Tensor, target: Tensor | None = None) -> Tensor:
    """By how much the best other logit beats the label's: above 0 just where it is misclassified.

    With a target: by how much its logit beats the best other. Carlini and Wagner 2017, f6, without its constant.
    """
    aim = y if target is None else target
    of = logits.gather(1, aim[:, None]).squeeze(1)
    best = logits.scatter(1, aim[:, None], -torch.inf).amax(1)
    return best - of if target is None else of - best


def dlr(logits: Tensor, y: Tensor, target: Tensor | None = None) -> Tensor:
    """The difference of logits ratio (Croce and Hein 2020, Eqs. 6 and 7), which no scaling of the logits changes.

    -(z_y - max_{i != y} z_i) / (z_1 - z_3), from three classes on; with a target, (z_t - z_y) / (z_1 - (z_3 + z_4) / 2),
    from four classes on, z_1 >= z_2 >= ... being the sorted logits. With fewer classes it is the difference above the line.
    """
    classes = logits.shape[1]
    if target is None:
        above, least = margin(logits, y), 3
    else:
        above = (logits.gather(1, target[:, None]) - logits.gather(1, y[:, None])).squeeze(1)
        least = 4
    if classes < least:
        return above
    top = logits.topk(least, dim=1).values
    below = top[:, 0] - (top[:, 2] if target is None else (top[:, 2] + top[:, 3]) / 2)
    return above / (below + 1e-12)


LOSSES: dict[str, Loss] = {"ce": ce, "dlr": dlr, "margin": margin}
"""By name."""
