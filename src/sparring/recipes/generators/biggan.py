"""BigGAN: large scale GAN training for high fidelity natural image synthesis (Brock, Donahue, Simonyan 2019).

Class-conditional residual networks with hierarchical latents, self-attention and spectral normalisation (section 3),
the hinge loss, orthogonal regularisation of the generator (Eq. 3), and samples of truncated noise (section 3.1).

Differences to the paper: batches of 64 instead of 2,048 and smaller widths, for one computer, and larger learning rates
to match (5e-4 for G and 1e-3 for D instead of 5e-5 and 2e-4), still with two discriminator steps per round. The EMA's
half-life is a fraction of the run. Truncation maps noise into the interval instead of redrawing it
(`models/generator.py`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Tensor, nn

from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.loop import System
from sparring.games.gan import GAN
from sparring.games.label_completion import LabelCompletion
from sparring.games.objectives import OBJECTIVES
from sparring.games.penalties import orthogonality
from sparring.nets.biggan import Discriminator, Generator
from sparring.recipes.generators.base import ImageGenerator
from sparring.recipes.recipe import adams, check_positive, check_range, ema_of, tunable


@dataclass(frozen=True, kw_only=True)
class BigGAN(ImageGenerator):
    """BigGAN: class-conditional residual networks with spectral normalisation and truncated noise."""

    name: ClassVar[str] = "biggan"
    paper: ClassVar[str] = "Brock et al. 2019, arXiv:1809.11096"
    truncates: ClassVar[bool] = True
    labels: ClassVar[bool] = True

    width: int | None = None
    """Generator channels at the finest level, doubled at each coarser one. None: by hardware and image size."""
    discriminator_width: int | None = None
    """Discriminator channels at the finest level. None: as the generator."""
    max_channels: int = 512
    """Largest number of channels at any level."""
    latent_dim: int = 64
    """Dimension of the generator's noise, which is divided among its levels."""
    embedding_dim: int = 32
    """Dimension of the generator's class embedding."""
    batch_size: int = 64
    """Images per round, over all processes."""
    lr: float = tunable(5e-4, 1e-5, 1e-2, log=True)
    """Adam's learning rate of the generator."""
    lr_discriminator: float = 1e-3
    """Adam's learning rate of the discriminator."""
    beta2: float = 0.999
    """Adam's beta2, the decay of the second moment (beta1 is 0)."""
    discriminator_steps: int = 2
    """Discriminator updates per generator update."""
    orthogonality_weight: float = 1e-4
    """Weight of the orthogonal regularisation, which makes the generator suitable for truncated noise."""

    def __post_init__(self) -> None:
        check_positive(
            self, "width", "discriminator_width", "max_channels", "latent_dim", "embedding_dim", "batch_size",
            "accumulation_steps", "lr", "lr_discriminator", "discriminator_steps", "ema_half_life",
        )  # fmt: skip
        check_range(self, 0, 1, "beta2")
        check_range(self, 0, float("inf"), "orthogonality_weight")

    def resolve(self, spec: ImageSpec, hardware: Hardware) -> Self:
        """Choose widths by hardware and image size. Raises UsageError if the data have less than two classes."""
        if not self.classes(spec):
            actual, note = "only one class" if spec.classes else "no labels", ""
            if spec.condition_stats:
                actual, note = f"vectors of {len(spec.condition_stats)} numbers as labels", ", which takes vectors"
            raise UsageError(
                f"biggan is conditional on classes, and these images have {actual}: put them into one folder a class "
                "(with a larger --label-fraction, if labels are hidden), or use --recipe s3gan, which learns clusters, "
                f"or --recipe r3{note}"
            )
        return self._sized(spec, hardware)

    def _sized(self, spec: ImageSpec, hardware: Hardware) -> Self:
        width = self.width or width_for(spec, hardware)
        return dataclasses.replace(self, width=width, discriminator_width=self.discriminator_width or width)

    def classes(self, spec: ImageSpec) -> int:
        """Return the number of classes, 0 if it is less than two."""
        return len(spec.classes) if len(spec.classes) > 1 else 0

    def nets(self, spec: ImageSpec) -> dict[str, nn.Module]:
        """Return the networks of appendix B, sized to the image."""
        assert self.width and self.discriminator_width
        classes = self.classes(spec)
        return {
            "generator": Generator(
                spec.shape, self.latent_dim, self.width, self.max_channels, classes, self.embedding_dim
            ),
            "discriminator": Discriminator(spec.shape, self.discriminator_width, self.max_channels, classes),
        }

    def completion(self, spec: ImageSpec) -> LabelCompletion | None:
        """Return None: unlabelled images form an extra class."""
        return None

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game of section 3 with the hinge loss, and separate learning rates of the players."""

        def term(generator: nn.Module, fake: Tensor, real: Tensor) -> Tensor:
            return orthogonality(generator, self.orthogonality_weight)

        game = GAN(
            nets["generator"],
            nets["discriminator"],
            OBJECTIVES["hinge"],
            latent_dim=self.latent_dim,
            conditional=True,
            discriminator_steps=self.discriminator_steps,
            terms={"orthogonality": term} if self.orthogonality_weight else {},
            completion=self.completion(spec),
        )
        adam = {
            **adams({"generator": nets["generator"]}, self.lr, 0.0, self.beta2),
            **adams({"discriminator": nets["discriminator"]}, self.lr_discriminator, 0.0, self.beta2),
        }
        return System(
            game, adam, ema_of(nets["generator"], total, half_life=self.ema_half_life, ramp=self.ema_half_life)
        )


def width_for(spec: ImageSpec, hardware: Hardware) -> int:
    """Return a width that trains on tens of thousands of images in minutes on a CPU; 4 times wider on a GPU."""
    side = (spec.height * spec.width) ** 0.5
    width = 32 if side <= 32 else 24 if side <= 64 else 16
    return width if hardware.device.type == "cpu" else width * 4
