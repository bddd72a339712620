"""Routes of the Explore page: generators, samples, frames of a walk, nearest training examples, downloads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from torch import Tensor

from sparring.commands.explaining.generator import has_latent
from sparring.commands.explaining.result import NAME, read_handles
from sparring.commands.restoring.picture import MIN_SIDE_PIXELS
from sparring.engine.errors import SparringError, UsageError
from sparring.models.capabilities import Density, Sampler
from sparring.models.density import DensityModel
from sparring.models.generator import GeneratorModel
from sparring.models.saved import read_metadata
from sparring.nets.density_net import Completes
from sparring.studio.explore.downloads import download_of, formats
from sparring.studio.explore.latent_levels import levels_of
from sparring.studio.explore.latent_points import Point, generate, latents_of, points_of
from sparring.studio.explore.nearest import nearest_examples
from sparring.studio.runs.run_list import find_run, run_names
from sparring.studio.server.state import Studio, body_of, number_field, studio_of, text_field
from sparring.studio.views import has_pixels, rgb, views


async def generators(request: Request) -> Response:
    """Answer with the runs that hold a generator."""
    return JSONResponse(await run_in_threadpool(_generators, studio_of(request).folder))


def _generators(folder: Path) -> list[dict[str, Any]]:
    listed = []
    for name in run_names(folder):
        try:
            fields = read_metadata(folder / name, "generator")
            kind, recipe = str(fields["spec"]["kind"]), str(fields["recipe"])
            explained = (folder / name / f"{NAME}.json").exists()
            listed.append({"run": name, "kind": kind, "recipe": recipe, "explained": explained})
        except (SparringError, KeyError, TypeError):
            continue
    return listed


async def generator(request: Request) -> Response:
    """Answer with what can be explored of one generator."""
    studio = studio_of(request)
    return JSONResponse(await studio.models.compute(_generator, studio, request.query_params.get("run", "")))


def _generator(studio: Studio, name: str) -> dict[str, Any]:
    run = find_run(studio.folder, name)
    model = model_of(studio, {"run": name})
    best = run.best
    return {
        "run": name, "kind": model.spec.kind, "pixels": has_pixels(model.spec), "recipe": model.recipe.name,
        "latent_dim": model.latent_dim, "truncates": bool(model.recipe.truncates),
        "classes": list(model.label_names) if model.conditional and not model.vectors else [],
        "numbers": [list(stats) for stats in model.spec.condition_stats] if model.vectors else [],
        "levels": list(levels_of(model)), "checkpoints": [int(path.name) for path in run.checkpoints()],
        "best": best["nimg"] if best else None, "density": isinstance(model, DensityModel),
        "completes": isinstance(model.generator, Completes), "formats": formats(model.spec),
        "restores": has_pixels(model.spec) and min(model.spec.shape[-2:]) >= MIN_SIDE_PIXELS,
        "explains": has_latent(model), "source": str(run.settings["data"]["source"]) if run.exists else "",
    }  # fmt: skip


def model_of(studio: Studio, body: dict[str, Any]) -> GeneratorModel:
    """Return the generator that a request names: run, checkpoint, truncation."""
    options: dict[str, Any] = {}
    if checkpoint := text_field(body, "checkpoint", ""):
        options["checkpoint"] = checkpoint
    if body.get("truncation") is not None:
        options["truncation"] = number_field(body, "truncation", 0.01, 10)
    run = find_run(studio.folder, text_field(body, "run"))
    model = studio.models.load(run.path, Sampler, **options)
    if not isinstance(model, GeneratorModel):
        raise UsageError(f"{run.path} holds no generator: choose another run")
    return model


def _rows(studio: Studio, body: dict[str, Any]) -> tuple[GeneratorModel, list[Point], Any, Any]:
    """Return the generator of a request, its points, their stored rows and labels."""
    model, points = model_of(studio, body), points_of(body)
    moving = any(point.moves for point in points)
    steps = steps_of(find_run(studio.folder, text_field(body, "run")).path, model) if moving else []
    z, y = latents_of(model, points, levels_of(model), steps)
    return model, points, generate(model, z, y), y


def steps_of(path: Path, model: GeneratorModel) -> list[Tensor]:
    """Return one step `[latent_dim]` along each handle that `sparring explain` gave a run."""
    steps = [handle.step * handle.direction for handle in read_handles(path)]
    if any(len(step) != model.latent_dim for step in steps):
        raise UsageError(f"the handles of {path} are of another generator: explain the run again")
    return steps


async def samples(request: Request) -> Response:
    """Answer with samples of any kind, as `views` has them, each with its class and log-density."""
    studio, body = studio_of(request), await body_of(request)
    return JSONResponse(await studio.models.compute(_samples, studio, body))


def _samples(studio: Studio, body: dict[str, Any]) -> dict[str, Any]:
    model, _, rows, y = _rows(studio, body)
    answer: dict[str, Any] = {"views": views(model.spec, rows), "labels": model.names_of(y)}
    if isinstance(model, Density):
        answer["densities"] = densities_of(model, rows)
    return answer


def densities_of(model: Any, rows: Any) -> list[dict[str, float | str]]:
    """Return -log p of stored rows under a density model, in its unit, and how typical that is of held-out examples."""
    log_p = model.log_density(model.spec.encode(rows))
    columns = zip((-log_p / model.unit.nats).tolist(), model.p_values(log_p).tolist(), strict=True)
    return [{"nll": round(nll, 4), "unit": model.unit.name, "p_value": round(p, 4)} for nll, p in columns]


async def walk(request: Request) -> Response:
    """Answer with images as bytes of colours, three a pixel, one after another; their size is in the headers."""
    studio, body = studio_of(request), await body_of(request)
    pixels = await studio.models.compute(_frames, studio, body)
    size = dict(zip(("x-count", "x-height", "x-width"), map(str, pixels.shape), strict=False))
    return Response(pixels.tobytes(), media_type="application/octet-stream", headers=size)


def _frames(studio: Studio, body: dict[str, Any]) -> Any:
    model, _, rows, _ = _rows(studio, body)
    if not has_pixels(model.spec):
        raise UsageError(f"samples of {model.spec.plural} are no pictures: /api/samples shows them")
    return rgb(rows)


async def nearest(request: Request) -> Response:
    """Answer with the training examples that are nearest to a sample."""
    studio, body = studio_of(request), await body_of(request)
    model, _, rows, _ = await studio.models.compute(_rows, studio, body)
    run = find_run(studio.folder, text_field(body, "run"))
    return JSONResponse(await run_in_threadpool(nearest_examples, run, model.spec, rows[:1]))


async def download(request: Request) -> Response:
    """Answer with a file of what is shown."""
    studio, body = studio_of(request), await body_of(request)
    content, kind = await studio.models.compute(_download, studio, body)
    return Response(content, media_type=kind)


def _download(studio: Studio, body: dict[str, Any]) -> tuple[bytes, str]:
    model, points, rows, y = _rows(studio, body)
    seeds = ", ".join(str(point.seed) for point in points[:8]) + (", ..." if len(points) > 8 else "")
    about = f"run {text_field(body, 'run')}, seeds {seeds}"
    words, film = model.names_of(y), body.get("film") is True
    return download_of(model.spec, rows, words, text_field(body, "format"), about, film=film)


ROUTES = [
    Route("/api/generators", generators),
    Route("/api/generator", generator),
    Route("/api/samples", samples, methods=["POST"]),
    Route("/api/walk", walk, methods=["POST"]),
    Route("/api/nearest", nearest, methods=["POST"]),
    Route("/api/download", download, methods=["POST"]),
]
