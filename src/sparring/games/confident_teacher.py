"""Pseudo-labels of a target domain from an EMA teacher, with a relative threshold and estimated class shares.

French et al. 2018 ("Self-ensembling for visual domain adaptation") let a mean teacher label the target. AdaMatch
(Berthelot et al. 2022) made the threshold relative to the confidence on the source. We align the teacher's answers with
estimated target class shares; equal shares would be an assumption about the target.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sparring.engine.game import Batch, Stats
from sparring.games.domain_adaptation import DomainFeatures
from sparring.games.semi_supervised import AugmentFn

MAX_CORRECTION = 4.0
"""Largest factor by which the alignment changes a class's probability, up or down."""


def align(probs: Tensor, mean: Tensor, shares: Tensor) -> Tensor:
    """Return probabilities `[B, K]` times shares / mean `[K]`, a factor within MAX_CORRECTION, with rows of sum 1.

    This is distribution alignment (Berthelot et al. 2020, "ReMixMatch", section 3.1) with any class shares.
    """
    factor = (shares / mean.clamp_min(1e-6)).clamp(1 / MAX_CORRECTION, MAX_CORRECTION)
    scaled = probs * factor
    return scaled / scaled.sum(1, keepdim=True)


class ConfidentTeacher(nn.Module):
    """An AdaptationTerm: weight * mean over the target of [teacher is confident] * cross entropy with its answer.

    The teacher answers for weakly augmented examples, the classifier for those of the game. Confident is a probability
    of at least `confidence` times the teacher's mean on the source. The weight rises over the first half of the run.
    """

    class_probs: Tensor
    shares: Tensor

    def __init__(
        self, teacher: nn.Module, weak: AugmentFn, shares: Sequence[float], *, align_shares: bool = True,
        weight: float = 1.0, confidence: float = 0.9, momentum: float = 0.99,
    ) -> None:  # fmt: skip
        """Build the term. `shares` are the estimated class shares of the target, of sum 1."""
        super().__init__()
        self._teacher = (teacher,)  # in a tuple, so that it is no submodule: its weights belong to the EMA
        self.weak, self.align_shares = weak, align_shares
        self.weight, self.confidence, self.momentum = weight, confidence, momentum
        self.register_buffer("shares", torch.tensor(list(shares), dtype=torch.float32))
        self.register_buffer("class_probs", self.shares.clone())

    def forward(self, domains: DomainFeatures, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """Return the weighted loss, and as `confident` the fraction of confident target examples."""
        with torch.no_grad():
            teacher = self._teacher[0]
            on_source = teacher(self.weak(domains.source_x, batch.derive(domains.source_x, domains.y, 29)))
            threshold = self.confidence * on_source.float().softmax(1).amax(1).mean()
            probs = teacher(self.weak(batch.x, batch)).float().softmax(1)
            self.class_probs.lerp_(probs.mean(0), 1 - self.momentum)
            if self.align_shares:
                probs = align(probs, self.class_probs, self.shares)
            max_prob, pseudo_labels = probs.max(1)
            confident = (max_prob >= threshold).float()
        losses = cross_entropy(domains.target_logits, pseudo_labels, reduction="none") * confident
        rise = (1 - math.cos(math.pi * min(2 * at, 1.0))) / 2
        return self.weight * rise * losses.mean(), {"confident": confident.mean()}
