"""SOURCE, as a user writes it: a path, a URL or a known name -> a container of files."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path

from sparring.data.files.archive import Container
from sparring.data.files.download import download, is_url
from sparring.data.files.unread_source import describe_unread
from sparring.data.files.url_lists import expanded, fetched, listed
from sparring.data.reader_api import RawDataset, ReadOptions
from sparring.data.readers import READERS
from sparring.data.readers.digits import read_digits
from sparring.data.readers.stacked_mnist import stacked
from sparring.data.registry import DIGITS, KNOWN, NOTES, STACKED
from sparring.engine.errors import SparringError, UsageError, did_you_mean


def cache_folder() -> Path:
    """Return where caches lie: `$SPARRING_CACHE`, or the system's place for caches.

    Raises SparringError where the system has none: a user without a home folder.
    """
    if given := os.environ.get("SPARRING_CACHE"):
        return Path(given)
    with suppress(RuntimeError):  # platformdirs finds no home folder
        path = user_cache_path("sparring", appauthor=False)
        if path.is_absolute():  # older ones return `~/.cache` then
            return path
    raise SparringError("there is no home folder for the cache of decoded data: set SPARRING_CACHE to a folder")


def locate(source: str | Path) -> tuple[Path, list[str]]:
    """Return the path of what SOURCE means, fetched first where it is on the web; and notes on how it was found."""
    text = str(source)
    if not text:
        raise UsageError("SOURCE is empty: it is a folder, an archive, a file, a URL or a known name")
    if is_url(text):
        return fetched(expanded(text), cache_folder() / "downloads"), []
    path = local(text)
    if path is None and text == STACKED:
        return _locate_known("mnist")
    if path is None and text in KNOWN:
        return _locate_known(text)
    if path is None:
        near = did_you_mean(text, [*KNOWN, DIGITS, STACKED])
        raise UsageError(
            f"there is no '{text}': SOURCE is a folder, an archive, a file, a URL or a known name ({near})"
        )
    if not (path.is_dir() or path.is_file()):
        raise UsageError(f"{text} is neither a folder nor a file")
    if not os.access(path, os.R_OK):
        raise SparringError(f"{text} may not be read: its permissions forbid it")
    urls = listed(path)
    return (fetched(urls, cache_folder() / "downloads") if urls else path), []


def is_missing(text: str) -> bool:
    """Return True for a name that is neither a URL, nor a known name, nor something on the disk."""
    return not is_url(text) and local(text) is None and text not in (*KNOWN, DIGITS, STACKED)


def local(text: str) -> Path | None:
    """Return the path of this name, if there is something on the disk."""
    path = Path(os.path.expanduser(text))
    return path if os.path.exists(path) else None


def _locate_known(name: str) -> tuple[Path, list[str]]:
    known = KNOWN[name]
    if folder := os.environ.get("SPARRING_DATA"):
        for local in known.local:
            if (path := Path(folder) / local).exists():
                return path, [NOTES[local]] if local in NOTES else []
    downloads = cache_folder() / "downloads" / name
    files = [download(url, downloads) for url in known.urls]
    return (files[0], []) if len(files) == 1 else (downloads, [])


def find(container: Container, source: str, kind: str, options: ReadOptions) -> RawDataset:
    """Return what the first reader of this kind that knows the container of `source` finds there."""
    for reader in READERS[kind]:
        if raw := reader(container, options):
            return stacked(raw) if source == STACKED and local(source) is None else raw
    raise SparringError(f"nothing usable in {source}: {describe_unread(container, kind)}")


def find_digits() -> RawDataset:
    """scikit-learn's digits."""
    return read_digits()
