"""A convolutional network without an order: each of its features sees known pixels on all sides."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import relu


class ContextNet(nn.Module):
    """Images `[B, inputs, H, W]` of any size -> features `[B, width, H, W]`.

    It is residual, with one dilated convolution per entry of `dilations`.
    """

    def __init__(self, inputs: int, width: int, dilations: tuple[int, ...] = (1, 2, 4, 8)) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, width, 3, padding=1)
        self.spatial = nn.ModuleList(nn.Conv2d(width, width, 3, padding=d, dilation=d) for d in dilations)
        self.pointwise = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in dilations)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map images to features. `condition`, which broadcasts to these, joins those of the first convolution."""
        h: Tensor = self.first(x)
        if condition is not None:
            h = h + condition
        for spatial, pointwise in zip(self.spatial, self.pointwise, strict=True):
            h = h + pointwise(relu(spatial(relu(h))))
        return h
