"""Folders, zips and tars: read in place, in order; what is hostile is refused by name and nothing is written."""

from __future__ import annotations

import io
import os
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from makers import encoded, pixels, write_files, write_tar, write_targz, write_zip

from sparring.data.files.archive import Unreadable, natural, suffix, too_large
from sparring.data.files.gzip_io import is_packed_tar, unpacked
from sparring.data.files.packed import _leads_out, open_container
from sparring.data.open import open_source
from sparring.engine.errors import SparringError

LOCKED = "is encrypted: unpack the archive with its password and name the folder"
PICTURE = encoded(pixels(1)[0])


def reason(path: Path) -> dict[str, str]:
    return {left.name: left.reason for left in open_container(path).refused}


@given(st.lists(st.integers(0, 10**30)))
def test_natural_order_is_the_order_of_the_numbers(numbers: list[int]) -> None:
    names = [f"img{number}.png" for number in numbers]
    assert sorted(names, key=natural) == [f"img{number}.png" for number in sorted(numbers)]


@given(st.lists(st.text(alphabet="a0123 ./é٣\n", max_size=8), unique=True))
def test_natural_order_does_not_depend_on_the_order_found(names: list[str]) -> None:
    assert sorted(names, key=natural) == sorted(names, key=natural)


def test_natural_order_takes_any_count_of_digits() -> None:
    assert sorted(["9" * 6000, "1" * 6001, "01", "1"], key=natural) == ["01", "1", "9" * 6000, "1" * 6001]


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("a.JPG", ".jpg"),
        ("a/b.c/d", ""),
        ("scan.0001", ""),
        ("a.tar.gz", ".gz"),
        (".jpg", ""),
        ("..jpg", ""),
        ("a.", "."),
        ("a/.b/c.PNG", ".png"),
        ("ä.jpg.PNG", ".png"),
        ("a.png\n", ".png\n"),
    ],
)
def test_suffix(name: str, want: str) -> None:
    assert suffix(name) == want


@given(st.lists(st.sampled_from(["a", "b.png", "..", ".", "...", "..a", " "]), min_size=1, max_size=5))
def test_a_name_leads_out_exactly_if_it_climbs(parts: list[str]) -> None:
    assert bool(_leads_out("/".join(parts))) == (".." in parts)
    assert bool(_leads_out("\\".join(parts))) == (".." in parts)
    assert _leads_out("/" + "/".join(parts))


@pytest.mark.parametrize("name", ["C:\\x.png", "c:/x.png", "\\\\server\\x.png", "/etc/x.png"])
def test_absolute_names_lead_out(name: str) -> None:
    assert _leads_out(name)


def test_bombs_are_known_by_size_and_ratio() -> None:
    assert too_large(64 << 20, 1) is None
    assert "decompression bomb" in str(too_large((64 << 20) + 1, 1000))
    assert too_large(1 << 30, 1 << 28) is None
    assert "more than" in str(too_large((8 << 30) + 1, 8 << 30))


HOSTILE = {"../out.png": PICTURE, "/abs.png": PICTURE, "a/../../out.png": PICTURE, "..\\out.png": PICTURE}


def test_hostile_names_are_refused_by_name_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for make, name in ((write_zip, "h.zip"), (write_tar, "h.tar"), (write_targz, "h.tar.gz")):
        path = make(tmp_path / "in" / name, {**HOSTILE, "good.png": PICTURE})
        before = {p for p in tmp_path.rglob("*") if "cache" not in p.parts}
        data = open_source(path)
        assert data.report.used == 1
        assert set(data.report.skipped["leads out of the archive"]) == set(HOSTILE)
        assert {p for p in tmp_path.rglob("*") if "cache" not in p.parts} == before
        assert not list((tmp_path / "cache").rglob("out.png"))


def test_links_devices_and_sparse_members_of_a_tar_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(PICTURE)
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in (("sym.png", tarfile.SYMTYPE), ("hard.png", tarfile.LNKTYPE), ("dev.png", tarfile.CHRTYPE),
                           ("fifo.png", tarfile.FIFOTYPE)):  # fmt: skip
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, str(tmp_path / "secret.png")
            archive.addfile(info)
        info = tarfile.TarInfo("good.png")
        info.size = len(PICTURE)
        archive.addfile(info, io.BytesIO(PICTURE))
    assert reason(tmp_path / "a.tar") == {
        "sym.png": "is a link", "hard.png": "is a link",
        "dev.png": "is no ordinary file", "fifo.png": "is no ordinary file",
    }  # fmt: skip
    assert open_container(tmp_path / "a.tar").names == ["good.png"]


def test_a_sparse_member_is_refused(tmp_path: Path) -> None:
    pax = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "s.png", "GNU.sparse.realsize": "99"}
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("GNUSparseFile.0/s.png")
        info.pax_headers, info.size = pax, 512
        archive.addfile(info, io.BytesIO(b"0\n".ljust(512, b"\0")))
    assert reason(tmp_path / "a.tar") == {"s.png": "is no ordinary file"}


def test_links_and_encrypted_members_of_a_zip_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("locked.png", PICTURE)
    content = (tmp_path / "a.zip").read_bytes()
    place = content.index(b"PK\1\2", content.index(b"PK\1\2") + 1)
    (tmp_path / "a.zip").write_bytes(content[: place + 8] + b"\1" + content[place + 9 :])
    assert reason(tmp_path / "a.zip") == {"link.png": "is a link", "locked.png": LOCKED}


def test_a_zip_bomb_is_refused_by_name(tmp_path: Path) -> None:
    write_zip(tmp_path / "a.zip", {"bomb.png": bytes(70 << 20), "good.png": PICTURE})
    data = open_source(tmp_path / "a.zip")
    (reason,) = data.report.skipped
    assert reason.startswith("is a decompression bomb")
    assert data.report.skipped[reason] == ["bomb.png"]


def test_a_targz_bomb_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    path = write_targz(tmp_path / "bomb.tar.gz", {"bomb.png": bytes(90 << 20)})
    assert is_packed_tar(path)
    with pytest.raises(SparringError, match=r"bomb\.tar\.gz is a decompression bomb"):
        open_source(path)
    assert not list((tmp_path / "cache").rglob("*.tar"))


def test_a_targz_that_does_not_fit_on_the_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_targz(tmp_path / "a.tar.gz", {"a.png": PICTURE})
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    with pytest.raises(SparringError, match="does not fit unpacked"):
        unpacked(path, tmp_path / "a.tar")


@pytest.mark.parametrize("make", [write_zip, write_tar, write_targz])
def test_torn_archives_are_refused_by_name(make: object, tmp_path: Path) -> None:
    path = make(tmp_path / "a.pack", {f"{k}.png": PICTURE for k in range(9)})  # type: ignore[operator]
    content = path.read_bytes()
    for cut in (len(content) // 2 + 100, 700 if make is write_tar else 30):
        path.write_bytes(content[:cut])
        with pytest.raises(SparringError, match=r"a\.pack"):
            open_source(path)


def test_a_folder_in_order_without_the_hidden(tmp_path: Path) -> None:
    write_files(
        tmp_path / "f", {"b/img10": b"1", "b/img9": b"2", "a.png": b"3", ".git/x.png": b"4", "__MACOSX/._a": b"5"}
    )
    container = open_container(tmp_path / "f")
    assert container.names == ["a.png", "b/img9", "b/img10"]
    assert container.read("b/img9") == b"2"
    assert {left.name: left.reason for left in container.refused} == {".git/": "is hidden", "__MACOSX/": "is hidden"}
    with pytest.raises(Unreadable, match="gone cannot be read"):
        container.read("gone")


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX links and pipes")
def test_links_pipes_and_loops_in_a_folder(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "f", {"a/1.png": PICTURE})
    (folder / "a/loop").symlink_to(folder)
    (folder / "self").symlink_to(folder / "self")
    (folder / "broken.png").symlink_to(tmp_path / "nothing")
    os.mkfifo(folder / "pipe.png")
    container = open_container(folder)
    assert container.names == ["a/1.png"]
    assert set(reason(folder)) == {"self", "broken.png", "pipe.png"}
    assert open_source(folder).report.used == 1


def test_a_very_deep_folder(tmp_path: Path) -> None:
    here = os.getcwd()
    (tmp_path / "f").mkdir()
    try:
        os.chdir(tmp_path / "f")
        for _ in range(1100 if sys.platform == "linux" else 100):
            os.mkdir("d")
            os.chdir("d")
    finally:
        os.chdir(here)
    write_files(tmp_path / "f", {"a.png": PICTURE})
    assert open_container(tmp_path / "f").names == ["a.png"]
    if sys.platform == "linux":  # deeper than rmtree of older Pythons goes
        os.system(f"rm -rf '{tmp_path}/f'")


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes are Linux' own")
def test_odd_names(tmp_path: Path) -> None:
    names = [b"new\nline.png", b"\xff\xfe.png", "ünï 文.png".encode(), b"-rf.png", b"a b'\".png", b"x.PNG", b"..png"]
    folder = write_files(tmp_path / "f", {"one/a.png": PICTURE})
    for k, name in enumerate(names):
        with open(os.fsencode(folder / "one") + b"/" + name, "wb") as file:
            file.write(encoded(pixels(1, seed=k + 1)[0]))
    data = open_source(folder)
    assert data.report.used == len(names)  # all but "..png", which is hidden; and a.png
    assert list(data.report.skipped) == ["is hidden"]
    again = open_source(folder)
    assert again.report == data.report


def test_keys_change_with_the_content(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "f", {"a.png": b"1", "b/c.png": b"2"})
    key = open_container(folder).key()
    assert open_container(folder).key() == key
    os.utime(folder / "a.png", ns=(0, 12345))
    assert open_container(folder).key() != key


def test_backslashes_in_a_zip_are_folders(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"train/cat/1.png": PICTURE, "train/dog/2.png": encoded(pixels(1, seed=3)[0])})
    content = path.read_bytes().replace(b"train/cat/1", b"train\\cat\\1").replace(b"train/dog/2", b"train\\dog\\2")
    path.write_bytes(content)
    assert open_source(path).report.classes == {"cat": 1, "dog": 1}
