"""The script of test_resume.py: runs one command repeatedly and kills it, each time at another moment.

`python killer.py SEED COUNT HOWS WORDS...`: each of HOWS, between commas, is `round` (some instant in or after a random
round), or the name of a function of `os` (just before or after a random call of it). torch is imported once; each
command is a fork of this process, which has computed nothing yet. Prints how each ended.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from sparring.cli import main as command
from sparring.engine.ema import EMA

for name in (
    "commands.train",
    "commands.classify",
    "commands.reporting.progress",
    "recipes.generators.r3",
    "recipes.semi_supervised.consistent",
    "engine.run_folder",
):
    import_module(f"sparring.{name}")


def after(owner: Any, name: str, calls: int, act: Callable[[], None]) -> None:
    """Have `act` called just before (odd) or after (even) the `calls`-th call of `owner.name`."""
    whole, left = getattr(owner, name), calls

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0 and calls % 2:
            act()
        done = whole(*args, **kwargs)
        if left == 0 and calls % 2 == 0:
            act()
        return done

    setattr(owner, name, counted)


def played(words: list[str], how: str, draw: random.Random) -> int:
    """Run the command in a fork and kill it; returns its exit code, minus the signal's number."""
    calls, delay = draw.randrange(1, 100 if how == "round" else 16), draw.uniform(0, 0.02)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        sys.stderr = sys.stdout = open(os.devnull, "w")
        if how == "round":
            after(EMA, "update", calls, lambda: os.close(writer))
        else:
            after(os, how, calls, lambda: os.kill(os.getpid(), signal.SIGKILL))
        try:
            command(words)
        finally:
            os._exit(0)
    os.close(writer)
    os.read(reader, 1)  # until the moment has come, or the child has ended
    os.close(reader)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    draw = random.Random(int(sys.argv[1]))
    print(*(played(sys.argv[4:], how, draw) for how in sys.argv[3].split(",") for _ in range(int(sys.argv[2]))))
