"""The generative adversarial game of a generator and a discriminator (Goodfellow et al. 2014)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from sparring.engine.game import Batch, Stats
from sparring.engine.precision import at_least_float32
from sparring.games.adaptive_gamma import AdaptiveGamma
from sparring.games.label_completion import LabelCompletion
from sparring.games.objectives import Objective
from sparring.games.penalties import Penalty, input_gradient, interpolate

DiscriminatorForward = Callable[[nn.Module, Sequence[Tensor], Sequence[Tensor]], list[Tensor]]
"""(discriminator, inputs, their labels or an empty sequence) -> logits `[B]`, float32, of each input."""

GeneratorTerm = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""(generator, fake images, real images) -> a scalar that is added to the generator's loss."""


@runtime_checkable
class HasLogits(Protocol):
    """A game whose discriminator can be evaluated from outside."""

    def logits(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the discriminator's logits `[B]`, float32, of `x` with labels `y`, without changing the game."""
        ...


@runtime_checkable
class Represents(Protocol):
    """A discriminator that sees examples in another form, which is what the generator makes in training mode."""

    def represent(self, x: Tensor) -> Tensor:
        """Map real examples `[B, ...]`, as network input, to this form."""
        ...


@runtime_checkable
class Mismatches(Protocol):
    """A discriminator of examples of several parts, which must belong together."""

    def mismatched(self, x: Tensor) -> Tensor:
        """Return examples `[B, ...]` of parts of real examples `x` that do not belong together."""
        ...


class Augment(Protocol):
    """A differentiable augmentation for real and fake images. If it has state it is an `nn.Module`."""

    def __call__(self, x: Tensor, batch: Batch) -> Tensor:
        """Augment images `[B, C, H, W]` with the noise of `batch`."""
        ...

    def observe(self, real: Tensor, fake: Tensor) -> None:
        """Update the state from the discriminator's logits `[B]` in one of its turns."""
        ...

    def stats(self) -> Stats:
        """Return the current strength, for the metrics."""
        ...


def joint_forward(discriminator: nn.Module, x: Sequence[Tensor], y: Sequence[Tensor]) -> list[Tensor]:
    """Evaluate all inputs in one forward pass. Fastest, and correct if no output depends on other images."""
    logits = _call(discriminator, torch.cat(list(x)), torch.cat(list(y)) if y else None)
    return list(torch.split(logits, [len(images) for images in x]))


def separate_forward(discriminator: nn.Module, x: Sequence[Tensor], y: Sequence[Tensor]) -> list[Tensor]:
    """Evaluate each input in its own forward pass, with separate batch statistics of real and fake images."""
    return [_call(discriminator, images, y[k] if y else None) for k, images in enumerate(x)]


class GAN:
    """A game of two players, `generator` and `discriminator` (`engine.game.Game`).

    `generator(z)` takes noise `[B, latent_dim]`; `discriminator(x)` gives logits `[B]`. If `conditional`, both take
    labels as a second argument, and `completion` predicts missing labels. The discriminator sees real and fake images
    through `augment`; one that `Mismatches` also sees parts of real examples that do not belong together, as fakes.
    `terms` are added to the generator's loss. `gamma_controller` is the weight of those penalties that were built with
    it, and adapts to the discriminator's gradients. Stateful ones are the players `augment` and `penalty`, without
    turns.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        objective: Objective,
        *,
        latent_dim: int,
        penalties: Sequence[Penalty] = (),
        conditional: bool = False,
        discriminator_steps: int = 1,
        forward: DiscriminatorForward = joint_forward,
        augment: Augment | None = None,
        gamma_controller: AdaptiveGamma | None = None,
        completion: LabelCompletion | None = None,
        terms: Mapping[str, GeneratorTerm] | None = None,
    ) -> None:
        parts = {"augment": augment, "penalty": gamma_controller}
        stateful = {name: net for name, net in parts.items() if isinstance(net, nn.Module)}
        self.players: Mapping[str, nn.Module] = {"generator": generator, "discriminator": discriminator, **stateful}
        self.turns = ("discriminator",) * discriminator_steps + ("generator",)
        self.objective, self.penalties, self.latent_dim = objective, tuple(penalties), latent_dim
        self.conditional, self.forward = conditional, forward
        self.augment, self.gamma_controller = augment, gamma_controller
        self.completion, self.terms = completion, dict(terms or {})
        self._generator, self._discriminator = generator, discriminator

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """Return a player's loss. The discriminator's statistics hold mean logits, `penalty` and `heads`."""
        if isinstance(self._discriminator, Represents):
            batch = replace(batch, x=self._discriminator.represent(batch.x))
        original = batch
        if self.completion:
            batch = replace(batch, y=self.completion.labels(self._discriminator, batch))
        if player == "generator":
            return self._generator_loss(batch)
        loss, stats = self._discriminator_loss(batch, at)
        if self.completion:
            heads, head_stats = self.completion.discriminator_loss(self._discriminator, original)
            loss, stats = loss + heads, {**stats, "heads": heads, **head_stats}
        return loss, stats

    @torch.no_grad()
    def logits(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the logits `[B]` of `x` `[B, ...]` with labels `y` `[B]` in eval mode, without augmentation."""
        modes = [(module, module.training) for module in self._discriminator.modules()]
        self._discriminator.eval()
        try:
            device = next(self._discriminator.parameters()).device
            x, y = x.to(device), y.to(device)
            if self.completion:
                y = self.completion.labels(self._discriminator, Batch(x, y))
            return _call(self._discriminator, x, y if self.conditional else None)
        finally:
            for module, mode in modes:
                module.training = mode

    def _labels(self, batch: Batch, times: int = 1) -> list[Tensor]:
        return [batch.y] * times if self.conditional else []

    def _fake(self, batch: Batch) -> Tensor:
        """Return G(z), float32."""
        return _call(self._generator, batch.normal(self.latent_dim), *self._labels(batch))

    def _logits(self, batch: Batch, *x: Tensor) -> list[Tensor]:
        """Return the logits of each of `x`, augmented and with the labels of the batch."""
        inputs = [self.augment(images, batch) for images in x] if self.augment else x
        return self.forward(self._discriminator, inputs, self._labels(batch, len(x)))

    def _discriminator_loss(self, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        with torch.no_grad():
            fake = self._fake(batch)
        due = [penalty for penalty in self.penalties if penalty.due(batch.step)]
        inputs = {"real": batch.x, "fake": fake}
        if any(penalty.location == "interpolated" for penalty in due):
            inputs["interpolated"] = interpolate(batch.x, fake, batch.uniform())
        if due:  # one leaf for all inputs, so that one autograd.grad serves every penalty
            joined = torch.cat(list(inputs.values())).requires_grad_()
            inputs = dict(zip(inputs, torch.split(joined, len(fake)), strict=True))
        logits = self._logits(batch, *inputs.values())
        real_logits, fake_logits = logits[0], logits[1]
        loss = self.objective.discriminator(real_logits, fake_logits)
        stats: dict[str, Tensor | float] = {"real_logit": real_logits.mean(), "fake_logit": fake_logits.mean()}
        if self.augment:
            self.augment.observe(real_logits.detach(), fake_logits.detach())
            stats |= self.augment.stats()
        if due:
            split = torch.split(input_gradient(torch.cat(logits), joined), len(fake))
            gradients = dict(zip(inputs, split, strict=True))
            penalty = torch.stack([p(gradients[p.location], at) for p in due]).sum()
            loss, stats["penalty"] = loss + penalty, penalty
            if self.gamma_controller:
                interval = min(p.interval for p in self.penalties)
                self.gamma_controller.observe(batch.x, [gradients[p.location].detach() for p in due], interval)
                stats |= self.gamma_controller.stats()
        if isinstance(self._discriminator, Mismatches):
            (mismatched,) = self._logits(batch, self._discriminator.mismatched(batch.x))
            loss = loss + self.objective.discriminator(real_logits, mismatched)
            stats["mismatched_logit"] = mismatched.mean()
        return loss, stats

    def _generator_loss(self, batch: Batch) -> tuple[Tensor, Stats]:
        real_logits = batch.x.new_empty(0)
        if self.objective.pairs:
            with torch.no_grad():  # the generator does not affect real logits
                (real_logits,) = self._logits(batch, batch.x)
        fake = self._fake(batch)
        (fake_logits,) = self._logits(batch, fake)
        stats = {name: term(self._generator, fake, batch.x) for name, term in self.terms.items()}
        if self.completion and self.completion.generator_weight:
            stats["generator_heads"] = self.completion.generator_loss(self._discriminator, fake)
        return torch.stack([self.objective.generator(fake_logits, real_logits), *stats.values()]).sum(), stats


def _call(net: nn.Module, x: Tensor, y: Tensor | None = None) -> Tensor:
    return at_least_float32(net(x) if y is None else net(x, y))
