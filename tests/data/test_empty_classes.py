"""Classes of which no file can be used: random trees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from makers import encoded, pixels, write_files, write_zip

from sparring.data.empty_classes import emptied_classes
from sparring.data.open import open_source

JUNK = {
    ".heic": b"\0\0\0\x18ftypheic" + bytes(9),
    ".png": b"version https://git-lfs.github.com/spec/v1\n",
    ".nef": b"\1",
}


@pytest.mark.parametrize("seed", range(8))
def test_an_emptied_class_is_told_and_no_other(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    top = str(rng.choice(["", "set/", "set/train/"]))
    lost = [f"lost{k}" for k in range(int(rng.integers(1, 3)))]
    image = iter(pixels(40, seed=seed))
    files = {f"{top}{name}/{k}.png": encoded(next(image)) for name in ("cat", "dog") for k in range(4)}
    for name in lost:
        ending = str(rng.choice(list(JUNK)))
        files |= {f"{top}{name}/deeper/{k}{ending}": JUNK[ending] for k in range(3)}
    files |= {f"{top}cat/x.heic": JUNK[".heic"], f"{top}docs/README.md": b"text", "LICENSE.txt": b"MIT"}
    files |= {f"{top}unlabelled/1.heic": JUNK[".heic"]}
    for source in (write_files(tmp_path / "a", files), write_zip(tmp_path / "a.zip", files)):
        data = open_source(source)
        told = [note for note in data.notes if "is gone" in note]
        assert sorted(note.split("'")[1] for note in told) == lost
        assert all("none of its 3 files can be used" in note for note in told)
        assert data.spec.classes == ("cat", "dog")


def test_duplicates_and_hidden_files_empty_no_class() -> None:
    used = [("a/1.png", "a"), ("b/1.png", "b")]
    skipped = {"is hidden": ["c/.x.png"], "is a duplicate of another file": ["d/1.png"], "is no image": ["e/1.txt"]}
    assert emptied_classes(used, skipped) == []
    assert emptied_classes([("1.png", None)], {"is truncated": ["e/1.png"]}) == []
    assert emptied_classes(used, {"is truncated": ["e/1.png"]}) == [
        "class 'e' is gone: none of its 1 files can be used (e/1.png is truncated)"
    ]
