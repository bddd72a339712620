"""MADE: a masked autoencoder for distribution estimation (Germain, Gregor, Murray, Larochelle 2015, arXiv:1502.03509).

Differences to the paper: one order of the pixels and one mask, Adam, direct connections (their Eq. 10) as the default,
and binary images that are drawn anew in each batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from sparring.engine.data_spec import ImageSpec
from sparring.engine.loop import System
from sparring.nets.masked_autoencoder import MaskedAutoencoder
from sparring.recipes.density.base import DensityRecipe
from sparring.recipes.recipe import check_positive


@dataclass(frozen=True, kw_only=True)
class MADERecipe(DensityRecipe):
    """MADE: binary images, pixel after pixel, by one masked multilayer perceptron."""

    name: ClassVar[str] = "made"
    paper: ClassVar[str] = "Germain et al. 2015, arXiv:1502.03509"
    binary: ClassVar[bool] = True

    hidden: int = 1000
    """Units of each hidden layer."""
    layers: int = 1
    """Number of hidden layers."""

    def __post_init__(self) -> None:
        check_positive(
            self, "batch_size", "lr", "accumulation_steps", "ema_half_life", "hidden", "layers",
        )  # fmt: skip

    def nets(self, spec: ImageSpec) -> dict[str, nn.Module]:
        """Return the masked network."""
        return {"generator": MaskedAutoencoder(spec.shape, [self.hidden] * self.layers, self.classes(spec))}

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game of maximum likelihood (Eq. 3)."""
        return self.one_player(nets, spec, total)
