"""How a training ends before its end: by a signal, which saves first, or by figures that are none."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from sparring.engine.checkpoint import check_finite
from sparring.engine.errors import Diverged, SparringError
from sparring.engine.loop import System
from sparring.engine.run_folder import Run


class Stopped(SparringError):
    """Someone asked the training to stop; it saved, and can go on."""


@contextmanager
def diverging(system: System, run: Run) -> Iterator[None]:
    """Around the playing: tell with a divergence what is safe, and what to try."""
    try:
        yield
    except Diverged as error:
        raise Diverged(_advice(error, system, run)) from error


def _advice(error: Diverged, system: System, run: Run) -> str:
    """The error with the first bad tensor, what is safe, and what to try."""
    tensor = ""
    try:
        check_finite(system.game.players.items(), 0)
    except Diverged as found:
        tensor = f" ({str(found).split(' at image')[0]})" if "loss" in str(error) else ""
    good = run.checkpoints()
    kept = f"The last good checkpoint is {good[-1]}" if good else "No checkpoint was saved yet"
    return f"{error}{tensor}. {kept}. Begin a new run with a lower --lr"


@contextmanager
def signals() -> Iterator[list[int]]:
    """A list that fills when SIGINT or SIGTERM comes; a second one takes its usual course."""
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        signal.signal(number, usual[signal.Signals(number)])

    for number in usual:
        signal.signal(number, note)
    try:
        yield came
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
