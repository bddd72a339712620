"""Pseudo-labels for unlabelled images from the discriminator's features (S3GAN, Lučić et al. 2019, section 3.2).

Two heads on these features are trained with the game. One predicts classes, learned from labelled images or, without
any, by clustering. The other predicts by how much an image was rotated, which needs no labels (Chen et al. 2019,
"Self-supervised GANs via auxiliary rotation loss", Eq. 3 and 4). The predicted classes condition both players in place
of missing labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sparring.engine.errors import UsageError
from sparring.engine.game import Batch, Stats
from sparring.nets.auxiliary_heads import AuxiliaryHeads


def rotations_for(height: int, width: int) -> tuple[int, ...]:
    """Return the rotations, in quarter turns, that preserve the size: all four of a square, two otherwise."""
    return (0, 1, 2, 3) if height == width else (0, 2)


@dataclass(frozen=True)
class LabelCompletion:
    """Settings of the heads and their losses."""

    clusters: bool = False
    """Whether classes are learned by clustering, for data without labels."""
    class_weight: float = 1.0
    """Weight of the class head's loss, for the discriminator."""
    rotation_weight: float = 1.0
    """Weight of the rotation head's loss, for the discriminator (Chen et al. 2019: beta = 1)."""
    generator_weight: float = 0.2
    """Weight of the rotation head's loss, for the generator (Chen et al. 2019: alpha = 0.2)."""

    @torch.no_grad()
    def labels(self, discriminator: nn.Module, batch: Batch) -> Tensor:
        """Return the labels `[B]` of a batch. The class head predicts missing labels, and all labels if `clusters`."""
        if not self.clusters and not bool((batch.y < 0).any()):
            return batch.y
        pred = _with_heads(discriminator).class_logits(batch.x).argmax(1)
        return pred if self.clusters else torch.where(batch.y < 0, pred, batch.y)

    def discriminator_loss(self, discriminator: nn.Module, batch: Batch) -> tuple[Tensor, Stats]:
        """Return the weighted loss of both heads on real images; statistics hold `class_loss` and `rotation_loss`."""
        net = _with_heads(discriminator)
        rotation_loss = self._rotation_loss(net, batch.x[: (len(batch) + 1) // 2])  # half the images suffice
        class_loss = self._cluster_loss(net, batch) if self.clusters else self._class_loss(net, batch)
        loss = self.class_weight * class_loss + self.rotation_weight * rotation_loss
        return loss, {"class_loss": class_loss, "rotation_loss": rotation_loss}

    def generator_loss(self, discriminator: nn.Module, fake: Tensor) -> Tensor:
        """Return the weighted loss of the rotation head on generated images."""
        return self.generator_weight * self._rotation_loss(_with_heads(discriminator), fake)

    def _class_loss(self, net: AuxiliaryHeads, batch: Batch) -> Tensor:
        """Return the cross entropy of labelled images."""
        x, y = batch.labelled() if batch.labelled else (batch.x, batch.y)
        return cross_entropy(net.class_logits(x), y, ignore_index=-1, reduction="sum") / (y >= 0).sum().clamp(min=1)

    def _cluster_loss(self, net: AuxiliaryHeads, batch: Batch) -> Tensor:
        """Return the cross entropy of each image with the cluster of its shifted copy, and vice versa.

        Targets are assignments that fill all clusters equally, which prevents collapse (Caron et al. 2020,
        "Unsupervised learning of visual features by contrasting cluster assignments", Eq. 1 to 3).
        """
        logits = net.class_logits(torch.cat([batch.x, _shifted(batch.x, batch.uniform(2))]))
        original, shifted = logits.chunk(2)
        with torch.no_grad():
            original_q, shifted_q = balanced_assignments(original), balanced_assignments(shifted)
        return (cross_entropy(original, shifted_q) + cross_entropy(shifted, original_q)) / 2

    def _rotation_loss(self, net: AuxiliaryHeads, x: Tensor) -> Tensor:
        """Return the cross entropy of predicted rotations; each chunk of the batch is rotated differently."""
        rotations = rotations_for(*x.shape[2:])
        chunks = x.chunk(len(rotations))
        rotated = torch.cat([chunk.rot90(k, (2, 3)) for chunk, k in zip(chunks, rotations, strict=False)])
        target = torch.cat([torch.full((len(chunk),), k, device=x.device) for k, chunk in enumerate(chunks)])
        return cross_entropy(net.rotation_logits(rotated), target)


def balanced_assignments(logits: Tensor, sharpness: float = 2.0, iterations: int = 3) -> Tensor:
    """Return soft assignments `[B, K]` to clusters by logits `[B, K]`, with equal total weight of all clusters.

    Rows sum to 1, columns to about B / K, by Sinkhorn-Knopp iterations (Cuturi 2013, Algorithm 1).
    """
    log_q = sharpness * (logits - logits.amax(1, keepdim=True))
    for _ in range(iterations):
        log_q = log_q - log_q.logsumexp(0)
        log_q = log_q - log_q.logsumexp(1, keepdim=True)
    return log_q.exp()


def _shifted(x: Tensor, u: Tensor) -> Tensor:
    """Shift each image cyclically by up to an eighth of its size either way; `u` `[B, 2]` is uniform in [0, 1)."""
    y_idx, x_idx = (torch.arange(side, device=x.device) for side in x.shape[2:])
    down, right = (((u[:, k] - 0.5) * (side / 4)).round().long() for k, side in enumerate(x.shape[2:]))
    from_y, from_x = (y_idx + down[:, None]) % x.shape[2], (x_idx + right[:, None]) % x.shape[3]
    image_idx = torch.arange(len(x), device=x.device)
    return x[image_idx[:, None, None], :, from_y[:, :, None], from_x[:, None, :]].permute(0, 3, 1, 2)


def _with_heads(discriminator: nn.Module) -> AuxiliaryHeads:
    if not isinstance(discriminator, AuxiliaryHeads):
        raise UsageError(
            "label completion needs heads on the discriminator: wrap it in sparring.nets.auxiliary_heads.AuxiliaryHeads"
        )
    return discriminator
