"""A saved density model: a generator that also assigns log p(x) to examples."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import singledispatch
from pathlib import Path
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

from sparring.engine.data_spec import DataSpec, ImageSpec
from sparring.engine.errors import UsageError
from sparring.engine.seeds import mix
from sparring.games.likelihood import binarise
from sparring.models.answers import Answers
from sparring.models.generator import GeneratorModel
from sparring.models.inputs import to_input

CHUNK_ROWS = 100
BINARISATION_SEED = 2014
"""Seed by which grey images are made binary for evaluation, once and for all: row k depends on (seed, k) alone."""
UNLIKELY = 0.005
"""p-value below which an example belongs to none of the classes."""


class Unit(NamedTuple):
    """Unit in which a negative log-likelihood is given."""

    name: str
    nats: float
    """Nats in one unit."""


@singledispatch
def unit_of(spec: DataSpec, *, binary: bool = False) -> Unit:
    """Return the customary unit: bits per dimension of images of bytes, else nats per example."""
    return Unit("nats", 1.0)


@unit_of.register
def _(spec: ImageSpec, *, binary: bool = False) -> Unit:
    return Unit("nats", 1.0) if binary else Unit("bits/dim", math.prod(spec.shape) * math.log(2))


@dataclass
class DensityModel(GeneratorModel):
    """A density network with all that its answers need; capabilities `Sampler`, `Density` and `Encoder`."""

    held_out: tuple[float, ...] = ()
    """Log-densities of held-out examples, or of training examples where none are held out, in nats."""

    @property
    def chunk_samples(self) -> int:
        """Samples in each call of the network: sampling pixel after pixel costs little more for many."""
        return 64

    @property
    def binary(self) -> bool:
        """True where the model is of binary images."""
        return bool(getattr(self.recipe, "sees_binary", False))

    @property
    def unit(self) -> Unit:
        """Unit of the negative log-likelihood."""
        return unit_of(self.spec, binary=self.binary)

    def save(self, folder: str | Path, **metadata: Any) -> None:
        """Write the files of a generator, with the log-densities of held-out examples to six digits."""
        held_out = [float(f"{value:.6g}") for value in self.held_out]
        super().save(folder, held_out=held_out, **metadata)

    def observe(self, x: Tensor, numbers: Iterable[int] | None = None) -> Tensor:
        """Return network input `[B, *shape]` as the network sees it: binary images of grey ones, drawn by a fixed seed.

        `numbers` are those of the rows in their source, from 0 by default. Binary images stay what they are.
        """
        if not self.binary:
            return x
        numbers = range(len(x)) if numbers is None else numbers
        generators = (torch.Generator().manual_seed(mix(BINARISATION_SEED, int(k))) for k in numbers)
        return binarise(x, torch.stack([torch.rand(x.shape[1:], generator=g) for g in generators]).to(x))

    @torch.no_grad()
    def log_density(self, x: Tensor, first: int = 0) -> Tensor:
        """Return log p(x) `[B]`, float64, in nats, of network input `[B, *spec.shape]`.

        A model with classes sums over them: log of the sum of p(y) p(x | y). `first` is the number of the first row in
        its source.
        """
        return self._joint(x, first).logsumexp(1)

    def _joint(self, x: Tensor, first: int) -> Tensor:
        """Return log p(x, y) `[B, K]`, float64; K is 1 without classes."""
        if tuple(x.shape[1:]) != self.spec.shape:
            raise UsageError(f"the rows are {list(x.shape[1:])}, this model was trained on {list(self.spec.shape)}")
        device = next(self.generator.parameters()).device
        chunks = [torch.zeros(0, max(len(self.counts), 1) if self.conditional else 1, dtype=torch.float64)]
        for start in range(0, len(x), CHUNK_ROWS):
            rows = x[start : start + CHUNK_ROWS]
            rows = self.observe(rows, range(first + start, first + start + len(rows))).to(device)
            chunks.append(torch.stack([self._log_prob(rows, k) for k in range(chunks[0].shape[1])], 1).cpu())
        return torch.cat(chunks)

    def _log_prob(self, rows: Tensor, k: int) -> Tensor:
        """Return log p(x, y = k) `[B]`, float64."""
        net: Any = self.generator
        if not self.conditional:
            return Tensor(net.log_prob(rows).double())
        y = torch.full((len(rows),), k, device=rows.device)
        prior = math.log(max(self.counts[k], 0.5) / max(sum(self.counts), 1))
        return Tensor(net.log_prob(rows, y).double() + prior)

    @torch.no_grad()
    def encode(self, rows: NDArray[Any] | Tensor) -> Tensor:
        """Return features `[N, F]`, float32, of rows `[N, ...]` that `models.inputs.to_input` takes."""
        net: Any = self.generator
        x = self.observe(to_input(self.spec, rows))
        return torch.cat([net.encode(chunk).float() for chunk in torch.split(x, CHUNK_ROWS)])

    # against held-out examples

    @property
    def typical(self) -> float:
        """Mean log-density of held-out examples, minus the entropy where the model is right."""
        return math.fsum(self.held_out) / max(len(self.held_out), 1)

    def typicality(self, log_density: Tensor) -> Tensor:
        """Return how far log-densities `[B]` are from the held-out mean, in the unit of the model; 0 is typical."""
        return (log_density - self.typical).abs() / self.unit.nats

    def p_values(self, log_density: Tensor) -> Tensor:
        """Return the proportion of held-out examples at least as untypical, `[B]`, the row itself counted."""
        known = self.typicality(torch.tensor(self.held_out, dtype=torch.float64)).sort().values
        as_far = len(known) - torch.searchsorted(known, self.typicality(log_density).double())
        return (1 + as_far) / (1 + len(known))


class ClassDensityModel(DensityModel):
    """A class-conditional density model: a Bayes classifier, with the further capability `Predictor`."""

    def predict(self, rows: NDArray[Any] | Tensor) -> Answers:
        """Return the class of the highest p(y) p(x | y) for each of the rows `[N, ...]`.

        "None of these" are rows that are less typical than all but 0.5 % of held-out examples.
        """
        return self.answers(to_input(self.spec, rows))

    @torch.no_grad()
    def answers(self, x: Tensor, first: int = 0) -> Answers:
        """Return the same of network input `[N, *spec.shape]`; `first` is the number of the first row in its source."""
        joint = self._joint(x, first)
        p_values = self.p_values(joint.logsumexp(1))
        return Answers(self.label_names, joint.softmax(1).float(), p_values < UNLIKELY, p_values.float())
