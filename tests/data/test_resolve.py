"""Where the cache lies, with and without a home folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from sparring.data.resolve import cache_folder
from sparring.engine.errors import SparringError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="XDG is of Linux")


def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without $HOME and without an entry in the table of users."""
    for name in ("HOME", "SPARRING_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def no_entry(number: int) -> None:
        raise KeyError(number)

    monkeypatch.setattr("pwd.getpwuid", no_entry)


def test_without_a_home_one_line_names_the_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    homeless(monkeypatch)
    for name, value in (("XDG_CACHE_HOME", None), ("XDG_CACHE_HOME", ""), ("XDG_CACHE_HOME", "relative")):
        if value is not None:
            monkeypatch.setenv(name, value)
        with pytest.raises(SparringError, match=r"no home folder .*: set SPARRING_CACHE to a folder"):
            cache_folder()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "sparring"
    monkeypatch.setenv("SPARRING_CACHE", "here")
    assert cache_folder() == Path("here")


def test_an_empty_variable_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    for name in ("SPARRING_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "")
    assert cache_folder() == Path(os.environ["HOME"]) / ".cache" / "sparring"
