"""A linear classifier on fixed scattering features, by SGD with clipped gradients: the default of `--private`.

Tramèr and Boneh 2021, "Differentially private learning needs better features (or much more data)": of all networks
trained from private images alone, a linear layer on a fixed wavelet transform is the best. We normalise the features
within each image, where they normalise over the data with noisy moments, and average the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD, Optimizer

from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.game import Batch, Schedule, Stats
from sparring.engine.loop import System
from sparring.engine.schedules import cosine
from sparring.nets.scattering_classifier import ScatteringClassifier
from sparring.privacy.clipping import Forward, clipped_sum
from sparring.recipes.recipe import check_positive
from sparring.recipes.supervised.base import SupervisedRecipe

MAX_BATCH, MAX_FRACTION = 4096, 10
"""Largest default of the batch, and number of batches in which all examples fit at least."""


def row_loss(forward: Forward, x: Tensor, y: Tensor) -> Tensor:
    """Return the cross entropy of each row, `[B]`."""
    return cross_entropy(forward(x), y, reduction="none")


@dataclass(frozen=True, kw_only=True)
class ScatteringRecipe(SupervisedRecipe):
    """A linear classifier on fixed scattering features of images."""

    name: ClassVar[str] = "scattering"
    paper: ClassVar[str] = "Tramèr and Boneh 2021, arXiv:2011.11660"
    kinds: ClassVar[tuple[str, ...]] = ("image",)
    prepared_on: ClassVar[int] = 1
    private_epochs: ClassVar[int] = 20
    """Passes over private data where no length is given: more steps need more noise in each."""

    orientations: int = 8
    """Number of directions of the wavelets."""
    batch_size: int | None = None
    """Images a round, 4,096 or a tenth of all; with --private the expected number."""
    lr: float = 8.0
    """Learning rate of SGD at the start; it falls to a tenth by a cosine. Gradients are as short as --clip."""
    momentum: float = 0.9
    """Momentum of SGD."""
    clip: float = 0.1
    """Largest norm of the gradient of an image."""

    def __post_init__(self) -> None:
        check_positive(self, "orientations", "batch_size", "lr", "clip", "ema_half_life")

    def resolve(self, spec: ImageSpec, hardware: Hardware) -> Self:
        """Choose the batch size by the number of images."""
        if self.batch_size is not None:
            return self
        return replace(self, batch_size=min(MAX_BATCH, max(spec.count // MAX_FRACTION, 1)))

    def nets(self, spec: ImageSpec) -> dict[str, nn.Module]:
        """Return the classifier."""
        return {"classifier": ScatteringClassifier(spec.shape, len(spec.classes), self.orientations)}

    def optimizer(self, net: nn.Module) -> Optimizer:
        """Return SGD with momentum for the weights of `net`."""
        return SGD(net.parameters(), self.lr, self.momentum)

    def schedules(self) -> dict[str, Schedule]:
        """Return the schedule of the learning rate."""
        return {"lr": cosine(self.lr, self.lr / 10)}

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game without privacy: the mean of clipped gradients, without noise."""

        def loss(net: nn.Module, batch: Batch) -> tuple[Tensor, Stats]:
            with torch.no_grad():
                x = net.features(batch.x)  # type: ignore[operator]
            head: nn.Module = net.head  # type: ignore[assignment]
            with torch.no_grad():
                accuracy = (head(x).argmax(1) == batch.y).float().mean()
            return clipped_sum(head, row_loss, x, batch.y, self.clip) / len(batch.x), {"accuracy": accuracy}

        net = nets["classifier"]
        return self.supervised(nets, loss, self.optimizer(net), self.schedules()["lr"], total)
