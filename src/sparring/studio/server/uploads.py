"""Files that are dropped on the page: stored below the folder of runs, under names that the server makes safe."""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
from pathlib import Path, PurePath

from starlette.requests import ClientDisconnect, Request

from sparring.engine.atomic_io import atomic_replace, explain_os_errors, remove
from sparring.engine.errors import SparringError, UsageError

MAX_UPLOAD = 1_000_000_000
"""Largest upload in bytes."""
MAX_DEPTH = 8
"""Largest number of folders around a file of a set."""
MAX_LETTERS = 60
"""Largest length of a stored name: up to 240 of the 255 bytes that file systems allow."""


async def receive(request: Request, folder: Path) -> Path:
    """Store the body of a request under `?name=`, and return its path; nothing is left of an upload that fails."""
    name = safe_name(re.split(r"[/\\]", request.query_params.get("name", ""))[-1])
    place = _uploads(folder) / secrets.token_hex(8)
    await _store(request, place / name, place)
    return place / name


async def receive_one_of(request: Request, folder: Path) -> tuple[str, Path]:
    """Store the body of a request as one file of a set, under the path `?name=` below that of the set.

    `?set=` is the id of a set that an earlier request began; empty begins one. Returns the id, and the file or folder
    directly below the set. Nothing is left of a set one of whose files fails.
    """
    parts = [part for part in re.split(r"[/\\]", request.query_params.get("name", "")) if part]
    if len(parts) > MAX_DEPTH + 1:
        raise UsageError(f"'{'/'.join(parts)}' is more than {MAX_DEPTH} folders deep: write the path of the folder")
    place = _set(folder, request.query_params.get("set", ""))
    parts = [safe_name(part) for part in parts] or [safe_name("")]
    await _store(request, _free_path(place.joinpath(*parts)), place)
    return place.name, place / parts[0]


def safe_name(name: str) -> str:
    """Return a name of letters, digits, spaces, '.', '_' and '-' alone, so that it is inert.

    Other characters become '_', and a long name is cut; a digest at the end then keeps different names apart.
    """
    name = unicodedata.normalize("NFC", name)
    clean = re.sub(r"[^\w. -]+", "_", name).strip("._- ")
    if not clean:
        return "upload"
    if len(clean) <= MAX_LETTERS and not re.search(r"[^\w. -]", name):
        return clean
    path = PurePath(clean)
    end = f"-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:6]}{path.suffix[:10]}"
    return path.stem[: MAX_LETTERS - len(end)].rstrip("._- ") + end


async def _store(request: Request, path: Path, place: Path) -> None:
    """Write the body of a request to `path`; remove the folder `place` where that fails."""
    too_large = UsageError(
        f"{path.name} is larger than {MAX_UPLOAD / 1e9:g} GB: write its path into the field instead of dropping it"
    )
    size = 0
    try:
        if int(request.headers.get("content-length") or 0) > MAX_UPLOAD:
            raise too_large
        with atomic_replace(path) as temporary, explain_os_errors(path), open(temporary, "wb") as file:
            async for part in request.stream():
                if (size := size + len(part)) > MAX_UPLOAD:
                    raise too_large
                file.write(part)
    except BaseException as error:
        remove(place)
        if isinstance(error, ClientDisconnect):
            raise SparringError(f"the browser went away while {path.name} was sent: drop it again") from error
        raise


def _uploads(folder: Path) -> Path:
    return folder / ".studio" / "uploads"


def _set(folder: Path, name: str) -> Path:
    """Return the folder of a set by its id; raise UsageError where there is none. No path is made of `name`."""
    if not name:
        return _uploads(folder) / secrets.token_hex(8)
    for place in _uploads(folder).glob("*"):
        if place.name == name and place.is_dir():
            return place
    raise UsageError("the files that were sent before are not there any more: drop all of them again")


def _free_path(path: Path) -> Path:
    """Return `path`, with a number where a file has it already."""
    free, k = path, 1
    while free.exists():
        free, k = path.with_stem(f"{path.stem}-{k + 1}"), k + 1
    return free
