"""Fill thin holes along the edges that run into them: edge-enhancing diffusion (Weickert and Welk 2006).

Colours diffuse along edges, and hardly across. The edges are those of a first fill with the least bending, and then of
the fill itself.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d, pad

from sparring.restoration.fill import biharmonic_fill, laplacian, solve

ROUNDS = 2
"""Times that the edges are found anew."""
ITERATIONS = 60
"""Iterations of conjugate gradients in each round."""
GRADIENT_SIGMA = 0.7
"""Standard deviation of the blur before gradients are taken, in pixels."""
TENSOR_SIGMA = 2.0
"""Standard deviation of the blur of the structure tensor, in pixels."""
CONTRAST = 0.01
"""Gradient, as a fraction of the range in a pixel, at which the diffusion across is halved."""
ISOTROPIC = 0.05
"""Weight of the diffusion in all directions, which couples neighbours that cells of two by two leave apart."""
CELL = torch.tensor([[[[-0.5, 0.5], [-0.5, 0.5]]], [[[-0.5, -0.5], [0.5, 0.5]]]])
"""Horizontal and vertical gradient of a cell of two by two pixels."""


def edge_fill(x: Tensor, known: Tensor) -> Tensor:
    """Return `x` `[1, C, H, W]` with the pixels where `known` `[1, 1, H, W]` is 0 filled along edges."""
    u = biharmonic_fill(x, known)
    for _ in range(ROUNDS):
        tensor = diffusion_tensor(u)
        u = solve(lambda v, d=tensor: diffuse(v, d), u, 1 - known, ITERATIONS)  # type: ignore[misc]
    return u


def diffusion_tensor(u: Tensor) -> Tensor:
    """Return the entries xx, xy and yy of the tensor `[3, H - 1, W - 1]` of each cell: 1 along edges, small across.

    Its eigenvectors are those of the structure tensor of all channels (Weickert and Welk 2006, Sec. 3).
    """
    gx, gy = conv2d(_blur(u, GRADIENT_SIGMA).transpose(0, 1), CELL.to(u)).unbind(1)
    xx, xy, yy = _blur(torch.stack([gx * gx, gx * gy, gy * gy]).sum(1)[None], TENSOR_SIGMA)[0]
    largest = (xx + yy) / 2 + ((xx - yy).square() / 4 + xy.square()).sqrt()
    angle = torch.atan2(2 * xy, xx - yy) / 2
    across, cos, sin = 1 / (1 + largest / CONTRAST**2), angle.cos(), angle.sin()
    return torch.stack([across * cos**2 + sin**2, (across - 1) * cos * sin, across * sin**2 + cos**2])


def diffuse(u: Tensor, tensor: Tensor) -> Tensor:
    """Return minus the divergence of the flow `tensor` times gradient of `u` `[1, C, H, W]`; symmetric in `u`."""
    gx, gy = conv2d(u.transpose(0, 1), CELL.to(u)).unbind(1)
    flow = torch.stack([tensor[0] * gx + tensor[1] * gy, tensor[1] * gx + tensor[2] * gy], 1)
    return conv_transpose2d(flow, CELL.to(u)).transpose(0, 1) + ISOTROPIC * laplacian(u)


def _blur(x: Tensor, sigma: float) -> Tensor:
    """Return `x` `[1, C, H, W]` blurred by a Gaussian, with repeated borders."""
    radius = int(3 * sigma) + 1
    line = torch.arange(-radius, radius + 1.0).to(x)
    weights = torch.exp(-line.square() / (2 * sigma**2))
    weights = (weights / weights.sum()).expand(x.shape[1], 1, 1, -1)
    x = conv2d(pad(x, (radius,) * 4, mode="replicate"), weights, groups=x.shape[1])
    return conv2d(x, weights.transpose(2, 3), groups=x.shape[1])
