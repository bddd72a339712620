"""Runs that the tests of several pages share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .trained import train


@pytest.fixture(scope="session")
def _trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    train(folder, "classify", "digits", "--labels", 60, "--images", 1000, "few")
    return folder


@pytest.fixture
def runs(_trained: Path, tmp_path: Path) -> Path:
    """A folder of runs with `few`, a classifier of digits from 60 labels."""
    return Path(shutil.copytree(_trained, tmp_path / "runs"))
