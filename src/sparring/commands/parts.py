"""What an evaluation has found so far, a file a batch: an interrupted one goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from sparring.attacks.autoattack import Verdicts
from sparring.engine.errors import SparringError
from sparring.engine.files import remove, replacing, write

TENSORS = "adv", "robust", "queries", "gradients"
TUPLES = "broken_by", "notes", "attacks"


@dataclass(frozen=True)
class Parts:
    """The folder of the parts, for an evaluation with these settings."""

    folder: Path
    settings: Mapping[str, Any]
    """As JSON gives them back; each part holds them, too: another call into the folder may have left it."""

    @classmethod
    def begin(cls, folder: Path, settings: Mapping[str, Any]) -> Parts:
        """Those of an earlier call with the same settings; of any other they are removed."""
        settings_file, wanted = folder / "settings.json", json.loads(json.dumps(settings))
        try:
            same = json.loads(settings_file.read_text(encoding="utf-8")) == wanted
        except (OSError, ValueError):
            same = False
        if not same:
            remove(folder)
            write(settings_file, json.dumps(wanted))
        return cls(folder, wanted)

    def get(self, number: int) -> Verdicts | None:
        """What was found in part `number`, or None where it was not reached."""
        path = self._path(number)
        try:
            told = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            if told["settings"] != self.settings:
                return None
            parts: dict[str, Any] = {**load_file(path), **{name: tuple(told[name]) for name in TUPLES}}
            return Verdicts(**parts)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise SparringError(
                f"{path} cannot be read ({error}): remove {self.folder}, and the evaluation starts anew"
            ) from error

    def put(self, number: int, found: Verdicts) -> None:
        """Keep what was found in part `number`; its JSON is written last, and tells that it is whole."""
        path = self._path(number)
        with replacing(path) as temporary:
            save_file({name: getattr(found, name).cpu().contiguous() for name in TENSORS}, temporary)
        told = {name: getattr(found, name) for name in TUPLES} | {"settings": self.settings}
        write(path.with_suffix(".json"), json.dumps(told))

    def done(self) -> None:
        """The report is written: forget the parts."""
        remove(self.folder)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:04d}.safetensors"


def moved(found: Verdicts, device: torch.device) -> Verdicts:
    """The same on `device`."""
    return replace(found, **{name: getattr(found, name).to(device) for name in TENSORS})
