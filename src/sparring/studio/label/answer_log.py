"""The log of a person's answers about examples: one line of JSON for each event, on disk before the page shows it.

A line is appended by one write and synced, so that a kill at any instant loses nothing that was answered. Nothing is
ever changed in it: to take an answer back is another line.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sparring.engine.atomic_io import explain_os_errors

FILE = "answers.jsonl"
Kind = Literal["class", "cannot tell", "none of these"]
KINDS: tuple[Kind, ...] = ("class", "cannot tell", "none of these")


@dataclass(frozen=True)
class LabelAnswer:
    """A person's answer about one example."""

    name: str
    """Name of the example in its source."""
    kind: Kind
    label: str = ""
    """Class, where the kind is "class"."""


@dataclass(frozen=True)
class AnswerLog:
    """The log in a run folder."""

    path: Path

    @classmethod
    def of(cls, run: Path) -> AnswerLog:
        """Return the log of the run at `run`, which need not exist yet."""
        return cls(run / FILE)

    def append(self, event: str, **fields: Any) -> None:
        """Append one event; raise SparringError where the disk is full or the file cannot be written."""
        line = json.dumps({"time": round(time.time(), 3), "event": event, **fields}).encode() + b"\n"
        with explain_os_errors(self.path):
            file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                size = os.fstat(file).st_size
                if size and os.pread(file, 1, size - 1) != b"\n":  # a write was cut off: its line stays damaged
                    line = b"\n" + line
                if os.write(file, line) != len(line):
                    raise OSError(28, "the line was cut off")
                os.fsync(file)
            finally:
                os.close(file)

    def read(self) -> tuple[list[dict[str, Any]], int]:
        """Return all events in their order, and the number of damaged lines, which are left out."""
        events, damaged = [], 0
        with explain_os_errors(self.path):
            lines = self.path.read_bytes().splitlines() if self.path.exists() else []
        for line in lines:
            try:
                event = json.loads(line)
                events.append({**event, "event": str(event["event"])})
            except (ValueError, TypeError, KeyError, RecursionError):
                damaged += bool(line.strip())
        return events, damaged

    def answers(self) -> tuple[dict[str, LabelAnswer], int]:
        """Return the answer that counts for each example, in the order of the answers, and the damaged lines."""
        events, damaged = self.read()
        answers, invalid = replay(events)
        return answers, damaged + invalid


def replay(events: Iterable[Mapping[str, Any]]) -> tuple[dict[str, LabelAnswer], int]:
    """Return the answer that counts for each example after all events, and the number of invalid answers.

    The last answer about an example counts. "undo" takes the last answer back that was not taken back yet; the one
    before it, about the same example, counts again.
    """
    given: list[LabelAnswer] = []
    invalid = 0
    for event in events:
        if event["event"] == "undo" and given:
            given.pop()
        elif event["event"] == "answer":
            name, kind, label = (event.get(field, "") for field in ("name", "kind", "label"))
            if isinstance(name, str) and isinstance(label, str) and kind in KINDS and (kind == "class") == bool(label):
                given.append(LabelAnswer(name, kind, label))
            else:
                invalid += 1
    return {answer.name: answer for answer in given}, invalid
