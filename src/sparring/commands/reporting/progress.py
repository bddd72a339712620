"""Progress of a long command on stderr: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, TypeVar

from sparring.engine import dist

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

Chunk = TypeVar("Chunk", bound=Sized)

LINE_SECONDS = 10.0
"""Seconds between plain lines."""


class Progress:
    """Count towards a total; show the rate, the time left and current metrics."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._what = ""
        self._start = self._last_line = time.monotonic()
        self._first = 0

    def info(self, text: str) -> None:
        """Print one line, above the bar."""
        if self.quiet:
            return
        if self._bar is not None:
            self._bar.console.print(text, highlight=False, markup=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def begin(self, what: str, total: int, done: int = 0, unit: str = "") -> None:
        """Start to count `what` from `done` to `total`; `unit` is a plural noun."""
        self.end()
        self._what, self._total, self._unit, self._first = what, total, f" {unit}/s" if unit else "/s", done
        self._start = self._last_line = time.monotonic()
        if not self.quiet and sys.stderr.isatty():
            self._bar = _bar()
            self._bar.start()
            self._task = self._bar.add_task(what, total=total, completed=done, metrics="", rate="")

    def update(self, done: int, metrics: Mapping[str, float] | None = None) -> None:
        """Set the count to `done` and show `metrics` beside it."""
        if self.quiet:
            return
        now = time.monotonic()
        rate = (done - self._first) / max(now - self._start, 1e-9)
        text = "  ".join(f"{name} {value:.3f}" for name, value in (metrics or {}).items())
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, metrics=text, rate=f"{rate:,.0f}{self._unit}")
        elif now - self._last_line >= LINE_SECONDS or done >= self._total:
            self._last_line = now
            left = _clock((self._total - done) / max(rate, 1e-9))
            count = f"{self._what} {done:,} of {self._total:,}"
            self.info(f"{count}  {rate:,.0f}{self._unit}  {left} left  {text}".rstrip())

    def end(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None

    def track(self, what: str, chunks: Sequence[Chunk], unit: str = "") -> Iterator[Chunk]:
        """Yield the chunks, and count the items in them while they are worked on."""
        done = 0
        self.begin(what, sum(map(len, chunks)), unit=unit)
        try:
            for chunk in chunks:
                yield chunk
                done += len(chunk)
                self.update(done)
        finally:
            self.end()

    def callback(self, what: str, unit: str = "") -> Callable[[int, int], None]:
        """Return an `on_progress(done, total)` that begins at its first call and ends at `total`."""
        begun = False

        def on_progress(done: int, total: int) -> None:
            nonlocal begun
            if not begun:
                begun = True
                self.begin(what, total, 0, unit)
            self.update(done)
            if done >= total:
                self.end()

        return on_progress


def of_process(progress: Progress | None) -> Progress:
    """Return `progress`, or a new one; of several processes only the first prints."""
    progress = progress or Progress()
    progress.quiet = progress.quiet or dist.rank() != 0
    return progress


def _bar() -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(), TextColumn("{task.fields[rate]}"), TextColumn("{task.fields[metrics]}"),
    )  # fmt: skip
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
