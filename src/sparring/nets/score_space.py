"""Networks for rows of many more columns than there are rows, such as arrays of genes: they play on few scores.

A linear layer that was fed n rows leaves n - 1 directions only by noise. So both players see at most that many scores
of the training rows, by a singular value decomposition. The generator begins as a Gaussian distribution for each class,
shrunk as Schäfer and Strimmer 2005 do (target D: unequal variances, no correlations), and the game bends its scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, one_hot

from sparring.nets.layers import Head, conditional_logits

MAX_SCORES = 50
SLOPE = 0.2
BEND = 0.1
"""Weight of the network beside the Gaussian: at full weight the game makes samples less useful."""
EPS = 1e-6
Floats = NDArray[np.float64]


def score_count(rows: int, columns: int) -> int:
    """Return the number of scores of `rows` rows: one fewer, MAX_SCORES and `columns` at most, 1 at least."""
    return max(min(rows - 1, MAX_SCORES, columns), 1)


@dataclass(frozen=True)
class ClassGaussian:
    """A Gaussian distribution for each class with one shrunk covariance, kept as rows instead of as a matrix."""

    means: Floats
    """Mean of each class, `[K, F]`."""
    residuals: Floats
    """Training rows less the mean of their class, `[N, F]`."""
    std: Floats
    """Standard deviation within classes of each column, `[F]`."""
    shrinkage: float
    """Weight of the covariance without correlations."""

    def sample(self, y: NDArray[np.int64], rng: np.random.Generator) -> Floats:
        """Draw a row for each class of `y` `[n]`."""
        n, freedom = len(self.residuals), max(len(self.residuals) - len(self.means), 1)
        joint = rng.standard_normal((len(y), n)) @ self.residuals / np.sqrt(freedom)
        own = rng.standard_normal((len(y), len(self.std))) * self.std
        rows: Floats = self.means[y] + np.sqrt(1 - self.shrinkage) * joint + np.sqrt(self.shrinkage) * own
        return rows


def fit_gaussian(x: Floats, y: NDArray[np.int64], classes: int) -> ClassGaussian:
    """Fit rows `[N, F]` with labels `[N]` from 0 to K - 1; a class without rows has the mean of all."""
    means = np.stack([x[y == k].mean(0) if (y == k).any() else x.mean(0) for k in range(classes)])
    residuals = x - means[y]
    std = np.sqrt((residuals**2).sum(0) / max(len(x) - classes, 1))
    return ClassGaussian(means, residuals, std, shrinkage_of(residuals / np.maximum(std, EPS), len(x) - classes))


def shrinkage_of(z: Floats, freedom: int) -> float:
    """Return sum of Var(r) over sum of r^2, over pairs of columns of standardised residuals `[N, F]`.

    Schäfer and Strimmer 2005, Eq. 8 and 10, by the Gram matrix `[N, N]`: with w_k = z_ki z_kj, the sums over pairs of
    sum_k w_k^2 and of (sum_k w_k)^2 are sums of squares of rows and of the Gram matrix.
    """
    n = len(z)
    squares = z**2
    all_pairs = float((squares.sum(1) ** 2).sum() - (squares**2).sum())  # sum over i != j and k of w_k^2
    gram = z @ z.T
    products = float((gram**2).sum() - (squares.sum(0) ** 2).sum())  # sum over i != j of (sum_k w_k)^2
    variance = n / max(freedom, 1) ** 3 * (all_pairs - products / n)
    correlation = products / max(freedom, 1) ** 2
    return float(np.clip(variance / max(correlation, 1e-300), 0.0, 1.0))


class ScoreSpace(nn.Module):
    """Rows `[B, F]` <-> standardised scores `[B, k]`; `start` fits it to training rows."""

    mean: Tensor
    std: Tensor
    basis: Tensor
    scale: Tensor

    def __init__(self, columns: int, scores: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(columns))
        self.register_buffer("std", torch.ones(columns))
        self.register_buffer("basis", torch.zeros(columns, scores))
        self.register_buffer("scale", torch.ones(scores))

    def start(self, x: Floats) -> Floats:
        """Take means, deviations and directions of rows `[N, F]`; return the rows standardised."""
        mean, std = x.mean(0), x.std(0)
        std[std < EPS * max(float(std.max()), EPS)] = 1.0
        z = (x - mean) / std
        _, values, directions = np.linalg.svd(z, full_matrices=False)
        count = min(self.basis.shape[1], len(values))
        basis, scale = np.zeros(self.basis.shape), np.ones(len(self.scale))
        basis[:, :count] = directions[:count].T
        scale[:count] = np.maximum(values[:count] / np.sqrt(len(x)), EPS)
        for name, array in {"mean": mean, "std": std, "basis": basis, "scale": scale}.items():
            getattr(self, name).copy_(torch.from_numpy(array))
        standardised: Floats = z
        return standardised

    def forward(self, x: Tensor) -> Tensor:
        """Map rows to scores."""
        return ((x - self.mean) / self.std) @ self.basis / self.scale


class ScoreGenerator(nn.Module):
    """Noise `[B, latent_dim]` and labels `[B]` -> rows `[B, F]`, from the shrunk Gaussian of the class of a row.

    The noise of a row is that of its scores, of a small network, and of each column. `start` has to be called before.
    """

    means: Tensor
    root: Tensor
    own: Tensor

    def __init__(self, columns: int, scores: int, noise: int, width: int, classes: int) -> None:
        super().__init__()
        self.space = ScoreSpace(columns, scores)
        self.classes, self.sizes = max(classes, 1), (scores, noise, columns)
        self.register_buffer("means", torch.zeros(self.classes, columns))
        self.register_buffer("root", torch.eye(scores))
        self.register_buffer("own", torch.ones(columns))
        self.bend = nn.Sequential(
            nn.Linear(scores + noise + self.classes, width), nn.LayerNorm(width), nn.LeakyReLU(SLOPE),
            nn.Linear(width, width), nn.LeakyReLU(SLOPE), nn.Linear(width, scores),
        )  # fmt: skip
        nn.init.zeros_(self.bend[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.bend[-1].bias)  # type: ignore[arg-type]

    @property
    def latent_dim(self) -> int:
        """Noise numbers of a row."""
        return sum(self.sizes)

    @torch.no_grad()
    def start(self, x: Floats, y: NDArray[np.int64]) -> None:
        """Fit directions and the shrunk Gaussian to training rows `[N, F]` with labels `[N]`, -1 for none."""
        z = self.space.start(x)
        labels = np.where(y < 0, 0, y) if self.classes > 1 else np.zeros(len(z), np.int64)
        fit = fit_gaussian(z, labels, self.classes)
        scale = self.space.scale.double().numpy()
        scores = fit.residuals @ self.space.basis.double().numpy() / scale
        covariance = (1 - fit.shrinkage) * scores.T @ scores / max(len(z) - self.classes, 1)
        root = np.linalg.cholesky(covariance + EPS * np.eye(len(covariance)))
        for name, array in {"means": fit.means, "root": root, "own": np.sqrt(fit.shrinkage) * fit.std}.items():
            getattr(self, name).copy_(torch.from_numpy(array))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Map noise and labels to rows; a row without a label is of the first class."""
        labels = z.new_zeros(len(z), dtype=torch.int64) if y is None or self.classes == 1 else y.clamp_min(0)
        scores, noise, own = z.split(self.sizes, 1)  # type: ignore[no-untyped-call]
        given = torch.cat([scores, noise, one_hot(labels, self.classes).to(z.dtype)], 1)
        bent = (scores @ self.root.T + BEND * self.bend(given)).float()
        rows: Tensor = self.means[labels] + (bent * self.space.scale) @ self.space.basis.T + own * self.own
        return rows * self.space.std + self.space.mean


class ScoreDiscriminator(nn.Module):
    """Rows `[B, F]` (and labels `[B]`) -> logits `[B]`, by their scores alone."""

    def __init__(self, columns: int, scores: int, width: int, classes: int = 0) -> None:
        super().__init__()
        self.space = ScoreSpace(columns, scores)
        self.first, self.second = nn.Linear(scores, width), nn.Linear(width, width)
        self.head = Head(width, classes + 1)

    @torch.no_grad()
    def start(self, x: Floats, y: NDArray[np.int64]) -> None:
        """Fit directions to training rows `[N, F]`."""
        self.space.start(x)

    def squared_gradient(self, gradient: Tensor) -> Tensor:
        """Return |d logit / d scores|^2 `[B]` of the gradients of rows `[B, F]`, on which penalties are taken."""
        space = self.space
        return (((gradient * space.std) @ space.basis) * space.scale).square().sum(1)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Map rows to logits, positive for real."""
        h = leaky_relu(self.first(self.space(x)), SLOPE)
        logits: Tensor = self.head(leaky_relu(self.second(h), SLOPE))
        return conditional_logits(logits, y, None)
