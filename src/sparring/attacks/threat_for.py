"""Default threat models, one for each kind of data: pixel eps, decibels, changed columns, standardised values."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from torch import Tensor

from sparring.attacks.norms import Norm, length
from sparring.attacks.threat_model import Threat
from sparring.engine.data_spec import ImageSpec
from sparring.engine.errors import UsageError

EPS = {"Linf": (0.3, 8 / 255), "L2": (1.5, 0.5)}
"""Norm -> the usual radius for MNIST-like images, and for all others (CIFAR-10's); pixels in [0, 1]."""
MNIST_PIXELS = 28
"""Largest side of a grey image that counts as MNIST-like."""


@singledispatch
def threat_for(spec: Any, x: Tensor, budget: float | None = None, **limits: Any) -> Threat:
    """Return the default threat model for inputs `x` `[B, ...]` of a data set with this `spec`.

    `budget` bounds the change and has a default per kind. Images: the radius eps in pixels of the box (`norm`, `box`,
    `mask`). Sounds: decibels relative to each peak (`mask`). Tables: the number of changed entries (`constraints`).
    Series: the radius eps in standard deviations (`norm`, `mask`).
    """
    raise UsageError(f"there is no threat model for {type(spec).__name__}: register one with threat_for.register")


@threat_for.register
def _image(
    spec: ImageSpec,
    x: Tensor,
    budget: float | None = None,
    *,
    norm: Norm = "Linf",
    box: tuple[float, float] = (0.0, 1.0),
    mask: Tensor | None = None,
) -> Threat:
    low, high = box
    eps = default_eps(norm, spec) * (high - low) if budget is None else budget
    return Threat(norm, eps, low, high, mask)


def default_eps(norm: str, spec: ImageSpec) -> float:
    """Return the usual radius for images of this spec, pixels in [0, 1].

    Linf 0.3 and L2 1.5 were published for MNIST, whose strokes are almost black and white. They hold only for grey
    images of up to 28 pixels a side. All others, grey photographs too, get CIFAR-10's 8/255 and 0.5: a change of 0.3
    can draw another picture over them. Raises UsageError for norms without a usual radius.
    """
    if norm not in EPS:
        raise UsageError(f"no eps is usual in {norm}: give --eps")
    return EPS[norm][0 if is_mnist_like(spec) else 1]


def is_mnist_like(spec: ImageSpec) -> bool:
    """Return whether images of this spec are grey and at most 28 pixels a side."""
    return spec.channels <= 2 and max(spec.height, spec.width) <= MNIST_PIXELS


def decibel_threat(x: Tensor, db: float, *, low: float = -1.0, high: float = 1.0, mask: Tensor | None = None) -> Threat:
    """Return the Linf ball whose radius is `db` decibels relative to the peak of each waveform of `x` `[B, 1, T]`.

    Carlini and Wagner 2018, "Audio adversarial examples", section 2: dB_x(delta) = 20 log10 max|delta| - 20 log10
    max|x|. A silent row may not change at all. Raises UsageError unless -1000 < db <= 0.
    """
    if not -1000 < db <= 0:
        raise UsageError(f"--db must be 0 or less (a change as loud as the sound is 0 dB), not {db:g}")
    return Threat("Linf", length("Linf", x) * 10 ** (db / 20), low, high, mask)
