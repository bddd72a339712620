"""The contract of networks that know log p(x): generators with a density."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class DensityNet(Protocol):
    """An `nn.Module` that generates examples from noise and assigns them a log-probability.

    Images are network input `[B, C, H, W]` in [-1, 1]: 256 values, or -1 and 1 for binary data. Table rows `[B, F]` are
    in the units of their file. Networks of K classes take labels `y`, int64 `[B]`; others take None.
    """

    latent_dim: int
    """Numbers of standard normal noise that one sample needs."""

    def __call__(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Return samples `[B, *shape]` from noise `[B, latent_dim]`; each depends on its own noise alone."""
        ...

    def log_prob(self, x: Tensor, y: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Return log p(x) `[B]`, nats, or an estimate that draws its noise from `generator`; None: a fixed seed."""
        ...

    def encode(self, x: Tensor) -> Tensor:
        """Return features `[B, F]`, float32."""
        ...


@runtime_checkable
class Estimates(Protocol):
    """A network whose `log_prob` is a bound or an estimate."""

    exact: ClassVar[bool]
    """False."""


@runtime_checkable
class HasProtocol(Protocol):
    """A network that lists what its likelihood depends on."""

    def protocol(self) -> dict[str, Any]:
        """Return settings of the likelihood by name: dequantisation, draws, temperatures."""
        ...


@runtime_checkable
class EnergyNet(Protocol):
    """A network with an unknown normalising constant, which the buffer `log_z` holds."""

    log_z: Tensor

    def estimate_log_z(self, generator: torch.Generator) -> None:
        """Set `log_z` to a new estimate."""
        ...


@runtime_checkable
class Diagnosed(Protocol):
    """A network that measures its own health."""

    def diagnostics(self, x: Tensor, generator: torch.Generator) -> dict[str, float]:
        """Return metrics for the doctor, measured on training examples `x`."""
        ...


@runtime_checkable
class Completes(Protocol):
    """A network that completes partly known images."""

    def complete(self, x: Tensor, known: Tensor, z: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return `x` `[B, C, H, W]` with new pixels where `known` `[H, W]` is False, and their log-probability `[B]`.

        The log-probability, in nats, is that of the new pixels given the known ones.
        """
        ...

    def completes_exactly(self, known: Tensor) -> bool:
        """Return True where `complete` gives the exact log P(hole | known) for this mask."""
        ...


class Conditional(NamedTuple):
    """What a coder needs of one step: which pixels come next, and their distribution given all before."""

    place: tuple[Any, ...]
    """Index of these pixels in images `[B, C, H, W]`; it gives `[B]` or `[B, h, w]`."""
    probabilities: Tensor
    """Probabilities of the values, float64, `[B, V]` or `[B, h, w, V]`."""


@runtime_checkable
class Codes(Protocol):
    """A network that gives the distribution of one value after another, as a lossless code needs."""

    def conditionals(self, batch: int, y: Tensor | None = None) -> Generator[Conditional, Tensor, None]:
        """Yield the distribution of one value, or of several, after another; receive them as numbers of the V values.

        They are int64 `[batch, ...]`, in ascending order of the values.
        """
        ...


def is_exact(net: object) -> bool:
    """Return whether `log_prob` of a density network is exact."""
    return not isinstance(net, Estimates) or net.exact
