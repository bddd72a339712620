"""What networks see of an example, by the kind of data."""

from __future__ import annotations

from functools import singledispatch

from sparring.engine.data_spec import AudioSpec, DataSpec
from sparring.nets.mel_codec import pictures_of


@singledispatch
def view_of(spec: DataSpec) -> DataSpec:
    """Return the spec of what networks see of an example: the data's, unless a kind of data has another view."""
    return spec


@view_of.register
def _(spec: AudioSpec) -> DataSpec:
    """Return the spec of log-mel pictures."""
    return pictures_of(spec)
