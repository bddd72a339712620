"""Data sets of the Hugging Face hub, OpenML and UCI, by their public interfaces; never a loading script."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from sparring.data.files.download import download
from sparring.data.resolve import cache_folder
from sparring.data.web.pages import fetch
from sparring.engine.errors import SparringError, UsageError

HUGGING_FACE = re.compile(
    r"(?:hf:|https?://huggingface\.co/datasets/)(?P<name>[\w.-]+/[\w.-]+)(?:(?:@|/tree/)(?P<revision>[\w.-]+))?/?"
)
OPEN_ML = re.compile(
    r"(?:openml:|https?://(?:www\.)?openml\.org/(?:d/|search\?(?:[^ ]*&)?id=))(?P<number>\d+)(?:[&#/].*)?"
)
UCI = re.compile(r"(?:uci:|https?://archive\.ics\.uci\.edu/dataset/)(?P<number>\d+)(?:/[^ ]*)?")
HUGGING_FACE_ENDPOINT, OPEN_ML_ENDPOINT, UCI_ENDPOINT = "HF_ENDPOINT", "OPENML_ENDPOINT", "UCI_ENDPOINT"
"""Environment variables of other servers with the same interfaces."""
MAX_FILES = 200
"""Largest number of Parquet files of a data set."""


@dataclass(frozen=True)
class HubData:
    """A data set that was fetched from a hub."""

    folder: Path
    """Its files, as SOURCE of the commands."""
    evidence: str
    """Where it is from, at which version."""
    target: str | None = None
    """Column of the class, where the hub names it."""
    licence: str = ""
    """Licence that the hub names."""


def is_hub(address: str) -> bool:
    """Return True for the address of a data set of a hub."""
    return any(form.fullmatch(address) for form in (HUGGING_FACE, OPEN_ML, UCI))


def fetch_from_hub(address: str) -> HubData | None:
    """Fetch the data set at an address of a hub; None for another address. Raises SparringError where it fails."""
    if match := HUGGING_FACE.fullmatch(address):
        return _hugging_face(match["name"], match["revision"])
    if match := OPEN_ML.fullmatch(address):
        return _open_ml(match["number"])
    if match := UCI.fullmatch(address):
        return _uci(match["number"])
    return None


def _hugging_face(name: str, revision: str | None) -> HubData:
    """Fetch the Parquet files that the hub has of a data set, at the commit of the revision."""
    base = hugging_face()
    about = json_at(f"{base}/api/datasets/{name}" + (f"/revision/{revision}" if revision else ""))
    commit = commit_of(about, name)
    listed = json_at(f"{base}/api/datasets/{name}/parquet")
    if not isinstance(listed, dict) or not listed:
        raise SparringError(
            f"the hub has no Parquet files of '{name}': download its files by hand, and give the folder"
        )
    configuration = "default" if "default" in listed else sorted(listed)[0]
    others = [other for other in sorted(listed) if other != configuration]
    urls = [(split, url) for split, urls in listed[configuration].items() for url in urls]
    if len(urls) > MAX_FILES:
        raise UsageError(f"'{name}' has {len(urls):,} Parquet files, more than {MAX_FILES}: give those that you need")
    folder = _folder(f"{base} {name} {commit} {configuration}")
    for split, url in urls:
        download(url, folder / _plain(split))
    card = about.get("cardData") or {}
    licence = card.get("license") if isinstance(card, dict) else None
    evidence = f"hub data set {name} at commit {commit[:12]}, part '{configuration}'"
    evidence += f", others are {', '.join(others[:5])}" if others else ""
    return HubData(folder, evidence, licence=str(licence or ""))


def _open_ml(number: str) -> HubData:
    """Fetch the Parquet file of a data set by its number, whose version never changes."""
    base = os.environ.get(OPEN_ML_ENDPOINT, "https://www.openml.org").rstrip("/")
    about = json_at(f"{base}/api/v1/json/data/{number}").get("data_set_description") or {}
    url = about.get("parquet_url") or about.get("parquet_url_1")
    if not url:
        raise SparringError(f"OpenML has no Parquet file of data set {number}: download it by hand, and give the file")
    folder = _folder(f"{base} {number}")
    download(str(url), folder)
    evidence = f"OpenML data set {number}, '{about.get('name', '')}' version {about.get('version', '?')}"
    return HubData(folder, evidence, about.get("default_target_attribute"), str(about.get("licence") or ""))


def _uci(number: str) -> HubData:
    """Fetch a data set by its number: the one csv file where UCI has joined its files, else the archive."""
    base = os.environ.get(UCI_ENDPOINT, "https://archive.ics.uci.edu").rstrip("/")
    answer = json_at(f"{base}/api/dataset?id={number}")
    about: dict[str, Any] = (answer.get("data") if isinstance(answer, dict) else None) or {}
    name = str(about.get("name") or "")
    if not name:
        raise SparringError(f"UCI has no data set {number}: look its number up at {base}/datasets")
    url = about.get("data_url") or f"{base}/static/public/{number}/{quote_plus(name.lower())}.zip"
    folder = _folder(f"{base} {number} {url}")
    download(str(url), folder)
    targets = about.get("target_col") or []
    target = str(targets[0]) if isinstance(targets, list) and len(targets) == 1 else None
    return HubData(folder, f"UCI data set {number}, '{name}'", target)


def hugging_face() -> str:
    """Return the address of the Hugging Face hub, or of the server with its interface that $HF_ENDPOINT names."""
    return os.environ.get(HUGGING_FACE_ENDPOINT, "https://huggingface.co").rstrip("/")


def commit_of(about: Any, name: str) -> str:
    """Return the commit in what the hub says about a repository; raise SparringError where it names none."""
    commit = str(about.get("sha", "")) if isinstance(about, dict) else ""
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise SparringError(f"the hub names no commit of '{name}': it cannot be fetched safely, give its files")
    return commit


def json_at(address: str, token: str = "") -> Any:
    """Return the JSON at an address; raise SparringError where there is none."""
    content = fetch(address, token=token)
    try:
        return json.loads(content)
    except ValueError as error:
        raise SparringError(f"{address} answers with no JSON: the hub is down, or the name is wrong") from error


def _folder(key: str) -> Path:
    return cache_folder() / "downloads" / hashlib.sha256(key.encode()).hexdigest()[:16]


def _plain(name: str) -> str:
    """Return a name for a folder: that of a split, with plain letters."""
    return re.sub(r"[^\w-]+", "_", name)[:40] or "data"
