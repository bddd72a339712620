"""Routes of the attack playground."""

from __future__ import annotations

import binascii
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions
from sparring.engine.atomic_io import remove
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.run_folder import Run
from sparring.models.capabilities import Predictor
from sparring.models.classifier import Classifier
from sparring.studio.attack.drawing import Framing, ink_of, row_of_drawing
from sparring.studio.attack.own_examples import keep_example, kept_example
from sparring.studio.attack.playground import (
    Setting,
    Trial,
    attack_example,
    bars,
    certified_radius,
    noise_of,
    playground_for,
    sliders,
    smallest_budget,
)
from sparring.studio.classifiers import classifier_runs, held_out
from sparring.studio.runs.run_list import find_run
from sparring.studio.server.state import Studio, body_of, number_field, studio_of, text_field
from sparring.studio.server.uploads import receive
from sparring.studio.views import views

MAX_STEPS, STEPS = 200, 10
"""Steps of PGD at most, and where none are given: 10 on MNIST take half a second of one core."""
SHOWN = 24
"""Examples that are offered at once."""
MEASURED = 200
"""Images of the data on which the framing of drawings is measured."""
LAST_EXAMPLE = 1e9


async def models(request: Request) -> Response:
    """Answer with the runs that have a classifier."""
    studio = studio_of(request)
    return JSONResponse(await studio.models.compute(lambda: list(classifier_runs(studio.folder))))


async def described(request: Request) -> Response:
    """Answer with the sliders and classes of a run's classifier, and the first examples of its data."""
    return await _answer(request, _described, dict(request.query_params))


def _described(studio: Studio, query: dict[str, Any]) -> dict[str, Any]:
    run, classifier = _model(studio, query)
    first = text_field(query, "first", "0")
    return {
        **sliders(classifier.spec), "kind": classifier.spec.kind, "classes": classifier.classes,
        "background": classifier.background, "recipe": classifier.recipe.name, "noise": noise_of(classifier),
        **_examples(run, int(first) if first.isdecimal() else 0),
    }  # fmt: skip


def _examples(run: Run, first: int) -> dict[str, Any]:
    """Return views of some examples from number `first` on, or why there are none."""
    try:
        data, description = held_out(run)
    except SparringError as error:
        return {"examples": [], "count": 0, "missing": str(error)}
    idx = np.arange(min(first, len(data)), min(first + SHOWN, len(data)))
    shown = views(data.spec, data[idx]) if len(idx) else []
    labels = [_label_name(data, k) for k in idx.tolist()]
    examples = [{"number": k, "label": y, "view": v} for k, y, v in zip(idx.tolist(), labels, shown, strict=True)]
    return {"examples": examples, "count": len(data), "described": description, "missing": ""}


def _label_name(data: Any, k: int) -> str:
    return str(data.spec.classes[data.labels[k]]) if data.labels[k] >= 0 else ""


async def draw(request: Request) -> Response:
    """Keep a drawing as an example of the data; answer with its id and how the network sees it."""
    return await _answer(request, _draw, await body_of(request))


def _draw(studio: Studio, body: dict[str, Any]) -> dict[str, Any]:
    run, classifier = _model(studio, body)
    width, height = (int(number_field(body, name, 1, LAST_EXAMPLE)) for name in ("width", "height"))
    try:
        content = b64decode(text_field(body, "ink"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UsageError("the drawing is no base64 text: draw it again") from error
    row = row_of_drawing(classifier.spec, ink_of(content, width, height), _framing(run, classifier))
    return _kept(studio, classifier, row)


def _framing(run: Run, classifier: Classifier) -> Framing:
    """Measure how images of the data lie in their frame; the framing of MNIST where the data are gone."""
    try:
        data, _ = held_out(run)
    except SparringError:
        return Framing()
    rows = data[np.arange(min(MEASURED, len(data)))]
    return Framing.measure(rows) if playground_for(classifier.spec).drawable else Framing()


async def uploaded(request: Request) -> Response:
    """Keep the first example of a file as an example of the data; answer with its id and view."""
    studio = studio_of(request)
    path = await receive(request, studio.folder)
    return await _answer(request, _uploaded, {"run": request.query_params.get("run", ""), "path": path})


def _uploaded(studio: Studio, body: dict[str, Any]) -> dict[str, Any]:
    _, classifier = _model(studio, body)
    path: Path = body["path"]
    try:
        data = open_source(path, ReadOptions(resize=True), like=classifier.spec, keep_duplicates=True).split(None)
    finally:
        remove(path.parent)  # the one example is kept
    note = "" if len(data) == 1 else f"the first of {len(data):,} {data.report.unit} in {path.name}"
    return {**_kept(studio, classifier, data[np.arange(1)][0]), "note": note}


def _kept(studio: Studio, classifier: Classifier, row: NDArray[Any]) -> dict[str, Any]:
    return {"own": keep_example(studio.folder, row), "view": views(classifier.spec, row[None])[0]}


async def attacked(request: Request) -> Response:
    """Attack one example, and answer with it before and after."""
    return await _answer(request, _attacked, await body_of(request))


def _attacked(studio: Studio, body: dict[str, Any]) -> dict[str, Any]:
    run, classifier = _model(studio, body)
    row, label = _example(studio, run, classifier, body)
    trial = attack_example(classifier, row, label, _setting(classifier, body))
    return {**_as_json(classifier, trial), "label": classifier.classes[label] if label >= 0 else ""}


def _as_json(classifier: Classifier, trial: Trial) -> dict[str, Any]:
    before, change, after = (views(classifier.spec, rows)[0] for rows in (trial.before, trial.change, trial.after))
    answers = [answer._asdict() for answer in trial.answers]
    return {
        "before": before, "change": change, "after": after, "factor": trial.factor, "answers": answers,
        "bars": bars(trial.answers), "success": bool(trial.result.success), "budget": trial.budget,
        "steps": int(trial.result.iterations), "passes": int(trial.result.queries),
    }  # fmt: skip


async def searched(request: Request) -> Response:
    """Answer with the smallest budget that is known to change the answer for an example."""
    return await _answer(request, _searched, await body_of(request))


def _searched(studio: Studio, body: dict[str, Any]) -> dict[str, Any]:
    run, classifier = _model(studio, body)
    row, label = _example(studio, run, classifier, body)
    return {"budget": smallest_budget(classifier, row, label, _norm(classifier, body))}


async def certified(request: Request) -> Response:
    """Answer with the certified radius of the smoothed classifier for an example."""
    return await _answer(request, _certified, await body_of(request))


def _certified(studio: Studio, body: dict[str, Any]) -> dict[str, Any]:
    run, classifier = _model(studio, body)
    row, _ = _example(studio, run, classifier, body)
    name, radius = certified_radius(classifier, row)
    return {"answer": name, "radius": radius}


async def _answer(request: Request, work: Any, body: dict[str, Any]) -> Response:
    studio = studio_of(request)
    return JSONResponse(await studio.models.compute(work, studio, body))


def _model(studio: Studio, body: dict[str, Any]) -> tuple[Run, Classifier]:
    """Return a run and its classifier; raise UsageError where it has none."""
    run = find_run(studio.folder, text_field(body, "run"))
    classifier: Any = studio.models.load(run.path, Predictor)
    return run, classifier


def _example(studio: Studio, run: Run, classifier: Classifier, body: dict[str, Any]) -> tuple[NDArray[Any], int]:
    """Return the stored row that a request names, and its class or -1."""
    if name := text_field(body, "own", ""):
        return kept_example(studio.folder, name), -1
    data, _ = held_out(run)
    number = int(number_field(body, "example", 0, len(data) - 1))
    name = _label_name(data, number)
    return data[np.array([number])][0], classifier.classes.index(name) if name in classifier.classes else -1


def _setting(classifier: Classifier, body: dict[str, Any]) -> Setting:
    norm = _norm(classifier, body)
    limits = playground_for(classifier.spec).budgets[norm]
    target = text_field(body, "target", "")
    if target and target not in classifier.classes:
        raise UsageError(f"there is no class '{target}': choose one of the list")
    return Setting(
        norm,
        number_field(body, "eps", limits.low, limits.high, limits.default),
        int(number_field(body, "steps", 1, MAX_STEPS, STEPS)),
        int(number_field(body, "seed", 0, 2**32 - 1, 0)),
        classifier.classes.index(target) if target else None,
    )


def _norm(classifier: Classifier, body: dict[str, Any]) -> Any:
    norms = playground_for(classifier.spec).budgets
    norm = text_field(body, "norm", next(iter(norms)))
    if norm not in norms:
        raise UsageError(f"the norm '{norm}' is not used for {classifier.spec.plural}: choose {' or '.join(norms)}")
    return norm


ROUTES = [
    Route("/api/classifiers", models),
    Route("/api/attack/model", described),
    Route("/api/attack/draw", draw, methods=["POST"]),
    Route("/api/attack/upload", uploaded, methods=["POST"]),
    Route("/api/attack", attacked, methods=["POST"]),
    Route("/api/attack/smallest", searched, methods=["POST"]),
    Route("/api/attack/certificate", certified, methods=["POST"]),
]
