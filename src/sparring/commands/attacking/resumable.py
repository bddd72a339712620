"""Results of an evaluation, saved chunk by chunk, so that the same command continues after an interruption."""

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
from sparring.engine import dist
from sparring.engine.atomic_io import atomic_replace, remove, write
from sparring.engine.errors import SparringError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    T = TypeVar("T", bound=DataclassInstance)
    U = TypeVar("U", bound=DataclassInstance)
else:
    T = TypeVar("T")
    U = TypeVar("U")


CPU = torch.device("cpu")


@dataclass(frozen=True)
class ResumableParts(Generic[T]):
    """A folder of chunk results, for an evaluation with these settings."""

    kind: type[T]
    """Type of a chunk's result: a dataclass of tensors and of tuples of strings."""
    folder: Path
    settings: Mapping[str, Any]
    """Settings as JSON returns them. Each chunk repeats them, since another process may write into the folder."""

    @classmethod
    def begin(cls, kind: type[T], folder: Path, settings: Mapping[str, Any]) -> ResumableParts[T]:
        """Open the folder; chunks of an earlier call with other settings are removed."""
        settings_file, wanted = folder / "settings.json", json.loads(json.dumps(settings))
        with dist.first_process_first():
            try:
                same = json.loads(settings_file.read_text(encoding="utf-8")) == wanted
            except (OSError, ValueError):
                same = False
            if not same:
                remove(folder)
                write(settings_file, json.dumps(wanted))
        return cls(kind, folder, wanted)

    def of(self, kind: type[U], name: str) -> ResumableParts[U]:
        """Return the results of another kind, in the folder `name` below, for the same settings."""
        return ResumableParts(kind, self.folder / name, self.settings)

    def map(
        self,
        function: Callable[[int, Tensor], T],
        count: int,
        chunk: int,
        device: torch.device,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
        unit: str = "images",
    ) -> list[T]:
        """Return `function(number, idx)` of each chunk of `chunk` of the indices 0 to `count` - 1, saving each result.

        `idx` is int64 `[chunk]` on the CPU; several processes share the chunks. Raises Stopped, after Ctrl-C, with the
        number of `unit` that are saved.
        """
        chunks = torch.split(torch.arange(count), chunk)

        def of_chunk(number: int) -> T:
            try:
                result = self.keep(number, lambda: function(number, chunks[number]), CPU)
            except KeyboardInterrupt:
                raise self.stopped(number * chunk, count, unit) from None
            on_progress(min((number + 1) * chunk, count), count)
            return result

        on_progress(0, count)
        return [_on_device(result, device) for result in dist.shared(of_chunk, len(chunks))]

    def keep(self, number: int, compute: Callable[[], T], device: torch.device) -> T:
        """Return the saved result of chunk `number`, or compute and save it; its tensors are on `device`."""
        result = self.get(number)
        if result is None:
            self.put(number, result := compute())
        return _on_device(result, device)

    def get(self, number: int) -> T | None:
        """Return the saved result of chunk `number`, or None where there is none."""
        path = self._path(number)
        try:
            metadata = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            if metadata.pop("settings") != self.settings:
                return None
            values: dict[str, Any] = {**load_file(path), **{name: tuple(items) for name, items in metadata.items()}}
            return self.kind(**values)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise SparringError(
                f"{path} cannot be read ({error}): remove {self.folder}, and the evaluation starts over"
            ) from error

    def put(self, number: int, result: T) -> None:
        """Save the result of chunk `number`; its JSON is written last and marks it as complete."""
        path, tensors = self._path(number), _tensors(result)
        with atomic_replace(path) as temporary:
            save_file({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, temporary)
        metadata = {field.name: getattr(result, field.name) for field in fields(result) if field.name not in tensors}
        write(path.with_suffix(".json"), json.dumps(metadata | {"settings": self.settings}))

    def stopped(self, done: int, total: int, unit: str = "images") -> Stopped:
        """Return the exception to raise after an interruption with `done` of `total` saved."""
        goes_on = f"kept in {self.folder}: the same command goes on from there"
        saved = ", and nothing is kept: the same command starts again"
        if done:
            saved = f", which are {goes_on}"
        elif any(self.folder.rglob("*.safetensors")):
            saved = f"; the attacks that were finished are {goes_on}"
        return Stopped(f"stopped after {done:,} of {total:,} {unit}{saved}")

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:04d}.safetensors"


def joined(results: list[T]) -> T:
    """Concatenate the tensors `[B, ...]` and tuples of chunk results, field by field."""
    first, *_ = results
    values: dict[str, Any] = {}
    for field in fields(first):
        parts = [getattr(result, field.name) for result in results]
        tensors = isinstance(parts[0], Tensor)
        values[field.name] = torch.cat(parts) if tensors else tuple(item for part in parts for item in part)
    return replace(first, **values)


def _on_device(result: T, device: torch.device) -> T:
    return replace(result, **{name: tensor.to(device) for name, tensor in _tensors(result).items()})


def _tensors(result: DataclassInstance) -> dict[str, Tensor]:
    values = {field.name: getattr(result, field.name) for field in fields(result)}
    return {name: value for name, value in values.items() if isinstance(value, Tensor)}
