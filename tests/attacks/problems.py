"""Small models and data that the tests of attacks share."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparring.attacks.validation import Model


def tensors(seed: int, *shapes: tuple[int, ...]) -> list[Tensor]:
    """Standard normal tensors, the same with every version of torch."""
    generator = np.random.default_rng(seed)
    return [torch.from_numpy(generator.standard_normal(shape).astype(np.float32)) for shape in shapes]


def mlp(features: int, classes: int, seed: int = 0) -> Model:
    """A plain function: one hidden layer of 24 rectifiers, about 0.5 in the middle of the box."""
    first, bias, second = tensors(seed, (24, features), (24,), (classes, 24))

    def logits(x: Tensor) -> Tensor:
        hidden = F.linear(x.flatten(1) - 0.5, first.to(x.dtype) / features**0.5, 0.1 * bias.to(x.dtype))
        return F.linear(hidden.relu(), second.to(x.dtype))

    return logits


def convnet(channels: int, classes: int) -> nn.Module:
    """With what behaves otherwise in training: batch normalisation and dropout."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(channels, 6, 3, 2, 1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Dropout(),
            nn.Flatten(),
            nn.LazyLinear(classes),
        )
        net.eval()(torch.zeros(1, channels, 8, 8))
        return net.train()


def data(seed: int, *shape: int) -> Tensor:
    """Uniform in [0.1, 0.9]."""
    return torch.from_numpy(np.random.default_rng(seed).uniform(0.1, 0.9, shape).astype(np.float32))
