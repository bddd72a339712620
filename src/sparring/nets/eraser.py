"""Erase a concept from features linearly: after it, no linear function of them depends on the concept (LEACE)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SMALLEST = 1e-5
"""Variance, as a fraction of the largest, below which a direction counts as constant."""


class Eraser(nn.Module):
    """Features `[B, F]` -> features of the same shape; it changes nothing until `fit` (Belrose et al. 2023, Eq. 1).

    It collects moments within each of `strata`, of features and of `concepts` indicators, so that it erases what
    depends on the concept within them.
    """

    matrix: Tensor
    mean: Tensor
    count: Tensor
    sums: Tensor
    products: Tensor
    is_fitted: Tensor

    def __init__(self, features: int, concepts: int, strata: int) -> None:
        super().__init__()
        both = features + concepts
        self.split = features
        self.register_buffer("matrix", torch.zeros(features, features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("count", torch.zeros(strata, dtype=torch.float64))
        self.register_buffer("sums", torch.zeros(strata, both, dtype=torch.float64))
        self.register_buffer("products", torch.zeros(strata, both, both, dtype=torch.float64))
        self.register_buffer("is_fitted", torch.zeros((), dtype=torch.bool))

    @torch.no_grad()
    def collect(self, features: Tensor, concepts: Tensor, strata: Tensor) -> None:
        """Add rows of features `[B, F]` and concepts `[B, C]`; `strata` `[S, B]`: whether a row is in a stratum."""
        rows = torch.cat([features, concepts], 1).double()
        for k, stratum in enumerate(strata):
            inside = rows[stratum]
            self.count[k] += len(inside)
            self.sums[k] += inside.sum(0)
            self.products[k] += inside.T @ inside

    @torch.no_grad()
    def fit(self) -> None:
        """Compute r(x) = x - W+ P W (x - mean), with W = Cov_xx^(-1/2) and P onto the columns of W Cov_xa."""
        covariance = torch.zeros_like(self.products[0])
        for count, total, product in zip(self.count, self.sums, self.products, strict=True):
            if count > 0:
                covariance += product - torch.outer(total, total) / count
        covariance /= self.count.sum()
        values, vectors = torch.linalg.eigh(covariance[: self.split, : self.split])
        varies = values > SMALLEST * values[-1]
        roots = torch.where(varies, values.clamp_min(0).sqrt(), 0.0)
        whiten = vectors @ torch.diag(torch.where(varies, 1 / roots, 0.0)) @ vectors.T
        restore = vectors @ torch.diag(roots) @ vectors.T
        left, sizes, _ = torch.linalg.svd(whiten @ covariance[: self.split, self.split :], full_matrices=False)
        basis = left[:, sizes > SMALLEST * sizes[0].clamp_min(1e-12)]
        self.matrix.copy_(restore @ basis @ basis.T @ whiten)
        self.mean.copy_(self.sums[:, : self.split].sum(0) / self.count.sum())
        self.is_fitted.fill_(True)

    def forward(self, x: Tensor) -> Tensor:
        """Map features to features without the concept, float32."""
        return x - (x - self.mean) @ self.matrix.T


class ErasedClassifier(nn.Module):
    """A classifier with an eraser between `features` and `head`."""

    def __init__(self, classifier: nn.Module, eraser: Eraser) -> None:
        super().__init__()
        self.encoder, self.eraser = classifier, eraser

    @property
    def head(self) -> nn.Module:
        """Function from features to logits."""
        head: nn.Module = self.encoder.head  # type: ignore[assignment]
        return head

    def features(self, x: Tensor) -> Tensor:
        """Map examples to features `[B, F]`, without the concept once the eraser is fitted."""
        erased: Tensor = self.eraser(self.encoder.features(x).float())  # type: ignore[operator]
        return erased

    def forward(self, x: Tensor) -> Tensor:
        """Map examples to logits."""
        logits: Tensor = self.head(self.features(x))
        return logits
