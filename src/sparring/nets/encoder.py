"""A small network that looks at an image: a pyramid of strided convolutions, then features, then a head."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from sparring.nets.layers import ChannelNorm, Head, halvings
from sparring.nets.strided_gan import widths_of


class Encoder(nn.Module):
    """Images `[B, C, H, W]` in [-1, 1], of any size -> `[B, outputs]`; `features` gives the `[B, features]` before.

    Layer normalisation per pixel: no image's features depend on its batch.
    """

    def __init__(self, shape: tuple[int, int, int], width: int, most: int, features: int, outputs: int) -> None:
        super().__init__()
        channels, height, wide = shape
        sizes = halvings(height, wide)
        widths = [channels, *widths_of(max(len(sizes) - 1, 1), width, most)]
        kernel = (4, 2, 1) if len(sizes) > 1 else (3, 1, 1)
        self.downs = nn.ModuleList(
            nn.Conv2d(before, after, *kernel, bias=False) for before, after in zip(widths, widths[1:], strict=False)
        )
        self.norms = nn.ModuleList(ChannelNorm(count) for count in widths[1:])
        self.project = nn.Linear(widths[-1] * sizes[-1][0] * sizes[-1][1], features)
        self.head = Head(features, outputs)

    def features(self, x: Tensor) -> Tensor:
        """What the head looks at."""
        for down, norm in zip(self.downs, self.norms, strict=True):
            x = leaky_relu(norm(down(x)), 0.2)
        return leaky_relu(self.project(x.permute(0, 2, 3, 1).flatten(1)), 0.2)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of classes, or an embedding."""
        out: Tensor = self.head(self.features(x))
        return out
