"""Load a saved generator, of a GAN or of a density model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from sparring.engine.errors import UsageError
from sparring.engine.run_folder import Run
from sparring.engine.seeds import mix
from sparring.models.density import ClassDensityModel, DensityModel
from sparring.models.generator import GeneratorModel
from sparring.models.saved import model_folder, read_model
from sparring.nets.batchnorm_stats import batch_norms, estimate_batchnorm_stats
from sparring.nets.density_net import DensityNet
from sparring.recipes.recipe import GeneratorRecipe

STANDING_BATCHES, STANDING_SAMPLES = 16, 64
"""Batches, and samples in each, from which batch normalisation takes its means and variances."""


def generator_model(
    net: nn.Module,
    spec: Any,
    recipe: GeneratorRecipe,
    counts: tuple[int, ...] = (),
    vectors: tuple[tuple[float, ...], ...] = (),
    truncation: float | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> GeneratorModel:
    """Return the model of a generator; a density model where the network knows log p(x)."""
    metadata = dict(metadata or {})
    if not isinstance(net, DensityNet):
        return GeneratorModel(net, spec, recipe, counts, vectors, truncation, metadata)
    held_out = tuple(map(float, metadata.pop("held_out", ())))
    kind = ClassDensityModel if recipe.classes(spec) else DensityModel
    return kind(net, spec, recipe, counts, vectors, truncation, metadata, held_out)


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
        tensors = Run(model_folder(path)).weights("last" if checkpoint is None else checkpoint, raw=raw)
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
    model = generator_model(generator, saved.spec, recipe, counts, vectors, truncation, metadata)
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
