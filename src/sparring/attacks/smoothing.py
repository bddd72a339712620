"""Randomized smoothing: the class predicted most often in Gaussian noise, and its certified radius (Cohen et al. 2019).

Noise depends on (seed, row, draw) alone, so counts do not depend on how rows and draws are batched.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sparring.attacks.validation import Model, frozen
from sparring.engine.errors import UsageError
from sparring.engine.seeds import mix
from sparring.stats.intervals import binomial_test, clopper_pearson_lower

ABSTAIN = -1
"""Class of a row on which the smoothed model abstains."""
BLOCK_DRAWS = 64
"""Draws of one row that share a seed."""


@dataclass(frozen=True, eq=False)
class Certificate:
    """Certified predictions of B rows; each row's is false with probability alpha at most."""

    classes: Tensor
    """Class of the smoothed model, int64 `[B]`; -1: it abstains."""
    radius: Tensor
    """Certified L2 radius in the units of x, float64 `[B]`; 0 where it abstains."""
    p_lower: Tensor
    """Lower bound of the probability of the class in noise, float64 `[B]`."""

    def certified(self, y: Tensor, radius: float = 0.0) -> Tensor:
        """Return a bool mask `[B]`: the label `y` `[B]` is predicted for every perturbation shorter than `radius`."""
        return (self.classes == y.to(self.classes.device)) & (self.radius >= radius)


def certify(
    model: Model,
    x: Tensor,
    sigma: float,
    *,
    n0: int = 100,
    n: int = 10_000,
    alpha: float = 0.001,
    batch_size: int = 1024,
    seed: int = 0,
) -> Certificate:
    """Return the smoothed model's class on each row of x `[B, ...]`, and its certified radius (CERTIFY, section 3.2.2).

    `n0` draws of noise N(0, sigma^2) select the class; `n` others bound its probability p from below by the
    Clopper-Pearson interval of level 1 - alpha. The radius is sigma Phi^-1(p) (Theorem 1). It abstains where p is at
    most a half. `batch_size` is the number of points per forward pass.
    """
    _check_alpha(alpha)
    with frozen(model, seed):
        selected = class_counts(model, x, sigma, n0, batch_size=batch_size, seed=mix(seed, 0)).argmax(1)
        counts = class_counts(model, x, sigma, n, batch_size=batch_size, seed=mix(seed, 1))
    hits = counts.gather(1, selected[:, None]).squeeze(1).tolist()
    bounds = {count: clopper_pearson_lower(count, n, alpha) for count in set(hits)}
    p_lower = torch.tensor([bounds[count] for count in hits], dtype=torch.float64)
    radius = sigma * torch.special.ndtri(p_lower).clamp(min=0)
    classes = torch.where(p_lower > 0.5, selected.cpu(), ABSTAIN)
    return Certificate(classes.to(x.device), radius.to(x.device), p_lower.to(x.device))


def predict(
    model: Model,
    x: Tensor,
    sigma: float,
    *,
    n: int = 1000,
    alpha: float = 0.001,
    batch_size: int = 1024,
    seed: int = 0,
) -> Tensor:
    """Return the smoothed model's class on each row of x `[B, ...]`, int64 `[B]`, or -1 (PREDICT, section 3.2.1).

    It abstains (-1) where an exact binomial test cannot tell the two most frequent classes apart; a class is wrong with
    probability alpha at most.
    """
    _check_alpha(alpha)
    with frozen(model, seed):
        counts = class_counts(model, x, sigma, n, batch_size=batch_size, seed=seed)
    top_counts, classes = counts.topk(2, dim=1)
    p_values = [binomial_test(first, first + second) for first, second in top_counts.tolist()]
    return torch.where(torch.tensor(p_values, device=x.device) <= alpha, classes[:, 0], ABSTAIN)


def smoothed_model(model: Model, sigma: float, draws: int) -> Model:
    """Return a differentiable stand-in for the majority vote: the log of the mean softmax over `draws` draws of noise.

    SmoothAdv maximises its cross-entropy (Salman et al. 2019, "Provably robust ...", section 2.2). Each pass draws new
    noise from the global random state.
    """

    def logits(x: Tensor) -> Tensor:
        repeated = x.repeat_interleave(draws, 0)
        log_probabilities = _logits(model, repeated + sigma * torch.randn_like(repeated)).log_softmax(1)
        return log_probabilities.view(len(x), draws, -1).logsumexp(1) - math.log(draws)

    return logits


@torch.no_grad()
def class_counts(model: Model, x: Tensor, sigma: float, n: int, *, batch_size: int = 1024, seed: int = 0) -> Tensor:
    """Count the predicted classes of each row of x `[B, ...]` in `n` draws of noise N(0, sigma^2); int64 `[B, K]`."""
    _check(x, sigma, n, batch_size)
    blocks_per_row = -(-n // BLOCK_DRAWS)
    blocks = [(row, block) for row in range(len(x)) for block in range(blocks_per_row)]
    chunk_blocks = max(batch_size // BLOCK_DRAWS, 1)
    generator = torch.Generator(device=x.device)
    total = None
    for first in range(0, len(blocks), chunk_blocks):
        chunk = blocks[first : first + chunk_blocks]
        sizes = [min(BLOCK_DRAWS, n - block * BLOCK_DRAWS) for _, block in chunk]
        noise = [_noise(generator, mix(seed, *key), x)[:size] for key, size in zip(chunk, sizes, strict=True)]
        idx = torch.tensor([row for row, _ in chunk], device=x.device)
        idx = idx.repeat_interleave(torch.tensor(sizes, device=x.device))
        points = x[idx] + sigma * torch.cat(noise)
        logits = torch.cat([_logits(model, batch) for batch in torch.split(points, batch_size)])
        classes = logits.shape[1]
        counts = torch.bincount(idx * classes + logits.argmax(1), minlength=len(x) * classes).view(-1, classes)
        total = counts if total is None else total + counts
    assert total is not None
    return total


def _noise(generator: torch.Generator, seed: int, x: Tensor) -> Tensor:
    generator.manual_seed(seed)
    return torch.randn(BLOCK_DRAWS, *x.shape[1:], generator=generator, device=x.device, dtype=x.dtype)


def _logits(model: Model, points: Tensor) -> Tensor:
    """Return the model's logits; raise UsageError if they are not finite logits `[B, K]`, K >= 2."""
    logits = model(points)
    if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != len(points) or logits.shape[1] < 2:
        returned = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise UsageError(
            f"the model returns {returned} for {len(points)} rows: it must return logits [B, K] of 2 classes or more"
        )
    if not torch.isfinite(logits).all():
        raise UsageError("the model's logits are not finite in noise: does it take inputs beyond the box of its data?")
    return logits


def _check(x: Tensor, sigma: float, n: int, batch_size: int) -> None:
    if x.dim() < 2 or not len(x):
        raise UsageError(f"x is {list(x.shape)}: give a batch of rows [B, ...]; x[None] makes one of a single row")
    if not x.dtype.is_floating_point:
        raise UsageError(f"x is {str(x.dtype).removeprefix('torch.')}: give x.float(), in the units the model takes")
    if not torch.isfinite(x).all():
        row = int((~torch.isfinite(x)).flatten(1).any(1).nonzero()[0])
        raise UsageError(f"row {row} of x is not finite: leave it out")
    if not 0 < sigma < float("inf"):
        raise UsageError(f"sigma, the standard deviation of the noise, must be above 0, not {sigma}")
    if n < 1 or batch_size < 1:
        raise UsageError(f"the number of draws and batch_size must be 1 or more, not {n} and {batch_size}")


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise UsageError(f"alpha, the probability of error, must be between 0 and 1, not {alpha}")
