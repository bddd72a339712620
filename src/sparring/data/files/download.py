"""Files from the web: bounded, resumed where a download broke off, checked against a given sha256."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from filelock import FileLock

from sparring.engine.atomic_io import explain_os_errors
from sparring.engine.errors import SparringError, UsageError

LARGEST = 200 << 30
"""Bytes: a longer answer is refused."""
TRIES = 4
TIMEOUT = 60
"""Seconds without a byte."""


def is_url(source: str) -> bool:
    """Return True for http and https."""
    return source.lower().startswith(("http://", "https://"))


def download(url: str, folder: Path, limit: int = LARGEST, token: str = "") -> Path:
    """Return the file at `url`, in `folder`, which serves this URL or this set of URLs alone; what is there is whole.

    A fragment `#sha256=<hex>` is checked. `token` is sent to the host of `url` and to no other. Raises SparringError on
    failure, leaving what came so far for the next try.
    """
    address, _, fragment = url.partition("#")
    digest = _wanted_digest(fragment, url)
    name = file_name(address)
    target = folder / name
    if target.exists():
        return target
    with explain_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f".{name}.lock")  # another process may fetch the same: then this one waits for it
        lock.acquire()
    try:
        if not target.exists():
            part = folder / f".{name}.part"  # what came so far stays there for the next try
            _fetch(address, part, limit, token)
            _check(part, digest, url)
            with explain_os_errors(target):
                os.replace(part, target)
        Path(lock.lock_file).unlink(missing_ok=True)
    finally:
        lock.release()
    return target


def file_name(address: str) -> str:
    """Return a harmless name for what is at `address`, with its suffix."""
    try:
        path = urllib.parse.unquote(urllib.parse.urlsplit(address).path)
    except ValueError as error:
        raise UsageError(f"{address} is no address that can be fetched: {error}") from error
    return re.sub(r"[^\w.-]+", "_", path.rpartition("/")[2])[-100:].lstrip(".-") or "download"


def _wanted_digest(fragment: str, url: str) -> str:
    if not fragment:
        return ""
    kind, _, digest = fragment.partition("=")
    if kind != "sha256" or len(digest) != 64 or not all(c in "0123456789abcdef" for c in digest.lower()):
        raise UsageError(f"{url}: the part after '#' must be sha256= and 64 hexadecimal digits")
    return digest.lower()


def _fetch(address: str, part: Path, limit: int, token: str) -> None:
    failure: Exception = OSError("nothing came")
    for _ in range(TRIES):
        try:
            if _fetch_rest(address, part, limit, token):
                return
            failure = OSError("the connection closed before the end")
        except SparringError:
            raise
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416:  # what is here is longer than what is there: begin anew
                part.unlink(missing_ok=True)
            elif error.code < 500:
                raise SparringError(f"{address} answers {error.code} {error.reason}: check the address") from error
            failure = error
        except (OSError, urllib.error.URLError) as error:
            failure = error
        except Exception as error:  # http.client's own, on answers that are no HTTP
            failure = OSError(str(error))
    so_far = part.stat().st_size if part.exists() else 0
    raise SparringError(
        f"{address} could not be fetched: {failure}. {so_far:,} bytes are kept; the same command goes on from there"
    ) from failure


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows redirects, without the token where they lead to another host."""

    def redirect_request(self, req: urllib.request.Request, *args: Any) -> urllib.request.Request | None:
        redirected = super().redirect_request(req, *args)
        if redirected is not None and (redirected.type, redirected.host) != (req.type, req.host):
            redirected.remove_header("Authorization")
        return redirected


_OPENER = urllib.request.build_opener(_SameHost)


def _fetch_rest(address: str, part: Path, limit: int, token: str) -> bool:
    """One try, from where the last one broke off; True when the whole file is here."""
    done = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(address, headers={"User-Agent": "sparring"})
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    if done:
        request.add_header("Range", f"bytes={done}-")
    with _OPENER.open(request, timeout=TIMEOUT) as answer:
        resumed = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {done}-")
        if answer.status == 206 and not resumed:
            part.unlink(missing_ok=True)
            raise OSError("the server sent another range than requested")
        done = done if resumed else 0
        length = answer.headers.get("Content-Length")
        total = done + int(length) if length else None
        if (total or 0) > limit:
            raise SparringError(f"{address} is {total:,} bytes long, more than the {limit:,} that are taken")
        with explain_os_errors(part):
            room = shutil.disk_usage(part.parent).free
        if total is not None and total - done > room:
            raise SparringError(
                f"{address} needs {total - done:,} bytes on the disk of {part.parent}, {room:,} are free"
            )
        with open(part, "ab" if resumed else "wb") as out:
            while block := answer.read(1 << 20):
                done += len(block)
                if done > limit:
                    raise SparringError(f"{address} sends more than the {limit:,} bytes that are taken")
                with explain_os_errors(part):
                    out.write(block)
    return total is None or done == total


def _check(path: Path, digest: str, url: str) -> None:
    if not digest:
        return
    with open(path, "rb") as file:
        digest_of_file = hashlib.file_digest(file, "sha256").hexdigest()
    if digest_of_file != digest:
        path.unlink()
        raise SparringError(
            f"{url.partition('#')[0]} has another sha256 than given: {digest_of_file}. It was deleted, nothing was used"
        )
