"""Readings of a kind of data, and their standardised changes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import singledispatch

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparring.engine.data_spec import AudioSpec, DataSpec, ImageSpec
from sparring.engine.errors import UsageError
from sparring.measure.effects import image_readings as images
from sparring.measure.kinds.sound_descriptors import loudness, pitch, seconds

BLANK = 0.15
"""Distance of a pixel from the background up to which it is blank."""
BLANK_FRACTION = 0.5
"""Fraction of blank pixels from which grey pictures count as strokes on a black or white background."""
LEAST_SATURATION = 0.015
"""Mean saturation from which images count as coloured."""
SILENCE_DECIBELS = -90.0


@dataclass(frozen=True)
class Reading:
    """A number of each example."""

    name: str
    function: Callable[[Tensor], Tensor]
    """Map of examples `[B, ...]` to `[B]`; NaN where it has no value, as the pitch of noise."""
    least: float
    """Smallest deviation by which changes are divided: what hardly varies would else seem to change a lot."""
    period: float | None = None
    """Period of an angle. None: no angle."""


@singledispatch
def readings_for(spec: DataSpec, samples: Tensor) -> tuple[Reading, ...]:
    """Return the readings of a kind of data; `samples` `[N, *spec.shape]` are examples of what will be read.

    Raises UsageError for kinds of data that have none.
    """
    raise UsageError(
        f"there are no readings of {spec.plural}, which `explain` needs to state effects: images and recordings have "
        "some"
    )


@readings_for.register
def _(spec: ImageSpec, samples: Tensor) -> tuple[Reading, ...]:
    """Return readings of strokes where most pixels are blank; else of photographs. Colours have hue and saturation."""
    if is_coloured(spec, samples):
        return _of_photos() + _of_colours()
    background = background_of(samples)
    return _of_photos() if background is None else _of_strokes(background)


def is_coloured(spec: ImageSpec, samples: Tensor) -> bool:
    """Return whether images `[N, C, H, W]` are coloured in the mean."""
    return spec.channels >= 3 and float(images.saturation(samples).mean()) > LEAST_SATURATION


def background_of(samples: Tensor) -> float | None:
    """Return the brightness, in [0, 1], of the background of pictures of strokes; None where most pixels are none.

    `samples` are images `[N, C, H, W]`; a background is black or white.
    """
    grey = images.grey(samples)
    background = float(torch.cat([grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]], 1).median())
    is_blank = ((grey - background).abs() < BLANK).float()
    is_extreme = min(background, 1 - background) < BLANK
    return background if is_extreme and float(is_blank.mean()) >= BLANK_FRACTION else None


def _of_strokes(background: float) -> tuple[Reading, ...]:
    def reading(name: str, function: Callable[[Tensor], Tensor], least: float) -> Reading:
        return Reading(name, lambda x: function((images.grey(x) - background).abs()), least)

    return (
        reading("stroke length", images.stroke_length, 0.05),
        reading("stroke width", images.stroke_width, 0.1),
        reading("darkness", images.darkness, 0.05),
        reading("centre x", images.centre_x, 0.05),
        reading("centre y", images.centre_y, 0.05),
        reading("slant", images.slant, 0.05),
        reading("mirror error", images.stroke_mirror_error, 0.01),
    )


def _of_photos() -> tuple[Reading, ...]:
    def reading(name: str, function: Callable[[Tensor], Tensor], least: float) -> Reading:
        return Reading(name, lambda x: function(images.grey(x)), least)

    return (
        reading("brightness", images.mass, 0.01),
        reading("contrast", images.contrast, 0.01),
        reading("centre x", images.centre_x, 0.01),
        reading("centre y", images.centre_y, 0.01),
        reading("mirror error", images.mirror_error, 0.01),
    )


def _of_colours() -> tuple[Reading, ...]:
    return (
        Reading("hue", images.hue, 0.05, 2 * math.pi),
        Reading("saturation", images.saturation, 0.01),
    )


@readings_for.register
def _(spec: AudioSpec, samples: Tensor) -> tuple[Reading, ...]:
    """Return loudness in dB, the logarithm of the pitch, and the length in seconds."""

    def reading(name: str, function: Callable[[NDArray[np.int16], int], NDArray[np.float64]], least: float) -> Reading:
        return Reading(name, lambda x: torch.from_numpy(function(spec.decode(x), spec.rate)).float(), least)

    return (
        reading("loudness", lambda rows, rate: np.nan_to_num(loudness(rows, rate), nan=SILENCE_DECIBELS), 1.0),
        reading("pitch", lambda rows, rate: np.log2(pitch(rows, rate)), 0.05),
        reading("length", seconds, 0.02),
    )


@dataclass(frozen=True)
class Readings:
    """The readings of a model, standardised by their deviation over its samples."""

    readings: Sequence[Reading]
    centres: Tensor
    """Mean of each over the samples, `[m]`; of an angle the mean direction."""
    deviations: Tensor
    """Standard deviation of each, `[m]`, at least `Reading.least`."""

    @classmethod
    def fit(cls, spec: DataSpec, samples: Tensor) -> Readings:
        """Return the readings of `samples` `[N, *spec.shape]`, standardised by these."""
        own = cls(readings_for(spec, samples), torch.zeros(()), torch.ones(()))
        values = own.values(samples)
        centres = torch.stack([_centre(column, each) for column, each in zip(values.T, own.readings, strict=True)])
        residuals = torch.nan_to_num(own._wrapped(values - centres))
        least = torch.tensor([each.least for each in own.readings])
        return cls(own.readings, centres, torch.maximum(residuals.square().mean(0).sqrt(), least))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the readings."""
        return tuple(each.name for each in self.readings)

    def values(self, x: Tensor) -> Tensor:
        """Return the readings of examples `[B, ...]` in their units, `[B, m]`, on the CPU."""
        return torch.stack([each.function(x).float().cpu() for each in self.readings], 1)

    def standardised(self, x: Tensor) -> Tensor:
        """Return the distances of the readings from their means, in deviations, `[B, m]`; 0 where there is no value."""
        return torch.nan_to_num(self._wrapped(self.values(x) - self.centres)) / self.deviations

    def change(self, lower: Tensor, upper: Tensor) -> Tensor:
        """Return half the change of the readings from `lower` to `upper` `[B, ...]`, in deviations, `[B, m]`."""
        change = self._wrapped(self.values(upper) - self.values(lower))
        return torch.nan_to_num(change) / 2 / self.deviations

    def _wrapped(self, difference: Tensor) -> Tensor:
        """Return differences `[B, m]`, those of angles the shorter way round."""
        columns = [
            column if each.period is None else torch.remainder(column + each.period / 2, each.period) - each.period / 2
            for column, each in zip(difference.T, self.readings, strict=True)
        ]
        return torch.stack(columns, 1)


def _centre(values: Tensor, reading: Reading) -> Tensor:
    """Return the mean of `values` `[N]` that are no NaN; of angles the mean direction."""
    known = values[~values.isnan()]
    if not len(known):
        return values.new_zeros(())
    if reading.period is None:
        return known.mean()
    angles = known * (2 * math.pi / reading.period)
    return torch.atan2(angles.sin().mean(), angles.cos().mean()) * (reading.period / (2 * math.pi))
