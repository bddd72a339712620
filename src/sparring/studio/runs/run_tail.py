"""What a run gained since the last look: metrics, pictures, state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sparring.engine.run_folder import Run, metrics_of
from sparring.studio.runs.run_list import RunSummary, summary_of
from sparring.studio.server.state import Studio

MAX_BYTES = 4_000_000
"""Largest number of bytes that one look reads."""


class RunTail:
    """A reader of one run that returns each line and each picture once."""

    def __init__(self, studio: Studio, run: Run, name: str) -> None:
        self.studio, self.run, self.name = studio, run, name
        self._offset = 0
        self._folder_time = -1
        self._frames: set[Path] = set()
        self._summary: RunSummary | None = None

    def changes(self) -> dict[str, Any] | None:
        """Return what is new; None where nothing is. `reset` asks for what came before to be forgotten."""
        metrics, reset = self._new_metrics()
        frames = self._new_frames()
        summary = summary_of(self.studio.folder, self.name, self.studio.jobs)
        if not (metrics or frames or reset) and summary == self._summary:
            return None
        self._summary = summary
        return {"run": self.name, "summary": summary, "metrics": metrics, "frames": frames, "reset": reset}

    def _new_metrics(self) -> tuple[list[dict[str, float]], bool]:
        """Return the whole lines that were added; and whether the file began anew."""
        try:
            with open(self.run.path / "metrics.jsonl", "rb") as file:
                size = file.seek(0, 2)
                if reset := size < self._offset:
                    self._offset = 0
                file.seek(self._offset)
                text = file.read(min(size - self._offset, MAX_BYTES))
        except OSError:
            return [], False
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole) or (len(text) if len(text) == MAX_BYTES else 0)  # no metrics are so long a line
        return list(metrics_of(whole.decode(errors="replace"))), reset

    def _new_frames(self) -> list[dict[str, Any]]:
        try:
            changed = (self.run.path / "samples").stat().st_mtime_ns
        except OSError:
            return []
        if changed == self._folder_time:
            return []
        self._folder_time = changed
        new = [path for path in self.run.frames() if path not in self._frames]
        self._frames.update(new)
        return [{"nimg": int(path.stem), "url": self.studio.files.url(path)} for path in new]
