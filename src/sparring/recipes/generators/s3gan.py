"""S3GAN: high-fidelity image generation with fewer labels (Lučić, Tschannen, Ritter, Zhai, Bachem, Gelly 2019).

BigGAN with two auxiliary heads on the discriminator, which predict the class and the rotation of an image. Predicted
classes replace missing labels and condition both players (section 3.2, co-training, S3GAN-CO). Without any labels the
class head learns clusters during training; the paper clusters beforehand with k-means (section 3.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from torch import nn

from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.games.label_completion import LabelCompletion, rotations_for
from sparring.nets.auxiliary_heads import AuxiliaryHeads
from sparring.recipes.generators.biggan import BigGAN
from sparring.recipes.recipe import check_positive, check_range


@dataclass(frozen=True, kw_only=True)
class S3GAN(BigGAN):
    """S3GAN: BigGAN for few labels or none."""

    name: ClassVar[str] = "s3gan"
    paper: ClassVar[str] = "Lučić et al. 2019, arXiv:1903.02271"

    clusters: int = 10
    """Number of clusters that replace classes, for data without labels."""
    class_weight: float = 1.0
    """Weight of the class head's loss, for the discriminator."""
    rotation_weight: float = 1.0
    """Weight of the rotation head's loss on real images, for the discriminator."""
    generator_rotation_weight: float = 0.2
    """Weight of the rotation head's loss on generated images, for the generator."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "clusters", "class_weight")
        check_range(self, 0, float("inf"), "rotation_weight", "generator_rotation_weight")

    def resolve(self, spec: ImageSpec, hardware: Hardware) -> Self:
        """Choose widths as BigGAN does. Raises UsageError if data without labels would get less than two clusters."""
        if self.clusters < 2 and not self._labelled(spec):
            raise UsageError(f"--clusters must be 2 or more, not {self.clusters}: for no clusters use --recipe r3")
        return self._sized(spec, hardware)

    def classes(self, spec: ImageSpec) -> int:
        """Return the number of classes, or of clusters if the data have less than two classes."""
        return len(spec.classes) if self._labelled(spec) else self.clusters

    def nets(self, spec: ImageSpec) -> dict[str, nn.Module]:
        """Return BigGAN's networks, the discriminator with two auxiliary heads."""
        nets = super().nets(spec)
        rotations = len(rotations_for(spec.height, spec.width))
        return {**nets, "discriminator": AuxiliaryHeads(nets["discriminator"], self.classes(spec), rotations)}

    def completion(self, spec: ImageSpec) -> LabelCompletion:
        """Return the settings of label completion. Custom discriminators need the heads, too."""
        return LabelCompletion(
            clusters=not self._labelled(spec),
            class_weight=self.class_weight,
            rotation_weight=self.rotation_weight,
            generator_weight=self.generator_rotation_weight,
        )

    @staticmethod
    def _labelled(spec: ImageSpec) -> bool:
        return len(spec.classes) > 1
