"""A run that was killed at any moments ends with the bytes of an uninterrupted one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sparring.engine.run_folder import Run

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")]
IMAGES = 4_000
FILES = ("players", "average", "optimizers")
Words = Callable[[Path, str], list[str]]


def words(folder: Path, name: str) -> list[str]:
    text = (
        f"train {folder / 'data.npz'} --out {folder / name} "
        f"--recipe r3 --width 4 --latent-dim 8 --batch-size 8 --images {IMAGES}"
    )
    return text.split()


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "SPARRING_CACHE": str(folder / "cache")}


def few_words(folder: Path, name: str) -> list[str]:
    text = (
        f"classify {folder / 'data.npz'} --labels 20 --out {folder / name} "
        "--width 4 --latent-dim 6 --batch-size 8 --labelled-batch-size 4 --images 400"
    )
    return text.split()


def chain_words(folder: Path, name: str) -> list[str]:
    text = (
        f"train {folder / 'data.npz'} --out {folder / name} --recipe dbm --hidden 9 --top 5 --chains 6 "
        "--sample-sweeps 3 --batch-size 8 --images 400"
    )
    return text.split()


def sparring(folder: Path, name: str, words: Words = words) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sparring", *words(folder, name)]
    return subprocess.run(command, env=environment(folder), capture_output=True, text=True, timeout=120)


def killed(folder: Path, name: str, seed: int, count: int, how: str, words: Words = words) -> list[int]:
    command = [sys.executable, Path(__file__).with_name("killer.py"), str(seed), str(count), how, *words(folder, name)]
    done = subprocess.run(command, env=environment(folder), capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return [int(end) for end in done.stdout.split()]


def end_of(run: Path) -> dict[str, bytes]:
    """The bytes of the last checkpoint and of the model."""
    last = run / "checkpoints" / f"{IMAGES:09d}"
    assert json.loads((last / "state.json").read_text())["nimg"] == IMAGES
    found = {name: (last / f"{name}.safetensors").read_bytes() for name in FILES}
    found |= {"state": (last / "state.json").read_bytes(), "model": (run / "generator.safetensors").read_bytes()}
    best = json.loads((run / "best.json").read_text())
    assert (run / "checkpoints" / f"{best['nimg']:09d}").is_dir()
    return {**found, "best": (run / "best.json").read_bytes()}


def measures(run: Path) -> dict[float, dict[str, float]]:
    """What was measured at each image."""
    return {line["nimg"]: line for line in Run(run).metrics() if "sliced_wasserstein" in line}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With 200 pictures of two classes in it, and a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("resume")
    draw = np.random.default_rng(0)
    x = draw.integers(0, 256, (200, 8, 8), np.uint8)
    np.savez(folder / "data.npz", x=x, y=np.arange(200) % 2)
    done = sparring(folder, "whole")
    assert done.returncode == 0, done.stderr
    return folder


def check(folder: Path, name: str) -> None:
    """Play `name` to its end and compare."""
    done = sparring(folder, name)
    assert done.returncode == 0, done.stderr
    assert "damaged" not in done.stderr
    assert end_of(folder / name) == end_of(folder / "whole")
    assert measures(folder / name) == measures(folder / "whole")
    assert not [p.name for p in (folder / name).rglob("*") if p.name.endswith(".tmp") or "damaged" in p.name]
    frames = {p.name for p in (folder / name / "samples").iterdir()}
    assert frames == {p.name for p in (folder / "whole" / "samples").iterdir()}


def test_ten_kills_at_random_moments(folder: Path) -> None:
    ends = killed(folder, "rounds", seed=1, count=10, how="round")
    assert ends.count(-signal.SIGKILL) >= 8, ends
    check(folder, "rounds")


def test_kills_while_saving(folder: Path) -> None:
    ends = killed(folder, "saving", seed=2, count=3, how="replace,fsync,mkdir")
    assert ends.count(-signal.SIGKILL) >= 6, ends
    check(folder, "saving")


def test_sigterm_stops(folder: Path) -> None:
    """Ctrl-C, then a SIGTERM to the continued run: both save, say so, and go on to the same end."""
    run, frames = folder / "polite", 3
    for number in (signal.SIGINT, signal.SIGTERM):
        child = subprocess.Popen(
            [sys.executable, "-m", "sparring", *words(folder, "polite")],
            env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        until = time.monotonic() + 60
        while len(list((run / "samples").glob("0*.png"))) < frames and time.monotonic() < until:
            time.sleep(0.01)
        child.send_signal(number)
        out, err = child.communicate(timeout=60)
        assert child.returncode == 75, err
        assert "Traceback" not in err and out == ""
        stopped = max(int(p.name) for p in (run / "checkpoints").iterdir())
        assert 0 < stopped < IMAGES
        assert f"stopped at image {stopped:,} of {IMAGES:,}" in err and f"--out {run}" in err
        frames = len(list((run / "samples").iterdir())) + 5
    done = sparring(folder, "polite")
    assert done.returncode == 0, done.stderr
    assert end_of(run) == end_of(folder / "whole")
    assert measures(folder / "whole").items() <= measures(run).items()  # and what the stops measured


def test_a_killed_classifier_training_ends_with_the_same_bytes(folder: Path) -> None:
    """At random moments, and in the midst of saving."""
    assert sparring(folder, "few", few_words).returncode == 0
    ends = killed(folder, "few-killed", seed=3, count=2, how="round,replace", words=few_words)
    assert ends.count(-signal.SIGKILL) >= 2, ends
    assert sparring(folder, "few-killed", few_words).returncode == 0
    whole, run = folder / "few", folder / "few-killed"
    names = [f"checkpoints/000000400/{name}.safetensors" for name in FILES]
    for name in (*names, "generator.safetensors", "classifier.safetensors", "to_label.csv"):
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name
    told, other = (json.loads((path / "classification.json").read_text()) for path in (whole, run))
    assert all(other[name] == told[name] for name in told if name not in ("run", "to_label", "minutes"))
    assert not [p.name for p in run.rglob("*") if p.name.endswith(".tmp") or "damaged" in p.name]


def test_a_killed_boltzmann_machine_resumes_its_chains(folder: Path) -> None:
    assert sparring(folder, "chains", chain_words).returncode == 0
    ends = killed(folder, "killed-chains", seed=5, count=2, how="replace,fsync", words=chain_words)
    assert -signal.SIGKILL in ends, ends
    assert sparring(folder, "killed-chains", chain_words).returncode == 0
    for name in (*(f"checkpoints/000000400/{file}.safetensors" for file in FILES), "generator.safetensors"):
        assert (folder / "killed-chains" / name).read_bytes() == (folder / "chains" / name).read_bytes(), name
