"""A generator that draws strokes by Pillow: noise -> control points -> a picture. It has no gradient."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor, nn

CANVAS = 32
"""Smallest long side of the canvas in pixels; a picture is a scaled-down canvas, which smooths its edges."""
CURVE_POINTS = 8
"""Points of the polyline that stands for a curve."""
NUMBERS_PER_STROKE = 7
"""Three control points in [0, 1], and whether the stroke is drawn."""
MAX_WIDTH = 0.25
"""Largest width of the pen, in sides of the canvas."""


class StrokeGenerator(nn.Module):
    """Noise `[B, latent_dim]` -> pictures `[B, C, H, W]` in [-1, 1] of white strokes on black, without gradients.

    A perceptron maps noise to quadratic Bézier curves and the width of the pen; `draw_strokes` renders them.
    """

    def __init__(self, shape: tuple[int, int, int], latent_dim: int, hidden: int, strokes: int) -> None:
        super().__init__()
        self.shape, self.strokes = shape, strokes
        self.net = nn.Sequential(
            nn.Linear(latent_dim, hidden), nn.Tanh(), nn.Linear(hidden, strokes * NUMBERS_PER_STROKE + 1)
        )

    @torch.no_grad()
    def forward(self, z: Tensor) -> Tensor:
        """Map noise to pictures."""
        numbers = self.net(z).float()
        if z.is_meta:  # for the estimate of memory
            return z.new_empty(len(z), *self.shape)
        strokes = numbers[:, :-1].view(len(z), self.strokes, NUMBERS_PER_STROKE)
        visible = strokes[..., -1] > -0.5  # most strokes, at first
        curves = strokes[..., :-1].sigmoid().view(len(z), self.strokes, 3, 2)
        width = MAX_WIDTH * (numbers[:, -1] - 1).sigmoid()
        ink = draw_strokes(_bezier(curves).cpu().numpy(), visible.cpu().numpy(), width.cpu().numpy(), self.shape[1:])
        picture = torch.from_numpy(ink * 2 - 1).to(z.device)
        return picture[:, None].expand(-1, self.shape[0], -1, -1).contiguous()


def _bezier(control: Tensor) -> Tensor:
    """Return points of quadratic Bézier curves: control points `[..., 3, 2]` -> `[..., CURVE_POINTS, 2]`."""
    t = torch.linspace(0, 1, CURVE_POINTS, device=control.device)
    weights = torch.stack([(1 - t).square(), 2 * t * (1 - t), t.square()], 1)
    return (weights[..., None] * control[..., None, :, :]).sum(-2)


def draw_strokes(
    points: NDArray[np.float32], visible: NDArray[np.bool_], width: NDArray[np.float32], size: tuple[int, ...]
) -> NDArray[np.float32]:
    """Return the ink in [0, 1], float32 `[B, H, W]`, of polylines drawn by Pillow.

    `points` `[B, strokes, N, 2]` are x and y in [0, 1], `visible` is bool `[B, strokes]`, and `width` `[B]` is that of
    the pen, in sides of the canvas. All pictures are tiles of one canvas, so that a batch is one image.
    """
    scale = max(math.ceil(CANVAS / max(size)), 1)
    height, across = size[0] * scale, size[1] * scale
    canvas = Image.new("L", (across, height * len(points)))
    pen = ImageDraw.Draw(canvas)
    for k, picture in enumerate(points):
        thickness = max(round(float(width[k]) * min(height, across)), 1)
        margin = thickness / 2 + 1  # a stroke stays on its tile
        room = np.maximum([across - 2 * margin, height - 2 * margin], 0)
        for line in (picture[visible[k]] * room + margin + [0, k * height]).reshape(-1, points.shape[2] * 2).tolist():
            pen.line(line, fill=255, width=thickness, joint="curve")
    ink = np.asarray(canvas, np.float32).reshape(len(points), size[0], scale, size[1], scale)
    mean: NDArray[np.float32] = ink.mean((2, 4)) / 255
    return mean
