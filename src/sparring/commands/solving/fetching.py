"""Turn the source of a text into one that the other commands read: a page into its data, a hub's name into files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from sparring.commands.solving.task import Ask, Decision
from sparring.data.files.download import is_url
from sparring.data.resolve import locate
from sparring.data.web.hubs import fetch_from_hub
from sparring.data.web.pages import check_robots, is_data_address, is_html, read_page
from sparring.engine.errors import SparringError

BEGINNING = 2000
"""Bytes that show whether a file is a page."""


@dataclass(frozen=True)
class Fetched:
    """A source as the commands read it, and what its publisher says."""

    source: Decision[str]
    words: str = ""
    """Words of the page that links to the data."""
    target: str | None = None
    """Column of the class, by the hub."""
    licence: str = ""
    """Licence that the publisher names."""


def fetch_source(source: Decision[str], ask: Ask) -> Fetched:
    """Fetch what the source is, where that is on the web; other sources are returned as they are.

    A page is read for its links to data: one is taken, of several `ask` chooses. A file gets its sha256, so that the
    commands fetch the same content later. Raises SparringError where nothing can be had.
    """
    if (hub := fetch_from_hub(source.value)) is not None:
        files = replace(source, value=str(hub.folder), evidence=f"{source.evidence}: {hub.evidence}")
        return Fetched(files, target=hub.target, licence=hub.licence)
    if not is_url(source.value):
        return Fetched(source)
    address = source.value.partition("#")[0]
    check_robots(address)
    path, _ = locate(source.value)
    with open(path, "rb") as file:
        begin = file.read(BEGINNING)
    if not is_html(begin):
        return Fetched(_hashed(source))
    page = read_page(address, path.read_bytes())
    if not page.links:
        raise SparringError(
            f"{address} is a page without a link to data (an archive, csv, parquet or NumPy file): download the data "
            "by hand, and give the file"
        )
    link = page.links[0] if len(page.links) == 1 else ask(
        f"{address} links to several files: choose one by --source", list(page.links)
    )  # fmt: skip
    check_robots(link)
    linked = replace(source, value=link, evidence=f"linked by {address}")
    return Fetched(_hashed(linked), page.text)


def _hashed(source: Decision[str]) -> Decision[str]:
    """Return an address with the sha256 of its content."""
    if "#" in source.value:
        return source
    path, _ = locate(source.value)
    with open(path, "rb") as file:
        begin = file.read(BEGINNING)
        if is_data_address(source.value) and is_html(begin):
            raise SparringError(f"{source.value} is a page in place of data: open it in a browser to see what it wants")
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return replace(source, value=f"{source.value}#sha256={digest}", evidence=f"{source.evidence}, sha256 {digest[:12]}")
