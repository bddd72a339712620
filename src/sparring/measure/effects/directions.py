"""Directions of the latent space that may have a meaning: SeFa, principal components, class means, regression.

Each function returns at most `count` unit vectors `[d]`, the most promising first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sparring.measure.effects.latents import Layers

WHOLE = "the whole latent"
"""Range of directions that no layer limits."""
TAIL = 1 / 3
"""Fraction of the samples that count as those of a high reading, and as those of a low one."""
TINY = 1e-12
RIDGE = 0.1
"""Ridge of the regression, as a fraction of the mean squared gradient."""


@dataclass(frozen=True)
class Direction:
    """A unit vector of the latent space."""

    layers: str
    """Layers that read the coordinates that it changes."""
    vector: Tensor
    """`[d]`, of length 1."""


def sefa(layers: Sequence[Layers], latent_dim: int, count: int) -> list[Direction]:
    """Return the eigenvectors of A^T A, for A the weights of the first layer (Shen and Zhou 2021, "SeFa", Eq. 5).

    Where several layers read parts of the latent, each part has its own eigenvectors, and the parts take turns.
    """
    parts = []
    for each in layers:
        _, vectors = torch.linalg.eigh(each.weight.double().T @ each.weight.double())
        part = []
        for vector in vectors.T.flip(0)[:count]:
            whole = torch.zeros(latent_dim)
            whole[each.columns] = vector.float()
            name = WHOLE if len(each.columns) == latent_dim else f"layers {each.name}"
            part.append(Direction(name, whole))
        parts.append(part)
    in_turns = [part[k] for k in range(count) for part in parts if k < len(part)]
    return in_turns[:count]


def principal(z: Tensor, examples: Tensor, count: int) -> list[Direction]:
    """Return the directions of the principal components of `examples` `[N, ...]`, in their order.

    The direction of a component is the mean of the latents, each weighted by its coordinate along the component: that
    of a linear regression on it (GANSpace, Härkönen et al. 2020, Eq. 2).
    """
    flat = examples.flatten(1).float()
    flat = flat - flat.mean(0)
    rank = min(count, len(flat) - 1, flat.shape[1])
    left, _, _ = torch.svd_lowrank(flat, rank + 4, niter=4)
    return _directions((z.T @ left[:, :rank]).T)


def class_means(z: Tensor, readings: Tensor, count: int) -> list[Direction]:
    """Return, for each reading, the mean latent of the third of samples of the highest values minus the lowest third.

    `readings` are `[N, m]`. The line between the means of two classes (Larsen et al. 2016,
    "Autoencoding beyond pixels", section 3.3), where the two classes are high and low values.
    """
    few = max(int(len(z) * TAIL), 1)
    order = readings.argsort(0)
    return _directions(torch.stack([z[idx[-few:]].mean(0) - z[idx[:few]].mean(0) for idx in order.T[:count]]))


def regression(z: Tensor, readings: Tensor, count: int) -> list[Direction]:
    """Return, for each reading, the smallest step that raises it and leaves the others, to first order.

    Readings that the latent determines best come first.

    The gradients of the standardised `readings` `[N, m]` are those of a linear regression on the latents, W `[m, d]`;
    the steps are the columns of its ridge pseudo-inverse, W^T (W W^T + ridge)^-1.
    """
    centred = z - z.mean(0)
    gradient = torch.linalg.lstsq(centred.double(), (readings - readings.mean(0)).double()).solution.T
    gram = gradient @ gradient.T
    ridge = RIDGE * gram.diagonal().mean() + TINY
    steps = gradient.T @ torch.linalg.inv(gram + ridge * torch.eye(len(gram), dtype=gram.dtype))
    order = gram.diagonal().argsort(descending=True)[:count]
    return _directions(steps.T[order].float())


def random_directions(latent_dim: int, count: int, seed: int) -> list[Direction]:
    """Return `count` directions that are uniform on the sphere."""
    generator = torch.Generator().manual_seed(seed)
    return _directions(torch.randn(count, latent_dim, generator=generator))


def _directions(vectors: Tensor) -> list[Direction]:
    """Return the vectors `[n, d]` as unit directions of the whole latent; those of length 0 are left out."""
    lengths = vectors.norm(dim=1)
    return [
        Direction(WHOLE, vector / length)
        for vector, length in zip(vectors, lengths, strict=True)
        if bool(torch.isfinite(length)) and float(length) > 0
    ]
