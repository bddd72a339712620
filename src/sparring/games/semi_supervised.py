"""Few labels: the discriminator is a classifier of K classes and "generated" (Salimans et al. 2016, section 5).

The classifier gives K logits; that of "generated" is 0 throughout, so that with Z(x) = sum_k exp l_k(x) an image is real
with probability D(x) = Z / (Z + 1). It learns the classes from the few images with labels, and from all others that they
are of *some* class, and generated ones of none. The generator matches features, and makes images where classes meet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax, normalize, relu, softplus

from sparring.engine.game import Batch, Stats

LABELLED = 17
"""Of the noise that labelled images are changed with: another than the unlabelled ones'."""


class Halves(Protocol):
    """A classifier in two halves, an `nn.Module` whose forward pass is `head(features(x))`."""

    def features(self, x: Tensor) -> Tensor:
        """Images `[B, C, H, W]` -> `[B, F]`: what the generator matches."""
        ...

    @property
    def head(self) -> Callable[[Tensor], Tensor]:
        """Features -> logits `[B, K]`, float32."""
        ...


Change = Callable[[Tensor, Batch], Tensor]
"""Images and the noise of their batch -> images of the same shape that show the same."""

Term = Callable[[nn.Module, Batch, float], tuple[Tensor, Stats]]
"""(classifier, unlabelled batch, `at`) -> a scalar that the classifier pays besides, and statistics."""

Match = Callable[[Tensor, Tensor], Tensor]
"""(features of generated images, of real ones), `[B, F]` each -> a scalar that the generator pays."""


def real_logit(logits: Tensor) -> Tensor:
    """The logit of D(x) = Z / (Z + 1), which is log Z: `[B]` of logits `[B, K]`, positive for real."""
    return logits.logsumexp(1)


def real_or_generated(real: Tensor, fake: Tensor) -> Tensor:
    """-E log D(x) / 2 - E log(1 - D(G(z))) / 2 of logits `[B, K]` (Salimans et al. 2016, section 5, L_unsupervised)."""
    return (softplus(-real_logit(real)).mean() + softplus(real_logit(fake)).mean()) / 2


def feature_matching(fake: Tensor, real: Tensor) -> Tensor:
    """Squared difference of mean features, mean over them (Salimans et al. 2016, section 3.1)."""
    return (fake.mean(0) - real.mean(0)).square().mean()


def absolute_feature_matching(fake: Tensor, real: Tensor) -> Tensor:
    """The absolute difference, as the paper's code takes it for colour images."""
    return (fake.mean(0) - real.mean(0)).abs().mean()


def entropy(logits: Tensor) -> Tensor:
    """Mean entropy of the classes: real images should be of one (Dai et al. 2017, Eq. 6, the conditional entropy)."""
    log_p = log_softmax(logits, 1)
    return -(log_p.exp() * log_p).sum(1).mean()


def pull_away(features: Tensor) -> Tensor:
    """Mean squared cosine of pairs of rows: small where samples differ (Zhao et al. 2016, Eq. 4; a bound on Dai's -H(p_G))."""
    unit = normalize(features, dim=1)
    count = len(unit)
    return ((unit @ unit.T).square().sum() - count) / max(count * (count - 1), 1)


def low_density(fake: Tensor, real: Tensor) -> Tensor:
    """How much nearer generated images come to a real one than real ones are to each other, in features, relative.

    In place of Dai et al. 2017, Eq. 5, whose density model (a PixelCNN) must be trained first: generated images are
    wanted where there are few real ones, between the classes.
    """
    with torch.no_grad():
        apart = torch.cdist(real, real) + torch.diag(real.new_full([len(real)], torch.inf))
        usual = apart.amin(1).median().clamp_min(1e-6)
    return (relu(usual - torch.cdist(fake, real).amin(1)) / usual).mean()


class SemiSupervisedGAN:
    """Two players, `generator` and `classifier`; a game in the sense of `engine.game`.

    A batch holds images as if none had a label, and `batch.labelled` gives those that do. `change` alters labelled images,
    `terms` are added to the classifier's loss, `generator_terms` to the generator's. A term with a state of its own is an
    `nn.Module`, and becomes a player without a turn. With `generated` at 0 there is no game: the classifier learns alone; it is
    played with `share` of the unlabelled images and as many generated ones, terms see all.
    """

    def __init__(
        self,
        generator: nn.Module,
        classifier: nn.Module,
        *,
        latent_dim: int,
        generated: float = 1.0,
        share: float = 1.0,
        match: Match = feature_matching,
        change: Change | None = None,
        terms: Mapping[str, Term] | None = None,
        generator_terms: Mapping[str, tuple[float, Match]] | None = None,
    ) -> None:
        self.terms, self.generator_terms = dict(terms or {}), dict(generator_terms or {})
        keeping = {name: term for name, term in self.terms.items() if isinstance(term, nn.Module)}
        self.players: Mapping[str, nn.Module] = {"generator": generator, "classifier": classifier, **keeping}
        self.turns: Sequence[str] = ("classifier", "generator") if generated else ("classifier",)
        self.latent_dim, self.generated, self.share = latent_dim, generated, share
        self.match, self.change = match, change
        self._generator, self._classifier = generator, classifier
        self._features: Callable[[Tensor], Tensor] = classifier.features  # type: ignore[assignment]  # Halves

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """The classifier's loss, with `right` (of the labelled images) among what it tells; or the generator's."""
        return self._generator_loss(batch) if player == "generator" else self._classifier_loss(batch, at)

    def _real(self, batch: Batch) -> Tensor:
        """The unlabelled images that the game is played with."""
        return batch.x[: max(round(len(batch) * self.share), 1)]

    def _fake(self, batch: Batch) -> Tensor:
        """G(z), as many, float32."""
        return _float(self._generator(batch.normal(self.latent_dim)[: len(self._real(batch))]))

    def _classifier_loss(self, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        x, y = batch.labelled() if batch.labelled else (batch.x, batch.y)
        if self.change is not None:
            x = self.change(x, batch.derive(x, y, LABELLED))
        inputs = [x]
        if self.generated:
            with torch.no_grad():
                inputs += [self._real(batch), self._fake(batch)]
        logits = torch.split(_float(self._classifier(torch.cat(inputs))), [len(part) for part in inputs])
        known = y >= 0
        labelled = cross_entropy(logits[0], y, ignore_index=-1, reduction="sum") / known.sum().clamp_min(1)
        right = ((logits[0].argmax(1) == y) & known).sum() / known.sum().clamp_min(1)
        stats: dict[str, Any] = {"labelled": labelled, "right": right}
        loss = labelled
        if self.generated:
            stats["unlabelled"] = real_or_generated(logits[1], logits[2])
            stats |= {"real_logit": real_logit(logits[1]).mean(), "fake_logit": real_logit(logits[2]).mean()}
            loss = loss + self.generated * stats["unlabelled"]
        for name, term in self.terms.items():
            stats[name], more = term(self._classifier, batch, at)
            loss, stats = loss + stats[name], {**stats, **more}
        return loss, stats

    def _generator_loss(self, batch: Batch) -> tuple[Tensor, Stats]:
        with torch.no_grad():  # G cannot move the real features
            real = _float(self._features(self._real(batch)))
        fake = _float(self._features(self._fake(batch)))
        stats = {name: weight * term(fake, real) for name, (weight, term) in self.generator_terms.items()}
        return torch.stack([self.match(fake, real), *stats.values()]).sum(), stats


def conditional_entropy(weight: float) -> Term:
    """`weight` times the entropy of the classes of unlabelled images (Dai et al. 2017, Eq. 6)."""

    def term(classifier: nn.Module, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        return weight * entropy(_float(classifier(batch.x))), {}

    return term


def _float(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
