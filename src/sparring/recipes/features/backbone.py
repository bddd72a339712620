"""The classifier that feature games train, for each kind of data, and the random changes of its training examples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import Any

from torch import Tensor, nn

from sparring.engine.data_spec import AudioSpec, ImageSpec, SeriesSpec, TableSpec
from sparring.engine.game import Batch
from sparring.games.fair_games import Change
from sparring.nets.cnn_classifier import CNNClassifier
from sparring.nets.series_cnn import SeriesCNN
from sparring.nets.speech_cnn import SpeechCNN
from sparring.nets.tabular_mlp import TabularClassifier
from sparring.recipes.supervised.series_cnn import changed
from sparring.recipes.supervised.speech_cnn import MAX_NOISE, SHIFT_SECONDS, shift_and_add_noise

CNN_CHANNELS = 128
"""Most channels of a CNN for images."""


@dataclass(frozen=True)
class Backbone:
    """A fresh classifier, with `features` and `head`."""

    net: nn.Module
    features: int
    """Number of its features."""
    change: Change | None = None
    """Random changes of training examples; None: none."""


@singledispatch
def backbone_for(spec: Any, hidden: int, dropout: float) -> Backbone:
    """Return a classifier of `hidden` features for data of this kind; `dropout` is for tables."""
    raise NotImplementedError(f"no classifier for {spec.kind} data")


@backbone_for.register
def _table(spec: TableSpec, hidden: int, dropout: float) -> Backbone:
    (columns,) = spec.shape
    net = TabularClassifier(columns, len(spec.classes), hidden, standardize=True, dropout=dropout)
    return Backbone(net, hidden)


@backbone_for.register
def _image(spec: ImageSpec, hidden: int, dropout: float) -> Backbone:
    return Backbone(CNNClassifier(spec.shape, hidden // 4, CNN_CHANNELS, hidden, len(spec.classes)), hidden)


@backbone_for.register
def _series(spec: SeriesSpec, hidden: int, dropout: float) -> Backbone:
    return Backbone(SeriesCNN(spec.shape[0], len(spec.classes), hidden), hidden, changed)


@backbone_for.register
def _audio(spec: AudioSpec, hidden: int, dropout: float) -> Backbone:
    net = SpeechCNN(len(spec.classes), spec.rate, hidden // 4)

    def change(x: Tensor, batch: Batch) -> Tensor:
        return shift_and_add_noise(x, batch, int(SHIFT_SECONDS * spec.rate), MAX_NOISE)

    return Backbone(net, 4 * (hidden // 4), change)
