"""Losses of generators and discriminators: pure functions from logits `[B]`, float32, to a scalar.

D(x) is a logit, positive for real. An objective is a pair of losses: the discriminator's of (real, fake) logits and the
generator's of (fake, real) logits. Most generator losses use the fake logits only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import relu, softplus


class Objective(NamedTuple):
    """The losses of a discriminator and a generator."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    """(real logits `[B]`, fake logits `[B]`) -> scalar."""
    generator: Callable[[Tensor, Tensor], Tensor]
    """(fake logits `[B]`, real logits `[B]`) -> scalar."""
    pairs: bool = False
    """Whether the generator's loss uses the real logits."""


def cross_entropy(real: Tensor, fake: Tensor) -> Tensor:
    """Return -log D(x) - log(1 - D(G(z))), D's loss of the minimax game (Goodfellow et al. 2014, Eq. 1)."""
    return softplus(-real).mean() + softplus(fake).mean()


def minimax_generator(fake: Tensor, real: Tensor) -> Tensor:
    """Return log(1 - D(G(z))), G's loss of the minimax game (Goodfellow et al. 2014, Eq. 1). It saturates."""
    return -softplus(fake).mean()


def nonsaturating_generator(fake: Tensor, real: Tensor) -> Tensor:
    """Return -log D(G(z)) (Goodfellow et al. 2014, section 3)."""
    return softplus(-fake).mean()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Return max(0, 1 - D(x)) + max(0, 1 + D(G(z))) (Lim and Ye 2017, Eq. 3)."""
    return relu(1 - real).mean() + relu(1 + fake).mean()


def critic(real: Tensor, fake: Tensor) -> Tensor:
    """Return D(G(z)) - D(x), the critic's loss of the Wasserstein GAN (Arjovsky et al. 2017, Eq. 3)."""
    return fake.mean() - real.mean()


def critic_generator(fake: Tensor, real: Tensor) -> Tensor:
    """Return -D(G(z)), G's loss of the hinge and the Wasserstein game."""
    return -fake.mean()


def least_squares_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Return ((D(x) - 1)^2 + D(G(z))^2) / 2 (Mao et al. 2017, Eq. 9)."""
    return ((real - 1).square().mean() + fake.square().mean()) / 2


def least_squares_generator(fake: Tensor, real: Tensor) -> Tensor:
    """Return (D(G(z)) - 1)^2 / 2 (Mao et al. 2017, Eq. 9)."""
    return (fake - 1).square().mean() / 2


def relativistic(first: Tensor, second: Tensor) -> Tensor:
    """Return softplus(second - first) of pairs of logits; it makes `first` larger (Huang et al. 2024, Eq. 2)."""
    return softplus(second - first).mean()


OBJECTIVES: dict[str, Objective] = {
    "minimax": Objective(cross_entropy, minimax_generator),
    "nonsaturating": Objective(cross_entropy, nonsaturating_generator),
    "hinge": Objective(hinge_discriminator, critic_generator),
    "wasserstein": Objective(critic, critic_generator),
    "least_squares": Objective(least_squares_discriminator, least_squares_generator),
    "relativistic": Objective(relativistic, relativistic, pairs=True),
}
"""Objectives by name."""
