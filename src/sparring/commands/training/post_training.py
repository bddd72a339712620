"""Estimate how long a command works after its training, by a timed forward pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from sparring.commands.reporting.classifier_report import MAX_CANDIDATES
from sparring.commands.training.calibrate import COPIES, FAMILIAR_EXAMPLES
from sparring.commands.training.further_tests import ATTACKED_EXAMPLES, GRADIENT_PASSES, further_passes
from sparring.commands.training.plan import PostTraining
from sparring.data.dataset import Dataset
from sparring.engine.device import Hardware
from sparring.measure.classifier.robustness import LEVELS, RESTARTS, STEPS
from sparring.models.classifier import VIEWS
from sparring.models.density import DensityModel
from sparring.models.generator import GeneratorModel
from sparring.recipes.classifier_recipe import ClassifierRecipe

TIMED_EXAMPLES = 32
"""Examples of the forward pass that is timed."""


def after_train(model: GeneratorModel, samples: int) -> PostTraining:
    """Return the diagnosis of a generator from this many samples; that of a density model needs none."""
    if isinstance(model, DensityModel):
        return PostTraining("diagnosis", 0.0)
    size = model.chunk_samples
    seconds = _timed(lambda: model.generate(*model.draw_inputs(range(size), seed=0)))
    return PostTraining("diagnosis", samples / size * seconds)


def after_classify(net: nn.Module, data: Dataset, recipe: ClassifierRecipe, hardware: Hardware) -> PostTraining:
    """Return calibration, the test, and the searches for examples to label and for wrong labels."""
    views = 1 + VIEWS * bool(recipe.tta)
    searched = 3 * min(len(data), MAX_CANDIDATES)
    examples = _calibrated(views) + views * (_tested(data) + searched)
    examples += views * further_passes(data.spec) * min(ATTACKED_EXAMPLES, _tested(data))
    return PostTraining("calibration and testing", examples * _per_example(net, data, hardware))


def after_harden(net: nn.Module, data: Dataset, hardware: Hardware, attacked: int) -> PostTraining:
    """Return calibration, the test, and PGD on `attacked` images at every radius."""
    runs = len(LEVELS) - 1 + 2 * RESTARTS
    attacks = runs * STEPS * GRADIENT_PASSES * min(attacked, _tested(data))
    examples = _calibrated(1) + _tested(data) + attacks
    return PostTraining("calibration, testing and attacks", examples * _per_example(net, data, hardware))


def _calibrated(views: int) -> int:
    return views * COPIES + 2 * FAMILIAR_EXAMPLES


def _tested(data: Dataset) -> int:
    return data.report.splits["test"] or len(data)


def _per_example(net: Any, data: Dataset, hardware: Hardware) -> float:
    """Return the seconds of a forward pass of one example."""
    x = torch.zeros(TIMED_EXAMPLES, *data.spec.shape, device=hardware.device)

    def forward() -> Tensor:
        with torch.no_grad(), hardware.autocast():
            output: Tensor = net(x)
            return output

    return _timed(forward) / TIMED_EXAMPLES


def _timed(forward: Callable[[], Tensor]) -> float:
    """Return the seconds of the second of two calls."""
    forward().sum().item()
    begin = time.perf_counter()
    forward().sum().item()  # waits for the device
    return time.perf_counter() - begin
