"""A saved generator: noise and labels in, samples out, on any machine."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparring.engine.errors import UsageError, did_you_mean
from sparring.engine.seeds import mix
from sparring.models.capabilities import capabilities_of
from sparring.models.saved import save_model
from sparring.recipes.recipe import GANRecipe, GeneratorRecipe

CHUNK_SAMPLES = 32
"""Samples in each forward pass, padded at the end: the rounding of a kernel depends on the size of the batch."""
KEPT_VECTORS = 256
"""Vectors of training examples, at most, that are saved with a model: samples are conditioned on one of them."""
Label = int | tuple[float, ...]
"""The number of a class, or a vector."""


@dataclass
class GeneratorModel:
    """A generator with all that sampling needs; it has the capability `Sampler`."""

    generator: nn.Module
    spec: Any
    """`DataSpec` of the data it was trained on."""
    recipe: GeneratorRecipe
    counts: tuple[int, ...] = ()
    """Labelled training examples of each class: labels are drawn in this proportion. 1 for each cluster."""
    vectors: tuple[tuple[float, ...], ...] = ()
    """Vectors of training examples, from which the conditions of samples are drawn."""
    truncation: float | None = None
    """Noise is drawn from a normal distribution cut off at -T and T; None: not cut off."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Other fields of `generator.json`: seed, data, version."""

    @property
    def latent_dim(self) -> int:
        """Dimension of the noise: the generator's own where it knows one, of series of any length."""
        recipe = self.recipe
        if own := getattr(self.generator, "latent_dim", None):
            return int(own)
        dim: int = recipe.latent_dim if isinstance(recipe, GANRecipe) else self.generator.latent_dim  # type: ignore[assignment]
        return dim

    @property
    def chunk_samples(self) -> int:
        """Samples in each forward pass."""
        return CHUNK_SAMPLES

    @property
    def conditional(self) -> bool:
        """True where the generator takes labels or vectors."""
        return bool(self.vectors) or self.recipe.classes(self.spec) > 0

    def save(self, folder: str | Path, **metadata: Any) -> None:
        """Write `generator.safetensors` and `generator.json`, with further `metadata`, into `folder`."""
        counts = {"class_counts": self.counts} | ({"vectors": self.vectors} if self.vectors else {})
        save_model(
            folder, "generator", self.generator.state_dict(), spec=self.spec, recipe=self.recipe,
            capabilities=capabilities_of(self), metadata={**counts, **self.metadata, **metadata},
        )  # fmt: skip

    def samples(self, n: int, seed: int = 0, label: Label | None = None) -> Iterator[NDArray[Any]]:
        """Yield `n` samples as stored rows, in chunks; sample k depends on (seed, k) and the label alone."""
        for first in range(0, n, self.chunk_samples):
            z, y = self.draw_inputs(range(first, first + self.chunk_samples), seed, label)
            yield self.spec.decode(self.generate(z, y))[: n - first]

    def draw_inputs(self, numbers: range, seed: int, label: Label | None = None) -> tuple[Tensor, Tensor]:
        """Draw noise `[B, latent_dim]` and labels `[B]` (or vectors `[B, K]`) for the samples of these numbers."""
        noise: list[Tensor] = []
        labels: list[Label] = []
        for k in numbers:
            generator = torch.Generator().manual_seed(mix(seed, k))
            z = torch.randn(self.latent_dim, generator=generator)
            noise.append(z if self.truncation is None else truncated(z, self.truncation))
            sampled: Label = -1
            if self.vectors:
                sampled = self.vectors[int(torch.randint(len(self.vectors), (1,), generator=generator))]
            elif self.conditional and any(self.counts):
                weights = torch.tensor(self.counts, dtype=torch.float64)
                sampled = int(torch.multinomial(weights, 1, generator=generator))
            labels.append(sampled if label is None else label)
        return torch.stack(noise), torch.tensor(labels)

    @torch.no_grad()
    def generate(self, z: Tensor, y: Tensor) -> Tensor:
        """Generate examples `[B, *spec.shape]`, float32, from noise and labels, on the generator's device."""
        device = next(chain(self.generator.parameters(), self.generator.buffers())).device
        z, y = z.to(device), y.to(device)
        x: Tensor = self.generator(z, y) if self.conditional else self.generator(z)
        return x.float()

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the classes; clusters have numbers for names."""
        clusters = len(self.spec.classes) != len(self.counts)
        return tuple(str(k) for k in range(len(self.counts))) if clusters else tuple(self.spec.classes)

    def names_of(self, y: Tensor) -> list[str]:
        """Return the name of the class of each sample with labels `y` `[B]`; an empty text where it has none."""
        if not self.conditional or self.vectors:
            return [""] * len(y)
        return [self.label_names[k] if k >= 0 else "" for k in y.tolist()]

    def label(self, name: str | int) -> Label:
        """Return the number of a class by its name, or the vector of numbers "0.2,1"; raise UsageError on others."""
        name = str(name)
        if self.vectors:
            return _vector(name, len(self.vectors[0]))
        if not self.conditional:
            raise UsageError("this generator was trained without labels: leave --label out")
        names = self.label_names
        if name in names:
            return names.index(name)
        raise UsageError(f"unknown label '{name}': {did_you_mean(name, names)}")


def _vector(text: str, length: int) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != length or not all(map(math.isfinite, numbers)):
        raise UsageError(
            f"--label {text}: this generator takes vectors of {length} number{'s' * (length > 1)}: "
            f"write, for example, {','.join(['0.5'] * min(length, 3)) + ',...' * (length > 3)}"
        )
    return numbers


def kept_vectors(vectors: NDArray[np.float32] | None) -> tuple[tuple[float, ...], ...]:
    """Return up to 256 of the vectors `[N, K]`, a fixed random subset, to six digits; none for None."""
    if vectors is None:
        return ()
    subset = np.random.default_rng(0).permutation(len(vectors))[:KEPT_VECTORS]
    return tuple(tuple(float(f"{value:.6g}") for value in row) for row in vectors[subset].tolist())


def truncated(z: Tensor, limit: float) -> Tensor:
    """Map normal noise `z` to the normal distribution cut off at +-`limit` (Brock et al. 2019, section 3.1).

    The distribution is that of redrawing all values outside, but computed by its inverse, so that each value keeps its
    rank: sample k stays the same sample at every truncation, more typical the smaller that is.
    """
    inside = math.erf(limit / math.sqrt(2))
    within = torch.erfinv(torch.erf(z.double() / math.sqrt(2)) * inside) * math.sqrt(2)
    return within.clamp(-limit, limit).to(z.dtype)
