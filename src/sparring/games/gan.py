"""The generative adversarial game (Goodfellow et al. 2014): one player makes data, the other tells them from real ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from sparring.engine.game import Batch, Stats
from sparring.games.adaptive_gamma import AdaptiveGamma
from sparring.games.label_completion import LabelCompletion
from sparring.games.objectives import Objective
from sparring.games.penalties import Penalty, between, input_gradient

Judge = Callable[[nn.Module, Sequence[Tensor], Sequence[Tensor]], list[Tensor]]
"""(discriminator, inputs, their labels or nothing) -> logits `[B]`, float32, of each input."""

Term = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""(generator, fake images, real images) -> a scalar that the generator pays besides."""


@runtime_checkable
class Judging(Protocol):
    """A game in which a player tells data from samples, and that can be asked what it thinks."""

    def logits(self, x: Tensor, y: Tensor) -> Tensor:
        """How real each of `x` looks to it, float32 `[B]`; `y` are the labels. Nothing of the game changes by this."""
        ...


class Augment(Protocol):
    """An augmentation, the same way for reals and fakes, through which gradients flow. If it has a state: an `nn.Module`."""

    def __call__(self, x: Tensor, batch: Batch) -> Tensor:
        """Images `[B, C, H, W]`, changed with the noise of `batch`."""
        ...

    def observe(self, real: Tensor, fake: Tensor) -> None:
        """Take note of D's logits `[B]` in one of its turns."""
        ...

    def stats(self) -> Stats:
        """What it is at now, for the metrics."""
        ...


def together(discriminator: nn.Module, x: Sequence[Tensor], y: Sequence[Tensor]) -> list[Tensor]:
    """One forward for all: the fastest, and right wherever D looks at each image by itself."""
    logits = _call(discriminator, torch.cat(list(x)), torch.cat(list(y)) if y else None)
    return list(torch.split(logits, [len(part) for part in x]))


def apart(discriminator: nn.Module, x: Sequence[Tensor], y: Sequence[Tensor]) -> list[Tensor]:
    """A forward for each: batch normalisation then sees real and generated batches apart."""
    return [_call(discriminator, part, y[k] if y else None) for k, part in enumerate(x)]


class GAN:
    """Two players, `generator` and `discriminator`; a game in the sense of `engine.game`.

    `generator(z)` takes noise `[B, latents]`, `discriminator(x)` gives logits `[B]`; with `conditional` both get the
    labels as a second argument, and `completion` gives labels to those images that have none. D sees everything through
    `augment`. `terms` are added to G's loss. `held` is the weight of those penalties that were built with it, and follows
    D's gradients. What of all this has a state of its own is a player without a turn, `augment` or `penalty`.
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
        discriminator_turns: int = 1,
        judge: Judge = together,
        augment: Augment | None = None,
        held: AdaptiveGamma | None = None,
        completion: LabelCompletion | None = None,
        terms: Mapping[str, Term] | None = None,
    ) -> None:
        quiet = {"augment": augment, "penalty": held}
        keeping = {name: net for name, net in quiet.items() if isinstance(net, nn.Module)}
        self.players: Mapping[str, nn.Module] = {"generator": generator, "discriminator": discriminator, **keeping}
        self.turns = ("discriminator",) * discriminator_turns + ("generator",)
        self.objective, self.penalties, self.latent_dim = objective, tuple(penalties), latent_dim
        self.conditional, self.judge = conditional, judge
        self.augment, self.held, self.completion, self.terms = augment, held, completion, dict(terms or {})
        self._generator, self._discriminator = generator, discriminator

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """D's or G's loss; D's statistics tell the mean logits and what it pays besides: `penalty` and `heads`."""
        given = batch
        if self.completion:
            batch = replace(batch, y=self.completion.labels(self._discriminator, batch))
        if player == "generator":
            return self._generator_loss(batch)
        loss, stats = self._discriminator_loss(batch, at)
        if self.completion:
            heads, seen = self.completion.discriminator_loss(self._discriminator, given)
            loss, stats = loss + heads, {**stats, "heads": heads, **seen}
        return loss, stats

    @torch.no_grad()
    def logits(self, x: Tensor, y: Tensor) -> Tensor:
        """What D in eval mode says of `x` `[B, ...]` with labels `y` `[B]`, not augmented: a `Judging` game."""
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
        """G(z), float32."""
        return _call(self._generator, batch.normal(self.latent_dim), *self._labels(batch))

    def _judged(self, batch: Batch, *x: Tensor) -> list[Tensor]:
        """The logits of each of `x`, as D sees them: augmented, with the labels of the batch."""
        seen = [self.augment(part, batch) for part in x] if self.augment else x
        return self.judge(self._discriminator, seen, self._labels(batch, len(x)))

    def _discriminator_loss(self, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        with torch.no_grad():
            fake = self._fake(batch)
        due = [penalty for penalty in self.penalties if penalty.due(batch.step)]
        inputs = {"real": batch.x, "fake": fake}
        if any(penalty.where == "between" for penalty in due):
            inputs["between"] = between(batch.x, fake, batch.uniform())
        if due:  # one leaf for all places: one autograd.grad gives every penalty its rows
            joined = torch.cat(list(inputs.values())).requires_grad_()
            inputs = dict(zip(inputs, torch.split(joined, len(fake)), strict=True))
        logits = self._judged(batch, *inputs.values())
        real, fake_logits = logits[0], logits[1]
        loss = self.objective.discriminator(real, fake_logits)
        stats: dict[str, Tensor | float] = {"real_logit": real.mean(), "fake_logit": fake_logits.mean()}
        if self.augment:
            self.augment.observe(real.detach(), fake_logits.detach())
            stats |= self.augment.stats()
        if due:
            gradients = torch.split(input_gradient(torch.cat(logits), joined), len(fake))
            rows = dict(zip(inputs, gradients, strict=True))
            penalty = torch.stack([p(rows[p.where], at) for p in due]).sum()
            loss, stats["penalty"] = loss + penalty, penalty
            if self.held:
                self.held.observe(batch.x, [rows[p.where].detach() for p in due])
                stats |= self.held.stats()
        return loss, stats

    def _generator_loss(self, batch: Batch) -> tuple[Tensor, Stats]:
        real = batch.x.new_empty(0)
        if self.objective.pairs:
            with torch.no_grad():  # G cannot move the real logits
                (real,) = self._judged(batch, batch.x)
        made = self._fake(batch)
        (fake,) = self._judged(batch, made)
        stats = {name: term(self._generator, made, batch.x) for name, term in self.terms.items()}
        if self.completion and self.completion.generator_weight:
            stats["generator_heads"] = self.completion.generator_loss(self._discriminator, made)
        return torch.stack([self.objective.generator(fake, real), *stats.values()]).sum(), stats


def _call(net: nn.Module, x: Tensor, y: Tensor | None = None) -> Tensor:
    out: Tensor = net(x) if y is None else net(x, y)
    return out.to(torch.promote_types(out.dtype, torch.float32))
