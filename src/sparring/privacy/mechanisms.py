"""Mechanisms of differential privacy, by what each costs: data for the ledger, which composes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from sparring.engine.errors import SparringError
from sparring.privacy.accountant import ORDERS, subsampled_gaussian_rdp


class Mechanism(Protocol):
    """A randomised function of private rows, by its cost for neighbours that differ in one row."""

    kind: ClassVar[str]

    @property
    def rho(self) -> float | None:
        """Return its zCDP; None where it has no finite one below its RDP."""
        ...

    def rdp(self, orders: Sequence[int] = ORDERS) -> NDArray[np.float64]:
        """Return its Renyi divergence at each order."""
        ...

    def describe(self) -> str:
        """Return the mechanism with its noise, in words."""
        ...


class Concentrated:
    """Mechanisms whose cost is their zCDP."""

    @property
    def rho(self) -> float:
        """Return the zCDP."""
        raise NotImplementedError

    def rdp(self, orders: Sequence[int] = ORDERS) -> NDArray[np.float64]:
        """Return rho a for each order a."""
        return self.rho * np.array(orders, dtype=np.float64)


@dataclass(frozen=True)
class Gaussian(Concentrated):
    """Gaussian noise, `times` times."""

    kind: ClassVar[str] = "gaussian"

    noise_multiplier: float
    """Standard deviation of the noise over the L2 sensitivity."""
    times: int = 1

    @property
    def rho(self) -> float:
        """Return times / (2 s^2) (Bun and Steinke 2016, Proposition 1.6)."""
        return self.times / (2 * self.noise_multiplier**2)

    def describe(self) -> str:
        """Return the noise multiplier, and how often noise was drawn."""
        return f"Gaussian, noise multiplier {self.noise_multiplier:.4g}" + _times(self.times)


@dataclass(frozen=True)
class Exponential(Concentrated):
    """The exponential mechanism, `times` times: one of several candidates, with probability prop. e^(eps score / 2)."""

    kind: ClassVar[str] = "exponential"

    epsilon: float
    """Pure epsilon of one selection, of scores with sensitivity 1."""
    times: int = 1

    @property
    def rho(self) -> float:
        """Return times epsilon^2 / 8 (Cesar and Rogers 2021, arXiv:2004.07223, bounded range)."""
        return self.times * self.epsilon**2 / 8

    def describe(self) -> str:
        """Return epsilon of a selection, and the number of these."""
        return f"exponential, epsilon {self.epsilon:.4g}" + _times(self.times)


@dataclass(frozen=True)
class SubsampledGaussian:
    """Gaussian noise on a Poisson sample of the rows, in each of `steps` steps: DP-SGD."""

    kind: ClassVar[str] = "subsampled_gaussian"

    sampling_rate: float
    """Probability with which each row enters a step, in [0, 1]."""
    noise_multiplier: float
    """Standard deviation of the noise over the clipping norm."""
    steps: int

    @property
    def rho(self) -> None:
        """Return None: subsampling amplifies RDP of low orders only."""
        return None

    def rdp(self, orders: Sequence[int] = ORDERS) -> NDArray[np.float64]:
        """Return the sum over the steps at each order."""
        return self.steps * subsampled_gaussian_rdp(self.sampling_rate, self.noise_multiplier, orders)

    def describe(self) -> str:
        """Return steps, sampling rate and noise multiplier."""
        return (
            f"{self.steps:,} steps of Gaussian noise, noise multiplier {self.noise_multiplier:.4g}, "
            f"on Poisson samples of rate {self.sampling_rate:.4g}"
        )


MECHANISMS: dict[str, type[Any]] = {kind.kind: kind for kind in (Gaussian, Exponential, SubsampledGaussian)}
"""Mechanisms by the name that they have in a saved ledger."""


def mechanism_to_json(mechanism: Mechanism) -> dict[str, Any]:
    """Return the kind and the fields of a mechanism."""
    return {"kind": mechanism.kind, **asdict(mechanism)}  # type: ignore[call-overload]


def mechanism_from_json(saved: Mapping[str, Any]) -> Mechanism:
    """Return the mechanism that `mechanism_to_json` wrote; raise SparringError on another one."""
    fields = dict(saved)
    kind = fields.pop("kind", None)
    try:
        mechanism: Mechanism = MECHANISMS[kind](**fields)
    except (KeyError, TypeError) as error:
        raise SparringError(f"the ledger holds an unknown mechanism ({kind}): it is damaged") from error
    return mechanism


def _times(times: int) -> str:
    return f", {times:,} times" * (times > 1)
