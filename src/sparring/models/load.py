"""Load a saved model of any kind: `sparring.load`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from sparring.engine.errors import UsageError, did_you_mean
from sparring.models.capabilities import lacking, require
from sparring.models.classifier import Classifier, load_classifier
from sparring.models.generator import GeneratorModel
from sparring.models.hub import PLAYERS
from sparring.models.load_generator import load_generator
from sparring.models.obfuscator import ObfuscatorModel, load_obfuscator
from sparring.models.regressor import Regressor, load_regressor
from sparring.models.saved import main_player, read_metadata, saved_players

C = TypeVar("C")

CAPABILITIES = {
    "classifier": ["Predictor", "Encoder", "Remembers"], "regressor": ["IntervalPredictor"], "generator": ["Sampler"],
    "obfuscator": ["Obfuscates"],
}  # fmt: skip
"""Capabilities of players that are not saved yet."""


def load(
    path: str | Path, player: str | None = None, *, net: nn.Module | None = None, **options: Any
) -> GeneratorModel | Classifier | Regressor | ObfuscatorModel:
    """Return the saved model at `path` (a run folder, or one of a model's two files), in eval mode on the CPU.

    `player` is "generator", "classifier", "regressor" or "obfuscator"; None: the one that the run is about. A model
    of custom networks needs the `net` that was trained. `options` are those of `load_generator`. Raises UsageError
    where there is no such model, SparringError where its files are damaged or do not fit.
    """
    if player not in (None, *PLAYERS):
        raise UsageError(f"unknown player '{player}': {did_you_mean(str(player), PLAYERS)}")
    player = player or main_player(path) or "generator"
    if player == "generator":
        return load_generator(path, net, **options)
    if options:
        raise UsageError(f"{path} holds a {player}: {', '.join(options)} are options of generators")
    if player == "obfuscator":
        return load_obfuscator(path)
    return load_regressor(path, net) if player == "regressor" else load_classifier(path, net)


def load_capable(path: str | Path, capability: type[C], *, net: nn.Module | None = None, **options: Any) -> C:
    """Return the first saved model at `path` that has the capability; raise UsageError if none has."""
    player = _capable(saved_capabilities(path), capability)
    if player is None:
        check_capable(path, capability)
        player = _capable(CAPABILITIES, capability)
    return require(load(path, player, net=net, **options), capability, str(path))


def _capable(capabilities: Mapping[str, list[str]], capability: type) -> str | None:
    return next((player for player, names in capabilities.items() if capability.__name__ in names), None)


def check_capable(path: str | Path, capability: type) -> None:
    """Raise UsageError, naming a way out, where the model that a run is about, saved or not, lacks the capability."""
    if (player := main_player(path)) is not None:
        names = saved_capabilities(path).get(player, CAPABILITIES[player])
        if capability.__name__ not in names:
            raise lacking(f"{path} holds a {player}, which", names, capability)


def saved_capabilities(path: str | Path) -> dict[str, list[str]]:
    """Return the capabilities of each model saved at `path`, by player."""
    return {player: read_metadata(path, player).get("capabilities", []) for player in saved_players(path)}
