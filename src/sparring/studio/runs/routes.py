"""Routes of the Runs page: list, details, live metrics, reports, the doctor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from sparring.commands.doctor import doctor
from sparring.commands.reporting.run_report import BASELINES, CURVES
from sparring.engine.errors import UsageError
from sparring.engine.run_folder import Run
from sparring.studio.runs.run_list import RunSummary, find_run, newest_frame, run_names, started_jobs, summary_of
from sparring.studio.runs.run_tail import RunTail
from sparring.studio.server.state import Answer, Studio, studio_of, to_json

POLL_SECONDS = 0.5
"""Seconds between two looks at the files of a run."""
MAX_FOLLOWED = 8
"""Largest number of runs that one page follows."""
DOWNLOADS = (
    "film.webp", "generator.safetensors", "classifier.safetensors", "regressor.safetensors", "to_label.csv",
    "metrics.jsonl", "run.json",
)  # fmt: skip
"""Files of a run that the page offers, where they are there."""


async def listed(request: Request) -> Response:
    """Answer with all runs, the newest first."""
    return Answer(await run_in_threadpool(_listed, studio_of(request)))


def _listed(studio: Studio) -> dict[str, Any]:
    names = list(run_names(studio.folder))
    rows = [_with_thumbnail(studio, summary_of(studio.folder, name, studio.jobs)) for name in names]
    rows += started_jobs(studio.jobs, set(names))
    rows.sort(key=lambda row: row.written, reverse=True)
    return {"folder": str(studio.folder), "runs": rows}


def _with_thumbnail(studio: Studio, row: RunSummary) -> RunSummary:
    frame = newest_frame(Run(studio.folder / row.name))
    return replace(row, thumbnail=studio.files.url(frame)) if frame else row


async def details(request: Request) -> Response:
    """Answer with what changes seldom of one run; its metrics and pictures come as events."""
    return Answer(await run_in_threadpool(_details, studio_of(request), request.query_params.get("run", "")))


def _details(studio: Studio, name: str) -> dict[str, Any]:
    run = find_run(studio.folder, name)
    summary = summary_of(studio.folder, name, studio.jobs)

    def address(file: str) -> str:
        path = run.path / file
        return studio.files.url(path) if path.is_file() and not path.is_symlink() else ""

    return {
        "summary": summary,
        "settings": {} if summary.state == "damaged" else run.settings,
        "real": address(run.real_path.name),
        "report": address(run.report_path.name),
        "downloads": {file: address(file) for file in DOWNLOADS if address(file)},
    }


async def curves(request: Request) -> Response:
    """Answer with the plots of metrics: title -> metric -> label; and the prefixes of metrics that are baselines."""
    return Answer({"curves": CURVES, "baselines": BASELINES, "max_runs": MAX_FOLLOWED})


async def findings(request: Request) -> Response:
    """Answer with the doctor's findings on one run."""
    run = await run_in_threadpool(find_run, studio_of(request).folder, request.query_params.get("run", ""))
    return Answer(await run_in_threadpool(doctor, run.path))


async def events(request: Request) -> Response:
    """Answer with a stream of server-sent events: new metrics and pictures of the runs in the query."""
    studio = studio_of(request)
    names = list(dict.fromkeys(request.query_params.getlist("run")))[:MAX_FOLLOWED]
    if not names:
        raise UsageError("no run was named: choose one in the list")
    tails = await run_in_threadpool(lambda: [RunTail(studio, find_run(studio.folder, name), name) for name in names])
    return StreamingResponse(_stream(tails), media_type="text/event-stream")


async def _stream(tails: Sequence[RunTail]) -> AsyncIterator[str]:
    """Yield an event for each change of a run, until the browser goes away."""
    yield ": open\n\n"
    while True:
        for tail in tails:
            if (changes := await run_in_threadpool(tail.changes)) is not None:
                yield f"data: {to_json(changes)}\n\n"
        await asyncio.sleep(POLL_SECONDS)


ROUTES = [
    Route("/api/runs", listed),
    Route("/api/run", details),
    Route("/api/curves", curves),
    Route("/api/doctor", findings),
    Route("/api/events", events),
]
