"""What the routes of one server share."""

from __future__ import annotations

import json
import math
import secrets
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from sparring.engine.errors import UsageError
from sparring.studio.concepts.quiz import Quizzes
from sparring.studio.server.issued_files import IssuedFiles
from sparring.studio.server.jobs import Jobs
from sparring.studio.server.loaded_models import LoadedModels

MAX_BODY = 8_000_000
"""Largest JSON body in bytes: a drawing of 512x512 pixels takes less."""


@dataclass(frozen=True)
class Studio:
    """The folder of runs, and the tables of the server."""

    folder: Path
    """Folder of the run folders."""
    files: IssuedFiles
    jobs: Jobs
    models: LoadedModels
    quizzes: Quizzes

    @classmethod
    def of(cls, folder: Path) -> Studio:
        """Return the state of a new server."""
        return cls(folder, IssuedFiles(secrets.token_bytes(32)), Jobs(folder), LoadedModels(), Quizzes())


def studio_of(request: Request) -> Studio:
    """Return the state of the server that a request came to."""
    studio: Studio = request.app.state.studio
    return studio


async def body_of(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request; raise UsageError on anything else."""
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        if (size := size + len(part)) > MAX_BODY:
            raise UsageError(f"the request is larger than {MAX_BODY / 1e6:.0f} MB: send less at once")

    try:
        value = json.loads(b"".join(parts) or b"{}")
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise UsageError("the request holds no JSON object: reload the page")
    return value


def text_field(body: dict[str, Any], name: str, default: str | None = None) -> str:
    """Return a text of a request; raise UsageError where it is missing or no text."""
    value = body.get(name, default)
    if not isinstance(value, str) or "\0" in value:
        raise UsageError(f"'{name}' has to be a text: reload the page")
    return value


def number_field(body: dict[str, Any], name: str, low: float, high: float, default: float | None = None) -> float:
    """Return a number of a request; raise UsageError where it is missing or not from `low` to `high`."""
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise UsageError(f"{name} = {value!r}: choose a number from {low:g} to {high:g}")
    return float(value)


def to_json(value: Any) -> str:
    """Return the JSON of a value that may come of a stranger's folder: NaN and infinities become null."""
    return json.dumps(_finite(value), separators=(",", ":"))


class Answer(JSONResponse):
    """A JSON response by `to_json`."""

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return to_json(content).encode()


def _finite(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _finite(asdict(value))
    if isinstance(value, dict):
        return {str(name): _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
