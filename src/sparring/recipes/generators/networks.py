"""The networks of r3 and their default settings, by the kind of data: one dispatch on the spec's type.

A kind of data that r3 is to generate registers `networks_for` and `defaults_for`, and its name in `R3.kinds`. The
networks themselves are in `nets/`, one file a family.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from functools import singledispatch
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from torch import nn

from sparring.data.augment.gan import AUGMENTS, SOUND
from sparring.data.augment.pairs import PairAugment
from sparring.data.in_memory import IndexedDataset
from sparring.engine.data_spec import AudioSpec, DataSpec, ImageSpec, PairSpec, SeriesSpec, TableSpec, kinds_of
from sparring.engine.errors import UsageError
from sparring.games.label_completion import rotations_for
from sparring.nets.auxiliary_heads import AuxiliaryHeads
from sparring.nets.mel_codec import codec_for, pictures_of
from sparring.nets.pair_gan import PairDiscriminator, PairGenerator
from sparring.nets.score_space import ScoreDiscriminator, ScoreGenerator, score_count
from sparring.nets.series_gan import SeriesDiscriminator, SeriesGenerator
from sparring.nets.sound_gan import SoundDiscriminator, SoundGenerator
from sparring.nets.strided_gan import Discriminator, Generator
from sparring.nets.view import view_of

if TYPE_CHECKING:
    from sparring.recipes.generators.r3 import R3

FEW_IMAGES = 5_000
"""Number of images below which networks are narrower, ADA augments, and gamma is not adapted. The discriminator would
memorise so few images, and with a target steepness gamma would fall."""

WIDE_WIDTH = 64
WIDE_GAMMA = 10.0
"""Weight of R1 and R2 for tables of more columns than rows."""
SERIES_WIDTH = 32
SERIES_GAMMA = 2e-5
"""Weight of R1 and R2 over the squared number of values of a series."""


HALVES = "halves"
"""Name of the augmentation of each half of pairs by its own default."""
HALF_KINDS = {"image", "audio"}
"""Kinds of data that a half of pairs may have."""
SEVERAL = "images, recordings and pairs"
"""Kinds of data that settings of networks of images are for, too, in messages."""


class Defaults(NamedTuple):
    """Settings of r3 that follow from the data, where the user gives none."""

    width: int
    """Generator channels at the finest level, for a CPU."""
    gamma: float
    """Initial weight of R1 and R2."""
    adapts: bool
    """Whether a controller adapts gamma to keep the discriminator's steepness."""
    augment: str = "none"
    """Augmentation of the discriminator's inputs."""


@singledispatch
def networks_for(spec: DataSpec, recipe: R3) -> dict[str, nn.Module]:
    """Return fresh networks by player, `generator` and `discriminator`, of a resolved recipe."""
    raise NotImplementedError(f"networks_for is not registered for {type(spec).__name__}")


@singledispatch
def defaults_for(spec: DataSpec) -> Defaults:
    """Return the settings that a kind of data, its size and the number of examples suggest."""
    raise NotImplementedError(f"defaults_for is not registered for {type(spec).__name__}")


@singledispatch
def fit_parts(spec: DataSpec, nets: Mapping[str, nn.Module], data: IndexedDataset) -> None:
    """Fit fixed parts of fresh networks to the training rows, where they have any."""


@singledispatch
def augment_for(spec: DataSpec, name: str) -> Any:
    """Return the augmentation of this name, a fresh module; None for "none"."""
    return AUGMENTS[name](spec.shape) if name != "none" else None


@singledispatch
def check_settings(spec: DataSpec, recipe: R3) -> None:
    """Raise UsageError where a setting of `recipe` has no meaning for this kind of data."""
    given = {
        "mirror": (recipe.mirror, "images"), "hints": (recipe.hints, "images"),
        "augment": (recipe.augment not in (None, "none"), SEVERAL),
        "blocks": (recipe.blocks, SEVERAL),
    }  # fmt: skip
    for flag, (value, kinds) in given.items():
        if value:
            raise UsageError(f"--{flag} is for {kinds}, these are {spec.plural}: leave it out")


@check_settings.register(ImageSpec)
def _(spec: ImageSpec, recipe: R3) -> None:
    """Images take every setting but the augmentation of sounds."""
    if recipe.augment == SOUND:
        raise UsageError(f"--augment {SOUND} is for sounds, these are images: take diff, ada or none")


# images


@networks_for.register(ImageSpec)
def _(spec: ImageSpec, recipe: R3) -> dict[str, nn.Module]:
    """Return networks of strided convolutions, the discriminator with auxiliary heads if labels are missing."""
    classes, condition_stats = recipe.classes(spec), recipe.condition_stats(spec)
    assert recipe.width and recipe.discriminator_width and recipe.max_channels
    condition = classes, condition_stats, recipe.blocks
    discriminator: nn.Module = Discriminator(spec.shape, recipe.discriminator_width, recipe.max_channels, *condition)
    if classes and spec.unlabelled:
        discriminator = AuxiliaryHeads(discriminator, classes, len(rotations_for(spec.height, spec.width)))
    return {
        "generator": Generator(spec.shape, recipe.latent_dim, recipe.width, recipe.max_channels, *condition),
        "discriminator": discriminator,
    }


@defaults_for.register(ImageSpec)
def _(spec: ImageSpec) -> Defaults:
    """Choose by the size and the number of images (docs/lab-notebook.md)."""
    few = spec.count < FEW_IMAGES
    return Defaults(width_for(spec), gamma_for(spec), adapts=not few, augment="ada" if few else "none")


def gamma_for(spec: ImageSpec) -> float:
    """Return the initial weight of R1 and R2, proportional to the squared number of values (`games/adaptive_gamma.py`).

    With few images it is proportional to that number itself and at least 1. A smaller weight lets the generator
    collapse on small images; a larger one slows it down on large images (docs/lab-notebook.md).
    """
    size = math.prod(spec.shape) / 784
    return round(0.3 * size**2, 6) if spec.count >= FEW_IMAGES else max(round(0.3 * size, 6), 1.0)


def width_for(spec: ImageSpec) -> int:
    """Return a width that gives many rounds per hour on a CPU, smaller for larger images and for few images."""
    side = (spec.height * spec.width) ** 0.5
    width = 96 if side <= 32 else 64 if side <= 64 else 48 if side <= 128 else 32
    return width if spec.count >= FEW_IMAGES else width * 2 // 3


# series


@networks_for.register(SeriesSpec)
def _(spec: SeriesSpec, recipe: R3) -> dict[str, nn.Module]:
    """Return a causal generator and a discriminator at three time scales."""
    assert recipe.width and recipe.discriminator_width
    channels, length = spec.shape
    starts = [code.returns for code in spec.codes] if spec.codes else [False] * channels
    condition = recipe.classes(spec), recipe.condition_stats(spec)
    return {
        "generator": SeriesGenerator(channels, length, starts, recipe.latent_dim, recipe.width, *condition),
        "discriminator": SeriesDiscriminator(channels, length, starts, recipe.discriminator_width, *condition),
    }


@defaults_for.register
def _(spec: SeriesSpec) -> Defaults:
    """Choose gamma by the mean squared distance of two series, 2 C T, as for images."""
    return Defaults(SERIES_WIDTH, round(SERIES_GAMMA * math.prod(spec.shape) ** 2, 6), adapts=False)


# sounds


@networks_for.register(AudioSpec)
def _(spec: AudioSpec, recipe: R3) -> dict[str, nn.Module]:
    """Return the networks of the pictures of recordings, each with a codec."""
    nets = networks_for(pictures_of(spec), recipe)
    return {
        "generator": SoundGenerator(nets["generator"], codec_for(spec)),
        "discriminator": SoundDiscriminator(nets["discriminator"], codec_for(spec)),
    }


@defaults_for.register(AudioSpec)
def _(spec: AudioSpec) -> Defaults:
    """Choose as for images of this size and number, with the augmentation of sounds."""
    defaults = defaults_for(pictures_of(spec))
    return defaults._replace(augment="none" if defaults.augment == "none" else SOUND)


@check_settings.register(AudioSpec)
def _(spec: AudioSpec, recipe: R3) -> None:
    """Sounds take no mirroring, no hints and no augmentation of images."""
    if recipe.augment not in (None, "none", SOUND):
        raise UsageError(f"--augment {recipe.augment} is for images, these are recordings: take {SOUND} or none")
    check_settings.dispatch(object)(spec, dataclasses.replace(recipe, augment=None, blocks=0))


# tables of more columns than rows


@networks_for.register(TableSpec)
def _(spec: TableSpec, recipe: R3) -> dict[str, nn.Module]:
    """Return networks on the scores of the training rows; raise UsageError on tables of more rows than columns."""
    if not spec.is_wide:
        raise UsageError(
            f"r3 generates tables of numbers in more columns than rows; this one has {spec.count:,} rows and "
            f"{len(spec.columns):,} columns: take --recipe arf or tabular_r3"
        )
    assert recipe.width and recipe.discriminator_width
    (columns,), classes = spec.shape, recipe.classes(spec)
    scores = score_count(spec.count, columns)
    return {
        "generator": ScoreGenerator(columns, scores, recipe.latent_dim, recipe.width, classes),
        "discriminator": ScoreDiscriminator(columns, scores, recipe.discriminator_width, classes),
    }


@defaults_for.register
def _(spec: TableSpec) -> Defaults:
    return Defaults(WIDE_WIDTH, WIDE_GAMMA, adapts=False)


@fit_parts.register(TableSpec)
def _(spec: TableSpec, nets: Mapping[str, nn.Module], data: IndexedDataset) -> None:
    """Fit scores and shrunk Gaussians to all training rows."""
    rows = data[np.arange(len(data))].astype(np.float64)
    for net in nets.values():
        if isinstance(net, ScoreGenerator | ScoreDiscriminator):
            net.start(rows, data.labels)


# pairs of images and sounds


@networks_for.register(PairSpec)
def _(spec: PairSpec, recipe: R3) -> dict[str, nn.Module]:
    """Return the networks of both halves with shared noise and a joint head."""
    assert recipe.width and recipe.discriminator_width
    shared = -(-recipe.latent_dim // 2)
    defaults, widest = [defaults_for(half) for half in spec.halves], defaults_for(spec).width
    nets = [
        networks_for(
            half,
            dataclasses.replace(
                recipe,
                width=max(recipe.width * default.width // widest, 1),
                discriminator_width=max(recipe.discriminator_width * default.width // widest, 1),
            ),
        )
        for half, default in zip(spec.conditioned, defaults, strict=True)
    ]
    return {
        "generator": PairGenerator([half["generator"] for half in nets], shared, recipe.latent_dim - shared),
        "discriminator": PairDiscriminator(
            [half["discriminator"] for half in nets],
            [half.shape for half in spec.halves],
            _inner_shapes(spec),
            [default.gamma for default in defaults],
            recipe.classes(spec),
        ),
    }


def _inner_shapes(spec: PairSpec) -> list[tuple[int, ...]]:
    """Return the shapes of the halves as networks see them: images, and pictures of sounds."""
    return [view_of(half).shape for half in spec.halves]


@defaults_for.register
def _(spec: PairSpec) -> Defaults:
    """Choose for each half as for itself; gamma multiplies the weights of the halves."""
    halves = [defaults_for(half) for half in spec.halves]
    augment = HALVES if any(half.augment != "none" for half in halves) else "none"
    return Defaults(max(half.width for half in halves), 1.0, adapts=False, augment=augment)


@augment_for.register(PairSpec)
def _(spec: PairSpec, name: str) -> PairAugment | None:
    if name == "none":
        return None
    halves = {
        of: augment_for(half, defaults_for(half).augment) for of, half in zip(spec.names, spec.halves, strict=True)
    }
    return PairAugment(halves, _inner_shapes(spec))


@check_settings.register(PairSpec)
def _(spec: PairSpec, recipe: R3) -> None:
    """Pairs are of images and recordings, and take no mirroring and no hints."""
    if other := next((half for half in spec.halves if HALF_KINDS.isdisjoint(kinds_of(half.kind))), None):
        raise UsageError(f"r3 generates pairs of images and recordings; one of the sources holds {other.plural}")
    if recipe.augment not in (None, "none", HALVES):
        raise UsageError(f"--augment {recipe.augment} is for one kind of data, these are pairs: take {HALVES} or none")
    check_settings.dispatch(object)(spec, dataclasses.replace(recipe, augment=None, blocks=0))
