"""Files that the page may fetch: the server gives each an id, and no path ever comes from a browser."""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

TYPES = {
    ".png": "image/png", ".webp": "image/webp", ".wav": "audio/wav", ".html": "text/html", ".csv": "text/csv",
    ".json": "application/json", ".jsonl": "text/plain",
}  # fmt: skip
"""Types by suffix; any other file, SVG among them, is bytes to download."""
SANDBOX = (
    "sandbox; default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
)
"""Policy of every file: a report may be a stranger's, and it needs no script."""


class IssuedFiles:
    """The table of ids and paths. An id is a keyed hash of the path, so that its address stays the same."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._paths: dict[str, Path] = {}

    def url(self, path: Path) -> str:
        """Return the address of a file that the server chose, and let it be fetched."""
        name = hmac.new(self._key, os.fsencode(path), hashlib.sha256).hexdigest()[:32]
        self._paths[name] = path
        return f"/files/{name}"

    def path(self, name: str) -> Path | None:
        """Return the file of an id; None if there is none, or no regular file any more. Links are not followed."""
        path = self._paths.get(name)
        return path if path is not None and path.is_file() and path.resolve() == path else None


async def issued_file(request: Request) -> Response:
    """Answer with the file of the id in the address; `?download` gives it the name for a download."""
    path = request.app.state.studio.files.path(request.path_params["name"])
    if path is None:
        return PlainTextResponse("the file is not there any more: reload the page", 404)
    kind = TYPES.get(path.suffix, "application/octet-stream")
    headers = {"cache-control": "private, no-cache", "content-security-policy": SANDBOX}  # an ETag answers
    download = path.name if "download" in request.query_params else None
    return FileResponse(path, media_type=kind, headers=headers, filename=download)
