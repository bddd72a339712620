"""Randomized smoothing: what a model says most often in Gaussian noise, and how far that holds for certain (Cohen et al. 2019).

Noise comes from (seed, row, draw) alone, so counts do not depend on how rows and draws are put into batches.
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
"""In place of a class."""
BLOCK = 64
"""Draws of one row that come from one seed."""


@dataclass(frozen=True, eq=False)
class Certificate:
    """What is certain of each of B rows, but for a chance of alpha a row."""

    classes: Tensor
    """What the smoothed model says, int64 `[B]`; -1: it abstains."""
    radius: Tensor
    """Up to which L2 distance it says so, float64 `[B]`, in the units of x; 0 where it abstains."""
    least: Tensor
    """The lower bound of the probability of the class in noise, float64 `[B]`."""

    def certified(self, y: Tensor, radius: float = 0.0) -> Tensor:
        """True where no change shorter than `radius` keeps the smoothed model from saying the label `y` `[B]`; bool `[B]`."""
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
    """The class of the smoothed model around each row of x `[B, ...]`, and the radius in which it holds (CERTIFY).

    `n0` draws of noise N(0, sigma^2) choose the class, `n` others bound its probability p from below (Clopper and
    Pearson), each row being wrong with probability alpha at most; the radius is sigma Phi^-1(p) (Theorem 1 and section
    3.2.2). It abstains where p is not above a half. `batch_size` counts the points of one pass.
    """
    _check_alpha(alpha)
    with frozen(model, seed):
        guess = counts(model, x, sigma, n0, batch_size=batch_size, seed=mix(seed, 0)).argmax(1)
        seen = counts(model, x, sigma, n, batch_size=batch_size, seed=mix(seed, 1))
    hits = seen.gather(1, guess[:, None]).squeeze(1).tolist()
    bounds = {count: clopper_pearson_lower(count, n, alpha) for count in set(hits)}
    least = torch.tensor([bounds[count] for count in hits], dtype=torch.float64)
    radius = sigma * torch.special.ndtri(least).clamp(min=0)
    classes = torch.where(least > 0.5, guess.cpu(), ABSTAIN)
    return Certificate(classes.to(x.device), radius.to(x.device), least.to(x.device))


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
    """What the smoothed model says of each row of x `[B, ...]`, int64 `[B]`; -1 where it abstains (PREDICT, section 3.2.1).

    It abstains where the two commonest classes could be as likely: by the exact binomial test, wrong with probability
    alpha at most.
    """
    _check_alpha(alpha)
    with frozen(model, seed):
        seen = counts(model, x, sigma, n, batch_size=batch_size, seed=seed)
    most, classes = seen.topk(2, dim=1)
    chance = [binomial_test(first, first + second) for first, second in most.tolist()]
    return torch.where(torch.tensor(chance, device=x.device) <= alpha, classes[:, 0], ABSTAIN)


def smoothed_model(model: Model, sigma: float, draws: int) -> Model:
    """A model to attack in the vote's place, which has no gradient: the log of the mean softmax in `draws` draws of noise.

    Its cross entropy is what SmoothAdv climbs (Salman et al. 2019, "Provably robust ...", section 2.2). Each pass draws anew,
    from the global random numbers.
    """

    def logits(x: Tensor) -> Tensor:
        many = x.repeat_interleave(draws, 0)
        each = _logits(model, many + sigma * torch.randn_like(many)).log_softmax(1)
        return each.view(len(x), draws, -1).logsumexp(1) - math.log(draws)

    return logits


@torch.no_grad()
def counts(model: Model, x: Tensor, sigma: float, n: int, *, batch_size: int = 1024, seed: int = 0) -> Tensor:
    """How often `model` says each class of each row of x `[B, ...]` in `n` draws of noise N(0, sigma^2); int64 `[B, K]`."""
    _check(x, sigma, n, batch_size)
    blocks = -(-n // BLOCK)
    jobs = [(row, block) for row in range(len(x)) for block in range(blocks)]
    per = max(batch_size // BLOCK, 1)
    generator = torch.Generator(device=x.device)
    total = None
    for first in range(0, len(jobs), per):
        some = jobs[first : first + per]
        sizes = [min(BLOCK, n - block * BLOCK) for _, block in some]
        noise = [_noise(generator, mix(seed, *job), x)[:size] for job, size in zip(some, sizes, strict=True)]
        rows = torch.tensor([row for row, _ in some], device=x.device)
        rows = rows.repeat_interleave(torch.tensor(sizes, device=x.device))
        points = x[rows] + sigma * torch.cat(noise)
        logits = torch.cat([_logits(model, part) for part in torch.split(points, batch_size)])
        classes = logits.shape[1]
        told = torch.bincount(rows * classes + logits.argmax(1), minlength=len(x) * classes).view(-1, classes)
        total = told if total is None else total + told
    assert total is not None
    return total


def _noise(generator: torch.Generator, seed: int, x: Tensor) -> Tensor:
    generator.manual_seed(seed)
    return torch.randn(BLOCK, *x.shape[1:], generator=generator, device=x.device, dtype=x.dtype)


def _logits(model: Model, points: Tensor) -> Tensor:
    logits = model(points)
    if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != len(points) or logits.shape[1] < 2:
        told = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise UsageError(
            f"the model returns {told} for {len(points)} rows: it must return logits [B, K] of 2 classes or more"
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
        raise UsageError(f"numbers of draws and batch_size must be 1 or more, not {n} and {batch_size}")


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise UsageError(f"alpha, the chance to be wrong, must be between 0 and 1, not {alpha}")
