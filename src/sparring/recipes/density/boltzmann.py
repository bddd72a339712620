"""Boltzmann machines: restricted (Smolensky 1986; Hinton 2002) and deep (Salakhutdinov and Hinton 2009).

Both are trained by persistent chains (Tieleman 2008) and centred (Montavon and Müller 2012, arXiv:1203.3783), the deep
one all at once from small weights. Differences to the papers: Adam with a falling learning rate in place of plain
steps, samples from an EMA of the weights, and binary images that are drawn anew in each batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from torch import nn
from torch.optim import Adam

from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError, did_you_mean
from sparring.engine.loop import System
from sparring.engine.schedules import cosine
from sparring.games.boltzmann import ContrastiveGame
from sparring.nets.boltzmann import BoltzmannMachine
from sparring.nets.boltzmann_energy import VISIBLE_UNITS
from sparring.recipes.density.base import DensityRecipe
from sparring.recipes.recipe import check_positive, check_range, ema_of, tunable

WARM_UP = 0.05
"""Fraction of the run in which the learning rate rises from 0. Without it, Adam's first steps saturate two layers."""


@dataclass(frozen=True, kw_only=True)
class RBM(DensityRecipe):
    """A restricted Boltzmann machine: one layer of hidden units, persistent contrastive divergence."""

    name: ClassVar[str] = "rbm"
    paper: ClassVar[str] = "Tieleman 2008, ICML; Montavon and Müller 2012, arXiv:1203.3783"

    batch_size: int = 100
    """Examples per round, over all processes."""
    lr: float = tunable(3e-3, 1e-4, 0.1, log=True)
    """Adam's learning rate after a short warm-up; it falls to a hundredth along a cosine."""
    beta1: float = 0.0
    """Adam's beta1, the decay of the first moment."""
    ema_half_life: float = 0.05
    """Half-life of the EMA of the weights, as a fraction of the run."""
    visible: str = "binary"
    """Kind of visible units: binary, of pixels that are probabilities of white, or gaussian, of bytes."""
    hidden: int = 500
    """Units of the first hidden layer."""
    chains: int = 100
    """Persistent Markov chains, from which samples start."""
    sweeps: int = 1
    """Gibbs sweeps of each chain per round."""
    sample_sweeps: int = 200
    """Gibbs sweeps from a saved chain to a sample."""
    hidden_bias: float = -1.0
    """Initial bias of hidden units; below zero they are sparse."""
    offset_rate: float = 0.01
    """Rate at which the offsets of centring follow the means; 0 leaves them where they start."""

    def __post_init__(self) -> None:
        check_positive(
            self, "batch_size", "lr", "accumulation_steps", "ema_half_life", "hidden", "chains", "sweeps",
            "sample_sweeps",
        )  # fmt: skip
        check_range(self, 0, 1, "offset_rate", "beta1")
        if self.visible not in VISIBLE_UNITS:
            raise UsageError(f"--visible {self.visible}: {did_you_mean(self.visible, VISIBLE_UNITS)}")

    @property
    def sees_binary(self) -> bool:
        """True where pixels are probabilities of white, from which binary images are drawn."""
        return self.visible == "binary"

    @property
    def layers(self) -> tuple[int, ...]:
        """Units of the hidden layers."""
        return (self.hidden,)

    def resolve(self, spec: Any, hardware: Hardware) -> Self:
        """Return the recipe itself; raise UsageError where it should be conditioned on labels."""
        if self.labels:
            raise UsageError(
                f"{self.name} is not conditioned on labels: leave --labels out, or take another recipe, e.g. made"
            )
        return self

    def nets(self, spec: ImageSpec) -> dict[str, nn.Module]:
        """Return the machine, with its chains."""
        net = BoltzmannMachine(
            spec.shape, self.layers, visible=self.visible, chains=self.chains, sweeps=self.sample_sweeps,
            hidden_bias=self.hidden_bias,
        )  # fmt: skip
        return {"generator": net}

    def system(self, spec: ImageSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game of maximum likelihood with persistent chains."""
        net: Any = nets["generator"]
        adam = Adam(net.parameters(), self.lr, (self.beta1, 0.999), fused=True)
        ema = ema_of(net, total, half_life=self.ema_half_life, ramp=self.ema_half_life)
        decay = cosine(self.lr, self.lr / 100)
        schedules = {"generator": {"lr": lambda at: decay(at) * min(at / WARM_UP, 1.0)}}
        return System(self._game(net), {"generator": adam}, ema, schedules)

    def _game(self, net: BoltzmannMachine) -> ContrastiveGame:
        return ContrastiveGame(net, sweeps=self.sweeps, offset_rate=self.offset_rate)


@dataclass(frozen=True, kw_only=True)
class DBM(RBM):
    """A deep Boltzmann machine: two layers of hidden units, mean field for the data, persistent chains."""

    name: ClassVar[str] = "dbm"
    paper: ClassVar[str] = "Salakhutdinov and Hinton 2009, AISTATS; Montavon and Müller 2012, arXiv:1203.3783"

    lr: float = tunable(1e-3, 1e-4, 0.1, log=True)
    """Adam's learning rate after a short warm-up; it falls to a hundredth along a cosine."""
    beta1: float = 0.5
    """Adam's beta1, the decay of the first moment."""
    top: int = 1000
    """Units of the second hidden layer."""
    mean_field_rounds: int = 5
    """Updates of the posterior means of both layers for each batch."""
    pretraining: float = 0.0
    """Fraction of the run in which the layers are learnt one after the other; 0: both together from the start."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "top", "mean_field_rounds")
        check_range(self, 0, 1, "pretraining")

    @property
    def layers(self) -> tuple[int, ...]:
        """Units of the hidden layers."""
        return (self.hidden, self.top)

    def _game(self, net: BoltzmannMachine) -> ContrastiveGame:
        return ContrastiveGame(
            net, sweeps=self.sweeps, rounds=self.mean_field_rounds, offset_rate=self.offset_rate,
            pretraining=self.pretraining,
        )  # fmt: skip
