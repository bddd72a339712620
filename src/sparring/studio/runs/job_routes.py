"""Routes that start and stop commands, look into data, and take uploads."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sparring.commands.inspect import inspect
from sparring.data.registry import DIGITS, KNOWN
from sparring.data.reader_api import KINDS_OF_OPTION
from sparring.engine.data_spec import kinds_of
from sparring.recipes import recipes_for
from sparring.studio.runs.command_form import COMMANDS, continued_run, new_run
from sparring.studio.runs.run_list import find_run
from sparring.studio.server.jobs import Job, Jobs, command_line
from sparring.studio.server.state import Answer, body_of, studio_of, text_field
from sparring.studio.server.uploads import MAX_UPLOAD, receive, receive_one_of


async def choices(request: Request) -> Response:
    """Answer with what the form of a new training offers: commands, recipes, kinds of each field, largest upload."""
    commands = {
        command: {
            name: {"summary": entry.summary, "kinds": entry.kinds} for name, entry in recipes_for(command).items()
        }
        for command in COMMANDS
    }
    known = ", ".join([DIGITS, *KNOWN])
    source_help = f"a folder, an archive, a file or a URL; relative to {Path.cwd()}; or a name: {known}"
    return JSONResponse(
        {
            "commands": commands, "kinds_of_field": KINDS_OF_OPTION, "max_upload": MAX_UPLOAD,
            "source_help": source_help,
        }
    )  # fmt: skip


async def inspected(request: Request) -> Response:
    """Answer with the report of `sparring inspect` on a source, and the kinds whose recipes and fields it has."""
    body = await body_of(request)
    report = await run_in_threadpool(inspect, text_field(body, "source"))
    return Answer({**asdict(report), "kinds": kinds_of(report.kind)})


async def shown(request: Request) -> Response:
    """Answer with the command line that a form stands for; nothing is started."""
    args, _ = new_run(await body_of(request), studio_of(request).folder)
    return JSONResponse({"command": command_line(args)})


async def started(request: Request) -> Response:
    """Start a new training."""
    studio = studio_of(request)
    args, name = new_run(await body_of(request), studio.folder)
    return JSONResponse(_job(studio.jobs, studio.jobs.start(args, name)))


async def continued(request: Request) -> Response:
    """Continue a run."""
    studio = studio_of(request)
    name = text_field(await body_of(request), "run")
    run = find_run(studio.folder, name)
    return JSONResponse(_job(studio.jobs, studio.jobs.start(continued_run(run.settings, run.path), name)))


async def stopped(request: Request) -> Response:
    """Stop a job: a training saves first."""
    studio = studio_of(request)
    job = studio.jobs.get(text_field(await body_of(request), "job"))
    studio.jobs.stop(job)
    return JSONResponse(_job(studio.jobs, job))


async def job_state(request: Request) -> Response:
    """Answer with the state and the log of a job."""
    jobs = studio_of(request).jobs
    return JSONResponse(_job(jobs, jobs.get(request.query_params.get("job", ""))))


async def uploaded(request: Request) -> Response:
    """Store a file that was dropped on the page, and answer with its path; with `?set=`, one of several files."""
    folder = studio_of(request).folder
    if "set" not in request.query_params:
        return JSONResponse({"source": str(await receive(request, folder))})
    name, path = await receive_one_of(request, folder)
    return JSONResponse({"set": name, "source": str(path)})


def _job(jobs: Jobs, job: Job) -> dict[str, Any]:
    return {
        "id": job.id, "command": job.command, "run": job.out, "running": jobs.running(job),
        "ending": jobs.ending(job), "log": jobs.log(job),
    }  # fmt: skip


ROUTES = [
    Route("/api/choices", choices),
    Route("/api/inspect", inspected, methods=["POST"]),
    Route("/api/command", shown, methods=["POST"]),
    Route("/api/start", started, methods=["POST"]),
    Route("/api/continue", continued, methods=["POST"]),
    Route("/api/stop", stopped, methods=["POST"]),
    Route("/api/job", job_state),
    Route("/api/upload", uploaded, methods=["POST"]),
]
