"""Routes that complete a picture: by a density model at once, or by the deep image prior as a job."""

from __future__ import annotations

import secrets
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sparring.engine.errors import UsageError
from sparring.engine.image_io import save_png, to_image
from sparring.models.completion import complete
from sparring.models.density import DensityModel
from sparring.models.generator import GeneratorModel
from sparring.studio.explore.latent_points import MAX_SEED, generate, latents_of, points_of
from sparring.studio.explore.nearest import training_data
from sparring.studio.explore.routes import model_of
from sparring.studio.runs.run_list import find_run
from sparring.studio.server.state import Studio, body_of, number_field, studio_of, text_field
from sparring.studio.views import has_pixels, views

MAX_FILLS = 16
MINUTES = 30
"""Largest time of a restoration from the page, in minutes."""


async def picture(request: Request) -> Response:
    """Answer with the picture to be completed: a sample, or a training image."""
    studio, body = studio_of(request), await body_of(request)
    return JSONResponse(await run_in_threadpool(_picture, studio, body))


def _picture(studio: Studio, body: dict[str, Any]) -> dict[str, Any]:
    model, row = _given(studio, body)
    return views(model.spec, row)[0]


def _given(studio: Studio, body: dict[str, Any]) -> tuple[GeneratorModel, NDArray[np.uint8]]:
    """Return the model of a request and the stored picture `[1, H, W, C]` that it names: by `row`, or by a point."""
    model = model_of(studio, body)
    if not has_pixels(model.spec):
        raise UsageError(f"pictures are completed, and these are {model.spec.plural}: choose another run")
    if body.get("row") is None:
        return model, generate(model, *latents_of(model, points_of(body)[:1]))
    data = training_data(find_run(studio.folder, text_field(body, "run")))
    row = int(number_field(body, "row", 0, len(data) - 1))
    return model, data[np.array([row])]


def mask_of(body: dict[str, Any], height: int, width: int) -> NDArray[np.bool_]:
    """Return the known pixels `[H, W]` of a request: a byte a pixel, 1 where the picture is to be filled."""
    try:
        hole = np.frombuffer(b64decode(text_field(body, "hole"), validate=True), np.uint8)
    except ValueError as error:
        raise UsageError("'hole' has to be base64: reload the page") from error
    if len(hole) != height * width:
        raise UsageError(f"the hole has {len(hole)} pixels, the picture {height * width}: reload the page")
    if not hole.any() or hole.all():
        raise UsageError("paint over a part of the picture, not over none or all of it")
    return np.asarray(hole.reshape(height, width) == 0)


async def completed(request: Request) -> Response:
    """Answer with fills of a picture, each with its log-probability."""
    studio, body = studio_of(request), await body_of(request)
    return JSONResponse(await studio.models.compute(_completed, studio, body))


def _completed(studio: Studio, body: dict[str, Any]) -> dict[str, Any]:
    model, row = _given(studio, body)
    if not isinstance(model, DensityModel):
        raise UsageError(f"{model.recipe.name} cannot complete a picture: choose the run of a density model")
    known = mask_of(body, *row.shape[1:3])
    n, seed = int(number_field(body, "n", 1, MAX_FILLS, 4)), int(number_field(body, "seed", 0, MAX_SEED, 0))
    label = text_field(body, "label", "")
    fills = complete(model, row, known, n, seed, model.label(label) if label else None)
    return {
        "views": views(model.spec, fills.rows), "log_probabilities": fills.log_probabilities, "exact": fills.exact,
        "notes": list(fills.notes),
    }  # fmt: skip


async def restoring(request: Request) -> Response:
    """Start `sparring restore` on the picture: a network that is fitted to it alone fills the hole."""
    studio, body = studio_of(request), await body_of(request)
    return JSONResponse(await run_in_threadpool(_restoring, studio, body))


def _restoring(studio: Studio, body: dict[str, Any]) -> dict[str, Any]:
    _, row = _given(studio, body)
    known = mask_of(body, *row.shape[1:3])
    minutes = number_field(body, "minutes", 0.1, MINUTES, 1)
    name = secrets.token_hex(6)
    folder = _restored(studio.folder, name)
    folder.mkdir(parents=True)
    save_png(to_image(row[0]), folder / "picture.png", "the picture before its restoration")
    Image.fromarray(np.where(known, 255, 0).astype(np.uint8)).save(folder / "mask.png")
    args = [
        "restore", str(folder / "picture.png"), "--mask", str(folder / "mask.png"), "--minutes", f"{minutes:g}",
        "--out", str(folder / "result"),
    ]  # fmt: skip
    job = studio.jobs.start(args)
    return {"restoration": name, "job": job.id, "command": job.command}


async def restored(request: Request) -> Response:
    """Answer with the state of a restoration, and its picture once it is there."""
    studio = studio_of(request)
    name = request.query_params.get("restoration", "")
    known = {path.name for path in _restored(studio.folder, "").glob("*")}
    if name not in known:
        raise UsageError("there is no such restoration: start one")
    result = _restored(studio.folder, name) / "result" / "restored.png"
    job = studio.jobs.get(request.query_params.get("job", ""))
    return JSONResponse(
        {
            "running": studio.jobs.running(job), "ending": studio.jobs.ending(job), "log": studio.jobs.log(job),
            "url": studio.files.url(result) if result.is_file() else "",
        }
    )  # fmt: skip


def _restored(folder: Path, name: str) -> Path:
    return folder / ".studio" / "restored" / name


ROUTES = [
    Route("/api/picture", picture, methods=["POST"]),
    Route("/api/complete", completed, methods=["POST"]),
    Route("/api/restore", restoring, methods=["POST"]),
    Route("/api/restored", restored),
]
