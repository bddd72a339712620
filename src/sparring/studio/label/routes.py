"""Routes of the Label page: examples, answers, trainings with them, facts."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sparring.data.dataset import Dataset
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.run_folder import Run
from sparring.models.capabilities import Predictor
from sparring.models.classifier import Classifier
from sparring.studio.classifiers import data_of, held_out
from sparring.studio.label.answer_log import KINDS, AnswerLog
from sparring.studio.label.facts import facts_of, forget, remember
from sparring.studio.label.labelling import (
    Accuracy,
    Candidate,
    accuracy_of,
    candidates_of,
    gain_over,
    next_name,
    retraining,
    to_label,
)
from sparring.studio.runs.run_list import find_run, summary_of
from sparring.studio.server.jobs import command_line
from sparring.studio.server.state import Answer, Studio, body_of, number_field, studio_of, text_field
from sparring.studio.views import views

SHOWN = 24
"""Examples that are shown at once."""
LOG_LETTERS = 300
"""Letters of the log of a training that failed."""


async def shown(request: Request) -> Response:
    """Answer with some examples to label, and log that they are shown."""
    return await _answer(request, _shown)


def _shown(studio: Studio, body: dict[str, Any]) -> dict[str, Any]:
    run = find_run(studio.folder, text_field(body, "run"))
    data, queue, log = data_of(run), to_label(candidates_of(run)), AnswerLog.of(run.path)
    if not queue:
        raise UsageError(f"{run.path.name} has nothing to label: all its examples have a label")
    answers, damaged = log.answers()
    last = (len(queue) - 1) // SHOWN * SHOWN
    first = int(number_field(body, "first", 0, last, min(_first_open(queue, answers), last)) // SHOWN * SHOWN)
    batch = queue[first : first + SHOWN]
    shown = views(data.spec, data[_places(data, batch)])
    log.append("shown", names=[candidate.name for candidate in batch], guesses=bool(body.get("guesses")))
    examples = [
        {**asdict(candidate), "view": view, "answer": _as_json(answers.get(candidate.name))}
        for candidate, view in zip(batch, shown, strict=True)
    ]
    return {
        "examples": examples, "first": first, "count": len(queue), "classes": list(data.spec.classes),
        "answered": _answered(queue, answers), "damaged": damaged, **_state(studio, run, text_field(body, "run")),
    }  # fmt: skip


def _first_open(queue: list[Candidate], answers: dict[str, Any]) -> int:
    """Return the number of the first example without an answer."""
    return next((k for k, candidate in enumerate(queue) if candidate.name not in answers), 0)


def _answered(queue: list[Candidate], answers: dict[str, Any]) -> int:
    return sum(candidate.name in answers for candidate in queue)


def _as_json(answer: Any) -> dict[str, str] | None:
    return None if answer is None else {"kind": answer.kind, "label": answer.label}


def _places(data: Dataset, batch: list[Candidate]) -> Any:
    """Return the places of examples in the data; raise SparringError where one is not there."""
    place = {name: k for k, name in enumerate(data.names)}
    if missing := next((candidate.name for candidate in batch if candidate.name not in place), None):
        raise SparringError(f"to_label.csv names '{missing}', which the data do not hold: run the training again")
    return np.array([place[candidate.name] for candidate in batch])


async def answered(request: Request) -> Response:
    """Store one answer, or several at once; no model is waited for."""
    return Answer(await run_in_threadpool(_store, studio_of(request), await body_of(request)))


def _store(studio: Studio, body: dict[str, Any]) -> dict[str, Any]:
    run = find_run(studio.folder, text_field(body, "run"))
    names, kind, label = body.get("names"), text_field(body, "kind"), text_field(body, "label", "")
    known = {candidate.name for candidate in to_label(candidates_of(run))}
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name in known for name in names):
        raise UsageError("an answer is about examples of to_label.csv: reload the page")
    if kind not in KINDS or (kind == "class") != bool(label):
        raise UsageError(f"an answer is one of {', '.join(KINDS)}, the first with a class: reload the page")
    if label and label not in data_of(run).spec.classes:
        raise UsageError(f"there is no class '{label}': choose one of the list")
    log = AnswerLog.of(run.path)
    for name in names:
        log.append("answer", name=name, kind=kind, label=label)
    return _progress(run, log)


async def undone(request: Request) -> Response:
    """Take the last answer back."""
    return Answer(await run_in_threadpool(_undo, studio_of(request), await body_of(request)))


def _undo(studio: Studio, body: dict[str, Any]) -> dict[str, Any]:
    run = find_run(studio.folder, text_field(body, "run"))
    log = AnswerLog.of(run.path)
    before, _ = log.answers()
    if not before:
        raise UsageError("there is no answer to take back")
    log.append("undo")
    after, _ = log.answers()
    name = next(name for name, answer in before.items() if after.get(name) != answer)
    return {"name": name, "answer": _as_json(after.get(name)), **_progress(run, log)}


def _progress(run: Run, log: AnswerLog) -> dict[str, Any]:
    answers, damaged = log.answers()
    return {"answered": _answered(to_label(candidates_of(run)), answers), "damaged": damaged}


async def trained(request: Request) -> Response:
    """Start a training with all labels; with `dry` answer with its command alone."""
    return await _answer(request, _train)


def _train(studio: Studio, body: dict[str, Any]) -> dict[str, Any]:
    before = text_field(body, "run")
    run = find_run(studio.folder, before)
    name = next_name(studio.folder, before)
    words, labels = retraining(run, name.rpartition("/")[2])
    if not body.get("dry"):
        studio.jobs.start(words, name)
        AnswerLog.of(run.path).append("training", run=name, labels=labels)
    return {"run": name, "labels": labels, "command": command_line(words), **_state(studio, run, before)}


async def rounds(request: Request) -> Response:
    """Answer with the trainings that used the answers of a run, and the gain from the labels."""
    body = dict(request.query_params)
    studio = studio_of(request)
    name = text_field(body, "run")
    return Answer(await studio.models.compute(_state, studio, find_run(studio.folder, name), name))


def _state(studio: Studio, run: Run, name: str) -> dict[str, Any]:
    """Return the accuracy of a run, that of each training with its answers, and its facts."""
    events, _ = AnswerLog.of(run.path).read()
    before = accuracy_of(run, name)
    trainings = []
    for event in events:
        if event["event"] == "training" and isinstance(event.get("run"), str):
            trainings.append(_round(studio, before, event["run"], event.get("labels")))
    classifier: Classifier = studio.models.load(run.path, Predictor)  # type: ignore[assignment]
    return {"before": before, "rounds": trainings, "facts": facts_of(classifier)}


def _round(studio: Studio, before: Accuracy | None, name: str, labels: Any) -> dict[str, Any]:
    """Return state and accuracy of one training; "gone" where its run was removed."""
    job = studio.jobs.latest(name)
    fields: dict[str, Any] = {"run": name, "labels": labels, "job": job.id if job else "", "accuracy": None}
    try:
        after = accuracy_of(find_run(studio.folder, name), name)
    except SparringError:
        if job is None:
            return {**fields, "state": "gone", "note": ""}
        starting = studio.jobs.running(job)
        return {**fields, "state": "starting" if starting else "failed", "note": studio.jobs.log(job)[-LOG_LETTERS:]}
    summary = summary_of(studio.folder, name, studio.jobs)
    if after is not None and before is not None:
        after = replace(after, gain=gain_over(before, after))
    return {**fields, "state": summary.state, "note": summary.note, "accuracy": after}


async def remembered(request: Request) -> Response:
    """Give the classifier a fact, and answer with what it changed."""
    return await _answer(request, _remember)


def _remember(studio: Studio, body: dict[str, Any]) -> dict[str, Any]:
    run = _free_run(studio, body)
    data, name = data_of(run), text_field(body, "name")
    row = data[_places(data, [Candidate(name, "", "", None, "")])][0]
    test, description = held_out(run)
    result = remember(run, row, text_field(body, "label"), test)
    AnswerLog.of(run.path).append("remember", name=name, label=text_field(body, "label").strip())
    return {**asdict(result), "before": result.before._asdict(), "after": result.after._asdict(),
            "tested_on": description, **_facts(studio, run)}  # fmt: skip


async def forgotten(request: Request) -> Response:
    """Take back the facts about one class."""
    return await _answer(request, _forget)


def _forget(studio: Studio, body: dict[str, Any]) -> dict[str, Any]:
    run, label = _free_run(studio, body), text_field(body, "label")
    forget(run, label)
    AnswerLog.of(run.path).append("forget", label=label)
    return _facts(studio, run)


def _facts(studio: Studio, run: Run) -> dict[str, Any]:
    classifier: Classifier = studio.models.load(run.path, Predictor)  # type: ignore[assignment]
    return {"facts": facts_of(classifier)}


def _free_run(studio: Studio, body: dict[str, Any]) -> Run:
    """Return a run that no job is writing; raise UsageError else."""
    name = text_field(body, "run")
    if studio.jobs.writing(name) is not None:
        raise UsageError(f"{name} is being trained: wait, or stop it first")
    return find_run(studio.folder, name)


async def _answer(request: Request, work: Any) -> Response:
    studio = studio_of(request)
    return Answer(await studio.models.compute(work, studio, await body_of(request)))


ROUTES = [
    Route("/api/label/examples", shown, methods=["POST"]),
    Route("/api/label/answer", answered, methods=["POST"]),
    Route("/api/label/undo", undone, methods=["POST"]),
    Route("/api/label/train", trained, methods=["POST"]),
    Route("/api/label/rounds", rounds),
    Route("/api/label/remember", remembered, methods=["POST"]),
    Route("/api/label/forget", forgotten, methods=["POST"]),
]
