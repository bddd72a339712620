"""What generator and discriminator want: pure functions of logits `[B]`, float32 in, a scalar out.

D(x) is a logit, positive for "real". Each objective is a pair: the discriminator's loss from (real, fake), and the
generator's from (fake, real), of which most look at the fake logits alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import relu, softplus


class Objective(NamedTuple):
    """The two losses of a game between generator and discriminator."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    """(real logits `[B]`, fake logits `[B]`) -> scalar."""
    generator: Callable[[Tensor, Tensor], Tensor]
    """(fake logits `[B]`, real logits `[B]`) -> scalar."""
    pairs: bool = False
    """True where the generator's loss needs the real logits too."""


def cross_entropy(real: Tensor, fake: Tensor) -> Tensor:
    """-log D(x) - log(1 - D(G(z))), D's loss of the minimax game (Goodfellow et al. 2014, Eq. 1)."""
    return softplus(-real).mean() + softplus(fake).mean()


def minimax_generator(fake: Tensor, real: Tensor) -> Tensor:
    """log(1 - D(G(z))), G's side of Goodfellow et al. 2014, Eq. 1: saturates where D is sure."""
    return -softplus(fake).mean()


def nonsaturating_generator(fake: Tensor, real: Tensor) -> Tensor:
    """-log D(G(z)) (Goodfellow et al. 2014, section 3)."""
    return softplus(-fake).mean()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """max(0, 1 - D(x)) + max(0, 1 + D(G(z))) (Lim and Ye 2017, Eq. 3)."""
    return relu(1 - real).mean() + relu(1 + fake).mean()


def critic(real: Tensor, fake: Tensor) -> Tensor:
    """D(G(z)) - D(x): minus the Wasserstein distance where D is 1-Lipschitz (Arjovsky et al. 2017, Eq. 3)."""
    return fake.mean() - real.mean()


def critic_generator(fake: Tensor, real: Tensor) -> Tensor:
    """-D(G(z)), G's side of the hinge and the Wasserstein game."""
    return -fake.mean()


def least_squares_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """((D(x) - 1)^2 + D(G(z))^2) / 2 (Mao et al. 2017, Eq. 9)."""
    return ((real - 1).square().mean() + fake.square().mean()) / 2


def least_squares_generator(fake: Tensor, real: Tensor) -> Tensor:
    """(D(G(z)) - 1)^2 / 2 (Mao et al. 2017, Eq. 9)."""
    return (fake - 1).square().mean() / 2


def relativistic(first: Tensor, second: Tensor) -> Tensor:
    """softplus(second - first), pair by pair: `first` should look more real (Huang et al. 2024, Eq. 2)."""
    return softplus(second - first).mean()


OBJECTIVES: dict[str, Objective] = {
    "minimax": Objective(cross_entropy, minimax_generator),
    "nonsaturating": Objective(cross_entropy, nonsaturating_generator),
    "hinge": Objective(hinge_discriminator, critic_generator),
    "wasserstein": Objective(critic, critic_generator),
    "least_squares": Objective(least_squares_discriminator, least_squares_generator),
    "relativistic": Objective(relativistic, relativistic, pairs=True),
}
"""Name -> objective."""
