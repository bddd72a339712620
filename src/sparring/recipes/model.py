"""A trained generator as a thing of its own: noise and labels in, pictures out, on any machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparring.engine.errors import SparringError, UsageError, nearest
from sparring.engine.pictures import to_bytes
from sparring.engine.run import Run, read_model
from sparring.engine.seeds import mix
from sparring.engine.spec import Spec
from sparring.recipes import recipe_class
from sparring.recipes.recipe import Recipe, from_settings, to_settings

CHUNK = 32
"""Samples are made in batches of just so many, padded at the end: a kernel's rounding depends on the batch's size."""


@dataclass
class Model:
    """A generator with all that sampling needs."""

    generator: nn.Module
    spec: Spec
    latents: int
    conditional: bool
    counts: tuple[int, ...]
    """Training images of each class: labels are drawn in their proportion."""

    def samples(self, count: int, seed: int = 0, label: int | None = None) -> Iterator[NDArray[np.uint8]]:
        """`count` samples, uint8 `[<=32, H, W, C]` at a time; sample k depends on (seed, k) and the label alone."""
        for first in range(0, count, CHUNK):
            yield to_bytes(self.generate(*self.latents_of(range(first, first + CHUNK), seed, label)))[: count - first]

    def latents_of(self, numbers: range, seed: int, label: int | None = None) -> tuple[Tensor, Tensor]:
        """Noise `[B, latents]` and labels `[B]` of the samples of these numbers."""
        noise, labels = [], []
        for k in numbers:
            generator = torch.Generator().manual_seed(mix(seed, k))
            noise.append(torch.randn(self.latents, generator=generator))
            drawn = -1
            if self.conditional and any(self.counts):
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

    def label(self, name: str) -> int:
        """The number of a class by its name or number; raises UsageError on an unknown one."""
        if not self.conditional:
            raise UsageError("this generator was trained without labels: it cannot be asked for a class")
        if name in self.spec.classes:
            return self.spec.classes.index(name)
        raise UsageError(f"unknown label '{name}': {nearest(name, self.spec.classes)}")


def card(recipe: Recipe, spec: Spec, counts: tuple[int, ...], **about: Any) -> dict[str, Any]:
    """What model.json tells: all that `load_model` needs, and what people ask of a model."""
    return {
        "recipe": recipe.name,
        "settings": to_settings(recipe),
        "spec": asdict(spec),
        "class_counts": counts,
        **about,
    }


def load_model(
    path: str | Path,
    generator: nn.Module | None = None,
    *,
    checkpoint: str | int | None = None,
    raw: bool = False,
) -> Model:
    """The shared model at `path` (a run folder or its files), in eval mode on the CPU.

    A run folder's `checkpoint` ("best", "last" or its image) gives the weights it had then; `raw` those that played, in
    place of their average. A run of networks of one's own needs the `generator` that was trained. No pickle is read.
    Raises SparringError where the files are damaged, of another version, do not fit, or are not there.
    """
    tensors, told = read_model(path)
    if checkpoint is not None or raw:
        folder = Path(path) if Path(path).is_dir() else Path(path).parent
        tensors = Run(folder).weights("last" if checkpoint is None else checkpoint, raw=raw)
    try:
        recipe = from_settings(recipe_class(told["recipe"]), told["settings"])
        spec = Spec(**{**told["spec"], "classes": tuple(told["spec"]["classes"])})
        counts = tuple(told["class_counts"])
        own = told["own_nets"]
    except (KeyError, TypeError) as error:
        raise SparringError(
            f"{path}: model.json lacks or misnames {error}: it was written by another version of Sparring"
        ) from error
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
    return Model(generator.eval().requires_grad_(False), spec, recipe.latents, recipe.conditional(spec), counts)
