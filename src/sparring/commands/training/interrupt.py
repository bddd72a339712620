"""Stop early: on a stop signal, a training after a checkpoint; or on values that are not finite."""

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
from sparring.engine.stop_signals import STOP_SIGNALS, STOPPED


class Stopped(SparringError):
    """A signal stopped the work; the message says what is saved. The same command continues or repeats it."""

    exit_code = STOPPED


@contextmanager
def explain_interrupt(kept: str) -> Iterator[None]:
    """Turn a KeyboardInterrupt of the block into Stopped; `kept` says what is kept, and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        raise Stopped(kept) from None


@contextmanager
def diverging(system: System, run: Run) -> Iterator[None]:
    """Add the last good checkpoint and advice to a Diverged that the block raises."""
    try:
        yield
    except Diverged as error:
        raise Diverged(_advice(error, system, run)) from error


def _advice(error: Diverged, system: System, run: Run) -> str:
    """Return the error with the first bad tensor, the last good checkpoint, and what to try."""
    tensor = ""
    try:
        check_finite(system.game.players.items(), 0)
    except Diverged as first:
        tensor = f" ({str(first).split(' at image')[0]})" if "loss" in str(error) else ""
    checkpoints = run.checkpoints()
    saved = f"The last good checkpoint is {checkpoints[-1]}" if checkpoints else "No checkpoint was saved yet"
    return f"{error}{tensor}. {saved}. Begin a new run with a lower --lr"


@contextmanager
def signals() -> Iterator[list[int]]:
    """Yield a list to which a first stop signal is added; a second one is handled as usual."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    previous = {number: signal.getsignal(number) for number in STOP_SIGNALS}

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        signal.signal(number, previous[signal.Signals(number)])

    for number in previous:
        signal.signal(number, note)
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
