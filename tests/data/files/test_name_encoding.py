"""Names that are no UTF-8, in folders and tars (zips: test_label_files.py): by a guess, or as given."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from makers import encoded, pixels

from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions
from sparring.engine.errors import UsageError

IMAGES = [encoded(image) for image in pixels(30)]

NAMES = {
    "gbk": ("猫咪", "小狗"), "cp932": ("表示", "ネコ"), "big5": ("貓咪", "小狗"), "cp1252": ("Größe", "café"),
    "cp1251": ("кошки", "Собаки"), "cp866": ("кошки", "Собаки"),
    "koi8_r": ("кошки", "Собаки"), "euc_jp": ("ネコ", "犬とねこ"),
}  # fmt: skip


def in_place(place: str, names: dict[bytes, bytes], folder: Path) -> Path:
    """Write files of these names, in bytes, as a folder or a tar."""
    if place == "folder":
        for name, content in names.items():
            path = os.path.join(os.fsencode(folder / "s"), name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            Path(os.fsdecode(path)).write_bytes(content)
        return folder / "s"
    with tarfile.open(folder / "a.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in names.items():
            info = tarfile.TarInfo(name.decode("utf-8", "surrogateescape"))
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return folder / "a.tar"


@pytest.mark.parametrize("place", ["folder", "tar"])
@pytest.mark.parametrize("encoding", sorted(NAMES))
def test_names_that_are_no_utf8_are_read(encoding: str, place: str, tmp_path: Path) -> None:
    """Beside names that are UTF-8, which stay what they are."""
    words = [*NAMES[encoding], "é中"]
    files = {
        f"{word}/{k}-{word}.png".encode(encoding if word in NAMES[encoding] else "utf-8"): IMAGES[3 * n + k]
        for n, word in enumerate(words)
        for k in range(3)
    }
    path = in_place(place, files, tmp_path)
    data = open_source(path)
    assert data.report.classes == dict.fromkeys(sorted(words), 3)
    assert f"0-{words[0]}.png" in {name.rpartition("/")[2] for name in data.split(None).names}
    assert any(f"no UTF-8 were read as {encoding} (as " in note for note in data.notes), data.notes
    assert open_source(path, ReadOptions(name_encoding=encoding)).report.classes == data.report.classes


def test_an_encoding_of_names_that_is_given(tmp_path: Path) -> None:
    """Korean cannot be told from Chinese: what is given decides, and what does not fit is refused."""
    files = {
        f"{word}/{k}.png".encode("euc_kr"): IMAGES[3 * n + k]
        for n, word in enumerate(["고양이", "강아지"])
        for k in range(3)
    }
    path = in_place("folder", files, tmp_path)
    data = open_source(path, ReadOptions(name_encoding="euc_kr"))
    assert set(data.report.classes) == {"고양이", "강아지"} and not any("UTF-8" in note for note in data.notes)
    for encoding, words in {"nonsense": "there is no such encoding", "ascii": "is none in it"}.items():
        with pytest.raises(UsageError, match=f"--name-encoding {encoding}: .*{words}"):
            open_source(path, ReadOptions(name_encoding=encoding))
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain/é.png").write_bytes(IMAGES[0])
    with pytest.raises(UsageError, match=r"--name-encoding gbk: all names in .* are UTF-8: leave it out"):
        open_source(tmp_path / "plain", ReadOptions(name_encoding="gbk"))
