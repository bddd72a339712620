"""The run folder. No other code knows its layout.

run.json                        recipe, settings, data, seed, plan, versions, command line
metrics.jsonl                   append-only, one object a line, each with nimg
samples/000200000.png           samples of fixed latents, the frames of film.webp
checkpoints/000200000/          players, average, optimizers; state.json
best.json                       the checkpoint with the best score, which is kept
<player>.safetensors, .json     saved models (`models.saved`)
<name>.json                     results of commands: evaluation, classification, hardening
real.png                        training images, arranged like the frames
film.webp                       samples of fixed latents over the training
report.html                     the report on one page
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from PIL import Image
from torch import Tensor

from sparring.engine import checkpoint, dist
from sparring.engine.atomic_io import atomic_replace, explain_os_errors, remove, remove_temporaries, write
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.image_io import save_animation, save_png, save_real_png
from sparring.engine.loop import System
from sparring.engine.safetensors_io import load_file

FORMAT = 2
"""Format number in run.json and in the metadata of saved models."""
KEPT_CHECKPOINTS = 3
"""Number of newest checkpoints that are kept, besides the best one."""
CANDIDATES = "candidates"
"""Folder of the runs among which a command chose the model of this one."""
SECRETS = "private"
"""Folder of a run that is never shared: a start that was stopped may leave it alone (`privacy/secret.py`)."""


class Run:
    """The folder of one training run."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.warnings: list[str] = []
        """Warnings to show the user, e.g. about a damaged checkpoint."""

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    # settings

    @property
    def exists(self) -> bool:
        """True if the folder has a run.json."""
        return os.path.exists(self.path / "run.json")  # unlike Path.exists it is False for invalid names

    @property
    def settings(self) -> dict[str, Any]:
        """The content of run.json. Raises UsageError if there is none."""
        if not self.exists:
            if (self.path / CANDIDATES).is_dir():
                raise UsageError(f"{self.path} holds several runs: name one of those in {self.path / CANDIDATES}")
            raise UsageError(
                f"{self.path} is no run folder, it has no run.json: "
                f"create one with `sparring train SOURCE --out {self.path}`"
            )
        return read_json(self.path / "run.json", "run")

    def check_writable(self) -> None:
        """Check that the folder can be created and written, without creating it.

        Raises UsageError if it is a file or holds other files, and SparringError if it is not writable.
        """
        with explain_os_errors(self.path):
            if self.path.exists() and not self.path.is_dir():
                raise UsageError(f"{self.path} is a file: choose another --out")
            if self.path.is_dir() and any(
                not p.name.endswith(".tmp") and p.name != SECRETS for p in self.path.iterdir()
            ):
                raise UsageError(f"{self.path} is not empty and no run folder: choose another --out")
            with suppress(FileNotFoundError):
                os.stat(self.path)  # an invalid name, too long or below a file, raises here
            parent = next(p for p in (self.path, *self.path.parents) if p.exists() or p.is_symlink())
            with TemporaryFile(dir=parent, suffix=".tmp"):  # removed even after a kill
                pass

    def write_settings(self, settings: Mapping[str, Any]) -> None:
        """Write run.json."""
        write(self.path / "run.json", json.dumps({"format": FORMAT, **settings}, indent=2) + "\n")

    # metrics

    def log(self, nimg: int, values: Mapping[str, float]) -> None:
        """Append one line of metrics to metrics.jsonl."""
        path = self.path / "metrics.jsonl"
        with explain_os_errors(path), open(path, "ab+") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # the last line is incomplete after a kill
                    file.write(b"\n")
            file.write(json.dumps({"nimg": nimg, **values}).encode() + b"\n")

    def metrics(self) -> list[dict[str, float]]:
        """Return all metrics in order of nimg. The last of repeated lines counts; incomplete lines are skipped."""
        path = self.path / "metrics.jsonl"
        lines: dict[int, dict[str, float]] = {}
        for line in metrics_of(path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""):
            lines[int(line["nimg"])] = {**lines.get(int(line["nimg"]), {}), **line}
        return [lines[nimg] for nimg in sorted(lines)]

    # samples

    def save_frame(self, nimg: int, image: Image.Image) -> None:
        """Write the sample grid of image `nimg`, a frame of the film."""
        save_png(image, self.path / "samples" / f"{nimg:09d}.png", f"run {self.path.name}, image {nimg:,}")

    def save_real(self, image: Image.Image) -> None:
        """Write a grid of training images, to look at beside the frames."""
        save_real_png(image, self.real_path, f"training images of run {self.path.name}")

    @property
    def real_path(self) -> Path:
        """The path of the grid of training images."""
        return self.path / "real.png"

    def frames(self) -> list[Path]:
        """Return the paths of all frames, in order of nimg."""
        return _numbered((self.path / "samples").glob("*.png"))

    def write_film(self) -> Path:
        """Write all frames as the animation film.webp; return its path."""
        save_animation(self.frames(), self.path / "film.webp")
        return self.path / "film.webp"

    # results

    @property
    def report_path(self) -> Path:
        """The path of the HTML report."""
        return self.path / "report.html"

    def write_json(self, name: str, fields: Mapping[str, Any]) -> None:
        """Write `fields` and the format number to `<name>.json`."""
        write(self.path / f"{name}.json", json.dumps({"format": FORMAT, **fields}, indent=2) + "\n")

    def read_json(self, name: str) -> dict[str, Any] | None:
        """Return what `write_json` wrote to `<name>.json`, None without such a file."""
        path = self.path / f"{name}.json"
        return read_json(path, name) if path.exists() else None

    # checkpoints

    def checkpoints(self) -> list[Path]:
        """Return the paths of the checkpoints, oldest first."""
        return _numbered(p for p in (self.path / "checkpoints").glob("*") if p.is_dir())

    def save(self, system: System, nimg: int) -> None:
        """Write a checkpoint if there is none for `nimg`, and remove old ones except the best."""
        path = self._checkpoint(nimg)
        if not path.exists():
            with atomic_replace(path) as temporary:
                checkpoint.save(system, temporary, nimg)
        best = self.best
        for old in [p for p in self.checkpoints() if int(p.name) < nimg][: -KEPT_CHECKPOINTS + 1]:
            if best is None or int(old.name) != best["nimg"]:
                remove(old)

    @property
    def best(self) -> dict[str, Any] | None:
        """The best checkpoint: `nimg`, and the name and value of its score. None without best.json."""
        path = self.path / "best.json"
        return read_json(path, "best checkpoint's") if path.exists() else None

    def mark_best(self, nimg: int, score: str, value: float) -> None:
        """Write best.json, which protects this checkpoint from removal. Call it before `save`."""
        content = {"format": FORMAT, "nimg": nimg, "score": score, "value": value}
        write(self.path / "best.json", json.dumps(content) + "\n")

    def weights(self, which: str | int = "last", *, player: str = "generator", raw: bool = False) -> dict[str, Tensor]:
        """Return a player's weights in a checkpoint: the EMA, or the `raw` weights.

        `which` is "best", "last" or an nimg. Raises UsageError if there is no such checkpoint.
        """
        path = self.checkpoint_path(which)
        weights = path / ("players.safetensors" if raw else "average.safetensors")
        try:
            tensors = load_file(weights)
        except Exception as error:  # a damaged file can raise anything in the parser
            raise SparringError(f"{weights} is damaged ({error}): choose another --checkpoint") from error
        prefix = f"{player}."
        own = {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
        return own if raw or own else tensors  # the EMA of one player alone has no prefix

    def checkpoint_path(self, which: str | int = "last") -> Path:
        """Return the folder of a checkpoint.

        Raises UsageError, with the existing ones, if there is no such checkpoint.
        """
        existing = self.checkpoints()
        known = ", ".join(str(int(p.name)) for p in existing) or "none"
        path = existing[-1] if which == "last" and existing else self._checkpoint(self._number(which, known))
        if not path.exists():
            raise UsageError(f"{self.path} has no checkpoint '{which}': choose one of: {known}")
        return path

    def _number(self, which: str | int, known: str) -> int:
        """Return nimg of the checkpoint `which`, "best" or a number."""
        if which == "best" and (best := self.best):
            return int(best["nimg"])
        if str(which).isdecimal():
            return int(which)
        reason = "no checkpoint is marked as the best" if which == "best" else f"there is no checkpoint '{which}'"
        raise UsageError(f"{self.path}: {reason}: choose best, last, or one of: {known}")

    def load_latest(self, system: System) -> int | None:
        """Load the newest intact checkpoint into `system`; return nimg, or None if there is none.

        Damaged ones are renamed and reported in `warnings`. Raises SparringError, and renames none, if all are damaged
        or the newest intact one does not fit the system. Rank 0 chooses for all processes.
        """
        nimg = dist.broadcast(self._load_newest(system) if dist.rank() == 0 else -1)
        if dist.rank() != 0 and nimg >= 0:
            checkpoint.load(system, self._checkpoint(nimg))
        return nimg if nimg >= 0 else None

    def _load_newest(self, system: System) -> int:
        """Do the work of `load_latest` on rank 0; return -1 if there is none.

        Also remove temporary files of killed runs.
        """
        remove_temporaries(self.path / "checkpoints")
        remove_temporaries(self.path / "samples")
        for name in ("*.json", "*.safetensors", "*.csv", "*.html", "*.webp"):  # no PNG: `sparring sample` may write one
            remove_temporaries(self.path, name)
        damaged: list[tuple[Path, str]] = []
        for path in reversed(self.checkpoints()):
            try:
                nimg = checkpoint.load(system, path)
            except checkpoint.Corrupt as damage:
                damaged.append((path, str(damage)))
                continue
            for bad, reason in damaged:
                self.warnings.append(f"checkpoint {bad.name} is damaged ({reason}): using the one before it")
                with explain_os_errors(bad):
                    remove(bad.with_name(f"damaged-{bad.name}"))
                    bad.rename(bad.with_name(f"damaged-{bad.name}"))
            return nimg
        if damaged:
            raise SparringError(
                f"all {len(damaged)} checkpoints of {self.path} are damaged: start again with another --out "
                f"({'; '.join(reason for _, reason in damaged)})"
            )
        return -1

    def _checkpoint(self, nimg: int) -> Path:
        return self.path / "checkpoints" / f"{nimg:09d}"


def _numbered(paths: Iterable[Path]) -> list[Path]:
    """Return the paths whose stem is a number, in numerical order (names have nine digits or more)."""
    return sorted((p for p in paths if p.stem.isdecimal()), key=lambda p: int(p.stem))


def metrics_of(text: str) -> Iterator[dict[str, float]]:
    """Yield the numbers of each line of metrics.jsonl that is complete, in the order of the file."""
    for part in text.splitlines():
        try:
            line = json.loads(part)
            values = {name: value for name, value in line.items() if isinstance(value, int | float)}
            yield {**values, "nimg": int(line["nimg"])}
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            continue


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Read a JSON object that a run wrote; raise SparringError where it is damaged or of another format."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        version = value["format"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise SparringError(f"{path} is damaged or no {what} file of Sparring: {error}") from error
    if version != FORMAT:
        raise SparringError(
            f"{path} has format {version}, this Sparring reads format {FORMAT}: "
            "train anew, or install the version that wrote it"
        )
    return dict(value)
