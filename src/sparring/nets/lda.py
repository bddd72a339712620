"""Linear discriminant analysis. A new class needs only its mean, so that a few examples suffice.

Own code, since the core has no scikit-learn and its estimators give no densities for new classes.
"""

from __future__ import annotations

import math
from typing import Self

import torch
from torch import Tensor, nn

SHRINKAGE = 0.2
"""Weight of the mean variance, equal in all directions, in the shrunk covariance."""
MAX_DIRECTIONS = 256
"""Number of directions of largest variance that are modelled. The other directions share their mean variance."""
MAX_EXAMPLES = 1000
"""Number of examples for the directions if there are more features than this. All examples would take half a minute."""
BUFFERS = ("means", "directions", "scales", "other_scale", "class_dim")
"""Names of the fitted tensors, in the order of the constructor's arguments."""


class LDA(nn.Module):
    """Gaussian classes with a shared covariance on features (Lee et al. 2018, "A simple unified framework", Eq. 1, 2).

    The covariance within classes is shrunk as in Friedman 1989, "Regularized discriminant analysis", Eq. 18. Densities
    are computed from distances of whitened features. A new class is given by its mean (Hayes and Kanan 2020, "Lifelong
    machine learning with deep streaming linear discriminant analysis").
    """

    means: Tensor
    directions: Tensor
    scales: Tensor
    other_scale: Tensor
    class_dim: Tensor

    def __init__(
        self, means: Tensor, directions: Tensor, scales: Tensor, other_scale: Tensor, class_dim: Tensor
    ) -> None:
        """Take the tensors that `fit` computes.

        `means` `[K, F]` are whitened class means. Whitening scales features by `scales` `[R]` along `directions` `[R,
        F]` and by `other_scale` `[]` along all others. `class_dim` `[]` is the effective dimension of a class.
        """
        super().__init__()
        for name, tensor in zip(BUFFERS, (means, directions, scales, other_scale, class_dim), strict=True):
            self.register_buffer(name, tensor)

    @classmethod
    def fit(cls, features: Tensor, labels: Tensor) -> Self:
        """Fit to features `[N, F]` with labels `[N]`. Classes that do not occur have no mean."""
        features = features.float()
        present, class_idx = torch.unique(labels, return_inverse=True)
        means = features.new_zeros(len(present), features.shape[1]).index_add_(0, class_idx, features)
        means /= class_idx.bincount()[:, None]
        residuals = (features - means[class_idx])[: MAX_EXAMPLES if features.shape[1] > MAX_EXAMPLES else None]
        _, singular_values, directions = torch.linalg.svd(residuals, full_matrices=False)
        variances = singular_values.square() / len(residuals)
        mean_variance = float(variances.sum()) / features.shape[1] or 1.0  # 1 if each class has one example
        other_variance = float(variances[MAX_DIRECTIONS:].sum()) / max(features.shape[1] - MAX_DIRECTIONS, 1)
        scales, other_scale = (
            ((1 - SHRINKAGE) * variance + SHRINKAGE * mean_variance).rsqrt()
            for variance in (variances[:MAX_DIRECTIONS], features.new_tensor(other_variance))
        )
        lda = cls(means, directions[:MAX_DIRECTIONS], scales, other_scale, features.new_zeros(()))
        lda.means = lda.whiten(means)
        lda.class_dim = (lda.whiten(features) - lda.means[class_idx]).square().sum(1).mean()
        return lda

    def whiten(self, features: Tensor) -> Tensor:
        """Transform features `[B, F]` so that the covariance within classes is the identity, `[B, F]`."""
        features = features.float()
        along = features @ self.directions.T * (self.scales - self.other_scale)
        return features * self.other_scale + along @ self.directions

    def log_density(self, whitened: Tensor, examples: Tensor) -> Tensor:
        """Return the log density `[B]` of `whitened` `[B, F]` in a class with whitened `examples` `[N, F]`.

        It is up to a constant that all classes share. The mean of N examples is uncertain, so the covariance is 1 + 1/N
        in `class_dim` dimensions.
        """
        variance = 1 + 1 / len(examples)
        squared_distance = (whitened - examples.mean(0)).square().sum(1)
        return -squared_distance / variance / 2 - self.class_dim * math.log(variance) / 2

    def max_log_density(self, whitened: Tensor) -> Tensor:
        """Return the log density `[B]` of `whitened` `[B, F]` in the nearest fitted class, up to the same constant."""
        return -torch.cdist(whitened, self.means, compute_mode="donot_use_mm_for_euclid_dist").square().amin(1) / 2
