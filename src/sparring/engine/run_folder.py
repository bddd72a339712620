"""The run folder: the only code that knows its layout.

run.json                        recipe, settings, data, seed, plan, versions, command line
metrics.jsonl                   append-only, one object a line, each with nimg
samples/000200000.png           fixed latents, frames of the film
checkpoints/000200000/          players, average, optimizers; state.json
best.json                       which checkpoint measured best, and is kept
model.safetensors, model.json   the averaged generator and its card
classifier.safetensors, .json   the averaged classifier and its card, of `sparring classify` and `harden`
classification.json             what it got right
to_label.csv, to_label.png      what to label next
hardening.json                  what it gets right under attack
certify/                        what is certain of it in noise: report.html, report.json
film.webp                       the fixed latents over the training
evaluation.json                 the latest evaluation, if there was one
report.html                     all of it on one page
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from PIL import Image
from torch import Tensor

from sparring.engine import checkpoint, dist
from sparring.engine.atomic_io import atomic_replace, explain_os_errors, remove, remove_temporaries, write
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.image_io import save_animation, save_png
from sparring.engine.loop import System
from sparring.engine.safetensors_io import load_file, write_tensors

FORMAT = 1
"""Of run.json and model.json."""
KEPT = 3
"""Checkpoints that stay beside the best; older ones are removed."""


class Run:
    """A folder in which one training lies."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.warnings: list[str] = []
        """What was met on the way and should be told, a damaged checkpoint say."""

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    # settings

    @property
    def exists(self) -> bool:
        """True where a run was begun."""
        return os.path.exists(self.path / "run.json")  # an odd name is no run, and no error here

    @property
    def settings(self) -> dict[str, Any]:
        """What run.json holds; raises UsageError where there is none."""
        if not self.exists:
            raise UsageError(
                f"{self.path} is no run folder: it has no run.json. `sparring train SOURCE --out {self.path}` makes one"
            )
        return _read_json(self.path / "run.json", "run")

    def claim(self) -> None:
        """Make sure that the folder can be made and written, and make nothing yet; refused where it holds other things."""
        with explain_os_errors(self.path):
            if self.path.exists() and not self.path.is_dir():
                raise UsageError(f"{self.path} is a file: choose another --out")
            if self.path.is_dir() and any(not p.name.endswith(".tmp") for p in self.path.iterdir()):
                raise UsageError(f"{self.path} is not empty, and no run: choose another --out")
            with suppress(FileNotFoundError):
                os.stat(self.path)  # a name that cannot be, too long or below a file, says so here
            there = next(p for p in (self.path, *self.path.parents) if p.exists() or p.is_symlink())
            with TemporaryFile(dir=there, suffix=".tmp"):  # gone by itself, whatever happens
                pass

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Write run.json."""
        write(self.path / "run.json", json.dumps({"format": FORMAT, **settings}, indent=2) + "\n")

    # metrics

    def log(self, nimg: int, values: Mapping[str, float]) -> None:
        """Append one line to metrics.jsonl."""
        path = self.path / "metrics.jsonl"
        with explain_os_errors(path), open(path, "ab+") as file:
            if file.tell() and (file.seek(-1, 2), file.read(1))[1] != b"\n":  # a kill tore the last line
                file.write(b"\n")
            file.write(json.dumps({"nimg": nimg, **values}).encode() + b"\n")

    def metrics(self) -> list[dict[str, float]]:
        """All lines by nimg; where a resumed run wrote one again, the last counts; torn lines are passed over."""
        path = self.path / "metrics.jsonl"
        lines: dict[int, dict[str, float]] = {}
        for text in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []:
            try:
                line = json.loads(text)
                figures = {name: value for name, value in line.items() if isinstance(value, int | float)}
                lines[int(line["nimg"])] = {**lines.get(int(line["nimg"]), {}), **figures}
            except (ValueError, TypeError, KeyError, AttributeError):
                continue
        return [lines[nimg] for nimg in sorted(lines)]

    # pictures

    def show(self, nimg: int, picture: Image.Image) -> None:
        """Write one frame of the film."""
        save_png(picture, self.path / "samples" / f"{nimg:09d}.png", f"run {self.path.name}, image {nimg:,}")

    def frames(self) -> list[Path]:
        """The frames so far, in order."""
        return _numbered((self.path / "samples").glob("*.png"))

    def film(self) -> Path:
        """Put the frames together as film.webp."""
        save_animation(self.frames(), self.path / "film.webp")
        return self.path / "film.webp"

    # what was found out about it

    @property
    def report(self) -> Path:
        """Where its page lies."""
        return self.path / "report.html"

    def write_evaluation(self, told: Mapping[str, Any]) -> None:
        """Write evaluation.json."""
        write(self.path / "evaluation.json", json.dumps({"format": FORMAT, **told}, indent=2) + "\n")

    def write_classification(self, told: Mapping[str, Any]) -> None:
        """Write classification.json."""
        write(self.path / "classification.json", json.dumps({"format": FORMAT, **told}, indent=2) + "\n")

    @property
    def classification(self) -> dict[str, Any] | None:
        """What classification.json tells; None without one."""
        path = self.path / "classification.json"
        return _read_json(path, "classification") if path.exists() else None

    # checkpoints

    def checkpoints(self) -> list[Path]:
        """The checkpoints, oldest first."""
        return _numbered(p for p in (self.path / "checkpoints").glob("*") if p.is_dir())

    def save(self, system: System, nimg: int) -> None:
        """Write a checkpoint, if it is not there yet, and remove the oldest, but not the best."""
        path = self._checkpoint(nimg)
        if not path.exists():
            with atomic_replace(path) as temporary:
                checkpoint.save(system, temporary, nimg)
        best = self.best
        for old in [p for p in self.checkpoints() if int(p.name) < nimg][: -KEPT + 1]:
            if best is None or int(old.name) != best["nimg"]:
                remove(old)

    @property
    def best(self) -> dict[str, Any] | None:
        """What best.json tells: `nimg` of the best checkpoint, and the name and value of the score; None without one."""
        path = self.path / "best.json"
        return _read_json(path, "best checkpoint's") if path.exists() else None

    def mark_best(self, nimg: int, score: str, value: float) -> None:
        """Write best.json: this checkpoint stays. To be called before it is saved, and before an earlier best may go."""
        told = {"format": FORMAT, "nimg": nimg, "score": score, "value": value}
        write(self.path / "best.json", json.dumps(told) + "\n")

    def weights(self, which: str | int = "last", *, raw: bool = False) -> dict[str, Tensor]:
        """The generator's weights in a checkpoint ("best", "last" or its nimg): averaged, or `raw` as it plays.

        Raises UsageError, naming the checkpoints that are there, where this one is not.
        """
        path = self.checkpoint_path(which)
        weights = path / ("players.safetensors" if raw else "average.safetensors")
        try:
            tensors = load_file(weights)
        except Exception as error:  # whatever a damaged file makes the parser say
            raise SparringError(f"{weights} is damaged: {error}. Another --checkpoint may be whole") from error
        own = "generator."
        return {k.removeprefix(own): t for k, t in tensors.items() if k.startswith(own)} if raw else tensors

    def checkpoint_path(self, which: str | int = "last") -> Path:
        """The folder of a checkpoint; raises UsageError, naming those that are there, where this one is not."""
        there = self.checkpoints()
        known = ", ".join(str(int(p.name)) for p in there) or "none"
        path = there[-1] if which == "last" and there else self._checkpoint(self._number(which, known))
        if not path.exists():
            raise UsageError(f"{self.path} has no checkpoint '{which}'; there are: {known}")
        return path

    def _number(self, which: str | int, known: str) -> int:
        """The image at which a checkpoint was saved, by what it is called."""
        if which == "best" and (best := self.best):
            return int(best["nimg"])
        if str(which).isdecimal():
            return int(which)
        why = "none is marked as the best" if which == "best" else f"there is no checkpoint '{which}'"
        raise UsageError(f"{self.path}: {why}; take best, last, or the image of one that is there: {known}")

    def load_latest(self, system: System) -> int | None:
        """Put the newest checkpoint that is whole into `system`; returns nimg, or None where there is none.

        Damaged ones are named in `warnings` and set aside. Raises SparringError where all are damaged, or where a whole
        one does not fit the system; nothing is set aside then. Of several processes the first one chooses.
        """
        nimg = dist.broadcast(self._load_newest(system) if dist.rank() == 0 else -1)
        if dist.rank() != 0 and nimg >= 0:
            checkpoint.load(system, self._checkpoint(nimg))
        return nimg if nimg >= 0 else None

    def _load_newest(self, system: System) -> int:
        """The same on one process; -1 where there is none. What a kill left half written goes."""
        remove_temporaries(self.path / "checkpoints")
        remove_temporaries(self.path / "samples")
        for name in (
            "*.json",
            "model.*",
            "classifier.*",
            "to_label.*",
            "film.webp",
            "report.html",
        ):  # and not what `sparring sample` may be writing just now
            remove_temporaries(self.path, name)
        damaged: list[tuple[Path, str]] = []
        for path in reversed(self.checkpoints()):
            try:
                nimg = checkpoint.load(system, path)
            except checkpoint.Corrupt as damage:
                damaged.append((path, str(damage)))
                continue
            for bad, why in damaged:
                self.warnings.append(f"checkpoint {bad.name} is damaged ({why}); the one before it is used")
                with explain_os_errors(bad):
                    remove(bad.with_name(f"damaged-{bad.name}"))
                    bad.rename(bad.with_name(f"damaged-{bad.name}"))
            return nimg
        if damaged:
            raise SparringError(
                f"all {len(damaged)} checkpoints of {self.path} are damaged: start again with another --out "
                f"({'; '.join(why for _, why in damaged)})"
            )
        return -1

    def _checkpoint(self, nimg: int) -> Path:
        return self.path / "checkpoints" / f"{nimg:09d}"

    # what is shared: two files each, that load without a pickle

    def write_model(self, tensors: Mapping[str, Tensor], card: Mapping[str, Any]) -> None:
        """Write model.safetensors and its card: the averaged generator."""
        write_shared(self.path, "model", tensors, card)


def write_shared(folder: Path, name: str, tensors: Mapping[str, Tensor], card: Mapping[str, Any]) -> None:
    """Write NAME.safetensors and NAME.json, a network and its card, into `folder`."""
    with atomic_replace(folder / f"{name}.safetensors") as temporary:
        write_tensors(tensors, temporary)
    write(folder / f"{name}.json", json.dumps({"format": FORMAT, **card}, indent=2) + "\n")


def read_shared(path: str | Path, name: str = "model") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the card of what is shared as `name`: a run folder, or either of its two files."""
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    if not path.exists():
        raise UsageError(
            f"there is no '{path}': give a run folder, or a folder with {name}.json and {name}.safetensors"
        )
    weights = folder / f"{name}.safetensors"
    for part in (folder / f"{name}.json", weights):
        if not part.exists():
            why = "its training has saved nothing yet" if Run(folder).exists else "it is no run folder"
            if name == "model" and (folder / "classifier.json").exists():
                why = "it holds a classifier alone; `sparring predict` asks it"
            elif name == "recogniser" and (folder / "run.json").exists():
                why = "it is a run of images; `sparring hear` makes a recogniser"
            raise UsageError(f"{folder} has no {part.name}: {why}")
    card = _read_json(folder / f"{name}.json", name)
    try:
        return load_file(weights), card
    except Exception as error:  # whatever a damaged file makes the parser say
        raise SparringError(f"{weights} is damaged: {error}. The same training on the run writes it anew") from error


def _numbered(paths: Iterable[Path]) -> list[Path]:
    """Those whose name is a number, in its order: names of nine digits and of ten sort apart."""
    return sorted((p for p in paths if p.stem.isdecimal()), key=lambda p: int(p.stem))


def _read_json(path: Path, what: str) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        version = value["format"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SparringError(f"{path} is damaged or no {what} file of Sparring: {error}") from error
    if version != FORMAT:
        raise SparringError(
            f"{path} has format {version}, this Sparring reads format {FORMAT}: install the version that wrote it"
        )
    return dict(value)
