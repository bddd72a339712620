"""Where an evaluation of a model writes its report, and how: one folder, report.html, report.json and other files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sparring.commands.attacking.load_target import Target
from sparring.engine import dist
from sparring.engine.atomic_io import explain_os_errors, remove, write
from sparring.models.hub import results_folder

CHUNKS = "parts"
"""Folder of the saved chunks of an unfinished evaluation (`resumable`), inside the output folder."""


def output_folder(target: Target, command: str, out: str | Path | None) -> Path:
    """Return `out`; by default the folder `command` inside the run, or `command`-MODEL for a model of another tool."""
    if out is not None:
        return Path(out)
    if target.classifier is not None:
        return results_folder(target.name) / command
    return Path(f"{command}-" + re.sub(r"[^\w.]+", "-", Path(target.name).name))


def write_report(
    folder: Path, report: Mapping[str, Any], page: str, files: Mapping[str, str | bytes] | None = None
) -> None:
    """Write `files` (name -> content), report.html and, last, report.json with the names of all of them.

    Removes the files that only an earlier report in the folder lists, and the saved chunks of the evaluation. Of
    several processes the first writes.
    """
    if dist.rank() != 0:
        return
    files = {**(files or {}), "report.html": page}
    outdated = [name for name in _earlier_files(folder) if name not in files]
    for name, content in files.items():
        write(folder / name, content)
    write(folder / "report.json", json.dumps({**report, "files": list(files)}, indent=2) + "\n")
    with explain_os_errors(folder):
        for name in outdated:
            (folder / name).unlink(missing_ok=True)
    remove(folder / CHUNKS)


def file_stem(words: str) -> str:
    """Return `words` with everything but letters and digits replaced, as a part of a file name."""
    return "".join(letter if letter.isalnum() else "-" for letter in words)


def _earlier_files(folder: Path) -> list[str]:
    """Return the plain file names that an earlier report.json lists."""
    try:
        names = json.loads((folder / "report.json").read_text(encoding="utf-8")).get("files", [])
        return [name for name in names if Path(name).name == name and name != "report.json"]
    except (OSError, ValueError, AttributeError, TypeError):
        return []
