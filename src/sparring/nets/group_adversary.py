"""Adversaries that predict the protected group from a classifier's answers or features, and can be reinitialised."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from sparring.engine.seeds import mix


class GroupAdversary(nn.Module):
    """Answers or features `[B, F]`, and classes `[B]` if `classes` -> logits of the groups `[B, groups]`.

    `generation` counts the reinitialisations.
    """

    generation: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.register_buffer("generation", torch.zeros((), dtype=torch.int64))

    def start_anew(self, generation: int, seed: int) -> None:
        """Draw fresh weights by `seed`."""
        self.generation.fill_(generation)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(mix(seed, generation))
            for layer in self.modules():
                if isinstance(layer, nn.Linear):
                    layer.reset_parameters()

    def _labels(self, y: Tensor, like: Tensor) -> Tensor:
        """Return classes as one-hot rows `[B, classes]`; one column of ones where they are no input."""
        if not self.classes:
            return like.new_ones(len(like), 1)
        return nn.functional.one_hot(y.clamp_min(0), self.classes).to(like.dtype)


class AnswerAdversary(GroupAdversary):
    """A logistic regression on sharpened answers, for each class its own (Zhang et al. 2018, section 4).

    Its input is s = softmax((1 + |c|) logits), with a learnt sharpness c: decisions rather than confidence.
    """

    def __init__(self, answers: int, groups: int, classes: int, sharpness: float = 1.0) -> None:
        super().__init__(classes)
        self._first = sharpness
        self.sharpness = nn.Parameter(torch.tensor(sharpness))
        self.linear = nn.Linear((answers + 1) * max(classes, 1), groups, bias=False)

    def forward(self, logits: Tensor, y: Tensor) -> Tensor:
        """Map logits `[B, K]` and classes `[B]` to logits of groups `[B, groups]`."""
        s = ((1 + self.sharpness.abs()) * logits).softmax(1)
        values = torch.cat([s, torch.ones_like(s[:, :1])], 1)
        crossed = values[:, None] * self._labels(y, logits)[:, :, None]
        out: Tensor = self.linear(crossed.flatten(1))
        return out

    def start_anew(self, generation: int, seed: int) -> None:
        """Draw fresh weights by `seed`."""
        super().start_anew(generation, seed)
        with torch.no_grad():
            self.sharpness.fill_(self._first)


class FeatureAdversary(GroupAdversary):
    """An MLP with two hidden layers on features, and on classes where these are an input."""

    def __init__(self, features: int, groups: int, classes: int, hidden: int = 128) -> None:
        super().__init__(classes)
        self.layers = nn.ModuleList(
            [nn.Linear(features + max(classes, 1), hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, groups)]
        )

    def forward(self, features: Tensor, y: Tensor) -> Tensor:
        """Map features `[B, F]` and classes `[B]` to logits of groups `[B, groups]`."""
        h = torch.cat([features, self._labels(y, features)], 1)
        for layer in self.layers[:-1]:
            h = leaky_relu(layer(h), 0.1)
        out: Tensor = self.layers[-1](h)
        return out
