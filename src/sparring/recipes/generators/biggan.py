"""BigGAN: large scale GAN training for high fidelity natural image synthesis (Brock, Donahue, Simonyan 2019).

Residual, class-conditional networks with hierarchical latents, self-attention and spectral normalisation (section 3), the
hinge loss, orthogonal regularisation of the generator (Eq. 3), and samples of truncated noise (section 3.1).

Where we differ: batches of 64 in place of 2,048, and the networks' widths, are of one computer; with them the learning rates
(5e-4 for G and 1e-3 for D in place of 5e-5 and 2e-4), still two time scales with two turns of D a round. The average's
half-life is a share of the run. The noise is mapped onto the interval in place of being drawn anew (`models/generator.py`).
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
from sparring.recipes.recipe import adams, average_of, check_positive, check_range


@dataclass(frozen=True, kw_only=True)
class BigGAN:
    """Class-conditional residual networks, spectrally normalised, whose noise can be truncated."""

    name: ClassVar[str] = "biggan"
    paper: ClassVar[str] = "Brock et al. 2019, arXiv:1809.11096"
    kinds: ClassVar[tuple[str, ...]] = ("image",)
    truncates: ClassVar[bool] = True
    labels: ClassVar[bool] = True

    width: int | None = None
    """Generator channels at the level nearest the image, doubled at each below. None: by hardware and size."""
    discriminator_width: int | None = None
    """The same of the discriminator. None: as the generator's."""
    max_channels: int = 512
    """Channels at most."""
    latent_dim: int = 64
    """Numbers of noise the generator takes, shared out over its levels."""
    embedding: int = 32
    """Numbers that stand for a class in the generator."""
    batch_size: int = 64
    """Images a round, over all processes."""
    accumulate: int = 1
    """Parts in which a batch is played, to save memory."""
    lr: float = 5e-4
    """Adam's learning rate of the generator."""
    lr_discriminator: float = 1e-3
    """Adam's learning rate of the discriminator."""
    beta2: float = 0.999
    """Adam's second-moment decay (beta1 is 0)."""
    turns: int = 2
    """Turns of the discriminator in a round, to one of the generator."""
    orthogonal: float = 1e-4
    """Weight of the orthogonal regularisation, which makes the generator smooth enough for truncated noise."""
    average: float = 0.02
    """Half-life of the averaged generator, as a share of the run."""
    mirror: bool = False
    """Flip every other image, where left and right mean the same."""

    def __post_init__(self) -> None:
        check_positive(
            self, "width", "discriminator_width", "max_channels", "latent_dim", "embedding", "batch_size", "accumulate", "lr",
            "lr_discriminator", "turns", "average",
        )  # fmt: skip
        check_range(self, 0, 1, "beta2")
        check_range(self, 0, float("inf"), "orthogonal")

    def resolve(self, spec: ImageSpec, hardware: Hardware) -> Self:
        """Widths by hardware and size; raises UsageError where the data have no two classes to learn."""
        if not self.classes(spec):
            have, takes = "one class alone" if spec.classes else "no labels", ""
            if spec.condition_stats:
                have, takes = f"vectors of {len(spec.condition_stats)} numbers as labels", ", which takes vectors"
            raise UsageError(
                f"biggan is conditional on classes, and these images have {have}: put them into one folder a class (and "
                "hide fewer labels, where --label-fraction hides them), or take "
                f"--recipe s3gan, which finds classes itself, or --recipe r3{takes}"
            )
        return self._sized(spec, hardware)

    def _sized(self, spec: ImageSpec, hardware: Hardware) -> Self:
        width = self.width or width_for(spec, hardware)
        return dataclasses.replace(self, width=width, discriminator_width=self.discriminator_width or width)

    def classes(self, spec: ImageSpec) -> int:
        """Two or more; there is no other BigGAN."""
        return len(spec.classes) if len(spec.classes) > 1 else 0

    def condition_stats(self, spec: ImageSpec) -> tuple[tuple[float, float], ...]:
        """None: labels are classes here."""
        return ()

    def nets(self, spec: ImageSpec) -> dict[str, nn.Module]:
        """The networks of appendix B, sized to the image."""
        assert self.width and self.discriminator_width
        classes = self.classes(spec)
        return {
            "generator": Generator(spec.shape, self.latent_dim, self.width, self.max_channels, classes, self.embedding),
            "discriminator": Discriminator(spec.shape, self.discriminator_width, self.max_channels, classes),
        }

    def completion(self, spec: ImageSpec) -> LabelCompletion | None:
        """None: images without a label are a class of their own."""
        return None

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """The hinge game of section 3, several turns of D to one of G, each with a learning rate of its own."""

        def term(generator: nn.Module, fake: Tensor, real: Tensor) -> Tensor:
            return orthogonality(generator, self.orthogonal)

        game = GAN(
            nets["generator"],
            nets["discriminator"],
            OBJECTIVES["hinge"],
            latent_dim=self.latent_dim,
            conditional=True,
            discriminator_steps=self.turns,
            terms={"orthogonality": term} if self.orthogonal else {},
            completion=self.completion(spec),
        )
        adam = {
            **adams({"generator": nets["generator"]}, self.lr, 0.0, self.beta2),
            **adams({"discriminator": nets["discriminator"]}, self.lr_discriminator, 0.0, self.beta2),
        }
        return System(game, adam, average_of(nets["generator"], total, share=self.average, ramp=self.average))


def width_for(spec: ImageSpec, hardware: Hardware) -> int:
    """Channels that give tens of thousands of images in the minutes of a CPU: fewer for larger ones; more with a GPU."""
    side = (spec.height * spec.width) ** 0.5
    width = 32 if side <= 32 else 24 if side <= 64 else 16
    return width if hardware.device.type == "cpu" else width * 4
