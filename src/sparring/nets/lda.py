"""Classes as Gaussians of one covariance: a class needs no more than its mean, so that a few examples make a new one."""

from __future__ import annotations

import math
from typing import Self

import torch
from torch import Tensor, nn

SHRUNK = 0.2
"""Share of the covariance that is taken from its mean variance, the same in all directions."""
DIRECTIONS = 256
"""In which the covariance is known, at most: those of the largest variance. All others share their mean."""
WIDE = 1000
"""With more features than that, no more examples than that tell the directions: all of them would take half a minute."""
FITTED = ("means", "directions", "scales", "other", "fill")


class LDA(nn.Module):
    """Linear discriminant analysis of features (Lee et al. 2018, "A simple unified framework", Eq. 1 and 2).

    The covariance is that within the classes, shrunk as in Friedman 1989, "Regularized discriminant analysis", Eq. 18.
    Features are looked at where it is 1 in all directions, so that densities are distances there. A new class is its mean
    alone (Hayes and Kanan 2020, "Lifelong machine learning with deep streaming linear discriminant analysis").
    """

    means: Tensor
    directions: Tensor
    scales: Tensor
    other: Tensor
    fill: Tensor

    def __init__(self, means: Tensor, directions: Tensor, scales: Tensor, other: Tensor, fill: Tensor) -> None:
        """Of what `fit` finds.

        `means` `[K, F]` are places; features are stretched by `scales` `[R]` along `directions` `[R, F]`, by `other` `[]` along
        all others; `fill` `[]` is how many dimensions the examples of a class fill.
        """
        super().__init__()
        for name, found in zip(FITTED, (means, directions, scales, other, fill), strict=True):
            self.register_buffer(name, found)

    @classmethod
    def fit(cls, features: Tensor, labels: Tensor) -> Self:
        """Of features `[N, F]` with labels `[N]`, which may leave classes out: these have no mean."""
        features = features.float()
        present, rows = torch.unique(labels, return_inverse=True)
        means = features.new_zeros(len(present), features.shape[1]).index_add_(0, rows, features)
        means /= rows.bincount()[:, None]
        apart = (features - means[rows])[: WIDE if features.shape[1] > WIDE else None]
        _, deviations, directions = torch.linalg.svd(apart, full_matrices=False)
        variances = deviations.square() / len(apart)
        mean = float(variances.sum()) / features.shape[1] or 1.0  # 1: classes of one example each
        left = float(variances[DIRECTIONS:].sum()) / max(features.shape[1] - DIRECTIONS, 1)
        scales, other = (
            ((1 - SHRUNK) * variance + SHRUNK * mean).rsqrt()
            for variance in (variances[:DIRECTIONS], features.new_tensor(left))
        )
        made = cls(means, directions[:DIRECTIONS], scales, other, features.new_zeros(()))
        made.means = made.place(means)
        made.fill = (made.place(features) - made.means[rows]).square().sum(1).mean()
        return made

    def place(self, features: Tensor) -> Tensor:
        """Where features `[B, F]` lie once the covariance within classes is 1, `[B, F]`."""
        features = features.float()
        return features * self.other + (features @ self.directions.T * (self.scales - self.other)) @ self.directions

    def density(self, places: Tensor, examples: Tensor) -> Tensor:
        """The log density of `places` `[B, F]` in a class with these `examples` `[N, F]`, `[B]`, up to a constant of all classes.

        The mean of N examples is itself uncertain: N(mean, 1 + 1/N), in the `fill` dimensions in which examples differ.
        """
        spread = 1 + 1 / len(examples)
        return -(places - examples.mean(0)).square().sum(1) / spread / 2 - self.fill * math.log(spread) / 2

    def learnt(self, places: Tensor) -> Tensor:
        """The same in the nearest class that was fitted, whose mean is certain."""
        return -torch.cdist(places, self.means).square().amin(1) / 2
