"""The format of saved models: `<player>.safetensors` holds the tensors, `<player>.json` all else. No pickle is read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from sparring.engine.atomic_io import atomic_replace, write
from sparring.engine.data_spec import DataSpec, spec_from_json, spec_to_json
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.run_folder import FORMAT, Run, read_json
from sparring.engine.safetensors_io import load_file, write_tensors
from sparring.models.hub import PLAYERS, local_path
from sparring.recipes import RECIPES, recipe_class, usage
from sparring.recipes.recipe import Recipe, from_settings, to_settings

COMMANDS = {"generator": "sparring sample", "obfuscator": "sparring encode"}
"""Player -> command that uses it; of the others `sparring predict`."""
OWN_FIELDS = ("format", "player", "capabilities", "spec", "recipe", "settings")


@dataclass(frozen=True)
class SavedModel:
    """One saved model, as it was read."""

    path: Path
    """Path that the user named."""
    player: str
    capabilities: tuple[str, ...]
    spec: DataSpec
    recipe: Any
    tensors: dict[str, Tensor]
    metadata: dict[str, Any]
    """All other fields of `<player>.json`."""

    def damaged(self, error: Exception | str) -> SparringError:
        """Return the error for a JSON file that lacks something, or tensors that do not fit it."""
        return SparringError(
            f"{self.path}: {self.player}.json and {self.player}.safetensors do not fit together, or are from another "
            f"version of Sparring: {error}. Train the model anew"
        )


def save_model(
    folder: str | Path,
    player: str,
    tensors: Mapping[str, Tensor],
    *,
    spec: DataSpec,
    recipe: Recipe,
    capabilities: Iterable[str],
    metadata: Mapping[str, Any],
) -> None:
    """Write `<player>.safetensors` and `<player>.json` into `folder`; `recipe` has its settings resolved."""
    folder = Path(folder)
    with atomic_replace(folder / f"{player}.safetensors") as temporary:
        write_tensors(tensors, temporary)
    about = {
        "format": FORMAT,
        "player": player,
        "capabilities": list(capabilities),
        "spec": spec_to_json(spec),
        "recipe": recipe.name,
        "settings": to_settings(recipe),
        **metadata,
    }
    write(folder / f"{player}.json", json.dumps(about, indent=2) + "\n")


def saved_players(path: str | Path) -> list[str]:
    """Return the players that are saved at `path`: a run folder, or one of a model's two files."""
    path = Path(path)
    if path.stem in PLAYERS and path.suffix in (".json", ".safetensors"):
        return [path.stem]
    return [player for player in PLAYERS if (local_path(path) / f"{player}.json").exists()]


def read_metadata(path: str | Path, player: str) -> dict[str, Any]:
    """Return all of `<player>.json`; raise UsageError where it is missing, SparringError where it is damaged."""
    folder = model_folder(path)
    if not local_path(path).exists():
        raise UsageError(
            f"there is no '{path}': give a run folder, or a folder with {player}.json and {player}.safetensors"
        )
    if local_path(path).is_file() and local_path(path).suffix not in (".json", ".safetensors"):
        raise UsageError(f"{path} is a file, and RUN is a folder: that of `sparring train`, `classify` or `regress`")
    for file in (folder / f"{player}.json", folder / f"{player}.safetensors"):
        if not file.exists():
            raise UsageError(f"{folder} has no {file.name}: {_reason(folder, player)}")
    return read_json(folder / f"{player}.json", player)


def read_model(path: str | Path, player: str) -> SavedModel:
    """Read the saved model of `player` at `path`: a run folder, or one of its two files.

    Raises UsageError where there is none, SparringError where a file is damaged or of another version.
    """
    fields = read_metadata(path, player)
    try:
        name, spec = fields["recipe"], spec_from_json(fields["spec"])
        kind = recipe_class(name)
        if player != "generator" and RECIPES[name].trains != player:
            raise UsageError(f"{path}: {player}.json names a recipe of another player: {usage(name)}")
        recipe = from_settings(kind, fields["settings"])
        capabilities = tuple(map(str, fields["capabilities"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SparringError(
            f"{path}: {player}.json lacks or misnames {error}: another version of Sparring wrote it. "
            "Train the model anew"
        ) from error
    weights = model_folder(path) / f"{player}.safetensors"
    try:
        tensors = load_file(weights)
    except Exception as error:  # whatever a damaged file makes the parser raise
        raise SparringError(f"{weights} is damaged: {error}. The same training on the run writes it anew") from error
    metadata = {name: value for name, value in fields.items() if name not in OWN_FIELDS}
    return SavedModel(Path(path), player, capabilities, spec, recipe, tensors, metadata)


def model_folder(path: str | Path) -> Path:
    """Return the folder of the model at `path`: a folder, one of a model's two files, or an address of the hub."""
    path = local_path(path)
    return path if path.is_dir() else path.parent


def _reason(folder: Path, player: str) -> str:
    """Return why a folder holds no model of `player`, and the way out."""
    if any((folder / f"{old}.json").exists() for old in ("model", "recogniser")):
        return "an older version of Sparring wrote this folder. Train the model anew"
    run = Run(folder)
    entry = RECIPES.get(run.settings["recipe"]["name"]) if run.exists else None
    if entry is not None and entry.trains == player:
        return f"its training has not saved one yet. Repeat the `sparring {entry.command}` that began it, to go on"
    if players := saved_players(folder):
        command = COMMANDS.get(players[0], "sparring predict")
        return f"it holds a {' and a '.join(players)}, for `{command}`"
    return (
        "it is a run of another model"
        if entry
        else "it is no run folder. `sparring train`, `classify` and `regress` make one"
    )


def main_player(path: str | Path) -> str | None:
    """Return the player that the run at `path` is about, saved or not; None where there is neither run nor model."""
    players = saved_players(path)
    run = Run(model_folder(path))
    if local_path(path).is_dir() and run.exists and (entry := RECIPES.get(run.settings["recipe"]["name"])):
        return entry.trains
    return players[0] if players else None
