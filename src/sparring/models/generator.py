"""A trained generator as a thing of its own: noise and labels in, pictures out, on any machine."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparring.engine.data_spec import ImageSpec
from sparring.engine.errors import SparringError, UsageError, did_you_mean
from sparring.engine.image_io import to_uint8
from sparring.engine.run_folder import Run, read_shared
from sparring.engine.seeds import mix
from sparring.nets.batchnorm_stats import batch_norms, estimate_batchnorm_stats
from sparring.recipes import recipe_class
from sparring.recipes.recipe import GeneratorRecipe, from_settings, to_settings

CHUNK = 32
"""Samples are made in batches of just so many, padded at the end: a kernel's rounding depends on the batch's size."""
KEPT = 256
"""Vectors of training images, at most, that go with a model: its samples are told one of them."""
Label = int | tuple[float, ...]
"""The number of a class, or a vector."""
STANDING, STANDING_SIZE = 16, 64
"""Batches, and samples in each, that batch normalisation takes its means and variances from."""


@dataclass
class GeneratorModel:
    """A generator with all that sampling needs."""

    generator: nn.Module
    spec: ImageSpec
    latent_dim: int
    conditional: bool
    counts: tuple[int, ...]
    """Labelled training images of each class, in whose proportion labels are drawn; of clusters, one each."""
    truncation: float | None = None
    """Noise is drawn from a normal distribution cut off at -T and T; None: not cut off."""
    vectors: tuple[tuple[float, ...], ...] = ()
    """Where samples are told vectors: those that are drawn from."""

    def samples(self, count: int, seed: int = 0, label: Label | None = None) -> Iterator[NDArray[np.uint8]]:
        """`count` samples, uint8 `[<=32, H, W, C]` at a time; sample k depends on (seed, k) and the label alone."""
        for first in range(0, count, CHUNK):
            yield to_uint8(self.generate(*self.draw_inputs(range(first, first + CHUNK), seed, label)))[: count - first]

    def draw_inputs(self, numbers: range, seed: int, label: Label | None = None) -> tuple[Tensor, Tensor]:
        """Noise `[B, latents]` and labels `[B]` (or vectors `[B, K]`) of the samples of these numbers."""
        noise: list[Tensor] = []
        labels: list[Label] = []
        for k in numbers:
            generator = torch.Generator().manual_seed(mix(seed, k))
            z = torch.randn(self.latent_dim, generator=generator)
            noise.append(z if self.truncation is None else truncated(z, self.truncation))
            drawn: Label = -1
            if self.vectors:
                drawn = self.vectors[int(torch.randint(len(self.vectors), (1,), generator=generator))]
            elif self.conditional and any(self.counts):
                weights = torch.tensor(self.counts, dtype=torch.float64)
                drawn = int(torch.multinomial(weights, 1, generator=generator))
            labels.append(drawn if label is None else label)
        return torch.stack(noise), torch.tensor(labels)

    @torch.no_grad()
    def generate(self, z: Tensor, y: Tensor) -> Tensor:
        """Images `[B, C, H, W]` in [-1, 1] out of noise and labels, float32, on the generator's device."""
        device = next(self.generator.parameters()).device
        z, y = z.to(device), y.to(device)
        images: Tensor = self.generator(z, y) if self.conditional else self.generator(z)
        return images.float()

    def label(self, name: str | int) -> Label:
        """The number of a class by its name or number, or a vector by its numbers ("0.2,1"); raises UsageError on others."""
        name = str(name)
        if self.vectors:
            return _vector(name, len(self.vectors[0]))
        if not self.conditional:
            raise UsageError("this generator was trained without labels: it cannot be asked for a class")
        clusters = len(self.spec.classes) != len(self.counts)  # these have numbers for names
        names = tuple(str(k) for k in range(len(self.counts))) if clusters else self.spec.classes
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
            f"--label {text}: this generator is told vectors of {length} number{'s' * (length > 1)}, "
            f"write {','.join(['0.5'] * min(length, 3)) + ',...' * (length > 3)} say"
        )
    return numbers


def kept_vectors(vectors: NDArray[np.float32] | None) -> tuple[tuple[float, ...], ...]:
    """Up to 256 of the vectors `[N, K]`, drawn once and for all, to six digits; none of None."""
    if vectors is None:
        return ()
    some = np.random.default_rng(0).permutation(len(vectors))[:KEPT]
    return tuple(tuple(float(f"{value:.6g}") for value in row) for row in vectors[some].tolist())


def truncated(z: Tensor, most: float) -> Tensor:
    """Normal noise `z` as noise of the normal distribution that is cut off at +-`most` (Brock et al. 2019, section 3.1).

    The law is that of drawing anew whatever lies outside, but by its inverse: each number keeps its rank. So sample k is
    the same thought at every truncation, more ordinary the smaller that is, and no draw is repeated.
    """
    share = math.erf(most / math.sqrt(2))
    within = torch.erfinv(torch.erf(z.double() / math.sqrt(2)) * share) * math.sqrt(2)
    return within.clamp(-most, most).to(z.dtype)


def generator_metadata(
    recipe: GeneratorRecipe, spec: ImageSpec, counts: tuple[int, ...], **about: Any
) -> dict[str, Any]:
    """What model.json tells: all that `load_model` needs, and what people ask of a model."""
    return {
        "recipe": recipe.name,
        "settings": to_settings(recipe),
        "spec": asdict(spec),
        "class_counts": counts,
        **about,
    }


def load_generator(
    path: str | Path,
    generator: nn.Module | None = None,
    *,
    checkpoint: str | int | None = None,
    raw: bool = False,
    truncation: float | None = None,
) -> GeneratorModel:
    """The shared model at `path` (a run folder or its files), in eval mode on the CPU.

    A run folder's `checkpoint` ("best", "last" or its image) gives the weights it had then; `raw` those that played, in
    place of their average. A run of networks of one's own needs the `generator` that was trained. No pickle is read.
    `truncation` cuts the noise off at -T and T, in (0, 10], for recipes that were made for it: with 2 samples lose
    little variety, with 0.5 each is more typical of its class and all are more alike. The batch normalisation of such a
    recipe takes its statistics anew, at this truncation, from fixed noise.
    Raises SparringError where the files are damaged, of another version, do not fit, or are not there.
    """
    tensors, told = read_shared(path)
    if checkpoint is not None or raw:
        folder = Path(path) if Path(path).is_dir() else Path(path).parent
        tensors = Run(folder).weights("last" if checkpoint is None else checkpoint, raw=raw)
    try:
        recipe = from_settings(recipe_class(told["recipe"]), told["settings"])
        spec = ImageSpec(**told["spec"])
        counts = tuple(told["class_counts"])
        vectors = tuple(tuple(map(float, row)) for row in told.get("vectors", ()))
        own = told["own_nets"]
    except (KeyError, TypeError, ValueError) as error:
        raise SparringError(
            f"{path}: model.json lacks or misnames {error}: it was written by another version of Sparring"
        ) from error
    check_truncation(truncation, recipe)
    if generator is None:
        if own:
            raise UsageError(
                f"{path} was trained with networks of your own: load_model(path, generator=...) needs them"
            )
        generator = recipe.nets(spec)["generator"]
    try:
        generator.load_state_dict(tensors)
    except RuntimeError as error:
        raise SparringError(
            f"{path}: the weights do not fit the generator that model.json describes: {error}"
        ) from error
    model = GeneratorModel(
        generator.eval().requires_grad_(False),
        spec,
        recipe.latent_dim,
        recipe.classes(spec) > 0 or bool(vectors),
        counts,
        truncation,
        vectors,
    )
    if recipe.truncates and batch_norms(generator):
        _settle(model)
    return model


def check_truncation(truncation: float | None, recipe: GeneratorRecipe) -> None:
    """Raise UsageError where noise cannot be cut off there, or the recipe was not made for it."""
    if truncation is None:
        return
    if not recipe.truncates:
        raise UsageError(
            f"{recipe.name} was not trained for truncation: leave --truncation out, or train with --recipe biggan or s3gan"
        )
    if not isinstance(truncation, int | float) or not 0 < truncation <= 10:
        raise UsageError(f"--truncation must be above 0 and at most 10, not {truncation!r}")


def _settle(model: GeneratorModel) -> None:
    """Standing statistics at the model's truncation: samples then depend on no batch, and are the same every time."""
    numbers = (range(first, first + STANDING_SIZE) for first in range(0, STANDING * STANDING_SIZE, STANDING_SIZE))
    batches = (model.draw_inputs(of_batch, seed=mix(STANDING)) for of_batch in numbers)
    estimate_batchnorm_stats(model.generator, (batch if model.conditional else batch[:1] for batch in batches))
