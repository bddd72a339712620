"""A saved generator: noise and labels in, samples out, on any machine."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparring.engine.errors import UsageError, did_you_mean
from sparring.engine.run_folder import Run
from sparring.engine.seeds import mix
from sparring.models.capabilities import capabilities_of
from sparring.models.saved import read_model, save_model
from sparring.nets.batchnorm_stats import batch_norms, estimate_batchnorm_stats
from sparring.recipes.recipe import GeneratorRecipe

CHUNK_SAMPLES = 32
"""Samples in each forward pass, padded at the end: the rounding of a kernel depends on the size of the batch."""
KEPT_VECTORS = 256
"""Vectors of training examples, at most, that are saved with a model: samples are conditioned on one of them."""
Label = int | tuple[float, ...]
"""The number of a class, or a vector."""
STANDING_BATCHES, STANDING_SAMPLES = 16, 64
"""Batches, and samples in each, from which batch normalisation takes its means and variances."""


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
        """Dimension of the noise."""
        return self.recipe.latent_dim

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
        """Yield `n` samples as stored rows, up to 32 at a time; sample k depends on (seed, k) and the label alone."""
        for first in range(0, n, CHUNK_SAMPLES):
            z, y = self.draw_inputs(range(first, first + CHUNK_SAMPLES), seed, label)
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
        device = next(self.generator.parameters()).device
        z, y = z.to(device), y.to(device)
        x: Tensor = self.generator(z, y) if self.conditional else self.generator(z)
        return x.float()

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the classes; clusters have numbers for names."""
        clusters = len(self.spec.classes) != len(self.counts)
        return tuple(str(k) for k in range(len(self.counts))) if clusters else tuple(self.spec.classes)

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


def load_generator(
    path: str | Path,
    generator: nn.Module | None = None,
    *,
    checkpoint: str | int | None = None,
    raw: bool = False,
    truncation: float | None = None,
) -> GeneratorModel:
    """Return the saved generator at `path` (a run folder or one of its two files), in eval mode on the CPU.

    `checkpoint` ("best", "last" or its image) takes the weights of that checkpoint of a run; `raw` those without
    averaging. A run of custom networks needs the `generator` that was trained. `truncation` cuts the noise off at -T
    and T, in (0, 10], for recipes that were made for it: smaller values give more typical, less varied samples. The
    batch normalisation of such a recipe then takes its statistics from fixed noise at this truncation. Raises
    UsageError where there is no such model, SparringError where its files are damaged or do not fit.
    """
    saved = read_model(path, "generator")
    recipe, tensors, metadata = saved.recipe, saved.tensors, dict(saved.metadata)
    check_truncation(truncation, recipe)
    if checkpoint is not None or raw:
        folder = Path(path) if Path(path).is_dir() else Path(path).parent
        tensors = Run(folder).weights("last" if checkpoint is None else checkpoint, raw=raw)
    try:
        counts = tuple(metadata.pop("class_counts"))
        vectors = tuple(tuple(map(float, vector)) for vector in metadata.pop("vectors", ()))
        custom = metadata["custom_nets"]
    except (KeyError, TypeError, ValueError) as error:
        raise saved.damaged(error) from error
    if generator is None:
        if custom:
            raise UsageError(f"{path} was trained with custom networks: load(path, net=...) needs the generator")
        generator = recipe.nets(saved.spec)["generator"]
    try:
        generator.load_state_dict(tensors)
    except RuntimeError as error:
        raise saved.damaged(error) from error
    generator.eval().requires_grad_(False)
    model = GeneratorModel(generator, saved.spec, recipe, counts, vectors, truncation, metadata)
    if recipe.truncates and batch_norms(generator):
        _estimate_stats(model)
    return model


def check_truncation(truncation: float | None, recipe: GeneratorRecipe) -> None:
    """Raise UsageError where noise cannot be cut off there, or the recipe was not made for it."""
    if truncation is None:
        return
    if not recipe.truncates:
        raise UsageError(
            f"{recipe.name} was not trained for truncation: leave --truncation out, "
            "or train with --recipe biggan or s3gan"
        )
    if not isinstance(truncation, int | float) or not 0 < truncation <= 10:
        raise UsageError(f"--truncation must be above 0 and at most 10, not {truncation!r}")


def _estimate_stats(model: GeneratorModel) -> None:
    """Set batch normalisation's statistics at the model's truncation: no sample then depends on its batch."""
    size = STANDING_SAMPLES
    numbers = (range(first, first + size) for first in range(0, STANDING_BATCHES * size, size))
    batches = (model.draw_inputs(batch, seed=mix(STANDING_BATCHES)) for batch in numbers)
    estimate_batchnorm_stats(model.generator, (batch if model.conditional else batch[:1] for batch in batches))
