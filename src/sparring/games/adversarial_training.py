"""Adversarial training: be right on the worst case in a ball (Madry et al. 2018, Eq. 2.1).

A game of one. The attack is an inner maximisation, and no player: it has nothing of its own to learn. It goes all the way,
unlike the attacks of `sparring.attacks`, which end where the classifier first errs: the loss is wanted high, not the label wrong.
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
from sparring.engine.schedules import constant

InnerAttack = Callable[[nn.Module, Tensor, Tensor, Threat, Batch], Tensor]
"""(classifier, images `[B, ...]`, labels `[B]`, what may be done, the batch, for its noise) -> adversaries `[B, ...]`."""

Loss = Callable[[nn.Module, Tensor, Tensor, Tensor], tuple[Tensor, Stats]]
"""(classifier, images, adversaries, labels) -> a scalar that the classifier minimises, and statistics."""

Start = Callable[[FeasibleSet, Batch], Tensor]
"""(where each row may go, the batch, for its noise) -> points of the region, where an ascent begins."""

Aim = Callable[[nn.Module, Tensor, Tensor], Callable[[Tensor], Tensor]]
"""(classifier, images, labels) -> what an ascent drives up: a function of logits `[B, K]` that gives `[B]`."""


# what the classifier pays


def worst(net: nn.Module, x: Tensor, adv: Tensor, y: Tensor) -> tuple[Tensor, Stats]:
    """The cross entropy of the adversaries alone (Madry et al. 2018, Eq. 2.1)."""
    logits = _float(net(adv))
    return cross_entropy(logits, y), {"robust": _right(logits, y)}


def mixed(alpha: float = 0.5) -> Loss:
    """The loss alpha J(x, y) + (1 - alpha) J(x + eps sign grad J, y) (Goodfellow et al. 2014, "Explaining ...", section 6)."""

    def loss(net: nn.Module, x: Tensor, adv: Tensor, y: Tensor) -> tuple[Tensor, Stats]:
        clean, attacked = _both(net, x, adv)
        value = alpha * cross_entropy(clean, y) + (1 - alpha) * cross_entropy(attacked, y)
        return value, {"right": _right(clean, y), "robust": _right(attacked, y)}

    return loss


def trades(beta: float = 6.0) -> Loss:
    """The cross entropy of the images, and `beta` times the divergence of the adversaries from them (Zhang et al. 2019, Eq. 5)."""

    def loss(net: nn.Module, x: Tensor, adv: Tensor, y: Tensor) -> tuple[Tensor, Stats]:
        clean, attacked = _both(net, x, adv)
        away = divergence(clean, attacked).mean()
        stats: Stats = {"right": _right(clean, y), "robust": _right(attacked, y), "divergence": away}
        return cross_entropy(clean, y) + beta * away, stats

    return loss


def divergence(clean: Tensor, attacked: Tensor) -> Tensor:
    """KL(softmax(clean) || softmax(attacked)) of logits `[B, K]`, `[B]`."""
    return kl_div(log_softmax(attacked, 1), log_softmax(clean, 1), reduction="none", log_target=True).sum(1)


# the inner maximisation


def at_data(region: FeasibleSet, batch: Batch) -> Tensor:
    """At the images themselves."""
    return region.x


def anywhere(region: FeasibleSet, batch: Batch) -> Tensor:
    """Evenly anywhere in the Linf or L2 ball (Madry et al. 2018; Wong et al. 2020, Algorithm 3), be it out of the box.

    The first step brings it back. Were the start in the box as well, one step of 1.25 eps would move all black pixels of MNIST
    by 0 or eps, nothing in between, and that alone be learnt: after two epochs Wong's network then had 2 % under PGD, not 73 %.
    """
    x, shape = region.x, region.x.shape[1:]
    if region.norm == "Linf":
        return x + unsqueeze_like(region.eps, x) * (2 * batch.uniform(*shape) - 1)
    noise = batch.normal(*shape)
    if region.norm == "L2":
        far = region.eps * batch.uniform(1)[:, 0] ** (1 / shape.numel())
        return x + noise * unsqueeze_like(far / noise.flatten(1).norm(dim=1).clamp(min=1e-12), noise)
    return region.clip(x + noise)


def near(region: FeasibleSet, batch: Batch) -> Tensor:
    """Next to the images, by normal noise of 0.001 (in pixels from 0 to 1; ours are twice as far apart): KL is flat at x itself (Zhang et al. 2019)."""
    return region.clip(region.x + 0.002 * batch.normal(*region.x.shape[1:]))


def label_lost(net: nn.Module, x: Tensor, y: Tensor) -> Callable[[Tensor], Tensor]:
    """The cross entropy of the label."""
    return lambda logits: ce(logits, y)


def drawn_away(net: nn.Module, x: Tensor, y: Tensor) -> Callable[[Tensor], Tensor]:
    """The divergence from what the classifier says of the images; labels play no part (Zhang et al. 2019, section 4)."""
    with torch.no_grad():
        clean = _float(net(x))
    return lambda logits: divergence(clean, logits)


@dataclass(frozen=True)
class Ascent:
    """`steps` steps of `step` times eps, each in the steepest direction and back into the region, from `start`.

    One step of 1 at the data is FGSM, many are PGD. The classifier is in eval mode meanwhile.
    """

    steps: int
    step: float
    start: Start = anywhere
    aim: Aim = label_lost

    def __call__(self, net: nn.Module, x: Tensor, y: Tensor, threat: Threat, batch: Batch) -> Tensor:
        """Adversaries `[B, ...]` that `threat` allows around `x` `[B, ...]`."""
        region = threat.around(x)
        stride = unsqueeze_like(self.step * region.eps, x)
        with frozen(net):
            rising, at = self.aim(net, x, y), self.start(region, batch)
            for _ in range(self.steps):
                leaf = at.detach().requires_grad_()
                (gradient,) = torch.autograd.grad(rising(_float(net(leaf))).sum(), leaf)
                at = region.clip(at + stride * region.steepest(gradient, at))
        return region.round_discrete(at.detach())

    def slower(self, more: int) -> Ascent:
        """As long a way in `more` steps more."""
        return replace(self, steps=self.steps + more, step=self.step * self.steps / (self.steps + more))


@dataclass(frozen=True)
class Noise:
    """Normal noise of deviation `sigma`, in the units of the images: what a smoothed classifier will be asked in (Cohen et al. 2019).

    An `Attack` in form alone: it knows neither classifier nor threat, and may leave the box.
    """

    sigma: float

    def __call__(self, net: nn.Module, x: Tensor, y: Tensor, threat: Threat, batch: Batch) -> Tensor:
        """Noisy images `[B, ...]`."""
        return x + self.sigma * batch.normal(*x.shape[1:])


class Carried(nn.Module):
    """A perturbation that is carried from round to round (Shafahi et al. 2019, "Free", Algorithm 1); an `Attack`.

    It moves by `step` times eps in each round, by the gradient that flows through the adversaries when the classifier's loss
    goes back: it costs nothing. Batches should come several times in a row (`Feed(replays=)`).
    """

    change: Tensor

    def __init__(self, batch_size: int, shape: tuple[int, ...], step: float = 1.0) -> None:
        super().__init__()
        self.step = step
        self.register_buffer("change", torch.zeros(batch_size, *shape))

    def forward(self, net: nn.Module, x: Tensor, y: Tensor, threat: Threat, batch: Batch) -> Tensor:
        """Adversaries, which tell the perturbation where to go next as the loss goes back."""
        rows = batch.batch_slice or slice(0, len(x))
        change = self.change[rows]
        adv = threat.project(x + change, x).requires_grad_()

        def move(gradient: Tensor) -> None:
            ball = replace(threat, low=-torch.inf, high=torch.inf).around(torch.zeros_like(change))
            way = unsqueeze_like(self.step * ball.eps, change) * ball.steepest(gradient, change)
            self.change[rows] = ball.clip(change + way)

        if torch.is_grad_enabled():
            adv.register_hook(move)  # type: ignore[no-untyped-call]
        return adv


class AdversarialTraining:
    """One player, `classifier`, that minimises a loss on adversaries; a game in the sense of `engine.game`.

    `threat` is in the units of the images; its eps is `growth(at)` times as large, 1 in the papers. An attack with a state of
    its own is an `nn.Module`, and becomes a player without a turn, as do the `watching` ones (a `Guard`).
    """

    turns = ("classifier",)

    def __init__(
        self,
        classifier: nn.Module,
        threat: Threat,
        *,
        attack: InnerAttack | None = None,
        loss: Loss = worst,
        growth: Schedule | None = None,
        watching: Mapping[str, nn.Module] | None = None,
    ) -> None:
        """The attack is by default that of Madry et al. 2018 for MNIST: 40 steps of a 30th of eps from anywhere."""
        self.threat, self.attack, self._loss = threat, attack or Ascent(40, 1 / 30), loss
        self.growth = growth or constant(1.0)
        carried = {"attack": self.attack} if isinstance(self.attack, nn.Module) else {}
        self.players: Mapping[str, nn.Module] = {"classifier": classifier, **carried, **(watching or {})}

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """The loss of all rows, with `robust` among what it tells: the share that is right under this very attack."""
        net = self.players["classifier"]
        threat = replace(self.threat, eps=self.growth(at) * self.threat.eps)
        adv = self.attack(net, batch.x, batch.y, threat, batch)
        return self._loss(net, batch.x, adv, batch.y)


def _both(net: nn.Module, x: Tensor, adv: Tensor) -> tuple[Tensor, Tensor]:
    clean, attacked = _float(net(torch.cat([x, adv]))).chunk(2)
    return clean, attacked


def _right(logits: Tensor, y: Tensor) -> Tensor:
    return (logits.detach().argmax(1) == y).float().mean()


def _float(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
