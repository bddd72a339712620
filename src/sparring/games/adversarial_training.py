"""Adversarial training: minimise the loss on adversarial examples in a ball (Madry et al. 2018, Eq. 2.1).

The game has one player. The attack is an inner maximisation without parameters of its own. Unlike the attacks of
`sparring.attacks` it does not stop at the first error, since it maximises the loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, log_softmax

from sparring.attacks.feasible_set import FeasibleSet
from sparring.attacks.losses import ce
from sparring.attacks.norms import unsqueeze_like
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import frozen
from sparring.engine.game import Batch, Schedule, Stats
from sparring.engine.precision import at_least_float32
from sparring.engine.schedules import constant

InnerAttack = Callable[[nn.Module, Tensor, Tensor, Threat, Batch], Tensor]
"""(classifier, images `[B, ...]`, labels `[B]`, threat, batch as the noise source) -> adversarial examples."""

AdversarialLoss = Callable[[nn.Module, Tensor, Tensor, Tensor], tuple[Tensor, Stats]]
"""(classifier, images, adversarial examples, labels) -> a scalar loss of the classifier, and statistics."""

StartPoint = Callable[[FeasibleSet, Batch], Tensor]
"""(feasible set, batch as the noise source) -> initial points of an ascent `[B, ...]`."""

AscentObjective = Callable[[nn.Module, Tensor, Tensor], Callable[[Tensor], Tensor]]
"""(classifier, images, labels) -> the function of logits `[B, K]` that an ascent maximises, `[B]`."""


# losses of the classifier


def adversarial_ce(net: nn.Module, x: Tensor, x_adv: Tensor, y: Tensor) -> tuple[Tensor, Stats]:
    """Return the cross entropy of the adversarial examples (Madry et al. 2018, Eq. 2.1)."""
    logits = at_least_float32(net(x_adv))
    return cross_entropy(logits, y), {"robust": _accuracy(logits, y)}


def mixed_ce(alpha: float = 0.5) -> AdversarialLoss:
    """Build alpha J(x, y) + (1 - alpha) J(x_adv, y) (Goodfellow et al. 2014, "Explaining ...", section 6)."""

    def loss(net: nn.Module, x: Tensor, x_adv: Tensor, y: Tensor) -> tuple[Tensor, Stats]:
        clean, attacked = _both_logits(net, x, x_adv)
        value = alpha * cross_entropy(clean, y) + (1 - alpha) * cross_entropy(attacked, y)
        return value, {"accuracy": _accuracy(clean, y), "robust": _accuracy(attacked, y)}

    return loss


def trades_loss(beta: float = 6.0) -> AdversarialLoss:
    """Build J(x, y) + beta KL(p(x) || p(x_adv)) (Zhang et al. 2019, Eq. 5)."""

    def loss(net: nn.Module, x: Tensor, x_adv: Tensor, y: Tensor) -> tuple[Tensor, Stats]:
        clean, attacked = _both_logits(net, x, x_adv)
        kl = kl_divergence(clean, attacked).mean()
        stats: Stats = {"accuracy": _accuracy(clean, y), "robust": _accuracy(attacked, y), "divergence": kl}
        return cross_entropy(clean, y) + beta * kl, stats

    return loss


def kl_divergence(clean: Tensor, attacked: Tensor) -> Tensor:
    """Return KL(softmax(clean) || softmax(attacked)), `[B]`, of logits `[B, K]`."""
    return kl_div(log_softmax(attacked, 1), log_softmax(clean, 1), reduction="none", log_target=True).sum(1)


# the inner maximisation


def data_start(region: FeasibleSet, batch: Batch) -> Tensor:
    """Return the images themselves."""
    return region.x


def uniform_start(region: FeasibleSet, batch: Batch) -> Tensor:
    """Return points uniform in the Linf or L2 ball, maybe outside the box (Wong et al. 2020, Algorithm 3).

    The first step projects into the box. With a start inside the box, one step of 1.25 eps would change all black
    pixels of MNIST by exactly 0 or eps, and the classifier would learn only these. After two epochs Wong's network then
    had 2 % accuracy under PGD instead of 73 %.
    """
    x, shape = region.x, region.x.shape[1:]
    if region.norm == "Linf":
        return x + unsqueeze_like(region.eps, x) * (2 * batch.uniform(*shape) - 1)
    noise = batch.normal(*shape)
    if region.norm == "L2":
        radius = region.eps * batch.uniform(1)[:, 0] ** (1 / shape.numel())
        return x + noise * unsqueeze_like(radius / noise.flatten(1).norm(dim=1).clamp(min=1e-12), noise)
    return region.clip(x + noise)


def gaussian_start(region: FeasibleSet, batch: Batch) -> Tensor:
    """Return images with normal noise of standard deviation 0.001 in pixels in [0, 1], 0.002 in [-1, 1].

    The gradient of KL is zero at the images themselves (Zhang et al. 2019).
    """
    return region.clip(region.x + 0.002 * batch.normal(*region.x.shape[1:]))


def ce_objective(net: nn.Module, x: Tensor, y: Tensor) -> Callable[[Tensor], Tensor]:
    """Return the cross entropy with the labels, as a function of logits."""
    return lambda logits: ce(logits, y)


def kl_objective(net: nn.Module, x: Tensor, y: Tensor) -> Callable[[Tensor], Tensor]:
    """Return the KL divergence from the clean predictions, as a function of logits (Zhang et al. 2019, section 4)."""
    with torch.no_grad():
        clean = at_least_float32(net(x))
    return lambda logits: kl_divergence(clean, logits)


@dataclass(frozen=True)
class Ascent:
    """Projected steepest ascent in eval mode. One step of 1 eps from the data is FGSM, many steps are PGD."""

    steps: int
    """Number of steps."""
    step: float
    """Step size in units of eps."""
    start: StartPoint = uniform_start
    objective: AscentObjective = ce_objective

    def __call__(self, net: nn.Module, x: Tensor, y: Tensor, threat: Threat, batch: Batch) -> Tensor:
        """Return adversarial examples `[B, ...]` of images `x` `[B, ...]` that `threat` allows."""
        region = threat.around(x)
        stride = unsqueeze_like(self.step * region.eps, x)
        with frozen(net):
            objective, x_adv = self.objective(net, x, y), self.start(region, batch)
            for _ in range(self.steps):
                leaf = x_adv.detach().requires_grad_()
                (gradient,) = torch.autograd.grad(objective(at_least_float32(net(leaf))).sum(), leaf)
                x_adv = region.clip(x_adv + stride * region.steepest(gradient, x_adv))
        return region.round_discrete(x_adv.detach())

    def with_extra_steps(self, extra: int) -> Ascent:
        """Return an ascent with `extra` more steps and the same total path length."""
        return replace(self, steps=self.steps + extra, step=self.step * self.steps / (self.steps + extra))


@dataclass(frozen=True)
class GaussianAugmentation:
    """Add normal noise to images, as training for randomized smoothing does (Cohen et al. 2019).

    It has the signature of an InnerAttack but ignores classifier and threat, and may leave the box.
    """

    sigma: float
    """Standard deviation, in units of the images' pixels."""

    def __call__(self, net: nn.Module, x: Tensor, y: Tensor, threat: Threat, batch: Batch) -> Tensor:
        """Return noisy images `[B, ...]`."""
        return x + self.sigma * batch.normal(*x.shape[1:])


class PersistentPerturbation(nn.Module):
    """An InnerAttack whose perturbation persists over rounds (Shafahi et al. 2019, "Free", Algorithm 1).

    Each round moves it by `step` times eps along the gradient of the classifier's own backward pass, at no extra cost.
    Each batch should be played several times in a row (`BatchLoader(replays=)`).
    """

    perturbation: Tensor

    def __init__(self, batch_size: int, shape: tuple[int, ...], step: float = 1.0) -> None:
        super().__init__()
        self.step = step
        self.register_buffer("perturbation", torch.zeros(batch_size, *shape))

    def forward(self, net: nn.Module, x: Tensor, y: Tensor, threat: Threat, batch: Batch) -> Tensor:
        """Return adversarial examples. The backward pass through them updates the perturbation."""
        batch_slice = batch.batch_slice or slice(0, len(x))
        delta = self.perturbation[batch_slice]
        x_adv = threat.project(x + delta, x).requires_grad_()

        def update(gradient: Tensor) -> None:
            ball = replace(threat, low=-torch.inf, high=torch.inf).around(torch.zeros_like(delta))
            step = unsqueeze_like(self.step * ball.eps, delta) * ball.steepest(gradient, delta)
            self.perturbation[batch_slice] = ball.clip(delta + step)

        if torch.is_grad_enabled():
            x_adv.register_hook(update)  # type: ignore[no-untyped-call]
        return x_adv


class AdversarialTraining:
    """A game with one player, `classifier`, that minimises a loss on adversarial examples (`engine.game.Game`).

    `threat` is in units of the images' pixels; its eps is multiplied by `eps_factor(at)`, which is 1 in the papers. A
    stateful attack is an `nn.Module` and becomes a player without turns, as do the `observers`, e.g. an
    OverfittingGuard.
    """

    turns = ("classifier",)

    def __init__(
        self,
        classifier: nn.Module,
        threat: Threat,
        *,
        attack: InnerAttack | None = None,
        loss: AdversarialLoss = adversarial_ce,
        eps_factor: Schedule | None = None,
        observers: Mapping[str, nn.Module] | None = None,
    ) -> None:
        """Build the game.

        The default attack is that of Madry et al. 2018 for MNIST: 40 steps of eps / 30, uniform start.
        """
        self.threat, self.attack, self._loss = threat, attack or Ascent(40, 1 / 30), loss
        self.eps_factor = eps_factor or constant(1.0)
        stateful = {"attack": self.attack} if isinstance(self.attack, nn.Module) else {}
        self.players: Mapping[str, nn.Module] = {"classifier": classifier, **stateful, **(observers or {})}

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """Return the loss. Statistics hold `robust`, the accuracy on the adversarial examples of this batch."""
        net = self.players["classifier"]
        threat = replace(self.threat, eps=self.eps_factor(at) * self.threat.eps)
        x_adv = self.attack(net, batch.x, batch.y, threat, batch)
        return self._loss(net, batch.x, x_adv, batch.y)


def _both_logits(net: nn.Module, x: Tensor, x_adv: Tensor) -> tuple[Tensor, Tensor]:
    clean, attacked = at_least_float32(net(torch.cat([x, x_adv]))).chunk(2)
    return clean, attacked


def _accuracy(logits: Tensor, y: Tensor) -> Tensor:
    return (logits.detach().argmax(1) == y).float().mean()
