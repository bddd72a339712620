"""Pseudo-labels of unlabelled images from an EMA teacher, for strongly augmented copies (FixMatch).

The teacher is an average of the classifier (Tarvainen and Valpola 2017, "Mean teachers are better role models"). Where
it is confident on a weakly augmented image, the classifier learns its prediction for a strongly augmented copy (Sohn et
al. 2020, "FixMatch", Eq. 4).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sparring.engine.game import Batch, Stats
from sparring.games.semi_supervised import AugmentFn


class Consistency(nn.Module):
    """A ClassifierTerm: weight * mean over the batch of [teacher's confidence >= `confidence`] * cross entropy.

    With `balance_classes` the teacher's probabilities are divided by their running mean per class before the threshold
    (distribution alignment, Berthelot et al. 2020, "ReMixMatch", section 3.1). Without it and with one label per class,
    the teacher assigns all images to a few classes. The buffer `class_probs` is that running mean, with decay
    `momentum`.
    """

    class_probs: Tensor

    def __init__(
        self, teacher: nn.Module, classes: int, weak: AugmentFn, strong: AugmentFn, *, weight: float = 1.0,
        confidence: float = 0.95, balance_classes: bool = True, momentum: float = 0.99, confident_only: bool = False,
    ) -> None:  # fmt: skip
        """Build the term.

        With `confident_only` the classifier is evaluated on images with confident pseudo-labels only.

        The loss is the same, for less work. It needs a classifier whose outputs do not depend on the batch, and no CUDA
        graph.
        """
        super().__init__()
        self._teacher = (teacher,)  # in a tuple, so that it is no submodule: its weights belong to the EMA
        self.weak, self.strong = weak, strong
        self.weight, self.confidence, self.balance_classes = weight, confidence, balance_classes
        self.momentum, self.confident_only = momentum, confident_only
        self.register_buffer("class_probs", torch.full((classes,), 1 / classes))

    def forward(self, classifier: nn.Module, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """Return the weighted loss, and as `confident` the fraction of images with confident pseudo-labels."""
        with torch.no_grad():
            probs = self._teacher[0](self.weak(batch.x, batch)).float().softmax(1)
            if self.balance_classes:
                self.class_probs.lerp_(probs.mean(0), 1 - self.momentum)
                probs = probs / (len(self.class_probs) * self.class_probs).clamp_min(0.1)
                probs = probs / probs.sum(1, keepdim=True)
            max_prob, pseudo_labels = probs.max(1)
            confident = max_prob >= self.confidence
        x, fraction = self.strong(batch.x, batch), confident.float().mean()
        if self.confident_only:
            x, pseudo_labels, confident = x[confident], pseudo_labels[confident], confident[confident]
        losses = cross_entropy(classifier(x).float(), pseudo_labels, reduction="none") * confident
        return self.weight * (losses.sum() / len(batch)), {"confident": fraction}
