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
from speaking import tone, write_wav

Cli = Callable[..., "CompletedProcess[str]"]


def picture(colour: str, size: tuple[int, int] = (7, 9)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    files = {"cat/a.png": picture("red"), "cat/b.png": picture("red"), "dog/c.png": picture("blue"),
             "d.png": picture("green"), "notes.txt": b"x", "dog/torn.png": picture("grey")[:45]}  # fmt: skip
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
    for part in ("image files", "9x7, RGB", "classes     2: cat 1, dog", "unlabelled  1",
                 "is a duplicate of another file: cat/b.png", "notes.txt", "dog/torn.png"):  # fmt: skip
        assert part in words.stdout
    told = json.loads(cli("inspect", photos, "--json").stdout)
    assert told["source"] == str(photos)
    assert told["shape"] == [9, 7, 3]
    assert told["used"] == 3 + (sys.platform != "win32") == sum(told["splits"].values())
    assert told["classes"]["cat"] == told["unlabelled"] == 1
    assert told["skipped"]["is a duplicate of another file"] == ["cat/b.png"]
    assert set(told) == {"source", "kind", "evidence", "unit", "spec", "format", "used", "skipped", "shape", "mode",
                         "shapes_found", "classes", "unlabelled", "splits",
                         "notes", "fingerprint", "vectors", "roles", "copies", "emptied", "unreadable",
                         "test_marked", "streamed"}  # fmt: skip
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


HOURS = "time,load\n" + "".join(f"2024-01-0{1 + k // 24}T{k % 24:02}:00,{k}\n" for k in range(96))
PEOPLE = "age,job,rich\n" + "".join(
    f"{20 + k},{'cook' if k % 3 else 'smith'},{'yes' if k % 2 else 'no'}\n" for k in range(20)
)


def words(folder: Path) -> Path:
    for word in ("no", "yes"):
        for k in range(5):
            write_wav(folder / word / f"{k}.wav", tone(400 + 200 * len(word) + k), rate=16000 if k == 4 else 8000)
    return folder


def test_recordings_in_words(quick: Cli, tmp_path: Path) -> None:
    text = quick("inspect", words(tmp_path / "words")).stdout
    assert "read as" not in text  # the line of the kind says so
    for part in ("kind        audio (10 sound files)", "10 recordings, 8,000 Hz, up to 0.25 s",
                 "classes     2: no 5, yes 5", "8 x 8,000 Hz, 2 x 16,000 Hz",
                 "recordings were resampled to 8,000 Hz: 2 of 16,000 Hz"):  # fmt: skip
        assert part in text


def test_a_table_in_words(quick: Cli, tmp_path: Path) -> None:
    (tmp_path / "rich.csv").write_text(PEOPLE + ",cook,no\n1,2\n")
    text = quick("inspect", "rich.csv", "--label", "rich").stdout
    for part in ("kind        table (rich.csv is a text table)", "20 rows, 2 columns as 3 numbers, class in 'rich'",
                 "splits      train 16, test 4", "columns     age (20 to 39), job (2 categories)",
                 "skipped     1: no number in 'age': line 22",
                 "skipped     1: has 2 cells in place of 3: line 23"):  # fmt: skip
        assert part in text
    report = json.loads(quick("inspect", "rich.csv", "--label", "2", "--drop", "job", "--json").stdout)
    assert report["kind"] == report["spec"]["kind"] == "table" and report["spec"]["target"] == "rich"
    assert [column["name"] for column in report["spec"]["columns"]] == ["age"]


def test_series_in_words(quick: Cli, tmp_path: Path) -> None:
    (tmp_path / "hours.csv").write_text(HOURS)
    text = quick("inspect", "hours.csv", "--window", "8").stdout
    for part in ("kind        series ('time' of hours.csv is a time over numbers",
                 "12 series, 8 steps of 1 channel: load", "splits      train 11, test 1"):  # fmt: skip
        assert part in text
    assert "table" in quick("inspect", "hours.csv", "--kind", "table", "--drop", "time").stdout


@pytest.mark.parametrize(
    ("name", "content", "flags", "code", "message"),
    [
        ("a.csv", b"a,b\n1,x\n2,y\n", ["--kind", "image"], 1, "it holds 1 x .csv. Images"),
        ("a.csv", b"a,b\n1,x\n2,y\n", ["--size", "8"], 2, "--size is for images, and the source is read as tables"),
        ("a.csv", b"a,b\n1,x\n2,y\n", ["--label", "c"], 2, "has no column 'c'"),
        ("a.png", picture("red"), ["--kind", "table"], 1, "a.png is no text"),
        ("a.png", picture("red"), ["--label", "c"], 2, "--label is for tables, and the source is read as images"),
        ("a.wav", b"RIFF", [], 1, "a.wav is damaged, or no sound file"),
        ("a.csv", HOURS.encode(), ["--kind", "smell"], 2, "unknown kind 'smell': one of image, audio, series, table"),
        ("a.parquet", b"PAR1", [], 1, "a.parquet is no whole parquet file"),
    ],
)  # fmt: skip
def test_bad_input_of_each_kind(
    name: str, content: bytes, flags: list[str], code: int, message: str, quick: Cli, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(content)
    done = quick("inspect", f"in/{name}", *flags)
    assert done.returncode == code and message in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_too_little_memory_is_one_line(quick: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_much(*args: object, **flags: object) -> None:
        raise MemoryError("Unable to allocate 2.93 GiB for an array")

    monkeypatch.setattr("sparring.commands.inspect.inspect", too_much)
    result = quick("inspect", tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith(
        "sparring: out of memory (Unable to allocate 2.93 GiB for an array): a smaller --size"
    )
