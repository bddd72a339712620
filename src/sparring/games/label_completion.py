"""Labels for the images that have none (Lučić et al. 2019, "High-fidelity image generation with fewer labels").

Heads on the discriminator's features learn along with the game (their section 3.2, "co-training"): one the classes, from
the images that have labels or, where none has, by finding clusters; and one by how much an image was turned, which needs
no labels (Chen et al. 2019, "Self-supervised GANs via auxiliary rotation loss", Eq. 3 and 4). What the first says
conditions both players in place of the missing labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sparring.engine.errors import UsageError
from sparring.engine.game import Batch, Stats
from sparring.nets.auxiliary_heads import AuxiliaryHeads


def turns_of(height: int, width: int) -> tuple[int, ...]:
    """Quarter turns that leave the size as it is: all four of a square, two otherwise."""
    return (0, 1, 2, 3) if height == width else (0, 2)


@dataclass(frozen=True)
class LabelCompletion:
    """What completes labels, and what both players pay for it."""

    clusters: bool = False
    """True where no image has a label: the classes are found."""
    class_weight: float = 1.0
    """Of the class head's loss, for D."""
    turn_weight: float = 1.0
    """Of the turn head's loss, for D (Chen et al. 2019: beta = 1)."""
    generator_weight: float = 0.2
    """Of the turn head's loss, for G (Chen et al. 2019: alpha = 0.2)."""

    @torch.no_grad()
    def labels(self, discriminator: nn.Module, batch: Batch) -> Tensor:
        """The labels `[B]` of a batch, with the class head's best guess where there is none; clusters are all guessed."""
        if not self.clusters and not bool((batch.y < 0).any()):
            return batch.y
        guess = _headed(discriminator).class_logits(batch.x).argmax(1)
        return guess if self.clusters else torch.where(batch.y < 0, guess, batch.y)

    def discriminator_loss(self, discriminator: nn.Module, batch: Batch) -> tuple[Tensor, Stats]:
        """What the heads get wrong about real images, and `class_loss`, `turn_loss` apart."""
        net = _headed(discriminator)
        of_turns = self._turn_loss(net, batch.x[: (len(batch) + 1) // 2])  # half as many will do
        of_classes = self._cluster_loss(net, batch) if self.clusters else self._class_loss(net, batch)
        loss = self.class_weight * of_classes + self.turn_weight * of_turns
        return loss, {"class_loss": of_classes, "turn_loss": of_turns}

    def generator_loss(self, discriminator: nn.Module, fake: Tensor) -> Tensor:
        """What the turn head gets wrong about generated images: they should be as easy to turn upright as real ones."""
        return self.generator_weight * self._turn_loss(_headed(discriminator), fake)

    def _class_loss(self, net: AuxiliaryHeads, batch: Batch) -> Tensor:
        """Cross-entropy of the images that have labels."""
        x, y = batch.labelled() if batch.labelled else (batch.x, batch.y)
        return cross_entropy(net.class_logits(x), y, ignore_index=-1, reduction="sum") / (y >= 0).sum().clamp(min=1)

    def _cluster_loss(self, net: AuxiliaryHeads, batch: Batch) -> Tensor:
        """Cross-entropy of each image with the cluster of its shifted copy, and the other way round.

        Caron et al. 2020, "Unsupervised learning of visual features by contrasting cluster assignments", Eq. 1 to 3: what
        is to be answered are assignments that fill all clusters equally, so that no cluster takes all.
        """
        logits = net.class_logits(torch.cat([batch.x, _shifted(batch.x, batch.uniform(2))]))
        one, other = logits.chunk(2)
        with torch.no_grad():
            of_one, of_other = even_assignments(one), even_assignments(other)
        return (cross_entropy(one, of_other) + cross_entropy(other, of_one)) / 2

    def _turn_loss(self, net: AuxiliaryHeads, x: Tensor) -> Tensor:
        """Cross-entropy of "how far is it turned", over a batch of which each part is turned another way."""
        turns = turns_of(*x.shape[2:])
        parts = x.chunk(len(turns))
        turned = torch.cat([part.rot90(k, (2, 3)) for part, k in zip(parts, turns, strict=False)])
        truth = torch.cat([torch.full((len(part),), k, device=x.device) for k, part in enumerate(parts)])
        return cross_entropy(net.rotation_logits(turned), truth)


def even_assignments(logits: Tensor, sharpness: float = 2.0, times: int = 3) -> Tensor:
    """Shares `[B, K]` of each row in the clusters that favour large logits `[B, K]`, where all clusters get as much.

    Sinkhorn and Knopp's alternation (Cuturi 2013, Algorithm 1); rows sum to 1, columns to about B / K.
    """
    log_q = sharpness * (logits - logits.amax(1, keepdim=True))
    for _ in range(times):
        log_q = log_q - log_q.logsumexp(0)
        log_q = log_q - log_q.logsumexp(1, keepdim=True)
    return log_q.exp()


def _shifted(x: Tensor, share: Tensor) -> Tensor:
    """Each image moved by up to an eighth either way, what leaves on one side coming back on the other."""
    rows, columns = (torch.arange(side, device=x.device) for side in x.shape[2:])
    down, right = (((share[:, k] - 0.5) * (side / 4)).round().long() for k, side in enumerate(x.shape[2:]))
    of_rows, of_columns = (rows + down[:, None]) % x.shape[2], (columns + right[:, None]) % x.shape[3]
    return x[
        torch.arange(len(x), device=x.device)[:, None, None], :, of_rows[:, :, None], of_columns[:, None, :]
    ].permute(0, 3, 1, 2)


def _headed(discriminator: nn.Module) -> AuxiliaryHeads:
    if not isinstance(discriminator, AuxiliaryHeads):
        raise UsageError(
            "labels are completed by a discriminator with heads: wrap yours in sparring.nets.auxiliary_heads.Headed"
        )
    return discriminator
