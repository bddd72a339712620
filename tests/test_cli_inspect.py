"""`sparring inspect` as a user meets it: the report in words and as JSON, and every refusal without a traceback."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from PIL import Image

Cli = Callable[..., "CompletedProcess[str]"]


def picture(colour: str, size: tuple[int, int] = (7, 9)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    files = {"cat/a.png": picture("red"), "cat/b.png": picture("red"), "dog/c.png": picture("blue"), "d.png": picture("green"),
             "notes.txt": b"x", "dog/torn.png": picture("grey")[:45]}  # fmt: skip
    if sys.platform != "win32":
        files["dog/new\nline.png"] = picture("black")
    if sys.platform == "linux":
        files["dog/\udcff.txt"] = b"x"
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_the_report_in_words_and_as_json(cli: Cli, photos: Path) -> None:
    words = cli("inspect", photos, PYTHONIOENCODING="utf-8")
    assert (words.returncode, "Traceback" in words.stderr) == (0, False)
    for part in ("image files", "9x7, RGB", "classes     2: cat 1, dog", "unlabelled  1", "is a duplicate of another file: cat/b.png",
                 "notes.txt", "dog/torn.png"):  # fmt: skip
        assert part in words.stdout
    told = json.loads(cli("inspect", photos, "--json").stdout)
    assert told["source"] == str(photos)
    assert told["shape"] == [9, 7, 3]
    assert told["used"] == 3 + (sys.platform != "win32") == sum(told["splits"].values())
    assert told["classes"]["cat"] == told["unlabelled"] == 1
    assert told["skipped"]["is a duplicate of another file"] == ["cat/b.png"]
    assert set(told) == {"source", "kind", "evidence", "unit", "spec", "format", "used", "skipped", "shape", "mode", "shapes_found", "classes", "unlabelled",
                         "splits", "notes", "fingerprint", "vectors"}  # fmt: skip
    chosen = json.loads(cli("inspect", photos, "--json", "--size", "4x6", "--mode", "L").stdout)
    assert (chosen["shape"], chosen["mode"]) == ([4, 6, 1], "L")


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["nowhere"], 2, "there is no 'nowhere'"),
        (["mnits"], 2, "did you mean 'mnist'"),
        (["empty"], 1, "nothing usable in empty: it is empty"),
        (["texts"], 1, "nothing usable in texts: it holds 1 x .txt"),
        (["photos", "--size", "big"], 2, "write HxW"),
        (["photos", "--mode", "XYZ"], 2, "one of L, LA, RGB, RGBA"),
        (["evil.pkl/"], 1, "data_batch_1 is refused as a CIFAR batch"),
        (["http://127.0.0.1:9/x.zip"], 1, "could not be fetched"),
    ],
)
def test_every_refusal_names_the_thing(args: list[str], code: int, words: str, cli: Cli, photos: Path) -> None:
    for name in ("empty", "texts", "evil.pkl"):
        (photos.parent / name).mkdir()
    (photos.parent / "texts/a.txt").write_bytes(b"x")
    (photos.parent / "evil.pkl/data_batch_1").write_bytes(b"cos\nsystem\n(Vtouch marker\ntR.")
    said = cli("inspect", *args)
    assert (said.returncode, said.stdout) == (code, "")
    assert words in said.stderr
    assert "Traceback" not in said.stderr
    assert not list(photos.parent.rglob("marker"))
