"""What recipes of density models share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from torch import nn
from torch.optim import Adam

from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.game import Schedule
from sparring.engine.loop import System
from sparring.engine.schedules import cosine
from sparring.games.likelihood import likelihood_loss
from sparring.games.single_player import Loss, SinglePlayer
from sparring.recipes.recipe import ema_of, tunable


@dataclass(frozen=True, kw_only=True)
class DensityRecipe:
    """A recipe whose player `generator` is a density network (`nets/density_net.py`)."""

    kinds: ClassVar[tuple[str, ...]] = ("image",)
    truncates: ClassVar[bool] = False
    mirror: ClassVar[bool] = False

    batch_size: int = 64
    """Examples per round, over all processes."""
    lr: float = tunable(1e-3, 1e-4, 0.03, log=True)
    """Adam's initial learning rate; it falls to a hundredth along a cosine."""
    labels: bool = False
    """Conditioning on the classes of the data, which all examples must have."""
    accumulation_steps: int = 1
    """Micro-batches per batch and process, to save memory."""
    ema_half_life: float = 0.02
    """Half-life of the EMA of the weights, as a fraction of the run."""

    def resolve(self, spec: Any, hardware: Hardware) -> Self:
        """Return the recipe itself; raise UsageError on `labels` where not all examples have one of several classes."""
        if self.labels and not self.classes(spec):
            missing = f", and {spec.unlabelled:,} of {spec.count:,} examples without one" if spec.unlabelled else ""
            raise UsageError(
                f"--labels needs two classes or more, and one for each example; the data have "
                f"{len(spec.classes) or 'no'} classes{missing}: "
                "leave --labels out, or see `sparring inspect` for how labels are found"
            )
        return self

    @property
    def sees_binary(self) -> bool:
        """True where pixels are probabilities of white, from which binary images are drawn."""
        return bool(getattr(self, "binary", False))

    def classes(self, spec: Any) -> int:
        """Return the number of classes if `labels` is set and all examples have one, else 0."""
        return len(spec.classes) if self.labels and len(spec.classes) > 1 and not spec.unlabelled else 0

    def condition_stats(self, spec: Any) -> tuple[tuple[float, float], ...]:
        """Return the statistics of the vectors that the network is conditioned on: none."""
        return ()

    def one_player(
        self,
        nets: Mapping[str, nn.Module],
        spec: Any,
        total: int,
        *,
        loss: Loss | None = None,
        lr: Schedule | None = None,
    ) -> System:
        """Return the game of maximum likelihood; `loss` and `lr` replace -log p(x) and the cosine."""
        net = nets["generator"]
        loss = loss or likelihood_loss(binary=self.sees_binary, conditional=self.classes(spec) > 0)
        optimizer = Adam(net.parameters(), self.lr, fused=True)
        ema = ema_of(net, total, half_life=self.ema_half_life, ramp=self.ema_half_life)
        schedules = {"generator": {"lr": lr or cosine(self.lr, self.lr / 100)}}
        return System(SinglePlayer(net, loss, "generator"), {"generator": optimizer}, ema, schedules)
