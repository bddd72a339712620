"""Run folders that no training wrote."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sparring.engine.run_folder import Run

SETTINGS: dict[str, Any] = {
    "command": "train",
    "recipe": {"name": "r3", "settings": {"lr": 0.001, "width": 64}},
    "data": {"source": "digits", "spec": {"kind": "image", "classes": ["0", "1"]}},
    "plan": {"images": 100, "minutes": None},
}


def run_folder(path: Path, nimg: int | None = None, **settings: Any) -> Run:
    """Write a run folder with one line of metrics at `nimg`."""
    run = Run(path)
    run.write_settings({**SETTINGS, **settings})
    if nimg is not None:
        run.log(nimg, {"generator": 1.0})
    return run


def wait_until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until a condition holds; fail after `seconds`."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)
