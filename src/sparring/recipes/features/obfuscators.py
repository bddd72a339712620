"""Networks that replace examples, and networks that read them, by the kind of data."""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch
from typing import Any

from torch import nn

from sparring.engine.data_spec import AudioSpec, DataSpec, ImageSpec, TableSpec
from sparring.engine.errors import UsageError
from sparring.nets.mel_codec import codec_for, pictures_of
from sparring.nets.obfuscator import Obfuscator, SoundObfuscator, TableObfuscator
from sparring.nets.strided_gan import Generator, StridedClassifier
from sparring.nets.tabular_mlp import TabularGenerator
from sparring.recipes.features.networks import classifier_for


@singledispatch
def obfuscator_for(spec: DataSpec, width: int, code: int, noise: float) -> Obfuscator:
    """Return a fresh obfuscator; raise UsageError on data of a kind without one."""
    raise UsageError(f"there is no obfuscator for {spec.plural} yet: take images, recordings or tables")


@obfuscator_for.register
def _(spec: ImageSpec, width: int, code: int, noise: float) -> Obfuscator:
    """Return a convolutional encoder and the generator of r3."""
    return Obfuscator(*_of_pictures(spec, width, code), code, noise)


@obfuscator_for.register
def _(spec: AudioSpec, width: int, code: int, noise: float) -> Obfuscator:
    """Return the networks of images for the pictures of recordings."""
    return SoundObfuscator(*_of_pictures(pictures_of(spec), width, code), code, noise, codec_for(spec))


@obfuscator_for.register
def _(spec: TableSpec, width: int, code: int, noise: float) -> Obfuscator:
    """Return two MLPs."""
    decoder = nn.Sequential(TabularGenerator(spec.shape[0], code, width), nn.Flatten())
    columns = [column.indices for column in spec.columns]
    return TableObfuscator(reader_for(spec, code, width), decoder, code, noise, columns)


def _of_pictures(spec: ImageSpec, width: int, code: int) -> tuple[nn.Module, nn.Module]:
    """Return encoder and decoder of images."""
    return reader_for(spec, code, width), Generator(spec.shape, code, width // 2, 4 * width)


@singledispatch
def reader_for(view: Any, outputs: int, width: int) -> nn.Module:
    """Return a network from views to this number of logits."""
    return classifier_for(replace(view, classes=tuple(map(str, range(outputs)))), width)


@reader_for.register
def _(view: ImageSpec, outputs: int, width: int) -> nn.Module:
    """Return a network without norms, a quarter as expensive as that of `classify` (docs/lab-notebook.md)."""
    return StridedClassifier(view.shape, width, 8 * width, outputs)


@singledispatch
def obfuscator_width(view: DataSpec) -> int:
    """Return the usual channels of the first convolution of readers, or units of a hidden layer."""
    return 128


@obfuscator_width.register
def _(view: ImageSpec) -> int:
    return 32
