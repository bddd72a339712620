"""Readings of images in closed form: numbers that need no trained judge, such as position, slant and hue.

Of grey pictures a pixel's ink is its distance from the background. Length and width of the strokes are separate
readings; the amount of ink is their product and would repeat both. All functions map to `[B]`, float32.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, pad

TINY = 1e-6
"""Smallest amount of ink of a picture, so that an empty one has readings, too."""
DARKEST = 0.02
"""Fraction of the pixels whose ink is the darkness of the strokes."""


def grey(x: Tensor) -> Tensor:
    """Map images `[B, C, H, W]` in [-1, 1] to brightness `[B, H, W]` in [0, 1]; a fourth channel is left out."""
    return (x[:, :3].mean(1).clamp(-1, 1) + 1) / 2


def mass(weight: Tensor) -> Tensor:
    """Return the mean of weights `[B, H, W]`."""
    return weight.mean((1, 2))


def centre_x(weight: Tensor) -> Tensor:
    """Return the centre of weights `[B, H, W]` across: -1 is the left border, 1 the right one."""
    return _centres(weight)[0]


def centre_y(weight: Tensor) -> Tensor:
    """Return the centre of weights `[B, H, W]` downwards: -1 is the upper border, 1 the lower one."""
    return _centres(weight)[1]


def slant(weight: Tensor) -> Tensor:
    """Return how far weights lean to the right, as a fraction of the height: -cov(x, y) / var(y) in pixels.

    A shear x -> x - s y, with y downwards, adds s.
    """
    _, height, width = weight.shape
    x, y, total = _coordinates(weight)
    centred_x, centred_y = x - _centres(weight)[0][:, None, None], y - _centres(weight)[1][:, None, None]
    covariance = (weight * centred_x * centred_y).sum((1, 2)) / total
    variance = (weight * centred_y.square()).sum((1, 2)) / total
    return -covariance / variance.clamp_min(TINY) * width / height


def stroke_length(weight: Tensor) -> Tensor:
    """Return log2 of the length of the strokes, in heights of the picture: half of their outline.

    The outline is the total variation divided by the darkness of the strokes.
    """
    outline = _variation(weight) / darkness(weight).clamp_min(TINY)
    return (outline / 2 / weight.shape[1]).clamp_min(1 / weight.shape[1]).log2()


def stroke_width(weight: Tensor) -> Tensor:
    """Return log2 of the mean width of the strokes in pixels: twice the area over the outline; -1 without ink."""
    return (2 * weight.sum((1, 2)) / _variation(weight).clamp_min(TINY)).clamp_min(0.5).log2()


def darkness(weight: Tensor) -> Tensor:
    """Return the mean ink of the darkest 2 % of the pixels, in [0, 1]."""
    flat = weight.flatten(1)
    return flat.topk(max(round(flat.shape[1] * DARKEST), 1)).values.mean(1)


def contrast(brightness: Tensor) -> Tensor:
    """Return the standard deviation of brightness `[B, H, W]` over the pixels."""
    return brightness.std((1, 2), correction=0)


def stroke_mirror_error(weight: Tensor) -> Tensor:
    """Return the mirror error of strokes, in heights of the picture: the area that differs over the outline.

    The mirror is the vertical axis through their centre, after their slant is undone. Neither position nor slant nor
    width of the strokes change it much.
    """
    x, y = _centres(weight)
    shear = -slant(weight) * weight.shape[1] / weight.shape[2]
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    theta = torch.stack([torch.stack([one, shear, x], 1), torch.stack([zero, one, y], 1)], 1)
    grid = affine_grid(theta, [len(weight), 1, *weight.shape[1:]], align_corners=False)
    upright = grid_sample(weight[:, None], grid, align_corners=False)
    difference = (upright - upright.flip(3)).abs().sum((1, 2, 3))
    return difference / _variation(weight).clamp_min(TINY) / weight.shape[1]


def mirror_error(brightness: Tensor) -> Tensor:
    """Return the mean difference between brightness `[B, H, W]` and its mirror image at the middle, in [0, 1]."""
    return (brightness - brightness.flip(2)).abs().mean((1, 2))


def hue(x: Tensor) -> Tensor:
    """Return the mean hue of images `[B, 3, H, W]`, in (-pi, pi]: 0 red, 2 pi / 3 green; grey pixels do not count."""
    red_green, blue_yellow = _chroma(x)
    return torch.atan2(blue_yellow.mean((1, 2)), red_green.mean((1, 2)))


def saturation(x: Tensor) -> Tensor:
    """Return the mean chroma of images `[B, 3, H, W]`, in [0, 1]: 0 grey."""
    red_green, blue_yellow = _chroma(x)
    return torch.hypot(red_green, blue_yellow).mean((1, 2))


def _chroma(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the two coordinates of the colour circle, `[B, H, W]` each."""
    red, green, blue = ((x[:, k].clamp(-1, 1) + 1) / 2 for k in range(3))
    return red - (green + blue) / 2, (green - blue) * math.sqrt(3) / 2


def _coordinates(weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return x `[1, 1, W]` and y `[1, H, 1]` of the pixels in (-1, 1), and the total weight `[B]`."""
    _, height, width = weight.shape
    x = (torch.arange(width, device=weight.device) * 2 + 1) / width - 1
    y = (torch.arange(height, device=weight.device) * 2 + 1) / height - 1
    return x[None, None], y[None, :, None], weight.sum((1, 2)).clamp_min(TINY)


def _centres(weight: Tensor) -> tuple[Tensor, Tensor]:
    x, y, total = _coordinates(weight)
    return (weight * x).sum((1, 2)) / total, (weight * y).sum((1, 2)) / total


def _variation(weight: Tensor) -> Tensor:
    """Return the total variation `[B]`: the sum of the lengths of the gradient, by forward differences."""
    padded = pad(weight, (1, 1, 1, 1))
    across = padded[:, :-1, 1:] - padded[:, :-1, :-1]
    down = padded[:, 1:, :-1] - padded[:, :-1, :-1]
    return torch.hypot(across, down).sum((1, 2))
