"""A CNN on log-mel spectrograms that recognises single words.

Recordings are trained on at other moments, volumes and noise levels. A background class of synthetic sounds without
speech, silence among them, learns what is no word (the "silence" class of Sainath and Parada 2015, "Convolutional
neural networks for small-footprint keyword spotting", is the model; ours needs no recordings).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.optim import Adam

from sparring.data.sounds.nonspeech import NONSPEECH, nonspeech
from sparring.engine.data_spec import AudioSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.game import Batch, Stats
from sparring.engine.loop import System
from sparring.engine.schedules import cosine
from sparring.games.single_player import classification_loss
from sparring.nets.speech_cnn import SpeechCNN
from sparring.recipes.classifier_recipe import Change
from sparring.recipes.recipe import check_positive, check_range, tunable
from sparring.recipes.supervised.base import SupervisedRecipe

MIN_RATE = 4000
"""Smallest sampling rate, in samples a second, at which words can be distinguished."""
CROPPED_FRACTION = 1 / 64
"""Fraction of a batch, the longest recordings, that may lose their end: one long recording would slow down all."""
MIN_NOISE = 1e-4
"""Smallest standard deviation of the noise, relative to the peak of the recording."""
SHIFT_SECONDS, MAX_NOISE = 0.1, 1e-2
"""Defaults of the recipe; calibration takes copies that are changed so."""


def shift_and_add_noise(x: Tensor, batch: Batch, samples: int, max_noise: float) -> Tensor:
    """Delay each recording `[B, 1, T]` by up to `samples`, and add white noise, by the noise of `batch`.

    The result is `[B, 1, T + samples]`.

    The noise has standard deviation 1e-4 to `max_noise`, log-uniform, relative to the recording's peak.
    """
    length = x.shape[2]
    delay = (batch.uniform(1) * samples).long().expand(len(x), 1)
    source = torch.arange(length + samples, device=x.device) - delay + samples
    x = pad(x, (samples, samples)).squeeze(1).gather(1, source)
    level = x.abs().amax(1, keepdim=True) * MIN_NOISE * (max_noise / MIN_NOISE) ** batch.uniform(1)
    return (x + level * batch.normal(length + samples)).unsqueeze(1)


def changed(x: Tensor, batch: Batch) -> Tensor:
    """Return recordings `[B, 1, T]` with another delay and noise, for calibration."""
    return shift_and_add_noise(x, batch, x.shape[2] // 10, MAX_NOISE)


def crop(x: Tensor) -> Tensor:
    """Cut recordings `[B, 1, T]` after the last sound of all but the longest few (`CROPPED_FRACTION`)."""
    sounding = x.squeeze(1) != 0
    lengths = sounding.shape[1] - sounding.flip(1).int().argmax(1)  # of the rows that sound anywhere
    lengths = torch.where(sounding.any(1), lengths, 0)
    longest = lengths.sort(descending=True).values[int(len(x) * CROPPED_FRACTION)]
    return x[..., : max(int(longest), 1)]


def background_sounds(count: int, length: int, rate: int, generator: torch.Generator) -> Tensor:
    """Return sounds `[count, 1, length]` without a word, of random kinds and lengths, silence among them."""
    kinds = torch.randint(len(NONSPEECH) + 1, (count,), generator=generator).tolist()
    silence = torch.zeros(1, length)
    names = list(NONSPEECH)
    sounds = [nonspeech(names[k], 1, length, rate, generator) if k < len(names) else silence for k in kinds]
    ends = (0.2 + 0.8 * torch.rand(count, 1, generator=generator)) * length
    return (torch.cat(sounds) * (torch.arange(length) < ends)).unsqueeze(1)


@dataclass(frozen=True, kw_only=True)
class SpeechClassifier(SupervisedRecipe):
    """A CNN on log-mel spectrograms that recognises single words."""

    name: ClassVar[str] = "speech_cnn"
    paper: ClassVar[str] = "after Sainath and Parada 2015, Interspeech, 1478-1482; no arXiv version"
    kinds: ClassVar[tuple[str, ...]] = ("audio",)
    augmentation: ClassVar[Change | None] = staticmethod(changed)
    background: ClassVar[bool] = True

    width: int = 32
    """Channels of the first convolution, doubled in the others."""
    batch_size: int = 64
    """Recordings a round."""
    lr: float = tunable(2e-3, 1e-4, 0.1, log=True)
    """Adam's learning rate at the start; it falls to a hundredth by a cosine."""
    shift: float = SHIFT_SECONDS
    """Longest random delay of a recording, in seconds."""
    noise: float = MAX_NOISE
    """Largest standard deviation of the added noise, relative to the peak of the recording."""

    def __post_init__(self) -> None:
        check_positive(self, "width", "batch_size", "lr", "ema_half_life")
        check_range(self, 0, float("inf"), "shift")
        check_range(self, MIN_NOISE, 1, "noise")

    def resolve(self, spec: AudioSpec, hardware: Hardware) -> Self:
        """Return the recipe as it is; raise UsageError on a sampling rate that is too low for words."""
        if spec.rate < MIN_RATE:
            raise UsageError(f"the recordings have {spec.rate:,} samples a second: words need {MIN_RATE:,}")
        return self

    def nets(self, spec: AudioSpec) -> dict[str, nn.Module]:
        """Return the CNN, with one class more than the data."""
        return {"classifier": SpeechCNN(len(spec.classes) + 1, spec.rate, self.width)}

    def system(self, spec: AudioSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game: cross entropy of changed recordings; each class as many background sounds as words."""
        classes, samples = len(spec.classes), int(self.shift * spec.rate)

        def loss(net: nn.Module, batch: Batch) -> tuple[Tensor, Stats]:
            x, y = crop(batch.x), batch.y
            count = max(len(x) // (classes + 1), 1)
            generator = torch.Generator().manual_seed(batch.seed)
            sounds = background_sounds(count, x.shape[2], spec.rate, generator).to(x)
            x, y = torch.cat([sounds, x[count:]]), torch.cat([torch.full_like(y[:count], classes), y[count:]])
            return classification_loss(net(shift_and_add_noise(x, batch, samples, self.noise)), y)

        optimizer = Adam(nets["classifier"].parameters(), self.lr, (0.9, 0.99), fused=True)
        return self.supervised(nets, loss, optimizer, cosine(self.lr, self.lr / 100), total)
