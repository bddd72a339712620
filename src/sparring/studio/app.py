"""The application of the studio: routes, errors as messages, and the guard around all of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from sparring.engine.errors import SparringError
from sparring.studio.attack import routes as attack_routes
from sparring.studio.concepts import routes as concept_routes
from sparring.studio.explore import completion_routes
from sparring.studio.explore import routes as explore_routes
from sparring.studio.label import routes as label_routes
from sparring.studio.runs import job_routes
from sparring.studio.runs import routes as run_routes
from sparring.studio.server.guard import Guard, Keys
from sparring.studio.server.issued_files import issued_file
from sparring.studio.server.state import Studio, studio_of

STATIC = files("sparring.studio") / "static"
STATIC_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}


def application(studio: Studio, hosts: Collection[str], keys: Keys) -> Guard:
    """Return the ASGI application of a studio that browsers reach under `hosts`."""

    async def session(request: Request) -> Response:
        """Give the page the cookie that opens files."""
        response = JSONResponse({"folder": str(studio_of(request).folder)})
        response.set_cookie(keys.cookie_name, keys.cookie, path="/files/", httponly=True, samesite="strict")
        return response

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        studio.models.close()

    app = Starlette(
        lifespan=lifespan,
        routes=[
            *_static_routes(),
            Route("/api/session", session, methods=["POST"]),
            Route("/files/{name}", issued_file),
            *run_routes.ROUTES,
            *job_routes.ROUTES,
            *attack_routes.ROUTES,
            *explore_routes.ROUTES,
            *completion_routes.ROUTES,
            *concept_routes.ROUTES,
            *label_routes.ROUTES,
        ],
        exception_handlers={SparringError: failed, OSError: failed, 404: not_there, 405: not_there, 500: crashed},
    )
    app.state.studio = studio
    return Guard(app, hosts, keys)


async def failed(request: Request, error: Exception) -> Response:
    """Answer with the message of an error: 400 where the request was wrong, else 500."""
    wrong = isinstance(error, SparringError) and error.exit_code == 2
    return JSONResponse({"error": str(error)}, 400 if wrong else 500)


async def crashed(request: Request, error: Exception) -> Response:
    """Answer that the server is at fault; the terminal has the traceback."""
    return JSONResponse({"error": f"the studio met an error: see the terminal ({type(error).__name__})"}, 500)


async def not_there(request: Request, error: Exception) -> Response:
    """Answer that an address is not one of the studio's."""
    return JSONResponse({"error": "there is nothing at this address"}, 404)


def _static_routes() -> list[Route]:
    """Return a route for each file of the page: what is not in the package has no address."""
    routes = []
    for folder, prefix in ((STATIC, "/static/"), (STATIC / "pages", "/static/pages/")):
        for file in folder.iterdir():
            suffix = f".{file.name.rpartition('.')[2]}"
            if file.is_file() and suffix in STATIC_TYPES:
                path = "/" if file.name == "index.html" else prefix + file.name
                routes.append(Route(path, _static(str(file), STATIC_TYPES[suffix])))
    return routes


def _static(path: str, kind: str) -> Any:
    async def answer(request: Request) -> Response:
        return FileResponse(path, media_type=kind)

    return answer
