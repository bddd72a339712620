"""Models of the Hugging Face hub, as the commands and `sparring.load` take them: `hf:owner/name@commit`.

Only the files of a saved model are fetched, safetensors and JSON. No file of a repository is executed.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from sparring.data.resolve import cache_folder
from sparring.data.web.hubs import hugging_face
from sparring.data.web.repository import fetch_repository
from sparring.engine.errors import UsageError

PLAYERS = ("classifier", "regressor", "generator", "obfuscator")
"""Players that are saved, the one that a run is about first."""
CONFIG = "config.json"
"""File by which the hub counts downloads."""
MAX_JSON_BYTES, MAX_TENSOR_BYTES = 32 << 20, 8 << 30
"""Largest files that are fetched."""
LIMITS = {
    CONFIG: MAX_JSON_BYTES,
    **{f"{player}.json": MAX_JSON_BYTES for player in PLAYERS},
    **{f"{player}.safetensors": MAX_TENSOR_BYTES for player in PLAYERS},
}
ADDRESS = re.compile(
    r"(?:hf:|https://huggingface\.co/)(?!datasets/|spaces/)(?P<owner>\w[\w.-]*)/(?P<name>\w[\w.-]*?)"
    r"(?:(?:@|/tree/|/commit/)(?P<revision>\w[\w.-]*))?/?"
)


def is_hub_model(path: str | Path) -> bool:
    """Return True for the address of a model of the hub; raise UsageError where it begins like one and is none."""
    text = str(path)
    if ADDRESS.fullmatch(text):
        return True
    if text.startswith("hf:"):
        raise UsageError(f"{text} is no model of the hub: write hf:owner/name, or hf:owner/name@commit")
    return False


def local_path(path: str | Path) -> Path:
    """Return `path`, or the folder of the files that were fetched from it where it is an address of the hub.

    Raises as `fetch_repository` does.
    """
    return _fetched(str(path), hugging_face(), cache_folder()) if is_hub_model(path) else Path(path)


def results_folder(path: str | Path) -> Path:
    """Return where results of the model at `path` are written: its folder, or one in runs/ for a model of the hub."""
    if match := ADDRESS.fullmatch(str(path)):
        return Path("runs") / f"{match['owner']}-{match['name']}"
    path = Path(path)
    return path if path.is_dir() else path.parent


@cache
def _fetched(address: str, hub: str, kept_in: Path) -> Path:
    """Return the folder of a fetched model; one process reads one commit of it."""
    match = ADDRESS.fullmatch(address)
    assert match is not None
    return fetch_repository(f"{match['owner']}/{match['name']}", match["revision"], LIMITS)
