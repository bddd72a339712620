import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sparring.engine import atomic_io
from sparring.engine.atomic_io import atomic_replace, remove, remove_temporaries, write
from sparring.engine.errors import SparringError


def below(folder: Path) -> set[str]:
    return {p.name for p in folder.rglob("*")}


def test_a_file_is_replaced_without_leftovers(tmp_path: Path) -> None:
    for content in ("old", "new"):
        write(tmp_path / "deep" / "a.txt", content)
        assert (tmp_path / "deep" / "a.txt").read_text() == content
    assert below(tmp_path) == {"deep", "a.txt"}


def test_a_folder_is_replaced(tmp_path: Path) -> None:
    with atomic_replace(tmp_path / "at") as temporary:
        (temporary / "inner").mkdir(parents=True)
        (temporary / "inner" / "a").write_text("1")
        assert not (tmp_path / "at").exists()
    assert (tmp_path / "at" / "inner" / "a").read_text() == "1"
    with pytest.raises(SparringError, match="at cannot be written"), atomic_replace(tmp_path / "at") as temporary:
        temporary.mkdir()
    assert (tmp_path / "at" / "inner" / "a").read_text() == "1"


def test_an_error_keeps_the_old_content(tmp_path: Path) -> None:
    write(tmp_path / "a", "old")
    with pytest.raises(KeyError), atomic_replace(tmp_path / "a") as temporary:
        temporary.write_text("half")
        raise KeyError
    assert (tmp_path / "a").read_text() == "old" and below(tmp_path) == {"a"}


@pytest.mark.parametrize("when", ["while writing", "before renaming"])
def test_a_kill_keeps_the_old_content(tmp_path: Path, when: str) -> None:
    script = f"""
import os, signal
from pathlib import Path
from sparring.engine import atomic_io
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
if {when!r} == "before renaming":
    os.replace = die
with atomic_io.atomic_replace(Path({str(tmp_path / "a")!r})) as temporary:
    temporary.write_text("half")
    if {when!r} == "while writing":
        die()
"""
    write(tmp_path / "a", "old")
    subprocess.run([sys.executable, "-c", script], check=False)
    assert (tmp_path / "a").read_text() == "old"
    assert len(below(tmp_path)) == 2
    remove_temporaries(tmp_path)
    assert below(tmp_path) == {"a"}


def test_a_temporary_file_of_a_process_with_the_same_pid_is_replaced(tmp_path: Path) -> None:
    """In a container the process number is often the same each time."""
    left = tmp_path / f".at.{os.getpid()}.tmp"
    (left / "old").mkdir(parents=True)
    with atomic_replace(tmp_path / "at") as temporary:
        temporary.mkdir()
    assert below(tmp_path) == {"at"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_reported_and_keeps_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    write(tmp_path / "a.bin", "old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SparringError, match=r"disk is full: .*a\.bin .*MB free") as raised:
        write(tmp_path / "a.bin", "new")
    assert raised.value.exit_code == 1
    assert (tmp_path / "a.bin").read_text() == "old" and below(tmp_path) == {"a.bin"}


@pytest.mark.parametrize("name", ["below/a", "below/b/c/a", "x" * 300])
def test_a_path_that_is_not_writable(tmp_path: Path, name: str) -> None:
    (tmp_path / "below").write_text("a regular file")
    with pytest.raises(SparringError, match=r"cannot be written: .* Choose another path"):
        write(tmp_path / name, "new")
    assert below(tmp_path) == {"below"}


def test_an_os_error_without_errno(tmp_path: Path) -> None:
    with pytest.raises(SparringError, match="odd encoder"), atomic_io.explain_os_errors(tmp_path / "a"):
        raise OSError("odd encoder")


def test_remove_temporaries_matches_the_pattern_only(tmp_path: Path) -> None:
    for name in (
        ".model.json.12.tmp",
        ".model.safetensors.9.tmp",
        ".other.png.12.tmp",
        "model.json",
        ".hidden",
        "x.tmp",
    ):
        (tmp_path / name).write_text("")
    (tmp_path / ".000000640.7.tmp").mkdir()
    remove_temporaries(tmp_path, "model.*")
    assert below(tmp_path) == {".other.png.12.tmp", "model.json", ".hidden", "x.tmp", ".000000640.7.tmp"}
    remove_temporaries(tmp_path)
    assert below(tmp_path) == {"model.json", ".hidden", "x.tmp"}
    remove_temporaries(tmp_path / "not there")


def test_remove_of_a_missing_path(tmp_path: Path) -> None:
    remove(tmp_path / "nothing")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    remove(tmp_path / "link")
    assert below(tmp_path) == {"folder"}
