"""Files of a repository of the Hugging Face hub at one commit: bounded, compared with the hashes that the hub names."""

from __future__ import annotations

import hashlib
import json
import os
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sparring.data.files.download import download
from sparring.data.resolve import cache_folder
from sparring.data.web.hubs import commit_of, hugging_face, json_at
from sparring.engine.atomic_io import write
from sparring.engine.errors import SparringError, UsageError

LISTING = "repository.json"
"""File that is written last: name, commit, and sizes and hashes of the files beside it."""
NO_ENTRY = (401, 403, 404)
"""Statuses of repositories that do not exist or are not public: the hub does not tell them apart."""


@dataclass(frozen=True)
class RemoteFile:
    """A file, as the hub lists it."""

    name: str
    size: int
    """Bytes."""
    sha256: str = ""
    """Hash of a large file; empty of a small one."""
    git: str = ""
    """Hash of a small file as a git blob (SHA-1)."""


def fetch_repository(name: str, revision: str | None, limits: Mapping[str, int]) -> Path:
    """Return a folder with the files of the repository `name` ("owner/name") that `limits` names, with most bytes.

    `revision` is a commit, a branch or a tag; None: the newest commit. A commit of 40 digits that was fetched before
    needs no network. Private repositories need a token in $HF_TOKEN. Raises UsageError where there is no repository
    that may be read or it has none of the files, SparringError where a file is longer than its limit, differs from its
    hash, or the hub cannot be reached.
    """
    base = hugging_face()
    place = cache_folder() / "models" / re.sub(r"[^\w.-]+", "_", urllib.parse.urlsplit(base).netloc) / name
    is_commit = revision is not None and re.fullmatch("[0-9a-f]{40}", revision) is not None
    if is_commit and _is_complete(place / str(revision)):
        return place / str(revision)
    about = _about(base, name, revision, place)
    commit = commit_of(about, name)
    if is_commit and commit != revision:
        raise SparringError(f"the hub answers with commit {commit} of '{name}', not with {revision}: nothing was used")
    if not _is_complete(place / commit):
        files = _listed(about, name, limits)
        for file in files:
            _fetch(f"{base}/{name}/resolve/{commit}/{file.name}", file, place / commit)
        listing = {"name": name, "commit": commit, "hub": base, "files": [asdict(file) for file in files]}
        write(place / commit / LISTING, json.dumps(listing, indent=2) + "\n")
    return place / commit


def _token() -> str:
    return os.environ.get("HF_TOKEN", "").strip()


def _is_complete(folder: Path) -> bool:
    """Return whether every listed file lies in the folder, in its size."""
    try:
        files = json.loads((folder / LISTING).read_text(encoding="utf-8"))["files"]
        return all((folder / file["name"]).stat().st_size == file["size"] for file in files)
    except (OSError, ValueError, TypeError, KeyError):
        return False


def _about(base: str, name: str, revision: str | None, place: Path) -> Any:
    """Return what the hub says about a repository at a revision, the sizes and hashes of its files included."""
    part = f"/revision/{revision}" if revision else ""
    try:
        return json_at(f"{base}/api/models/{name}{part}?blobs=true", _token())
    except SparringError as error:
        if (status := getattr(error.__cause__, "code", None)) in NO_ENTRY:
            at = f" at '{revision}'" if revision else ""
            raise UsageError(
                f"the hub has no public model '{name}'{at} (status {status}): check the name. A private one needs a "
                "token that may read it, in HF_TOKEN"
            ) from error
        kept = [entry.parent.name for entry in sorted(place.glob(f"*/{LISTING}"))]
        way = f"hf:{name}@{kept[-1]} was fetched before and needs no network" if kept else "try again with a network"
        raise SparringError(f"the hub did not answer: {way} ({error})") from error


def _listed(about: Any, name: str, limits: Mapping[str, int]) -> list[RemoteFile]:
    """Return the files of a repository that `limits` names; raise where there are none, or one is too long."""
    try:
        files = [_remote_file(entry) for entry in about["siblings"] if entry["rfilename"] in limits]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SparringError(f"the hub names no size or no hash of the files of '{name}': nothing was used") from error
    if not files:
        raise UsageError(f"'{name}' of the hub holds no model of Sparring: `sparring export RUN --to hub` writes one")
    for file in files:
        if file.size > limits[file.name]:
            raise SparringError(
                f"{file.name} of '{name}' is {file.size:,} bytes long, more than the {limits[file.name]:,} that are "
                "taken: nothing was used"
            )
    return files


def _remote_file(entry: Mapping[str, Any]) -> RemoteFile:
    """Return the size and the hash of a file; raise ValueError where the hub names none."""
    large = entry.get("lfs") or {}
    file = RemoteFile(entry["rfilename"], int(entry["size"]), large.get("sha256", ""), entry.get("blobId", ""))
    if not re.fullmatch("[0-9a-f]{64}", file.sha256) and (large or not re.fullmatch("[0-9a-f]{40}", file.git)):
        raise ValueError("no hash")
    return file


def _fetch(url: str, file: RemoteFile, folder: Path) -> None:
    """Fetch one file into the folder; raise SparringError, keeping nothing of it, where it is not the one listed."""
    path = download(f"{url}#sha256={file.sha256}" if file.sha256 else url, folder, file.size, _token())
    if file.sha256:
        return
    content = path.read_bytes()
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    if blob != file.git:
        path.unlink()
        raise SparringError(f"{url} is not the file that the hub lists: its hash is {blob}. It was deleted")
