"""`sparring explain`: what the handles of a model change, in sentences that are tested on fresh cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from sparring.commands.explaining.classifier import RANDOM_EDITS, classifier_effects
from sparring.commands.explaining.generator import (
    DIRECTIONS,
    FINDERS,
    GeneratorRequest,
    generator_effects,
    has_latent,
    path_length_of,
    shown_samples,
)
from sparring.commands.explaining.page import answers_page, explanation_page
from sparring.commands.explaining.result import NAME, AnswerExplanation, Explanation
from sparring.commands.reporting.progress import Progress
from sparring.commands.training.interrupt import explain_interrupt
from sparring.engine.atomic_io import write
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError, did_you_mean
from sparring.engine.seeds import check_seed
from sparring.engine.version import __version__
from sparring.models.capabilities import Predictor
from sparring.models.generator import GeneratorModel
from sparring.models.hub import results_folder
from sparring.models.load import load

DEFAULT_FINDER = "regression"
MOST_HANDLES = 8
"""Largest number of handles, as many as can be read at a glance."""
LEAST_SAMPLES, MOST_SAMPLES = 50, 10_000


@explain_interrupt("stopped: nothing was written. The same command starts again; a smaller -n is faster")
def explain(
    run: str | Path,
    data: str | Path | None = None,
    *,
    finder: str | None = None,
    handles: int | None = None,
    n: int = 400,
    seed: int = 0,
    checkpoint: str | int | None = None,
    device: str = "auto",
    net: nn.Module | None = None,
    progress: Progress | None = None,
) -> Explanation | AnswerExplanation:
    """Return what the handles of the model of `run` change, in sentences, and how often these hold in `n` fresh cases.

    Handles of a generator are directions of its latent, `handles` (8) at most, that `finder` finds on `device`:
    "regression", "means", "sefa" or "pca". Those of a classifier are edits of the examples of `data`, by default those
    of the run. Writes explain.json, explain.html and, of a generator, explain.safetensors (the directions) into the
    run folder; `read_handles` reads them. `net` is the network of a run with custom networks. Raises UsageError on
    settings that do not fit, and on models without a latent, readings or edits.
    """
    _check(finder, handles, n, seed)
    options: dict[str, Any] = {} if checkpoint is None else {"checkpoint": checkpoint}
    model, progress = load(run, net=net, **options), progress or Progress()
    folder = results_folder(run)
    if isinstance(model, Predictor):
        if finder is not None or handles is not None or device != "auto":
            raise UsageError(
                f"{run} holds a classifier: --finder, --handles and --device are for generators, leave them out"
            )
        return _explain_classifier(model, folder, data, n, seed, progress)
    if data is not None:
        raise UsageError(f"{run} holds no classifier: --data is for classifiers, leave it out")
    if not isinstance(model, GeneratorModel) or not has_latent(model):
        raise UsageError(
            f"{run} holds a model without a latent vector, such as a density model, trees or a generator of table "
            "rows, and has no handles: `explain` takes generators as r3, biggan or dcgan, and classifiers of images"
        )
    name = "saved model" if checkpoint is None else str(checkpoint)
    request = GeneratorRequest(finder or DEFAULT_FINDER, handles or MOST_HANDLES, n, seed, name)
    return _explain_generator(model, folder, request, Hardware.find(device, "auto"), progress)


def _check(finder: str | None, handles: int | None, n: int, seed: int) -> None:
    """Raise UsageError on settings out of range."""
    check_seed(seed)
    if finder not in (None, *FINDERS):
        raise UsageError(f"unknown --finder '{finder}': {did_you_mean(str(finder), FINDERS)}")
    if handles is not None and not 1 <= handles <= MOST_HANDLES:
        raise UsageError(f"--handles must be from 1 to {MOST_HANDLES}, not {handles}: more would explain nothing")
    if not LEAST_SAMPLES <= n <= MOST_SAMPLES:
        raise UsageError(f"-n must be from {LEAST_SAMPLES} to {MOST_SAMPLES:,}, not {n:,}")


def _explain_generator(
    model: GeneratorModel, folder: Path, request: GeneratorRequest, hardware: Hardware, progress: Progress
) -> Explanation:
    hardware.to_device(model.generator)
    progress.info(
        f"plan: {request.handles} handles by {request.finder}, {request.n:,} fresh samples, "
        f"{DIRECTIONS} random directions"
    )
    effects, protocol = generator_effects(model, request, hardware, progress)
    result = Explanation(folder, effects, path_length_of(model, request), {**protocol, **_versions()})
    result.save()
    shown = [shown_samples(model, handle, request.seed) for handle in effects.handles]
    write(folder / f"{NAME}.html", explanation_page(result, model.spec, shown))
    return result


def _explain_classifier(
    model: Predictor, folder: Path, data: str | Path | None, n: int, seed: int, progress: Progress
) -> AnswerExplanation:
    progress.info(f"plan: edits of up to {n:,} fresh examples, {RANDOM_EDITS} random edits")
    effects, shown, protocol = classifier_effects(model, folder, data, n, seed, progress)
    result = AnswerExplanation(folder, effects, {**protocol, **_versions()})
    result.save()
    write(folder / f"{NAME}.html", answers_page(result, model.spec, shown))
    return result


def _versions() -> dict[str, Any]:
    return {"versions": {"sparring": __version__, "torch": torch.__version__}}


def to_text(result: Explanation | AnswerExplanation) -> str:
    """Return the lines that the command prints."""
    return result.to_text()
