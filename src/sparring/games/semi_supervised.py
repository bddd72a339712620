"""Semi-supervised GAN: the discriminator is a classifier of K + 1 classes (Salimans et al. 2016, section 5).

The classifier gives K logits l_k; the logit of "generated" is fixed at 0. With Z(x) = sum_k exp l_k(x) an image is real
with probability D(x) = Z / (Z + 1). The classifier learns classes from labelled images. From the others it learns that
unlabelled images belong to some class and generated ones to none. The generator matches features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax, normalize, relu, softplus

from sparring.engine.game import Batch, Stats
from sparring.engine.precision import at_least_float32

LABELLED_SALT = 17
"""Salt of the augmentation noise of labelled images, independent of that of unlabelled ones."""


class FeatureClassifier(Protocol):
    """A classifier, an `nn.Module`, whose forward pass is `head(features(x))`."""

    def features(self, x: Tensor) -> Tensor:
        """Map images `[B, C, H, W]` to features `[B, F]`, which the generator matches."""
        ...

    @property
    def head(self) -> Callable[[Tensor], Tensor]:
        """Function from features to logits `[B, K]`, float32."""
        ...


AugmentFn = Callable[[Tensor, Batch], Tensor]
"""(images, batch as the noise source) -> augmented images of the same shape and class."""

ClassifierTerm = Callable[[nn.Module, Batch, float], tuple[Tensor, Stats]]
"""(classifier, unlabelled batch, `at`) -> a scalar that is added to the classifier's loss, and statistics."""

FeatureLoss = Callable[[Tensor, Tensor], Tensor]
"""(features of generated images, features of real images), `[B, F]` each -> a scalar loss of the generator."""


def real_logit(logits: Tensor) -> Tensor:
    """Return the logit of D(x) = Z / (Z + 1), log Z, `[B]`, of logits `[B, K]`. It is positive for real."""
    return logits.logsumexp(1)


def real_or_generated(real: Tensor, fake: Tensor) -> Tensor:
    """Return -E log D(x) / 2 - E log(1 - D(G(z))) / 2 of logits `[B, K]` (Salimans et al. 2016, L_unsupervised)."""
    return (softplus(-real_logit(real)).mean() + softplus(real_logit(fake)).mean()) / 2


def feature_matching(fake: Tensor, real: Tensor) -> Tensor:
    """Return the mean squared difference of mean features (Salimans et al. 2016, section 3.1)."""
    return (fake.mean(0) - real.mean(0)).square().mean()


def absolute_feature_matching(fake: Tensor, real: Tensor) -> Tensor:
    """Return the mean absolute difference of mean features, as the paper's code does for colour images."""
    return (fake.mean(0) - real.mean(0)).abs().mean()


def entropy(logits: Tensor) -> Tensor:
    """Return the mean entropy of class probabilities, low if images are of one class (Dai et al. 2017, Eq. 6)."""
    log_p = log_softmax(logits, 1)
    return -(log_p.exp() * log_p).sum(1).mean()


def pull_away(features: Tensor) -> Tensor:
    """Return the mean squared cosine of pairs of rows, small if samples differ (Zhao et al. 2016, Eq. 4)."""
    directions = normalize(features, dim=1)
    count = len(directions)
    return ((directions @ directions.T).square().sum() - count) / max(count * (count - 1), 1)


def low_density(fake: Tensor, real: Tensor) -> Tensor:
    """Return how much closer generated features are to a real one than real ones to each other, relative, mean.

    It favours samples of low density, between the classes. It replaces Dai et al. 2017, Eq. 5, which needs a trained
    density model (a PixelCNN).
    """
    with torch.no_grad():
        distances = torch.cdist(real, real) + torch.diag(real.new_full([len(real)], torch.inf))
        typical = distances.amin(1).median().clamp_min(1e-6)
    return (relu(typical - torch.cdist(fake, real).amin(1)) / typical).mean()


class SemiSupervisedGAN:
    """A game of two players, `generator` and `classifier` (`engine.game.Game`).

    A batch holds images without labels; `batch.labelled` gives labelled ones, which `augment` changes. `terms` are
    added to the classifier's loss, `generator_terms` (weight, loss) to the generator's. A stateful term is an
    `nn.Module` and becomes a player without turns. `generated_weight` is the weight of the real-or-generated loss; at 0
    the generator does not play. This loss uses `game_fraction` of the unlabelled images and as many generated ones;
    terms use all.
    """

    def __init__(
        self,
        generator: nn.Module,
        classifier: nn.Module,
        *,
        latent_dim: int,
        generated_weight: float = 1.0,
        game_fraction: float = 1.0,
        feature_loss: FeatureLoss = feature_matching,
        augment: AugmentFn | None = None,
        terms: Mapping[str, ClassifierTerm] | None = None,
        generator_terms: Mapping[str, tuple[float, FeatureLoss]] | None = None,
    ) -> None:
        self.terms, self.generator_terms = dict(terms or {}), dict(generator_terms or {})
        stateful = {name: term for name, term in self.terms.items() if isinstance(term, nn.Module)}
        self.players: Mapping[str, nn.Module] = {"generator": generator, "classifier": classifier, **stateful}
        self.turns: Sequence[str] = ("classifier", "generator") if generated_weight else ("classifier",)
        self.latent_dim, self.generated_weight, self.game_fraction = latent_dim, generated_weight, game_fraction
        self.feature_loss, self.augment = feature_loss, augment
        self._generator, self._classifier = generator, classifier
        self._features: Callable[[Tensor], Tensor] = classifier.features  # type: ignore[assignment]  # a FeatureClassifier

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """Return a player's loss. The classifier's statistics hold `accuracy` on the labelled images."""
        return self._generator_loss(batch) if player == "generator" else self._classifier_loss(batch, at)

    def _real(self, batch: Batch) -> Tensor:
        """Return the unlabelled images that the real-or-generated loss uses."""
        return batch.x[: max(round(len(batch) * self.game_fraction), 1)]

    def _fake(self, batch: Batch) -> Tensor:
        """Return G(z), as many as `_real`, float32."""
        return at_least_float32(self._generator(batch.normal(self.latent_dim)[: len(self._real(batch))]))

    def _classifier_loss(self, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        x, y = batch.labelled() if batch.labelled else (batch.x, batch.y)
        if self.augment is not None:
            x = self.augment(x, batch.derive(x, y, LABELLED_SALT))
        inputs = [x]
        if self.generated_weight:
            with torch.no_grad():
                inputs += [self._real(batch), self._fake(batch)]
        logits = torch.split(at_least_float32(self._classifier(torch.cat(inputs))), [len(images) for images in inputs])
        has_label = y >= 0
        count = has_label.sum().clamp_min(1)
        loss = cross_entropy(logits[0], y, ignore_index=-1, reduction="sum") / count
        accuracy = ((logits[0].argmax(1) == y) & has_label).sum() / count
        stats: dict[str, Any] = {"labelled": loss, "accuracy": accuracy}
        if self.generated_weight:
            stats["unlabelled"] = real_or_generated(logits[1], logits[2])
            stats |= {"real_logit": real_logit(logits[1]).mean(), "fake_logit": real_logit(logits[2]).mean()}
            loss = loss + self.generated_weight * stats["unlabelled"]
        for name, term in self.terms.items():
            stats[name], extra = term(self._classifier, batch, at)
            loss, stats = loss + stats[name], {**stats, **extra}
        return loss, stats

    def _generator_loss(self, batch: Batch) -> tuple[Tensor, Stats]:
        with torch.no_grad():  # the generator does not affect real features
            real = at_least_float32(self._features(self._real(batch)))
        fake = at_least_float32(self._features(self._fake(batch)))
        stats = {name: weight * term(fake, real) for name, (weight, term) in self.generator_terms.items()}
        return torch.stack([self.feature_loss(fake, real), *stats.values()]).sum(), stats


def conditional_entropy(weight: float) -> ClassifierTerm:
    """Build the term `weight` * mean entropy of the classes of unlabelled images (Dai et al. 2017, Eq. 6)."""

    def term(classifier: nn.Module, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        return weight * entropy(at_least_float32(classifier(batch.x))), {}

    return term
