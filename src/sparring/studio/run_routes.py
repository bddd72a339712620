"""Routes of the Runs page: list, details, live metrics, reports, the doctor."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from sparring.commands.doctor import doctor
from sparring.engine.errors import UsageError
from sparring.engine.run_folder import Run
from sparring.studio.run_list import RunSummary, find_run, run_names, summary_of
from sparring.studio.state import Studio, studio_of

POLL_SECONDS = 0.5
"""Seconds between two looks at the files of a run."""
MAX_FOLLOWED = 8
"""Largest number of runs that one page follows."""
DOWNLOADS = ("film.webp", "generator.safetensors", "classifier.safetensors", "run.json", "metrics.jsonl")


async def listed(request: Request) -> Response:
    """Answer with all runs."""
    return JSONResponse(await run_in_threadpool(_listed, studio_of(request)))


def _listed(studio: Studio) -> dict[str, Any]:
    rows = [_with_thumbnail(studio, summary_of(studio.folder, name, studio.jobs)) for name in run_names(studio.folder)]
    rows.sort(key=lambda row: row.written, reverse=True)
    return {"folder": str(studio.folder), "runs": [asdict(row) for row in rows]}


def _with_thumbnail(studio: Studio, row: RunSummary) -> RunSummary:
    run = Run(studio.folder / row.name)
    frames = run.frames()
    return replace(row, thumbnail=studio.files.url(frames[-1])) if frames else row


async def details(request: Request) -> Response:
    """Answer with all that the page shows of one run."""
    return JSONResponse(await run_in_threadpool(_details, studio_of(request), request.query_params.get("run", "")))


def _details(studio: Studio, name: str) -> dict[str, Any]:
    run = find_run(studio.folder, name)
    summary = summary_of(studio.folder, name, studio.jobs)
    job = studio.jobs.latest(name)
    return {
        "summary": asdict(summary),
        "settings": {} if summary.state == "damaged" else run.settings,
        "metrics": run.metrics(),
        "frames": _frames(studio, run),
        "real": studio.files.url(run.real_path) if run.real_path.is_file() else "",
        "report": studio.files.url(run.report_path) if run.report_path.is_file() else "",
        "downloads": {name: studio.files.url(run.path / name) for name in DOWNLOADS if (run.path / name).is_file()},
        "job": {"id": job.id, "running": studio.jobs.running(job), "log": studio.jobs.log(job)} if job else None,
    }


def _frames(studio: Studio, run: Run) -> list[dict[str, Any]]:
    return [{"nimg": int(path.stem), "url": studio.files.url(path)} for path in run.frames()]


async def findings(request: Request) -> Response:
    """Answer with the doctor's findings on one run."""
    run = find_run(studio_of(request).folder, request.query_params.get("run", ""))
    result = await run_in_threadpool(doctor, run.path)
    return JSONResponse([asdict(finding) for finding in result])


async def events(request: Request) -> Response:
    """Answer with a stream of server-sent events: new metrics and pictures of the runs in the query."""
    studio = studio_of(request)
    names = request.query_params.getlist("run")[:MAX_FOLLOWED]
    if not names:
        raise UsageError("no run was named: choose one in the list")
    runs = {name: find_run(studio.folder, name) for name in names}
    return StreamingResponse(_stream(studio, runs), media_type="text/event-stream")


async def _stream(studio: Studio, runs: dict[str, Run]) -> AsyncIterator[str]:
    """Yield an event for each change of a run; it ends when the browser goes away."""
    marks: dict[str, tuple[float, str, str]] = {}
    yield ": open\n\n"
    while True:
        for name, run in runs.items():
            summary = await run_in_threadpool(summary_of, studio.folder, name, studio.jobs)
            mark = (_modified(run.path / "metrics.jsonl"), summary.state, summary.note)
            if marks.get(name) == mark:
                continue
            marks[name] = mark
            changed = {
                "run": name, "summary": asdict(summary), "metrics": await run_in_threadpool(run.metrics),
                "frames": _frames(studio, run),
            }  # fmt: skip
            yield f"data: {json.dumps(changed)}\n\n"
        await asyncio.sleep(POLL_SECONDS)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


ROUTES = [
    Route("/api/runs", listed),
    Route("/api/run", details),
    Route("/api/doctor", findings),
    Route("/api/events", events),
]
