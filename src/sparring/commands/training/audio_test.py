"""Further tests of a classifier of words: recordings through channels, and sounds without speech."""

from __future__ import annotations

from functools import singledispatch

import numpy as np
import torch

from sparring.attacks.channel import CHANNELS, through_channel
from sparring.data.dataset import Dataset
from sparring.data.labels import labels_as
from sparring.data.nonspeech import NONSPEECH, nonspeech
from sparring.engine.data_spec import AudioSpec, DataSpec
from sparring.models.classifier import CHUNK_ROWS, Classifier
from sparring.stats.proportion import Proportion

SOUNDS_PER_KIND = 100
"""Sounds without speech of each kind, of one second."""


@singledispatch
def channel_accuracy(spec: DataSpec, classifier: Classifier, test: Dataset) -> dict[str, Proportion]:
    """Return the accuracy on test examples behind each channel of `attacks.channel`; empty for other data."""
    return {}


@channel_accuracy.register
def _(spec: AudioSpec, classifier: Classifier, test: Dataset) -> dict[str, Proportion]:
    labels = labels_as(spec.classes, test)
    idx = np.flatnonzero(labels >= 0)
    accuracy = {}
    for channel in CHANNELS if len(idx) else ():
        model = through_channel(channel, classifier.logits, spec.rate)
        hits = 0
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(len(idx))
            for first in range(0, len(idx), CHUNK_ROWS):
                chunk = idx[first : first + CHUNK_ROWS]
                predicted = model(classifier.to_input(test[chunk])).argmax(1).cpu().numpy()
                hits += int((predicted == labels[chunk]).sum())
        accuracy[channel] = Proportion.count(hits, len(idx))
    return accuracy


@singledispatch
def nonspeech_answers(spec: DataSpec, classifier: Classifier) -> dict[str, Proportion]:
    """Return the fraction of sounds without speech, by kind, that get a word as answer; empty for other data."""
    return {}


@nonspeech_answers.register
def _(spec: AudioSpec, classifier: Classifier) -> dict[str, Proportion]:
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
