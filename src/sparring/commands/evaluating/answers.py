"""Score a classifier or a regressor of a run on labelled examples, for `sparring evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sparring.commands.evaluating.inputs import EvaluationRequest
from sparring.commands.evaluating.row_views import OnProgress
from sparring.commands.regressing.parts import numbers_of
from sparring.commands.reporting.progress import Progress
from sparring.commands.training.run_settings import is_own, open_run_data
from sparring.data.dataset import Dataset
from sparring.data.labels import labels_as
from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions
from sparring.data.summary import skipped_notes
from sparring.engine.data_spec import ImageSpec
from sparring.engine.errors import UsageError
from sparring.engine.run_folder import Run
from sparring.measure.classifier.answer_scores import AnswerScores, ClassScores, class_scores
from sparring.measure.regression.report import NumberTest, measure_number
from sparring.models.answers import NONE, Answers
from sparring.models.capabilities import IntervalPredictor, Model, Predictor
from sparring.models.classifier import chunks_of
from sparring.models.load import load_capable, saved_capabilities
from sparring.models.regressor import number_names
from sparring.models.saved import main_player

WIDTH = 12
"""Width of the first column of the text."""
MAX_CLASSES = 20
"""Classes that the text lists."""


def answers_of(path: Path) -> type | None:
    """Return the capability of the main model of a run that answers: `Predictor`, `IntervalPredictor`, or None."""
    own = saved_capabilities(path).get(main_player(path) or "", [])
    if "Sampler" in own or "Density" in own:
        return None
    return next((each for each in (Predictor, IntervalPredictor) if each.__name__ in own), None)


def answer_scores(
    run: Run, source: str | Path | None, request: EvaluationRequest, net: nn.Module | None, progress: Progress
) -> AnswerScores:
    """Return the scores of the run's classifier or regressor on labelled examples.

    By default these are the test split of its training data; of another source its test split, or all examples where
    it has none. `net` is the network of a run with custom networks.

    Raises:
        UsageError: There are too few labelled examples, a class is unknown to the model, or settings are for samples.
        SparringError: The files of either cannot be used.

    """
    _check(request)
    capability = answers_of(run.path)
    assert capability is not None
    model: Any = load_capable(run.path, capability, net=net)
    own = is_own(run, source)
    data = _open(run, model, None if own else source, request, progress.callback("reading"))
    part, split = _split(data, request, own)
    idx = _numbered(model, part) if capability is IntervalPredictor else _labelled(model, part)
    if request.n is not None and request.n > len(idx):
        raise UsageError(
            f"{data.report.source} has {len(idx):,} labelled {data.report.unit}, fewer than -n {request.n}"
        )
    order = np.random.default_rng([request.seed, 9]).permutation(len(idx))[: request.n or len(idx)]
    idx = np.sort(idx[order])
    classes = _class_scores(model, part, idx, progress) if capability is Predictor else None
    numbers = () if classes else _number_scores(model, part, idx, progress)
    trained_on = ["the run was trained on these examples: the scores say little about new ones"]
    return AnswerScores(
        str(run.path), str(data.report.source), f"{len(idx):,} {split}{data.report.unit}", classes, numbers,
        None if classes else model.recipe.coverage,
        (*data.notes, *skipped_notes(data.report), *(trained_on if own and split != "test " else [])),
    )  # fmt: skip


def _check(request: EvaluationRequest) -> None:
    """Raise UsageError where settings are those of samples."""
    given = {
        "--checkpoint": request.checkpoint, "--truncation": request.truncation, "--size": request.size,
        "--mode": request.mode, "--raw": request.raw or None,
    }  # fmt: skip
    if wrong := [flag for flag, value in given.items() if value is not None]:
        raise UsageError(f"{wrong[0]} is for samples, and the run answers with classes or numbers: leave it out")


def _open(
    run: Run, model: Model, source: str | Path | None, request: EvaluationRequest, on_progress: OnProgress
) -> Dataset:
    """Open the examples of `source`, by default the training data, as the training data were read.

    Equal examples count once. Images of other sizes are scaled, as a note says.
    """
    if source is None:
        if not run.exists:
            raise UsageError("--data SOURCE is needed: labelled examples to score the answers by")
        return open_run_data(run, on_progress)
    options = ReadOptions(
        label=request.label or getattr(model.spec, "target", None) or None,
        numeric_label=bool(model.spec.condition_stats), resize=isinstance(model.spec, ImageSpec),
    )  # fmt: skip
    return open_source(source, options, like=model.spec, on_progress=on_progress)


def _split(data: Dataset, request: EvaluationRequest, own: bool) -> tuple[Dataset, str]:
    """Return the wanted split and its name; raise UsageError where only training examples are left."""
    has_test = bool(data.report.splits.get("test"))
    if own and request.split is None and not has_test:
        raise UsageError(
            f"{data.report.source} has no test split: --data SOURCE names labelled examples that the run did not "
            "learn from, --split all scores all of these"
        )
    wanted = request.split or ("test" if has_test else "all")
    return data.split(None if wanted == "all" else wanted), "" if wanted == "all" else f"{wanted} "


def _labelled(model: Any, part: Dataset) -> NDArray[np.int64]:
    """Return the indices of the examples with a label; raise UsageError on none, and on classes of others."""
    labels, known, source = labels_as(model.classes, part), part.labels >= 0, part.report.source
    if not known.any():
        raise UsageError(f"{source} has no labelled {part.report.unit} to score answers by: --data SOURCE names others")
    if (unknown := known & (labels < 0)).any():
        name = list(part.report.classes)[part.labels[unknown][0]]
        raise UsageError(
            f"{source} has the class '{name}', and the run knows {', '.join(model.classes[:MAX_CLASSES])}"
            f"{', ...' if len(model.classes) > MAX_CLASSES else ''}: leave its examples out"
        )
    return np.flatnonzero(known)


def _numbered(model: Any, part: Dataset) -> NDArray[np.int64]:
    """Return the indices of the examples with numbers; raise UsageError where there are none, or others."""
    vectors, wanted = numbers_of(part, part.report.source), len(model.spec.condition_stats)
    if vectors.shape[1] != wanted:
        raise UsageError(
            f"the labels of {part.report.source} are {vectors.shape[1]} numbers, the run predicts {wanted}"
        )
    return np.flatnonzero(np.isfinite(vectors).all(1))


def _class_scores(model: Any, part: Dataset, idx: NDArray[np.int64], progress: Progress) -> ClassScores:
    chunks = progress.track("answering", list(chunks_of(idx)))
    answers = Answers.concatenate([model.predict(model.spec.encode(part[chunk])) for chunk in chunks])
    labels = torch.from_numpy(labels_as(model.classes, part)[idx])
    background = (NONE,) if answers.probabilities.shape[1] > len(model.classes) else ()
    return class_scores(answers.probabilities.cpu(), labels, model.classes, int(answers.unknown.sum()), background)


def _number_scores(model: Any, part: Dataset, idx: NDArray[np.int64], progress: Progress) -> tuple[NumberTest, ...]:
    """Return the scores of each number, beside the best constants for just these examples."""
    chunks = [model.predict_interval(part[chunk]) for chunk in progress.track("answering", list(chunks_of(idx)))]
    value, low, high = (torch.cat(each).unbind(1) for each in zip(*chunks, strict=True))
    y = torch.from_numpy(part.conditions(idx)).unbind(1)
    return tuple(
        measure_number(name, (value[k], low[k], high[k]), y[k], y[k], model.recipe.coverage)
        for k, name in enumerate(number_names(model.spec))
    )


def to_text(scores: AnswerScores) -> str:
    """Return the text that the command prints."""
    rows = [("run", scores.run), ("data", f"{scores.tested_on} of {scores.source}")]
    rows += _class_rows(scores.classes) if scores.classes else []
    for test in scores.numbers:
        rows += [
            ("error", f"'{test.name}' mean absolute {test.error.text(4, 1)}, root mean square "
             f"{test.root_mean_square.text(4, 1)}"),
            ("baseline", f"'{test.name}' mean absolute {test.constant_error.text(4, 1)}, always answering the median "
             "of these examples"),
            ("intervals", f"'{test.name}' {test.covered} within, {scores.coverage:.0%} nominal; mean width "
             f"{test.width.text(4, 1)}"),
        ]  # fmt: skip
    return "\n".join(f"{name:{WIDTH}}{text}" for name, text in [*rows, *(("note", each) for each in scores.notes)])


def _class_rows(scores: ClassScores) -> list[tuple[str, str]]:
    rows = [
        ("accuracy", str(scores.accuracy)),
        ("balanced", f"{scores.balanced_accuracy.text()} %, the mean of the classes"),
        ("baseline", f"{scores.baseline:.1%}, always answering '{scores.commonest}', the commonest class"),
        ("calibration", f"probabilities are off by {scores.calibration_error:.1%} on average"),
        ("none", f"{scores.unfamiliar:,} examples are unlike all classes"),
    ]
    for name, recall in list(scores.recalls.items())[:MAX_CLASSES]:
        wrong = {answer: n for answer, n in zip(scores.answers, scores.confusion[name], strict=True) if answer != name}
        most = max(wrong, key=lambda answer: wrong[answer], default="")
        taken = f"; {wrong[most]:,} taken for '{most}'" if most and wrong[most] else ""
        rows.append(("class", f"'{name}' {recall}{taken}"))
    if (more := len(scores.recalls) - MAX_CLASSES) > 0:
        rows.append(("class", f"{more:,} more: --json lists all"))
    return rows
