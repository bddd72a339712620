"""A gated PixelCNN (van den Oord et al. 2016, arXiv:1606.05328).

With `scales` it is multiscale (Reed et al. 2017, arXiv:1703.03664). Images of bytes have a discretised logistic mixture
(Salimans et al. 2017, arXiv:1701.05517). `nets/pixelcnn.py` lists the differences to the paper; one more is that
binary images are drawn in blocks of 2x2 pixels, a joint distribution each, which learns faster than single pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from torch import nn

from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.loop import System
from sparring.engine.schedules import warm_cosine
from sparring.games.completion import completion_loss
from sparring.games.likelihood import likelihood_loss
from sparring.nets.multiscale_pixelcnn import MultiscalePixelCNN, subsampled_sizes
from sparring.nets.pixel_distributions import Bernoulli, LogisticMixture, PixelDistribution
from sparring.nets.pixelcnn import PixelCNN
from sparring.recipes.density.base import DensityRecipe
from sparring.recipes.recipe import check_positive, check_range

WARM_UP = 0.05
"""Part of the run over which the learning rate rises."""
STEP_BLOCKS = 4
"""Residual blocks of the network of a parallel step."""


@dataclass(frozen=True, kw_only=True)
class PixelCNNRecipe(DensityRecipe):
    """PixelCNN: exact density of images, pixel after pixel, with a fast sampler."""

    name: ClassVar[str] = "pixelcnn"
    paper: ClassVar[str] = "van den Oord et al. 2016, arXiv:1606.05328"

    binary: bool = False
    """Binary images: grey pixels are probabilities of white. Else values of 8 bits."""
    batch_size: int = 32
    """Images per round, over all processes."""
    lr: float = 5e-3
    """Adam's highest learning rate, after a twentieth of the run; it falls to a hundredth along a cosine."""
    width: int = 64
    """Features of each layer. With `scales` the networks of the parallel steps have half as many."""
    layers: int = 8
    """Number of gated layers; half as many with `scales`, where the smallest image needs fewer."""
    kernel: int = 3
    """Width of the convolutions, odd."""
    components: int = 10
    """Logistic components of a pixel of 8 bits."""
    block: int | None = None
    """Side of the blocks of pixels that are drawn at once. Default: 2 for binary images of even sides, else 1."""
    scales: int = 0
    """Doublings of a smaller image, each in three parallel steps: faster samples of lower likelihood."""
    completion: bool = False
    """Training on partly known images, for exact log P(hole | known) with any mask."""

    mutation: float = 0.0
    """Proportion of values that training replaces by random ones, for a background model (`predict --background`)."""

    def __post_init__(self) -> None:
        check_positive(
            self, "batch_size", "lr", "accumulation_steps", "ema_half_life",
            "width", "layers", "kernel", "components", "block",
        )  # fmt: skip
        if self.kernel % 2 == 0:
            raise UsageError(f"--kernel must be odd, not {self.kernel}: take {self.kernel + 1}")
        check_range(self, 0, 1, "mutation")
        if self.mutation and self.completion:
            raise UsageError("--mutation is for background models, which complete nothing: leave out --completion")
        if self.scales < 0:
            raise UsageError(f"--scales must be at least 0, not {self.scales}")
        if self.scales and self.completion:
            raise UsageError("--completion needs all pixels in raster order: leave out --scales")

    def resolve(self, spec: ImageSpec, hardware: Hardware) -> Self:
        """Return the recipe with its block; raise UsageError where labels are missing or blocks do not divide."""
        height, width = subsampled_sizes(spec.height, spec.width, self.scales)[-1]
        block = self.block or (2 if self.binary and height % 2 == width % 2 == 0 else 1)
        if height % block or width % block:
            raise UsageError(f"--block {block} does not divide images of {height}x{width}: take --block 1")
        return replace(super().resolve(spec, hardware), block=block)

    def distribution(self, channels: int) -> PixelDistribution:
        """Return the distribution of the values of a pixel, or of a block."""
        return Bernoulli(channels) if self.binary else LogisticMixture(channels, self.components)

    def nets(self, spec: ImageSpec) -> dict[str, nn.Module]:
        """Return the network; with `scales` that of the smallest image, and three for each doubling."""
        size, block = subsampled_sizes(spec.height, spec.width, self.scales)[-1], self.block or 1
        layers = (self.layers + 1) // 2 if self.scales else self.layers
        net = PixelCNN(
            (spec.channels, *size), self.distribution(spec.channels * block**2), self.width, layers, self.kernel,
            self.classes(spec), self.completion, block,
        )  # fmt: skip
        if not self.scales:
            return {"generator": net}
        distribution, width = self.distribution(spec.channels), (self.width + 1) // 2
        return {"generator": MultiscalePixelCNN(net, spec.shape, distribution, self.scales, width, STEP_BLOCKS)}

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game of maximum likelihood."""
        conditional = self.classes(spec) > 0
        loss = likelihood_loss(binary=self.binary, conditional=conditional, mutation=self.mutation)
        if self.completion:
            loss = completion_loss(binary=self.binary, conditional=conditional)
        return self.one_player(nets, spec, total, loss=loss, lr=warm_cosine(self.lr, self.lr / 100, WARM_UP))
