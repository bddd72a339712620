"""S3GAN: high-fidelity image generation with fewer labels (Lučić, Tschannen, Ritter, Zhai, Bachem, Gelly 2019).

BigGAN, whose discriminator's features also learn what an image shows and how far it was turned; labels that are missing
are completed by what the first head says, and condition both players (section 3.2, the co-trained S3GAN-CO). Where no
image has a label the head finds clusters instead (section 3.1 clusters beforehand, with k-means; ours learns along).
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
    """BigGAN for few labels, or none."""

    name: ClassVar[str] = "s3gan"
    paper: ClassVar[str] = "Lučić et al. 2019, arXiv:1903.02271"

    clusters: int = 10
    """Classes that are found where no image has a label."""
    class_weight: float = 1.0
    """What the discriminator pays for classes it gets wrong."""
    rotation_weight: float = 1.0
    """What it pays for not telling by how many quarter turns a real image was turned."""
    generator_rotation_weight: float = 0.2
    """What the generator pays where that cannot be told of its samples."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "clusters", "class_weight")
        check_range(self, 0, float("inf"), "rotation_weight", "generator_rotation_weight")

    def resolve(self, spec: ImageSpec, hardware: Hardware) -> Self:
        """As BigGAN's; without two classes of its own the data get clusters."""
        if self.clusters < 2 and not self._labelled(spec):
            raise UsageError(f"--clusters {self.clusters}: s3gan finds 2 clusters or more; for none take --recipe r3")
        return self._sized(spec, hardware)

    def classes(self, spec: ImageSpec) -> int:
        """The data's classes, or clusters."""
        return len(spec.classes) if self._labelled(spec) else self.clusters

    def nets(self, spec: ImageSpec) -> dict[str, nn.Module]:
        """BigGAN's, with two heads on the discriminator's features."""
        nets = super().nets(spec)
        turns = len(rotations_for(spec.height, spec.width))
        return {**nets, "discriminator": AuxiliaryHeads(nets["discriminator"], self.classes(spec), turns)}

    def completion(self, spec: ImageSpec) -> LabelCompletion:
        """By heads on the discriminator, which learn beside BigGAN's game; networks of one's own need them too."""
        return LabelCompletion(
            clusters=not self._labelled(spec),
            class_weight=self.class_weight,
            rotation_weight=self.rotation_weight,
            generator_weight=self.generator_rotation_weight,
        )

    @staticmethod
    def _labelled(spec: ImageSpec) -> bool:
        return len(spec.classes) > 1
