"""SOURCE, as a user writes it: a path, a URL or a known name -> a container of files."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sparring.data.container import open_container
from sparring.data.download import download, is_url
from sparring.data.found import Found
from sparring.data.known import DIGITS, KNOWN, NOTES
from sparring.data.readers import READERS
from sparring.data.readers.digits import read_digits
from sparring.engine.errors import SparringError, UsageError, nearest


def cache_folder() -> Path:
    """Where caches lie: `$SPARRING_CACHE`, or the system's place for caches."""
    if given := os.environ.get("SPARRING_CACHE"):
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData/Local")) / "sparring/cache"
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/sparring"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "sparring"


def locate(source: str | Path) -> tuple[Path, list[str]]:
    """The path of what SOURCE means, fetched first where it is on the web; and notes on how it was found."""
    text = str(source)
    path = Path(text).expanduser()
    if is_url(text):
        return download(text, cache_folder() / "downloads"), []
    if text in KNOWN and not path.exists():
        return _locate_known(text)
    if not path.exists():
        near = nearest(text, [*KNOWN, DIGITS])
        raise UsageError(
            f"there is no '{text}': SOURCE is a folder, an archive, a file, a URL or a known name ({near})"
        )
    if not (path.is_dir() or path.is_file()):
        raise UsageError(f"{text} is neither a folder nor a file")
    if not os.access(path, os.R_OK):
        raise SparringError(f"{text} may not be read: its permissions forbid it")
    return path, []


def _locate_known(name: str) -> tuple[Path, list[str]]:
    known = KNOWN[name]
    if folder := os.environ.get("SPARRING_DATA"):
        for local in known.local:
            if (path := Path(folder) / local).exists():
                return path, [NOTES[local]] if local in NOTES else []
    downloads = cache_folder() / "downloads" / name
    files = [download(url, downloads) for url in known.urls]
    return (files[0], []) if len(files) == 1 else (downloads, [])


def find(path: Path) -> Found:
    """What the first reader that knows it finds at `path` (a tar.gz must be unpacked first)."""
    container = open_container(path)
    for reader in READERS:
        if found := reader(container):
            return found
    raise SparringError(f"nothing usable in {path}: {_census(container.names, [r.name for r in container.refused])}")


def find_digits() -> Found:
    """scikit-learn's digits."""
    return read_digits()


def _census(names: list[str], refused: list[str]) -> str:
    if not names and not refused:
        return "it is empty. Images are looked for in it and in the folders below"
    kinds: dict[str, int] = {}
    for name in names:
        suffix = Path(name).suffix.lower() or "no suffix"
        kinds[suffix] = kinds.get(suffix, 0) + 1
    most = sorted(kinds.items(), key=lambda kind: -kind[1])[:6]
    parts = [f"{count} x {suffix}" for suffix, count in most] + (
        [f"{len(refused)} refused ({refused[0]})"] if refused else []
    )
    return f"it holds {', '.join(parts)}. Images, IDX, CIFAR batches, .npy, .npz and parquet are read"
