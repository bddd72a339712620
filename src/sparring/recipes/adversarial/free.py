"""Free: each batch several times in a row, one gradient for the weights and for a perturbation that stays (Shafahi et al. 2019).

The paper trains wide residual networks on CIFAR-10 by momentum; here it is Adam, with the schedule of Wong et al. 2020, who
found it to serve this method too. And eps grows at first: without that, 240,000 images of MNIST at 0.3 taught it nothing (11 %
right where nobody attacks), with it 148,000 were enough for 65 % under PGD (of 200 training images; one seed each).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import nn
from torch.optim import Adam

from sparring.engine.data_spec import ImageSpec
from sparring.engine.loop import System
from sparring.engine.schedules import triangle
from sparring.games.adversarial_training import PersistentPerturbation
from sparring.recipes.adversarial.base import AdversarialRecipe
from sparring.recipes.recipe import check_positive


@dataclass(frozen=True, kw_only=True)
class Free(AdversarialRecipe):
    """One pass a round."""

    name: ClassVar[str] = "free"
    paper: ClassVar[str] = "Shafahi et al. 2019, arXiv:1904.12843"

    replays: int = 8
    """Rounds in a row that a batch is played."""
    step: float = 1.0
    """Of the perturbation in each round, in eps."""
    ramp: float = 0.4
    """Share of the run over which eps grows, evenly from 0; 0: it is all there at once, as published."""
    lr: float = 1e-3
    """Adam's highest learning rate, after 40 % of the run; before and after it changes evenly, from 0 and to 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "replays", "step")

    @property
    def in_a_row(self) -> int:
        """The replays."""
        return self.replays

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Algorithm 1, with Adam."""
        net = nets["classifier"]
        attack = PersistentPerturbation(self.batch_size, spec.shape, self.step).to(next(net.parameters()).device)
        optimizer = Adam(net.parameters(), self.lr, fused=True)
        return self.put_together(net, optimizer, triangle(self.lr, 0.4), total, attack=attack)
