"""Explain a generator: find directions of its latent, write sentences, test them on fresh latents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparring.commands.reporting.progress import Progress
from sparring.engine.device import Hardware
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.safetensors_io import digest
from sparring.engine.seeds import mix
from sparring.measure.effects import directions as finders
from sparring.measure.effects.chance import RandomDirections
from sparring.measure.effects.directions import Direction
from sparring.measure.effects.effects import Effects, Handle, measure_effects
from sparring.measure.effects.latents import Latents, in_chunks, layers_of
from sparring.measure.effects.path_length import path_length
from sparring.measure.effects.readings import Readings
from sparring.models.density import DensityModel
from sparring.models.generator import GeneratorModel
from sparring.nets.table_gan import TableGenerator
from sparring.recipes.fitted import FittedRecipe
from sparring.stats.intervals import Interval

FIT_SAMPLES = 3_000
"""Samples by which readings are standardised and directions found."""
RANDOM_LATENTS = 64
"""Latents from which the sentences of random directions are written, and others on which they are tested."""
DIRECTIONS = 200
"""Random directions."""
FIT, FRESH, SHOWN, ENDS = 1, 2, 3, 4
"""Streams of latents."""
SHOWN_SAMPLES = 8
SHOWN_STEP = 2.0
"""Step of the pictures, in standard deviations."""

Finder = Callable[[GeneratorModel, Latents, Tensor, Tensor, int], list[Direction]]
"""Map of a model, latents, their examples, their standardised readings, and a count to directions."""


def _sefa(model: GeneratorModel, latents: Latents, examples: Tensor, readings: Tensor, count: int) -> list[Direction]:
    few = latents[:4]
    layers = layers_of(model.generator, lambda each: model.generate(each.z, each.y), few)
    if not layers:
        raise UsageError("no linear layer reads the latent unchanged, as sefa needs: take --finder regression")
    return finders.sefa(layers, latents.z.shape[1], count)


FINDERS: dict[str, Finder] = {
    "regression": lambda model, latents, x, readings, count: finders.regression(latents.z, readings, count),
    "means": lambda model, latents, x, readings, count: finders.class_means(latents.z, readings, count),
    "sefa": _sefa,
    "pca": lambda model, latents, x, readings, count: finders.principal(latents.z, within_classes(x, latents), count),
}
"""Finders of directions by name."""


@dataclass(frozen=True)
class GeneratorRequest:
    """Settings of the explanation of a generator."""

    finder: str
    handles: int
    """Largest number of handles."""
    n: int
    """Fresh latents."""
    seed: int
    checkpoint: str = "saved model"
    """Name of the weights, for the protocol."""


@dataclass(frozen=True)
class Shown:
    """Samples before, at and after a step along a handle, as stored rows `[N, ...]` each."""

    lower: NDArray[np.generic]
    middle: NDArray[np.generic]
    upper: NDArray[np.generic]


def has_latent(model: object) -> bool:
    """Return whether a model turns a latent vector into one example: GANs do, density models and trees do not.

    A generator of table rows has a noise of its own for each choice, and no direction that means anything.
    """
    if not isinstance(model, GeneratorModel) or isinstance(model, DensityModel):
        return False
    return not isinstance(model.recipe, FittedRecipe) and not isinstance(model.generator, TableGenerator)


def generator_effects(
    model: GeneratorModel, request: GeneratorRequest, hardware: Hardware, progress: Progress
) -> tuple[Effects, dict[str, Any]]:
    """Return the effects of the handles of `model`, and all settings on which the figures depend.

    Raises SparringError where samples have no finite values or nothing changes them.
    """
    n, seed = request.n, request.seed
    render = in_chunks(lambda latents: model.generate(latents.z, latents.y))
    fit, fresh = _latents(model, max(FIT_SAMPLES, n), seed, FIT), _latents(model, n, seed, FRESH)
    with torch.no_grad(), hardware.autocast():
        examples = render(fit).cpu()
        if not bool(torch.isfinite(examples).all()):
            raise SparringError("the generator gives values that are no finite numbers: train it anew")
        readings = Readings.fit(model.spec, examples)
        standardised = within_classes(readings.standardised(examples), fit)
        directions = FINDERS[request.finder](model, fit, examples, standardised, request.handles)
        if not directions:
            raise SparringError(f"--finder {request.finder} gives no direction: the latent changes nothing")
        written = fit[:n]
        random = RandomDirections(
            render, readings, written[:RANDOM_LATENTS], fresh[:RANDOM_LATENTS], DIRECTIONS, mix(seed, FIT, FRESH),
            on_progress=progress.callback("random directions", "directions"),
        )  # fmt: skip
        handles = progress.callback("testing handles", "handles")
        effects = measure_effects(render, readings, directions, written, fresh, random, handles)
    return effects, _protocol(model, request, readings)


def path_length_of(model: GeneratorModel, request: GeneratorRequest) -> Interval:
    """Return the path length of `model` in float32, between as many pairs of latents as there are fresh ones."""
    starts, ends = (_latents(model, request.n, request.seed, stream) for stream in (FRESH, ENDS))
    with torch.no_grad():
        return path_length(lambda latents: model.generate(latents.z, latents.y), starts, ends)


def _protocol(model: GeneratorModel, request: GeneratorRequest, readings: Readings) -> dict[str, Any]:
    deviations = zip(readings.names, readings.deviations.tolist(), strict=True)
    return {
        "finder": request.finder, "seed": request.seed, "fresh samples": request.n,
        "samples for directions": max(FIT_SAMPLES, request.n), "random directions": DIRECTIONS,
        "latents of a random direction": RANDOM_LATENTS, "checkpoint": request.checkpoint,
        "deviations": {name: round(value, 5) for name, value in deviations},
        "weights": digest(model.generator.state_dict()),
    }  # fmt: skip


def shown_samples(model: GeneratorModel, handle: Handle, seed: int) -> Shown:
    """Return a few fresh samples, and the same two steps backwards and forwards along a handle."""
    latents, step = _latents(model, SHOWN_SAMPLES, seed, SHOWN), handle.direction * handle.step * SHOWN_STEP
    moved = (latents.moved(-step), latents, latents.moved(step))
    return Shown(*(model.spec.decode(model.generate(each.z, each.y)) for each in moved))


def within_classes(values: Tensor, latents: Latents) -> Tensor:
    """Return values `[N, ...]` less their mean in the class of each, so that directions are not those of classes."""
    if latents.y.dim() > 1:
        return values
    centred = values.clone()
    for label in set(latents.y.tolist()):
        centred[latents.y == label] -= values[latents.y == label].mean(0)
    return centred


def _latents(model: GeneratorModel, count: int, seed: int, stream: int) -> Latents:
    z, y = model.draw_inputs(range(count), mix(seed, stream))
    return Latents(z, y)
