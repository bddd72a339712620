"""Edits of images that keep what they show: a bar, thicker strokes, a shift, another hue, a patch of another image."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, max_pool2d

from sparring.engine.data_spec import DataSpec, ImageSpec
from sparring.engine.errors import UsageError
from sparring.measure.effects.readings import background_of, is_coloured

SHIFT = 1 / 14
"""Shift and width of a bar at dose 1, as a fraction of the image's width."""
SPREAD = 1 / 40
"""Widening of a stroke on each side at dose 1, as a fraction of the image's smaller side."""
PATCH = 0.3
"""Side of a patch at dose 1, as a fraction of that of the image."""
SHEAR, BRIGHTER, TURN = 0.2, 0.2, math.pi / 3
"""Shear, brightness in the range from 0 to 1, and angle of the colour circle at dose 1."""


@dataclass(frozen=True)
class Edit:
    """A change of images."""

    name: str
    """The edit as the subject of a sentence."""
    function: Callable[[Tensor, float], Tensor]
    """Map of images `[B, C, H, W]` in [-1, 1] and a dose, 1 by default, to images."""


@singledispatch
def edits_for(spec: DataSpec, samples: Tensor) -> tuple[Edit, ...]:
    """Return the edits of a kind of data; `samples` `[N, *spec.shape]` are examples of what will be edited.

    Raises UsageError for kinds of data that have none.
    """
    raise UsageError(
        f"there are no edits of {spec.plural} that keep their class: `explain` takes classifiers of images"
    )


@edits_for.register
def _(spec: ImageSpec, samples: Tensor) -> tuple[Edit, ...]:
    """Return edits of strokes on a background, of coloured images, or of others."""
    shared = (
        Edit("a bar at the left", bar),
        Edit("a shift to the right", shift),
        Edit("a patch of another image in the corner", patch),
    )
    background = background_of(samples)
    if is_coloured(spec, samples):
        return (*shared, Edit("another hue", turned_hue), Edit("more light", brighter))
    if background is None:
        return (*shared, Edit("more light", brighter), Edit("a lean to the right", lean))
    sign = 1.0 if background < 0.5 else -1.0
    return (
        *shared,
        Edit("a lean to the right", lean),
        Edit("a thicker stroke", lambda x, dose: thicker(x * sign, dose) * sign),
        Edit("a thinner stroke", lambda x, dose: -thicker(-x * sign, dose) * sign),
    )


def bar(x: Tensor, dose: float = 1.0) -> Tensor:
    """Paint a bar at the left border in the opposite of the border's mean brightness, a fourteenth wide at dose 1."""
    width = max(round(x.shape[3] * SHIFT * dose), 1)
    edited = x.clone()
    edited[..., :width] = torch.where(x[..., :width].mean() > 0, -1.0, 1.0)
    return edited


def shift(x: Tensor, dose: float = 1.0) -> Tensor:
    """Move images to the right, by a fourteenth of the width at dose 1; the left border repeats."""
    return _moved(x, [[1.0, 0.0, -2 * SHIFT * dose], [0.0, 1.0, 0.0]])


def lean(x: Tensor, dose: float = 1.0) -> Tensor:
    """Shear images so that their top moves to the right."""
    return _moved(x, [[1.0, SHEAR * dose, 0.0], [0.0, 1.0, 0.0]])


def patch(x: Tensor, dose: float = 1.0) -> Tensor:
    """Replace the lower right corner by that of the next image of the batch."""
    height, width = (max(round(side * PATCH * dose**0.5), 1) for side in x.shape[2:])
    edited = x.clone()
    edited[..., -height:, -width:] = x.roll(1, 0)[..., -height:, -width:]
    return edited


def thicker(x: Tensor, dose: float = 1.0) -> Tensor:
    """Dilate what is bright on each side by a fortieth of the image at dose 1; parts of a pixel by blending."""
    edited, left = x, dose * SPREAD * min(x.shape[2:])
    while left > 0:
        edited = edited + min(left, 1.0) * (max_pool2d(edited, 3, 1, 1) - edited)
        left -= 1
    return edited


def brighter(x: Tensor, dose: float = 1.0) -> Tensor:
    """Add a fifth of the range at dose 1."""
    return (x + 2 * BRIGHTER * dose).clamp(-1, 1)


def turned_hue(x: Tensor, dose: float = 1.0) -> Tensor:
    """Turn the colours by 60 degrees of the circle at dose 1, about the axis of greys."""
    cosine, sine = math.cos(TURN * dose), math.sin(TURN * dose) / math.sqrt(3)
    same, ahead, behind = (1 + 2 * cosine) / 3, (1 - cosine) / 3 - sine, (1 - cosine) / 3 + sine
    rotation = x.new_tensor([[same, ahead, behind], [behind, same, ahead], [ahead, behind, same]])
    colours = torch.einsum("ij,bjhw->bihw", rotation, x[:, :3]).clamp(-1, 1)
    return torch.cat([colours, x[:, 3:]], 1)


def _moved(x: Tensor, theta: list[list[float]]) -> Tensor:
    grid = affine_grid(x.new_tensor(theta).expand(len(x), 2, 3), list(x.shape), align_corners=False)
    return grid_sample(x, grid, padding_mode="border", align_corners=False)
