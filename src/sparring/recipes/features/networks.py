"""Networks and augmentations of the feature games, by kind of data; outputs do not depend on the batch."""

from __future__ import annotations

from functools import partial, singledispatch

import torch
from torch import Tensor, nn

from sparring.data.augment.classifier import Augmentation
from sparring.engine.data_spec import AudioSpec, DataSpec, ImageSpec, SeriesSpec, TableSpec
from sparring.engine.errors import UsageError
from sparring.engine.game import Batch
from sparring.games.semi_supervised import AugmentFn
from sparring.nets.cnn_classifier import CNNClassifier
from sparring.nets.layers import ChannelNorm
from sparring.nets.series_cnn import SeriesCNN
from sparring.nets.speech_cnn import SpeechCNN
from sparring.nets.tabular_mlp import TabularClassifier
from sparring.recipes.supervised.series_cnn import NOISE
from sparring.recipes.supervised.speech_cnn import MAX_NOISE, SHIFT_SECONDS, crop, shift_and_add_noise

FEATURES = 128
"""Number of features of image classifiers and tables."""
MILD = Augmentation(turn=10, stretch=0.2, slant=0.15, move=0.08, light=0.2)
"""Augmentation of images."""
STRONG = Augmentation(turn=20, stretch=0.4, slant=0.3, move=0.12, light=0.4, cut=0.4, stroke=0.3)
"""Augmentation of images for the recipe `teacher`."""
WEAK = Augmentation(move=0.04)
"""Augmentation of images before the teacher's answer."""


def example_norm(channels: int) -> nn.Module:
    """Return a normalisation of each example over channels and time."""
    return nn.GroupNorm(1, channels)


@singledispatch
def width_for(spec: DataSpec) -> int:
    """Return the usual channels of the first convolution, or units of a layer; raise UsageError on other data."""
    raise UsageError(f"there is no network to adapt for {spec.plural} yet: take images, recordings, series or tables")


@width_for.register
def _image_width(spec: ImageSpec) -> int:
    return 24 if spec.height * spec.width <= 32 * 32 else 16


@width_for.register
def _audio_width(spec: AudioSpec) -> int:
    return 32


@width_for.register
def _series_width(spec: SeriesSpec) -> int:
    return 64


@width_for.register
def _table_width(spec: TableSpec) -> int:
    return FEATURES


@singledispatch
def batch_and_rate_for(spec: DataSpec) -> tuple[int, float]:
    """Return the usual examples a round and learning rate of a classifier that treats groups alike.

    A convolutional network needs more and smaller steps than an MLP on a table. In few steps at a high rate it learns
    the group where this predicts the class a little, and not the class.
    """
    return 128, 1e-3


@batch_and_rate_for.register
def _table_batch_and_rate(spec: TableSpec) -> tuple[int, float]:
    return 512, 2e-3


@singledispatch
def classifier_for(spec: DataSpec, width: int) -> nn.Module:
    """Return a classifier with `features` and `head`."""
    raise UsageError(f"there is no network to adapt for {spec.plural} yet: take images, recordings, series or tables")


@classifier_for.register
def _image(spec: ImageSpec, width: int) -> nn.Module:
    return CNNClassifier(spec.shape, width, 16 * width, FEATURES, len(spec.classes))


@classifier_for.register
def _audio(spec: AudioSpec, width: int) -> nn.Module:
    """Return a network without batch statistics, whose answers do not depend on the length of the silence."""
    return SpeechCNN(len(spec.classes), spec.rate, width, norm=ChannelNorm)


@classifier_for.register
def _series(spec: SeriesSpec, width: int) -> nn.Module:
    return SeriesCNN(spec.shape[0], len(spec.classes), width, norm=example_norm)


@classifier_for.register
def _table(spec: TableSpec, width: int) -> nn.Module:
    return TabularClassifier(spec.shape[0], len(spec.classes), width, standardize=True)


@singledispatch
def augmentation_for(spec: DataSpec, strength: float, level: str) -> AugmentFn:
    """Return a label-preserving change, of level `weak`, `mild` or `strong` times `strength`; by default none."""
    return lambda x, batch: x


@augmentation_for.register
def _augmented_image(spec: ImageSpec, strength: float, level: str) -> AugmentFn:
    return {"weak": WEAK, "mild": MILD, "strong": STRONG}[level].times(strength)


@augmentation_for.register
def _augmented_audio(spec: AudioSpec, strength: float, level: str) -> AugmentFn:
    """Delay recordings and add noise; the silence after nearly all of them is cut."""
    factor = {"weak": 0.0, "mild": 1.0, "strong": 1.0}[level] * strength
    if not factor:
        return lambda x, batch: crop(x)
    samples = max(int(SHIFT_SECONDS * factor * spec.rate), 1)
    return partial(_changed_audio, samples=samples, noise=MAX_NOISE * (3 if level == "strong" else 1))


def _changed_audio(x: Tensor, batch: Batch, samples: int, noise: float) -> Tensor:
    return shift_and_add_noise(crop(x), batch, samples, noise)


@augmentation_for.register
def _augmented_series(spec: SeriesSpec, strength: float, level: str) -> AugmentFn:
    return _noisy({"weak": 0.0, "mild": NOISE, "strong": 3 * NOISE}[level] * strength)


@augmentation_for.register
def _augmented_table(spec: TableSpec, strength: float, level: str) -> AugmentFn:
    """Set some cells to those of another row of the batch: the change keeps each column's distribution."""
    rate = {"weak": 0.0, "mild": 0.0, "strong": 0.15}[level] * strength
    return partial(_swapped, groups=[list(c.indices) for c in spec.columns], rate=rate) if rate else lambda x, batch: x


def _noisy(noise: float) -> AugmentFn:
    return lambda x, batch: x + noise * batch.normal(*x.shape[1:]) if noise else x


def _swapped(x: Tensor, batch: Batch, groups: list[list[int]], rate: float) -> Tensor:
    swaps = batch.uniform(len(groups)) < rate
    other = x[batch.uniform(1).squeeze(1).argsort()]
    result = x.clone()
    for column, indices in enumerate(groups):
        result[:, indices] = torch.where(swaps[:, column, None], other[:, indices], x[:, indices])
    return result
