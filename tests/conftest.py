"""What all tests share: a cache of their own, and the command line as a user meets it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """As `cli`, but in this process: without the second that importing torch takes."""
    from sparring.cli import main

    def run(*args: object) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(tmp_path)
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(arg) for arg in args])
        said = capsys.readouterr()
        return subprocess.CompletedProcess([*map(str, args)], int(left.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """`cli("train", "digits", ...)` runs the command in a folder of its own and returns what it said."""

    def run(*args: object, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "sparring", *map(str, args)],
            capture_output=True,
            text=True,
            cwd=cwd or tmp_path,
            env={**os.environ, "SPARRING_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1", **env},
            timeout=240,
        )

    return run
