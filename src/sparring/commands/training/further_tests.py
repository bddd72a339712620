"""Further tests of a classifier, by kind of data: attacked images, recordings behind channels, other sounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sparring.attacks.channel import CHANNELS, through_channel
from sparring.attacks.losses import margin
from sparring.attacks.pgd import pgd
from sparring.attacks.threat_model import Threat
from sparring.data.dataset import Dataset
from sparring.data.sounds.nonspeech import NONSPEECH, nonspeech
from sparring.engine.data_spec import AudioSpec, DataSpec, ImageSpec
from sparring.measure.classifier.calibration import PgdResult
from sparring.models.classifier import Classifier, chunks_of
from sparring.stats.proportion import Proportion

ATTACKED_EXAMPLES, ATTACK_EPS, ATTACK_STEPS = 200, (8 / 255, 0.1), 20
"""Test images that are attacked, the radii of the perturbation in pixels from 0 to 1, and the steps of PGD."""
GRADIENT_PASSES = 3
"""Forward passes that a step of an attack costs: one forward, and a backward of about two."""
SOUNDS_PER_KIND = 100
"""Sounds without speech of each kind, of one second."""


@dataclass(frozen=True)
class FurtherTests:
    """Results of the tests that only some kinds of data have."""

    attacked: list[PgdResult] = field(default_factory=list)
    """Accuracy under attack at each radius; images alone."""
    channels: dict[str, Proportion] = field(default_factory=dict)
    """Accuracy behind each channel; audio alone."""
    nonspeech: dict[str, Proportion] = field(default_factory=dict)
    """Fraction of sounds without speech that get a class as answer; audio alone."""


@singledispatch
def further_passes(spec: DataSpec) -> int:
    """Return the number of forward passes that `further_tests` costs for each of up to ATTACKED_EXAMPLES examples."""
    return 0


@further_passes.register
def _image_passes(spec: ImageSpec) -> int:
    return len(ATTACK_EPS) * ATTACK_STEPS * GRADIENT_PASSES


@further_passes.register
def _audio_passes(spec: AudioSpec) -> int:
    return len(CHANNELS)


@singledispatch
def further_tests(
    spec: DataSpec, classifier: Classifier, test: Dataset, labels: NDArray[np.int64], attack_eps: Sequence[float]
) -> FurtherTests:
    """Test on the examples of `test` that have one of the `labels` `[N]` (-1: none); images at each of `attack_eps`."""
    return FurtherTests()


@further_tests.register
def _image(
    spec: ImageSpec, classifier: Classifier, test: Dataset, labels: NDArray[np.int64], attack_eps: Sequence[float]
) -> FurtherTests:  # fmt: skip
    idx = np.flatnonzero(labels >= 0)
    idx = idx[np.random.default_rng(0).permutation(len(idx))[:ATTACKED_EXAMPLES]]
    return FurtherTests(attacked=[attack_images(classifier, test[idx], labels[idx], eps) for eps in attack_eps])


@further_tests.register
def _audio(
    spec: AudioSpec, classifier: Classifier, test: Dataset, labels: NDArray[np.int64], attack_eps: Sequence[float]
) -> FurtherTests:  # fmt: skip
    channels = {channel: _channel_accuracy(spec, channel, classifier, test, labels) for channel in CHANNELS}
    return FurtherTests(channels=channels, nonspeech=_nonspeech_answers(spec, classifier))


def attack_images(
    classifier: Classifier, images: NDArray[Any], labels: NDArray[np.int64], eps: float, steps: int = ATTACK_STEPS
) -> PgdResult:
    """Attack images `[N, H, W, C]` by PGD, with a change of each pixel of up to `eps` of the range.

    The attack goes through all that makes the answer, averaging over views included; "none of these" is no defence
    here.
    """
    x = (classifier.to_input(images) + 1) / 2
    y = torch.from_numpy(labels).to(x.device)
    result = pgd(lambda x: classifier.log_probabilities(x * 2 - 1), x, y, Threat("Linf", eps), loss=margin, steps=steps)
    return PgdResult(eps, steps, Proportion.count(int((~result.success).sum()), len(y)))


def _channel_accuracy(
    spec: AudioSpec, channel: str, classifier: Classifier, test: Dataset, labels: NDArray[np.int64]
) -> Proportion:
    """Return the accuracy behind a channel of `attacks.channel`."""
    idx = np.flatnonzero(labels >= 0)
    model, hits = through_channel(channel, classifier.logits, spec.rate), 0
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(len(idx))
        for chunk in chunks_of(idx):
            predicted = model(classifier.to_input(test[chunk])).argmax(1).cpu().numpy()
            hits += int((predicted == labels[chunk]).sum())
    return Proportion.count(hits, len(idx))


def _nonspeech_answers(spec: AudioSpec, classifier: Classifier) -> dict[str, Proportion]:
    """Return the fraction of sounds without speech, by kind, that get a word as answer."""
    generator = torch.Generator().manual_seed(0)
    answers = {}
    for kind in NONSPEECH:
        x = nonspeech(kind, SOUNDS_PER_KIND, spec.rate, spec.rate, generator)[:, None]
        unknown = classifier.predict(
            x[..., : spec.length] if spec.length < spec.rate else _padded(x, spec.length)
        ).unknown
        answers[kind] = Proportion.count(int((~unknown).sum()), SOUNDS_PER_KIND)
    return answers


def _padded(x: torch.Tensor, length: int) -> torch.Tensor:
    """Pad sounds `[B, 1, T]` with silence to `length`."""
    return torch.nn.functional.pad(x, (0, length - x.shape[2]))
