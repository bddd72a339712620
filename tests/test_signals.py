"""A stop signal during the training of each command: all is saved, and the exit code is 75."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a child there")]
COMMANDS = {
    "train": "train data.npz --recipe r3 --width 4 --batch-size 8",
    "classify": "classify data.npz --labels 20 --width 4 --batch-size 8 --labelled-batch-size 4",
    "table": "classify rich.csv --label rich --batch-size 64",
    "harden": "harden data.npz --width 4 --batch-size 8",
}
SIGNALS = {"train": "SIGUSR1", "classify": "SIGINT", "table": "SIGTERM", "harden": "SIGUSR1"}


def sparring(folder: Path, words: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sparring", *words, "--out", "run", "--device", "cpu"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "SPARRING_CACHE": str(folder / "cache")},
    )  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_a_signal_saves_everything_and_the_exit_code_is_75(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", x=rng.integers(0, 256, (80, 8, 8), np.uint8), y=np.arange(80) % 2)
    rows = [f"{a},{b},{int(a > b)}" for a, b in rng.integers(0, 99, (200, 2))]
    (tmp_path / "rich.csv").write_text("\n".join(["hours,wage,rich", *rows]))
    words = COMMANDS[name].split()
    child = sparring(tmp_path, [*words, "--minutes", "60"])
    deadline = time.monotonic() + 90
    while not (tmp_path / "run" / "metrics.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(signal.Signals[SIGNALS[name]])
    out, err = child.communicate(timeout=60)
    assert child.returncode == 75 and out == "" and "Traceback" not in err, err
    assert f"Continue with: sparring {words[0]} {words[1]} --out run" in err
    checkpoints = sorted((tmp_path / "run" / "checkpoints").iterdir())
    assert checkpoints and (checkpoints[-1] / "players.safetensors").exists()
