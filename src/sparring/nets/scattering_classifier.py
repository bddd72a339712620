"""A linear classifier on fixed scattering features (Tramèr and Boneh 2021, arXiv:2011.11660)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import group_norm

from sparring.nets.scattering import WINDOW, Scattering

GROUP_MAPS = 3
"""Maps that are normalised together."""


class ScatteringClassifier(nn.Module):
    """Images `[B, C, H, W]` -> logits `[B, classes]`, by one linear layer on `features`, which have no weights.

    The features are normalised within each image, in groups of maps. So nothing but the layer is learnt from data.
    """

    def __init__(self, shape: tuple[int, ...], classes: int, orientations: int = 8) -> None:
        super().__init__()
        channels, height, width = shape
        self.scattering = Scattering(orientations)
        maps = channels * (1 + 2 * orientations + orientations**2)
        self._groups = maps // GROUP_MAPS if maps % GROUP_MAPS == 0 else channels
        self.head = nn.Linear(maps * -(-height // WINDOW) * -(-width // WINDOW), classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def features(self, x: Tensor) -> Tensor:
        """Map images to features `[B, F]`, normalised within each image."""
        return group_norm(self.scattering(x.float()), self._groups).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        """Map images to logits."""
        logits: Tensor = self.head(self.features(x))
        return logits
