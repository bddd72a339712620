"""Examples in the forms that users have them -> network input, checked against the spec of a model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from sparring.data.images.scale import Scale, extent_of, is_dim, misfit, scale_as
from sparring.engine.data_spec import AudioSpec, DataSpec, ImageSpec
from sparring.engine.errors import UsageError


@singledispatch
def to_input(spec: DataSpec, rows: Any) -> Tensor:
    """Return network input `[B, *spec.shape]`, float32: of stored rows `[B, ...]`, one row, or a tensor of such input.

    Raises UsageError on another shape or type.
    """
    x = _given_tensor(spec, rows)
    if x is None:
        array = np.array(rows)
        if array.dtype.kind not in "fiu":
            raise UsageError(f"{spec.kind} rows are numbers, not {array.dtype}")
        array = array[None] if array.ndim == len(spec.shape) else array
        _check_shape(spec, array.shape)
        return spec.encode(array)
    _check_shape(spec, x.shape)
    return x


@to_input.register
def _image(spec: ImageSpec, rows: Any) -> Tensor:
    """Take numbers `[B, H, W, C]`, `[B, H, W]`, one image `[H, W, C]`, `[H, W]` or a picture; tensors in [-1, 1].

    Arrays are read as a file of them would be (`scale_as`): bytes are stored rows, other numbers are scaled as the
    training data were.
    """
    channels, height, width = spec.shape
    x = _given_tensor(spec, rows)
    if x is None:
        array = _as_bytes(spec, np.array(rows))  # a copy: a picture's memory is read-only
        if array.ndim == 2 or array.shape == (height, width, channels):
            array = array[None]
        array = array[..., None] if array.ndim == 3 else array
        x = spec.encode(array) if array.ndim == 4 else torch.from_numpy(array)
    if tuple(x.shape[1:]) != spec.shape:
        sides = [*x.shape[2:], x.shape[1]] if x.dim() == 4 else x.shape
        raise UsageError(
            f"the images are {_sides(sides)}, this classifier was trained on {height}x{width}x{channels}: "
            "bring them to that size"
        )
    return x


@to_input.register
def _audio(spec: AudioSpec, rows: Any) -> Tensor:
    """Take int16 `[B, T]` or `[T]` at the spec's rate, or tensors `[B, 1, T]` in [-1, 1].

    Short ones are padded with silence. Silence at the end, beyond the spec's length, is cut: an answer does not depend
    on how long the others of a batch are.
    """
    x = _given_tensor(spec, rows)
    if x is None:
        array = np.array(rows)
        if array.dtype != np.int16 or array.ndim not in (1, 2):
            raise UsageError(
                f"recordings are int16 [N, T], or tensors [N, 1, T] in [-1, 1]; not {array.dtype} {list(array.shape)}"
            )
        x = spec.encode(array[None] if array.ndim == 1 else array)
    if x.dim() != 3 or x.shape[1] != 1:
        raise UsageError(f"recordings are tensors [N, 1, T], not {list(x.shape)}")
    sounding = x.detach().ne(0).any(0).any(0).nonzero()
    length = max(int(sounding[-1]) + 1 if len(sounding) else 0, spec.length)
    return pad(x[..., :length], (0, max(length - x.shape[2], 0)))


def _as_bytes(spec: ImageSpec, array: NDArray[Any]) -> NDArray[np.uint8]:
    """Return images as bytes, by the scale that the training data of the model had."""
    if array.dtype.kind not in "biuf":
        raise UsageError(
            f"images are arrays of numbers [N, H, W, C], or tensors [N, C, H, W] in [-1, 1]; not {array.dtype}"
        )
    if array.dtype != np.uint8 and array.size:
        values = array.astype(np.float32) if array.dtype == bool else array
        try:
            extent = extent_of(values)
        except ValueError as error:
            raise UsageError(f"the array {error}") from error
        if (scale := scale_as(spec, extent)) is None:
            raise UsageError(f"the array {misfit(extent)}. Network input in [-1, 1] is given as a tensor [N, C, H, W]")
        array = scale(values)
    if is_dim(spec) and spec.scale is not None and array.size and 0 < int(array.max()) <= spec.scale[1]:
        array = Scale(*spec.scale)(array)
    return array.astype(np.uint8, copy=False)


def _given_tensor(spec: DataSpec, rows: Any) -> Tensor | None:
    """Return a tensor of network input as a float32 batch; None where `rows` are no tensor."""
    if not isinstance(rows, Tensor):
        return None
    if not rows.is_floating_point():
        raise UsageError(f"tensors are network input of floats, not {rows.dtype}: stored rows are given as an array")
    return rows.float() if rows.dim() > len(spec.shape) else rows[None].float()


def _check_shape(spec: DataSpec, shape: Sequence[int]) -> None:
    """Raise UsageError where rows of shape `[B, ...]` are not of the spec's shape."""
    if tuple(shape[1:]) != spec.shape:
        raise UsageError(f"the rows are {_sides(shape[1:])}, this model was trained on {_sides(spec.shape)}")


def _sides(shape: Any) -> str:
    return "x".join(map(str, shape))
