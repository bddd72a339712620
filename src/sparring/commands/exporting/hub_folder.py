"""Write a saved model as a folder for the Hugging Face hub: model card, config.json, safetensors, a demo page."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparring.commands.exporting.model_card import CardRequest, model_card
from sparring.commands.sample import sample
from sparring.commands.sampling.formats import formats_of
from sparring.engine.atomic_io import atomic_replace, explain_os_errors, remove, write
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.run_folder import Run
from sparring.engine.version import __version__
from sparring.models.hub import CONFIG, LIMITS, results_folder
from sparring.models.saved import main_player, model_folder, read_metadata, read_model, saved_players

CARD, DEMO, PICTURE = "README.md", "index.html", "samples.png"
FILES = {CARD, DEMO, PICTURE, *LIMITS}
"""Names of all files that such a folder can hold."""
PICTURED = 64
"""Number of samples in the picture of the card."""
REPOSITORY = re.compile(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}")
LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]*")
WriteDemo = Callable[[str | Path, Path], object]
"""(run, path of the page) -> anything; raises SparringError where the network cannot be shown."""


@dataclass(frozen=True)
class HubFolder:
    """A folder for the hub."""

    path: Path
    files: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """What is not in the folder, and why."""
    address: str = ""
    """Address of the model on the hub, with its commit; empty where it was not pushed."""


def write_hub_folder(
    run: str | Path,
    out: str | Path | None = None,
    *,
    repository: str | None = None,
    licence: str | None = None,
    write_demo: WriteDemo | None = None,
) -> HubFolder:
    """Write the saved models of `run` as a folder for the hub, by default `hub` in the run folder.

    An earlier such folder is replaced; no other one is. `repository` ("owner/name") is named in the card, `licence` is
    that of the weights, by its identifier on the hub. `write_demo` writes index.html. The run folder itself, its
    training data, metrics and paths are not shared. Raises UsageError where there is no saved model or `out` holds
    other files, SparringError where a result of the run is damaged.
    """
    check_repository(repository)
    if licence is not None and not LICENCE.fullmatch(licence):
        raise UsageError(f"--licence {licence}: it is an identifier of the hub, such as apache-2.0, cc-by-4.0 or other")
    folder = Path(out) if out is not None else results_folder(run) / "hub"
    _check_out(folder)
    player = main_player(run) or "generator"
    players = (player, *(other for other in saved_players(run) if other != player))
    spec, *_ = [read_model(run, each).spec for each in players]  # raises where one is damaged
    metadata = read_metadata(run, player)
    source, notes = model_folder(run), list[str]()
    with explain_os_errors(folder), atomic_replace(folder) as temporary:
        temporary.mkdir()
        for name in [f"{each}.{suffix}" for each in players for suffix in ("json", "safetensors")]:
            shutil.copyfile(source / name, temporary / name)
        write(temporary / CONFIG, json.dumps(_config(players, metadata), indent=2) + "\n")
        if "Sampler" in metadata["capabilities"] and ".png" in formats_of(spec):
            _add(notes, "a picture of samples", lambda: sample(run, PICTURED, out=temporary / PICTURE))
        if write_demo is not None:
            _add(notes, "a demo page", lambda: write_demo(run, temporary / DEMO))
        name = repository.partition("/")[2] if repository else _name(run)
        request = CardRequest(
            name, f"hf:{repository}" if repository else folder.name, players, metadata, licence, _digests(temporary),
            (temporary / DEMO).exists(), (temporary / PICTURE).exists(),
        )  # fmt: skip
        write(temporary / CARD, model_card(Run(source), request))
        remove(folder)
    return HubFolder(folder, tuple(sorted(path.name for path in folder.iterdir())), tuple(notes))


def check_repository(name: str | None) -> None:
    """Raise UsageError where `name` is no name of a repository of the hub."""
    if name is not None and not REPOSITORY.fullmatch(name):
        raise UsageError(
            f"--push {name}: a repository of the hub is named owner/name, of letters, digits, '-', '_', '.'"
        )


def _check_out(folder: Path) -> None:
    """Raise UsageError where `folder` is a file, or holds what `write_hub_folder` did not write."""
    with explain_os_errors(folder):
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise UsageError(f"{folder} is no folder: choose another --out")
        names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if names and not (names <= FILES and {CONFIG, CARD} <= names):
        raise UsageError(f"{folder} holds other files than an exported model: choose another --out")


def _name(run: str | Path) -> str:
    """Return the heading of a card: the name of the run, or that on the hub."""
    return results_folder(run).resolve().name


def _config(players: tuple[str, ...], metadata: dict[str, Any]) -> dict[str, Any]:
    """Return config.json, by which the hub counts downloads and tells the library."""
    spec = metadata["spec"]
    return {
        "library_name": "sparring", "sparring_version": metadata.get("sparring", __version__),
        "model_type": metadata["recipe"], "players": list(players), "capabilities": metadata["capabilities"],
        "kind": spec["kind"], "classes": list(spec.get("classes", ())),
    }  # fmt: skip


def _add(notes: list[str], what: str, add: Callable[[], object]) -> None:
    """Add what not every model has; note why where it is missing."""
    try:
        add()
    except SparringError as error:
        notes.append(f"without {what}: {error}")


def _digests(folder: Path) -> dict[str, str]:
    digests = {}
    for path in sorted(folder.glob("*.safetensors")):
        with open(path, "rb") as file:
            digests[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def to_text(result: HubFolder) -> str:
    """Format the result for the terminal."""
    lines = [f"exported {result.path}: {', '.join(result.files)}", *(f"note     {note}" for note in result.notes)]
    if result.address:
        lines.append(f"pushed   {result.address}")
    return "\n".join(lines)
