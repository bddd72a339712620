"""Pairs whose one half is given: labels and shared noise that give halves like it, and new private noise.

Both are inferred from the generator alone, by simulation (Marin et al. 2012, "Approximate Bayesian computational
methods", Algorithm 2). Pairs are generated, and a kernel recogniser of their halves names the class of the given one.
The shared noise is that of the pairs of this class whose halves are nearest to it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from sparring.engine.data_spec import PairSpec
from sparring.engine.errors import UsageError
from sparring.engine.pair_spec import HALVES
from sparring.engine.seeds import mix
from sparring.measure.kinds.recogniser import recogniser
from sparring.models.generator import GeneratorModel, Label
from sparring.nets.pair_gan import PairGenerator
from sparring.nets.sound_gan import SoundGenerator

SIMULATED = 2000
"""Pairs that are generated to learn from."""
NEAREST = 16
"""Of these, pairs whose shared noise is used."""
SIDE = 16
"""Largest height and width of the pictures by which halves are compared."""


@dataclass
class GivenHalf(GeneratorModel):
    """A generator of pairs of which one half is given."""

    half: int = 0
    """Number of the given half."""
    row: NDArray[Any] = field(default_factory=lambda: np.zeros(0))
    """The given half as a stored row `[1, ...]`."""
    shared: Tensor = field(default_factory=lambda: torch.zeros(0))
    """Shared noise to choose from, `[K, shared]`."""
    inferred: int = -1
    """Class of the given half; -1 of a generator without classes."""

    def draw_inputs(self, numbers: range, seed: int, label: Label | None = None) -> tuple[Tensor, Tensor]:
        """Draw private noise; take shared noise and class from what was inferred."""
        z, y = super().draw_inputs(numbers, seed, self.inferred if self.conditional else label)
        picked = [int(np.random.default_rng(mix(seed, k)).integers(len(self.shared))) for k in numbers]
        z[:, : self.shared.shape[1]] = self.shared[picked]
        return z, y

    def samples(self, n: int, seed: int = 0, label: Label | None = None) -> Iterator[NDArray[Any]]:
        """Yield `n` pairs of the given half and a generated one, in chunks."""
        for rows in super().samples(n, seed, label):
            rows[HALVES[self.half]] = self.row
            yield rows


@dataclass(frozen=True)
class HalfInference:
    """Labels and shared noise of a generator of pairs, inferred from one of its halves."""

    model: GeneratorModel
    half: int
    z: Tensor
    """Noise of the simulated pairs."""
    y: Tensor
    features: NDArray[np.float64]
    """Coarse pictures of their halves, `[N, F]`."""
    recognise: Callable[[NDArray[np.float64]], NDArray[np.int64]] | None
    """Map of such pictures to classes; None of a generator without classes."""

    @classmethod
    def fit(cls, model: GeneratorModel, half: int) -> HalfInference:
        """Simulate pairs; raise UsageError for another generator than one of pairs."""
        if not isinstance(model.spec, PairSpec) or not isinstance(net := model.generator, PairGenerator):
            raise UsageError(f"a given half is for generators of pairs, this one generates {model.spec.plural}")
        z, y = model.draw_inputs(range(SIMULATED), seed=mix(SIMULATED))
        own = copy.deepcopy(net.halves[half]).train()  # sounds are compared as pictures, which need no synthesis
        first = net.shared + half * net.private
        inputs = torch.cat([z[:, : net.shared], z[:, first : first + net.private]], 1)
        with torch.no_grad():
            parts = zip(inputs.split(100), y.split(100), strict=True)  # type: ignore[no-untyped-call]
            pictures = [own(part, of) if model.conditional else own(part) for part, of in parts]
        features = np.concatenate([_coarse(chunk) for chunk in pictures])
        recognise = recogniser(features, y.numpy(), len(model.label_names)) if model.conditional else None
        return cls(model, half, z, y, features, recognise)

    def of(self, row: NDArray[Any]) -> GivenHalf:
        """Return the generator of pairs with this half, a stored row `[1, ...]`."""
        net: Any = self.model.generator
        x = self.model.spec.halves[self.half].encode(row)
        own = net.halves[self.half]
        point = _coarse(own.codec.encode(x) if isinstance(own, SoundGenerator) else x)
        label, candidates = -1, np.arange(len(self.z))
        if self.recognise is not None:
            label = int(self.recognise(point)[0])
            candidates = np.flatnonzero(self.y.numpy() == label)
        distances = np.square(self.features[candidates] - point).sum(1)
        nearest = candidates[np.argsort(distances, kind="stable")[:NEAREST]]
        values = {each.name: getattr(self.model, each.name) for each in fields(self.model)}
        return GivenHalf(**values, half=self.half, row=row, shared=self.z[nearest, : net.shared], inferred=label)


def _coarse(x: Tensor) -> NDArray[np.float64]:
    """Return pictures `[B, C, H, W]` averaged to at most SIDE x SIDE cells, `[B, F]`."""
    height, width = (min(side, SIDE) for side in x.shape[2:])
    pooled: NDArray[np.float64] = adaptive_avg_pool2d(x.float(), (height, width)).flatten(1).double().numpy()
    return pooled
