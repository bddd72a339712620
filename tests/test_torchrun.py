"""Two processes under torchrun, started as a user does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="torch for Windows has no torchrun with gloo over libuv"),
]
HERE = Path(__file__).parent


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def torchrun(*args: object, **env: str) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("torchrun"), "--nproc-per-node", 2, "--master-port", free_port(), *args]
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1", **env},
    )  # fmt: skip


def on_two_nodes(*args: object, **env: str) -> list[str]:
    """Start one torchrun for each of two "nodes", which meet on the loopback; return what each printed to stderr."""
    meeting = ["--nnodes", 2, "--nproc-per-node", 1, "--rdzv-backend", "c10d", "--rdzv-id", "test"]
    command = [Path(sys.executable).with_name("torchrun"), *meeting, "--rdzv-endpoint", f"localhost:{free_port()}"]
    nodes = [
        subprocess.Popen(
            [str(word) for word in [*command, *args]], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **env},
        )
        for _ in range(2)
    ]  # fmt: skip
    return [node.communicate(timeout=240)[1] for node in nodes]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> list[Mapping[str, Any]]:
    """What each of two processes saw."""
    folder = tmp_path_factory.mktemp("two")
    done = torchrun(HERE / "two_processes.py", folder)
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


def test_there_are_two(seen: list[Mapping[str, Any]]) -> None:
    assert [(each["rank"], each["size"]) for each in seen] == [(0, 2), (1, 2)]


@pytest.mark.parametrize("game", ["relativistic", "r1+r2", "r1+r2, lazy", "wgan-gp", "wgan-gp, lazy"])
def test_averaged_gradients_equal_those_of_one_process(seen: list[Mapping[str, Any]], game: str) -> None:
    for each in seen:
        assert max(each["gradients"][game]) <= 1e-6
        assert each["ends"][game] <= 1e-5  # weights after six rounds, each process in two parts


def test_processes_stay_in_sync_and_drift_is_detected(seen: list[Mapping[str, Any]]) -> None:
    for each in seen:
        assert each["agree"] == each["agree, lbfgs"] == "fine"
        assert "out of sync" in each["apart"] and "generator.norm.running_var" in each["apart"]


def test_a_stop_of_one_process_stops_both(seen: list[Mapping[str, Any]]) -> None:
    assert [each["stopped"] for each in seen] == [16, 16]


def test_one_that_diverges_stops_both_at_the_same_image(seen: list[Mapping[str, Any]]) -> None:
    for each in seen:
        assert each["diverged"].startswith("Diverged: the discriminator's loss became nan at image 16")


def test_both_load_the_intact_checkpoint(seen: list[Mapping[str, Any]]) -> None:
    assert [each["loaded"] for each in seen] == [8, 8]
    assert [each["warnings"] for each in seen] == [1, 0]


def test_training_by_torchrun(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 8, 8), np.uint8)
    np.savez(tmp_path / "data.npz", x=pixels, y=np.arange(64) % 2)
    words = [
        "-m",
        "sparring",
        "train",
        tmp_path / "data.npz",
        "--out",
        tmp_path / "run",
        "--recipe",
        "r3",
        "--width",
        4,
    ]
    first = torchrun(
        *words, "--batch-size", 8, "--images", 160, "--precision", "fp32", "--json", SPARRING_CACHE=str(tmp_path / "c")
    )
    assert first.returncode == 0, first.stderr
    told = json.loads(first.stdout)  # one process speaks
    assert told["images"] == 160
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["processes"] == 2
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    steps = [line["nimg"] for line in lines if "generator" in line]
    assert steps == sorted(set(steps)) and steps[-1] == 160
    assert (tmp_path / "run" / "checkpoints" / "000000160" / "state.json").exists()
    assert not list((tmp_path / "run").rglob("*.tmp"))


def test_two_nodes_stop_and_one_process_goes_on(tmp_path: Path) -> None:
    """SIGUSR1, as Slurm sends it: both save, and one process plays the same game to its end."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, 8, 8), np.uint8)
    np.savez(tmp_path / "data.npz", x=pixels, y=np.arange(64) % 2)
    words = ["-m", "sparring", "train", tmp_path / "data.npz", "--recipe", "r3", "--width", 4, "--batch-size", 8]
    words += ["--images", 640, "--precision", "fp32", "--device", "cpu"]
    env = {"SPARRING_CACHE": str(tmp_path / "c"), "SPARRING_STOP_AT": "320"}
    stopped = on_two_nodes(HERE / "stop_at.py", *words[2:], "--out", tmp_path / "two", **env)
    assert "all is saved" in "".join(stopped)
    assert any("exitcode  : 75" in node for node in stopped), stopped
    newest = max((tmp_path / "two" / "checkpoints").iterdir())
    assert 320 <= int(newest.name) < 640
    alone = {**os.environ, "OMP_NUM_THREADS": "1", **env}
    for folder in ("two", "one"):
        done = subprocess.run([sys.executable, *map(str, words), "--out", tmp_path / folder], env=alone, timeout=240)
        assert done.returncode == 0
    two, one = (load_file(tmp_path / folder / "generator.safetensors") for folder in ("two", "one"))
    assert max(float((two[name] - one[name]).abs().max()) for name in one) < 1e-3


def test_measuring_by_torchrun_gives_the_results_of_one_process(tmp_path: Path) -> None:
    """Each process draws samples, computes features, attacks and certifies its chunks alone."""
    y = np.arange(300) % 2
    pixels = np.random.default_rng(0).integers(0, 80, (300, 8, 8)).astype(np.uint8)
    pixels[y == 1, :, 4:] += 150
    np.savez(data := tmp_path / "data.npz", x=pixels, y=y)
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "SPARRING_CACHE": str(tmp_path / "c")}

    def one(*args: object) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "sparring", *map(str, args)]
        return subprocess.run(words, check=True, capture_output=True, text=True, timeout=240, env=alone)

    generator, classifier = tmp_path / "generator", tmp_path / "classifier"
    one("train", data, "--out", generator, "--recipe", "r3", "--width", 4, "--batch-size", 8, "--images", 160)
    one("harden", data, "--out", classifier, "--method", "noisy", "--images", 4000)
    for words in (
        ("attack", classifier, data, "--count", 260, "--eps", 0.3),
        ("certify", classifier, data, "--count", 60, "--draws", 200),
        ("evaluate", generator, "-n", 200),
    ):
        expected = json.loads(one(*words, "--json").stdout)
        done = torchrun("-m", "sparring", *words, "--json", SPARRING_CACHE=str(tmp_path / "c"))
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)  # one process prints
        if words[0] == "evaluate":  # both players train for it, by all processes
            assert found["two_sample"].pop("duality_gap") > 0 < expected["two_sample"].pop("duality_gap")
        assert found == expected
    refused = torchrun("-m", "sparring", "sample", generator)
    assert refused.returncode != 0 and "this command runs on one process: start it without torchrun" in refused.stderr
