"""A page about a data set: its links to files of data, and its own words. Nothing in a page is executed."""

from __future__ import annotations

import re
import tempfile
import urllib.parse
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.robotparser import RobotFileParser

from sparring.data.files.download import download
from sparring.engine.errors import SparringError, UsageError

MAX_PAGE_BYTES = 4 << 20
MAX_WORDS = 4000
"""Letters of a page's text that are kept."""
DATA_SUFFIXES = (
    ".zip", ".tar", ".tar.gz", ".tgz", ".csv", ".csv.gz", ".tsv", ".data", ".parquet", ".npz", ".npy", ".wav", ".flac",
)  # fmt: skip
"""Ends of addresses that are files of data."""
AGENT = "sparring"


@dataclass(frozen=True)
class WebPage:
    """What a page says."""

    address: str
    links: tuple[str, ...]
    """Addresses of files of data, as the page orders them."""
    text: str
    """Words of the page that a reader sees."""


class _Reader(HTMLParser):
    """Collects links and visible words."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[str] = []
        self.words: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "style", "template")
        if tag == "a":
            self.links += [value for name, value in attrs if name == "href" and value]

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style", "template") and self._hidden > 0

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)


def is_html(content: bytes) -> bool:
    """Return True where a file begins as a page does."""
    return re.match(rb"\s*(<!--.*?-->\s*)*<(!doctype html|html|head|body)", content[:2000], re.I | re.S) is not None


def fetch(address: str, limit: int = MAX_PAGE_BYTES, token: str = "") -> bytes:
    """Return what is at an address, anew each time; raise SparringError where it is longer than `limit`, or forbidden.

    A `robots.txt` that forbids the address is respected. `token` is sent to this host alone.
    """
    check_robots(address)
    return _get(address, limit, token)


def _get(address: str, limit: int, token: str = "") -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return download(address, Path(folder), limit, token).read_bytes()


def check_robots(address: str) -> None:
    """Raise SparringError where the site's robots.txt forbids the address; a site without one forbids nothing."""
    try:
        parts = urllib.parse.urlsplit(address)
    except ValueError as error:
        raise UsageError(f"{address} is no address that can be fetched: {error}") from error
    robots = RobotFileParser()
    try:
        text = _get(f"{parts.scheme}://{parts.netloc}/robots.txt", MAX_PAGE_BYTES).decode(errors="replace")
    except SparringError:
        return
    robots.parse(text.splitlines())
    if not robots.can_fetch(AGENT, address):
        raise SparringError(
            f"{parts.netloc} forbids programs to fetch {address} (robots.txt): save it by hand, and give the file"
        )


def read_page(address: str, content: bytes) -> WebPage:
    """Return the links to data and the words of a page."""
    reader = _Reader()
    reader.feed(content.decode("utf-8", errors="replace"))
    links = [urllib.parse.urljoin(address, link.strip()) for link in reader.links]
    data = [link for link in dict.fromkeys(links) if is_data_address(link)]
    return WebPage(address, tuple(data), re.sub(r"\s+", " ", " ".join(reader.words)).strip()[:MAX_WORDS])


def is_data_address(address: str) -> bool:
    """Return True for an http address that ends as a file of data does."""
    parts = urllib.parse.urlsplit(address)
    return parts.scheme in ("http", "https") and parts.path.lower().endswith(DATA_SUFFIXES)
