"""A small CNN encoder: strided convolutions, a feature layer and a linear head."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from sparring.nets.layers import ChannelNorm, Head, halvings
from sparring.nets.strided_gan import level_widths


class Encoder(nn.Module):
    """Images `[B, C, H, W]` in [-1, 1], of any size -> logits or embeddings `[B, outputs]`.

    `width` channels are doubled at each level up to `max_channels`. Layer normalisation per pixel keeps each output
    independent of the rest of the batch.
    """

    def __init__(self, shape: tuple[int, int, int], width: int, max_channels: int, features: int, outputs: int) -> None:
        super().__init__()
        channels, height, image_width = shape
        sizes = halvings(height, image_width)
        widths = [channels, *level_widths(max(len(sizes) - 1, 1), width, max_channels)]
        kernel = (4, 2, 1) if len(sizes) > 1 else (3, 1, 1)
        self.downs = nn.ModuleList(
            nn.Conv2d(before, after, *kernel, bias=False) for before, after in zip(widths, widths[1:], strict=False)
        )
        self.norms = nn.ModuleList(ChannelNorm(count) for count in widths[1:])
        self.project = nn.Linear(widths[-1] * sizes[-1][0] * sizes[-1][1], features)
        self.head = Head(features, outputs)

    def features(self, x: Tensor) -> Tensor:
        """Map images to features `[B, features]`, the input of the head."""
        for down, norm in zip(self.downs, self.norms, strict=True):
            x = leaky_relu(norm(down(x)), 0.2)
        return leaky_relu(self.project(x.permute(0, 2, 3, 1).flatten(1)), 0.2)

    def forward(self, x: Tensor) -> Tensor:
        """Map images to outputs, float32."""
        out: Tensor = self.head(self.features(x))
        return out
