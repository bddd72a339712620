"""Explain a classifier: edit examples, write sentences on its answers, test them on fresh examples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparring.commands.predict import open_like
from sparring.commands.reporting.progress import Progress
from sparring.commands.training.run_settings import open_run_data
from sparring.data.dataset import Dataset
from sparring.engine.errors import UsageError
from sparring.engine.run_folder import Run
from sparring.measure.effects.answers import Answered, AnswerEffects, measure_answers
from sparring.measure.effects.edits import Edit, edits_for
from sparring.models.answers import Answers
from sparring.models.capabilities import Predictor

RANDOM_EDITS, RANDOM_EXAMPLES = 200, 100
"""Random edits; examples from which their sentences are written, and others on which they are tested."""
SHOWN_EXAMPLES = 8
LEAST_EXAMPLES = 20


@dataclass(frozen=True)
class EditedExamples:
    """Examples before and after an edit, as stored rows `[N, ...]` each, with the answers after it."""

    before: NDArray[Any]
    after: NDArray[Any]
    answers: list[str]


def classifier_effects(
    model: Predictor, run: Path, source: str | Path | None, n: int, seed: int, progress: Progress
) -> tuple[AnswerEffects, list[EditedExamples], dict[str, Any]]:
    """Return the effects of edits on `n` fresh examples of `source`, some of them to show, and the examples' protocol.

    `source` None: the data of the run. Raises UsageError on too few examples, and on kinds of data without edits.
    """
    data, split = _examples(model, run, source)
    order = np.random.default_rng(seed).permutation(len(data))[: 2 * n]
    if len(order) < 2 * LEAST_EXAMPLES:
        raise UsageError(f"{len(order)} examples are too few: {2 * LEAST_EXAMPLES} or more are needed")
    x = model.spec.encode(data[np.sort(order)])
    x = x[torch.from_numpy(np.random.default_rng(seed).permutation(len(x)))]
    written, fresh = x[: len(x) // 2], x[len(x) // 2 :]
    edits = edits_for(model.spec, written)
    effects = measure_answers(
        lambda each: _answered(model.predict(each)), edits, model.predict(written[:1]).classes, written, fresh,
        random_edits=RANDOM_EDITS, few=RANDOM_EXAMPLES, seed=seed,
        on_progress=progress.callback("random edits", "edits"),
    )  # fmt: skip
    shown = [_edited(model, each, fresh[:SHOWN_EXAMPLES]) for each in edits]
    protocol = {
        "examples": f"{data.report.source}, {split}", "seed": seed,
        "fresh examples": len(fresh), "random edits": RANDOM_EDITS,
        "examples of a random edit": min(RANDOM_EXAMPLES, len(written)),
    }  # fmt: skip
    return effects, shown, protocol


def _examples(model: Predictor, run: Path, source: str | Path | None) -> tuple[Dataset, str]:
    """Return the test examples where there is a test split, else all."""
    if source is None and not Run(run).exists:
        raise UsageError("--data SOURCE is needed: the model was not trained here, and does not know the examples")
    data = open_run_data(Run(run)) if source is None else open_like(model, source)
    if data.report.splits.get("test"):
        return data.split("test"), "test split"
    return data.split(None), "all examples: if the classifier was trained on these, they flatter it"


def _answered(answers: Answers) -> Answered:
    classes = len(answers.classes)
    return Answered(answers.probabilities[:, :classes].clamp_min(1e-30).log().cpu(), answers.unknown.cpu())


def _edited(model: Predictor, edit: Edit, x: Tensor) -> EditedExamples:
    after = edit.function(x, 1.0)
    return EditedExamples(model.spec.decode(x), model.spec.decode(after), model.predict(after).labels)
