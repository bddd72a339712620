"""Several URLs as one source: ranges, lists, and training images from shards behind them."""

from __future__ import annotations

from pathlib import Path

import pytest
from file_server import Server
from makers import encoded, pixels, write_tar

from sparring.data import resolve
from sparring.data.files.url_lists import expanded, fetched, listed
from sparring.data.open import open_source
from sparring.engine.errors import SparringError, UsageError


def test_ranges_become_urls() -> None:
    assert expanded("http://h/a.tar") == ["http://h/a.tar"]
    assert expanded("http://h/{008..011}.tar") == [f"http://h/{n}.tar" for n in ("008", "009", "010", "011")]
    assert expanded("http://h/{8..9}/{0..1}.tar") == [f"http://h/{n}.tar" for n in ("8/0", "8/1", "9/0", "9/1")]
    with pytest.raises(UsageError, match="goes down"):
        expanded("http://h/{5..3}.tar")
    with pytest.raises(UsageError, match="stands for 1,000,000 files"):
        expanded("http://h/{0..999}/{0..999}.tar")


def test_only_a_file_of_urls_alone_is_a_list(tmp_path: Path) -> None:
    path = tmp_path / "shards.txt"
    path.write_text("# mine\nhttp://h/{0..1}.tar\n\nhttps://h/z.tar\n")
    assert listed(path) == ["http://h/0.tar", "http://h/1.tar", "https://h/z.tar"]
    path.write_text("http://h/0.tar\nand a word\n")
    assert listed(path) == []
    path.write_text("")
    assert listed(path) == [] == listed(tmp_path) == listed(tmp_path / "missing.txt")


def test_files_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"2 of the 2 URLs end in 0\.tar"):
        fetched(["http://h/a/0.tar", "http://h/b/0.tar"], tmp_path)


@pytest.mark.parametrize("by_list", [False, True])
def test_shards_behind_urls_are_one_source(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_list: bool
) -> None:
    monkeypatch.setattr(resolve, "cache_folder", lambda: tmp_path / "cache")
    for shard in range(2):
        files = {f"{shard}{k}.png": encoded(pixels(1, 6, 6, 3, seed=10 * shard + k)[0]) for k in range(3)}
        files |= {f"{shard}{k}.cls": str(k % 2).encode() for k in range(3)}
        server.files[f"/{shard}.tar"] = write_tar(tmp_path / f"{shard}.tar", files).read_bytes()
    source = f"{server.url}/{{0..1}}.tar"
    if by_list:
        (tmp_path / "shards.txt").write_text(source)
        source = str(tmp_path / "shards.txt")
    data = open_source(source)
    assert len(data) == 6 and data.spec.classes == ("0", "1")
    with pytest.raises(SparringError, match=r"2\.tar"):
        open_source(f"{server.url}/{{0..2}}.tar")
