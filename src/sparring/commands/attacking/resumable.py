"""What an evaluation has found so far, a file a batch: an interrupted one goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from sparring.commands.training.interrupt import Stopped
from sparring.engine.atomic_io import atomic_replace, remove, write
from sparring.engine.errors import SparringError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    T = TypeVar("T", bound=DataclassInstance)
else:
    T = TypeVar("T")


@dataclass(frozen=True)
class ResumableParts(Generic[T]):
    """The folder of the parts, for an evaluation with these settings."""

    kind: type[T]
    """What a part holds: a dataclass of tensors and of tuples of words."""
    folder: Path
    settings: Mapping[str, Any]
    """As JSON gives them back; each part holds them, too: another call into the folder may have left it."""

    @classmethod
    def begin(cls, kind: type[T], folder: Path, settings: Mapping[str, Any]) -> ResumableParts[T]:
        """Those of an earlier call with the same settings; of any other they are removed."""
        settings_file, wanted = folder / "settings.json", json.loads(json.dumps(settings))
        try:
            same = json.loads(settings_file.read_text(encoding="utf-8")) == wanted
        except (OSError, ValueError):
            same = False
        if not same:
            remove(folder)
            write(settings_file, json.dumps(wanted))
        return cls(kind, folder, wanted)

    def keep(self, number: int, find: Callable[[], T], device: torch.device) -> T:
        """What was found in part `number` before, or else is found now, and kept; its tensors are on `device`."""
        found = self.get(number)
        if found is None:
            self.put(number, found := find())
        return replace(found, **{name: tensor.to(device) for name, tensor in _tensors(found).items()})

    def get(self, number: int) -> T | None:
        """What was found in part `number`, or None where it was not reached."""
        path = self._path(number)
        try:
            told = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            if told.pop("settings") != self.settings:
                return None
            found: dict[str, Any] = {**load_file(path), **{name: tuple(words) for name, words in told.items()}}
            return self.kind(**found)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise SparringError(
                f"{path} cannot be read ({error}): remove {self.folder}, and the evaluation starts anew"
            ) from error

    def put(self, number: int, found: T) -> None:
        """Keep what was found in part `number`; its JSON is written last, and tells that it is whole."""
        path, tensors = self._path(number), _tensors(found)
        with atomic_replace(path) as temporary:
            save_file({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, temporary)
        words = {field.name: getattr(found, field.name) for field in fields(found) if field.name not in tensors}
        write(path.with_suffix(".json"), json.dumps(words | {"settings": self.settings}))

    def stopped(self, done: int, of: int) -> Stopped:
        """What to tell whoever interrupts after `done` images of so many."""
        kept = f", which are kept in {self.folder}: the same command goes on from there" if done else ""
        return Stopped(f"stopped after {done:,} of {of:,} images{kept}")

    def done(self) -> None:
        """The report is written: forget the parts."""
        remove(self.folder)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:04d}.safetensors"


def _tensors(found: DataclassInstance) -> dict[str, Tensor]:
    values = {field.name: getattr(found, field.name) for field in fields(found)}
    return {name: value for name, value in values.items() if isinstance(value, Tensor)}
