"""Files that are dropped on the page: stored below the folder of runs, under names that the server makes safe."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from starlette.requests import ClientDisconnect, Request

from sparring.engine.atomic_io import atomic_replace, explain_os_errors, remove
from sparring.engine.errors import SparringError, UsageError

MAX_UPLOAD = 1_000_000_000
"""Largest upload in bytes."""


async def receive(request: Request, folder: Path) -> Path:
    """Store the body of a request under `?name=`, and return its path; nothing is left of an upload that fails."""
    name = safe_name(request.query_params.get("name", ""))
    too_large = UsageError(
        f"{name} is larger than {MAX_UPLOAD / 1e9:g} GB: write its path into the field instead of dropping it"
    )
    if int(request.headers.get("content-length") or 0) > MAX_UPLOAD:
        raise too_large
    path = folder / ".studio" / "uploads" / secrets.token_hex(8) / name
    size = 0
    try:
        with atomic_replace(path) as temporary, explain_os_errors(path), open(temporary, "wb") as file:
            async for part in request.stream():
                if (size := size + len(part)) > MAX_UPLOAD:
                    raise too_large
                file.write(part)
    except BaseException as error:
        remove(path.parent)
        if isinstance(error, ClientDisconnect):
            raise SparringError(f"the browser went away while {name} was sent: drop it again") from error
        raise
    return path


def safe_name(name: str) -> str:
    """Return the last part of a file name with letters, digits, '.', '_' and '-' alone, so that it is inert."""
    last = re.split(r"[/\\]", name)[-1]
    clean = re.sub(r"[^A-Za-z0-9._-]+", "_", last).strip("._-")[-80:]
    return clean or "upload"
