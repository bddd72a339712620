"""What a person sees while work goes on: a bar on a terminal, plain lines elsewhere. All of it to stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

LINE_EVERY = 10.0
"""Seconds between plain lines."""


class Progress:
    """Counts towards a total, with the rate, the time left, and what else there is to tell."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._what = ""
        self._start = self._spoke = time.monotonic()
        self._first = 0

    def say(self, text: str) -> None:
        """One line, above the bar."""
        if self.quiet:
            return
        if self._bar is not None:
            self._bar.console.print(text, highlight=False, markup=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def begin(self, what: str, total: int, done: int = 0, unit: str = "img") -> None:
        """Start counting `what` from `done` to `total`."""
        self.end()
        self._what, self._total, self._unit, self._first = what, total, unit, done
        self._start = self._spoke = time.monotonic()
        if not self.quiet and sys.stderr.isatty():
            self._bar = _bar(unit)
            self._bar.start()
            self._task = self._bar.add_task(what, total=total, completed=done, told="", rate="")

    def at(self, done: int, told: Mapping[str, float] | None = None) -> None:
        """`done` of the total, and figures to show beside it."""
        if self.quiet:
            return
        now = time.monotonic()
        rate = (done - self._first) / max(now - self._start, 1e-9)
        figures = "  ".join(f"{name} {value:.3f}" for name, value in (told or {}).items())
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, told=figures, rate=f"{rate:,.0f} {self._unit}/s")
        elif now - self._spoke >= LINE_EVERY or done >= self._total:
            self._spoke = now
            left = (self._total - done) / max(rate, 1e-9)
            self.say(
                f"{self._what} {done:,} of {self._total:,}  {rate:,.0f} {self._unit}/s  {_clock(left)} left  {figures}".rstrip()
            )

    def end(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None

    def counter(self, what: str, unit: str = "img") -> Callable[[int, int], None]:
        """A `tell(done, of)` that begins by itself."""
        begun = False

        def on_progress(done: int, of: int) -> None:
            nonlocal begun
            if not begun:
                begun = True
                self.begin(what, of, 0, unit)
            self.at(done)
            if done >= of:
                self.end()

        return on_progress


def _bar(unit: str) -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(), TextColumn("{task.fields[rate]}"), TextColumn("{task.fields[told]}"),
    )  # fmt: skip
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
