"""Runs for the pages of the studio, trained in seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"


def train(folder: Path, *args: object) -> Path:
    """Run `sparring ARGS --out` below `folder`; return the run folder, named by the last argument."""
    *words, name = map(str, args)
    run = folder / name
    done = subprocess.run(
        [sys.executable, "-m", "sparring", *words, "--out", str(run)], capture_output=True, text=True, timeout=240,
        env={**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return run
