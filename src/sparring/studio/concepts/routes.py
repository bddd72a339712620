"""Routes of the Concepts page: what `sparring explain` wrote, starting it, and the person's version of its test."""

from __future__ import annotations

import secrets
from random import Random, SystemRandom
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sparring.commands.explaining.generator import FINDERS
from sparring.commands.explaining.result import NAME, read_handles
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.run_folder import Run
from sparring.studio.concepts.quiz import STEPS, Claim, question_of
from sparring.studio.explore.latent_points import Point, generate, latents_of
from sparring.studio.explore.routes import model_of, steps_of
from sparring.studio.runs.run_list import find_run
from sparring.studio.server.state import Studio, body_of, number_field, studio_of, text_field
from sparring.studio.views import views


async def concepts(request: Request) -> Response:
    """Answer with the handles of a run and how often their sentences hold; null where it was not explained."""
    return JSONResponse(await run_in_threadpool(_concepts, studio_of(request), request.query_params.get("run", "")))


def _concepts(studio: Studio, name: str) -> dict[str, Any]:
    run = find_run(studio.folder, name)
    explanation = run.read_json(NAME)
    if explanation is not None:
        read_handles(run.path)  # raises where the files are damaged
    page = run.path / f"{NAME}.html"
    return {
        "explanation": explanation, "finders": list(FINDERS),
        "report": studio.files.url(page) if page.is_file() else "",
    }  # fmt: skip


async def explaining(request: Request) -> Response:
    """Start `sparring explain` on a run."""
    studio, body = studio_of(request), await body_of(request)
    run, finder = find_run(studio.folder, text_field(body, "run")), text_field(body, "finder")
    if finder not in FINDERS:
        raise UsageError(f"unknown finder '{finder}': choose one of {', '.join(FINDERS)}")
    job = studio.jobs.start(["explain", str(run.path), "--finder", finder])
    return JSONResponse({"job": job.id, "command": job.command})


async def question(request: Request) -> Response:
    """Answer with a question: a sentence, a sample and four others."""
    studio, body = studio_of(request), await body_of(request)
    return JSONResponse(await studio.models.compute(_question, studio, body))


def _question(studio: Studio, body: dict[str, Any]) -> dict[str, Any]:
    model, run = model_of(studio, body), find_run(studio.folder, text_field(body, "run"))
    control = body.get("control") is True
    steps, claims = steps_of(run.path, model), claims_of(run)
    selected = question_of(claims, control, Random(SystemRandom().randrange(2**62)))
    z, y = latents_of(model, [Point(selected.seed)] * (1 + len(selected.options)))
    for k, (handle, sign) in enumerate(selected.options):
        z[1 + k] += sign * STEPS * steps[handle]
    first, *options = views(model.spec, generate(model, z, y))
    sitting = text_field(body, "sitting", "") or secrets.token_hex(8)
    return {
        "question": studio.quizzes.ask(sitting, selected), "sitting": sitting, "sentence": selected.sentence,
        "before": first, "options": options,
    }  # fmt: skip


def claims_of(run: Run) -> list[Claim]:
    """Return what the sentences of a run state; raise SparringError where explain.json is damaged."""
    try:
        handles = (run.read_json(NAME) or {})["handles"]
        return [Claim(str(each["sentence"]), str(each["reading"]), int(each["sign"])) for each in handles]
    except (KeyError, TypeError, ValueError) as error:
        raise SparringError(f"{run.path / NAME}.json is damaged: explain the run again") from error


async def answered(request: Request) -> Response:
    """Answer with whether a choice was right, and the rate so far."""
    studio, body = studio_of(request), await body_of(request)
    choice = int(number_field(body, "choice", 0, 3))
    return JSONResponse(studio.quizzes.answer(text_field(body, "question"), choice))


ROUTES = [
    Route("/api/concepts", concepts),
    Route("/api/explain", explaining, methods=["POST"]),
    Route("/api/question", question, methods=["POST"]),
    Route("/api/answer", answered, methods=["POST"]),
]
