"""Several URLs as one source: numbers in braces, `http://host/{000..012}.tar`, or a text file of URLs."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from pathlib import Path

from sparring.data.files.download import download, file_name, is_url
from sparring.engine.errors import UsageError

RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
MAX_FILES = 100_000
MAX_LIST_BYTES = 16 << 20
"""Size of a text file above which it is no list of URLs."""


def expanded(url: str) -> list[str]:
    """Return the URLs that one with ranges in braces stands for; `{008..012}` has leading zeros, `{8..12}` none.

    Raises UsageError on a range that goes down, and on more than MAX_FILES files.
    """
    urls = [url]
    while match := RANGE.search(urls[0]):
        first, last = match.groups()
        count = int(last) - int(first) + 1
        if count < 1:
            raise UsageError(f"{url}: the range {match[0]} goes down")
        if count * len(urls) > MAX_FILES:
            raise UsageError(f"{url} stands for {count * len(urls):,} files: at most {MAX_FILES:,} are fetched")
        width = len(first) if first.startswith("0") else 0
        numbers = [f"{number:0{width}}" for number in range(int(first), int(last) + 1)]
        urls = [RANGE.sub(number, each, count=1) for each in urls for number in numbers]
    return urls


def listed(path: Path) -> list[str]:
    """Return the URLs of a text file that has one on each line; an empty list where it is any other file."""
    if path.suffix not in (".txt", ".list", ".urls") or not path.is_file() or path.stat().st_size > MAX_LIST_BYTES:
        return []
    lines = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    return [url for line in lines for url in expanded(line)] if lines and all(map(is_url, lines)) else []


def fetched(urls: list[str], downloads: Path) -> Path:
    """Return the file at the one URL, or a folder below `downloads` with the files at all of them.

    Raises UsageError where two files have one name, SparringError where one cannot be fetched.
    """
    named = Counter(file_name(url.partition("#")[0]) for url in urls)
    name, count = named.most_common(1)[0]
    if count > 1:
        raise UsageError(f"{count} of the {len(urls):,} URLs end in {name}: their files need names of their own")
    folder = downloads / hashlib.sha256("\n".join(urls).encode()).hexdigest()[:16]
    files = [download(url, folder) for url in urls]
    return files[0] if len(files) == 1 else folder
