"""A mixture of classifiers, one of which is drawn for each answer: what the reductions approach learns."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot


class Mixture(nn.Module):
    """`count` copies of a classifier with `features` and `head`; probabilities are the mean of theirs.

    `votes` has the probability of each decision where one of the copies is drawn. `current` is the one that learns.
    """

    current: Tensor

    def __init__(self, classifier: nn.Module, count: int, classes: int) -> None:
        super().__init__()
        self.members = nn.ModuleList([copy.deepcopy(classifier) for _ in range(count)])
        self.head = MeanHead(count, classes)
        self.register_buffer("current", torch.zeros((), dtype=torch.int64))

    @property
    def learner(self) -> nn.Module:
        """The copy that learns."""
        return self.members[int(self.current)]

    def advance(self) -> None:
        """Let the next copy learn, from the weights of this one."""
        weights = self.learner.state_dict()
        self.current += 1
        self.learner.load_state_dict(weights)

    def features(self, x: Tensor) -> Tensor:
        """Map examples to the logits of all copies, `[B, count * classes]`."""
        return torch.cat([member(x) for member in self.members], 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map examples to logits `[B, classes]`: the log of the mean probabilities."""
        logits: Tensor = self.head(self.features(x))
        return logits

    def votes(self, x: Tensor) -> Tensor:
        """Return the proportion of copies that decide for each class, `[B, classes]`."""
        logits = self.features(x).reshape(len(x), len(self.members), -1)
        return one_hot(logits.argmax(2), logits.shape[2]).double().mean(1)


class MeanHead(nn.Module):
    """Logits of several classifiers `[B, count * classes]` -> the log of their mean probabilities `[B, classes]`."""

    def __init__(self, count: int, classes: int) -> None:
        super().__init__()
        self.count, self.classes = count, classes

    def forward(self, h: Tensor) -> Tensor:
        """Map logits to the log of the mean probabilities, float32."""
        each = h.float().reshape(len(h), self.count, self.classes).log_softmax(2)
        return each.logsumexp(1) - math.log(self.count)
