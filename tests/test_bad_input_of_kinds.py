"""Bad input of each kind of data, through the command line: a message, the exit code, no traceback."""

from __future__ import annotations

import struct
import subprocess
import wave
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kinds import KINDS, untrained
from speaking import tone, write_wav

import sparring

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
HOURS = [f"2024-01-{1 + hour // 24:02}T{hour % 24:02}:00,{hour}" for hour in range(200)]
CITIES = "city,y\n" + "Köln,0\nBonn,1\n" * 20
TRAINED = {"image": "pictures", "audio": "words", "series": "waves.npz", "table": "people.csv"}
QUICK = ("--images", 16, "--device", "cpu")


def write_text(folder: Path, name: str, text: str, encoding: str = "utf-8") -> None:
    (folder / name).write_bytes(text.encode(encoding))


def write_hours_of_sound(path: Path, seconds: int, rate: int = 8000) -> None:
    """A wav file of this length that takes no room on the disk: a hole in place of samples."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
    size = seconds * rate * 2
    with open(path, "r+b") as stream:
        for position, value in ((4, 36 + size), (40, size)):
            stream.seek(position)
            stream.write(struct.pack("<I", value))
        stream.truncate(44 + size)


def write_sources(folder: Path) -> None:
    for kind in KINDS.values():
        kind.write(folder)
    write_text(folder, "empty.csv", "")
    write_text(folder, "header.csv", "a,b\n")
    write_text(folder, "mixed.csv", "a,b\n" + "1,x\n2;x\n" * 9)
    write_text(folder, "cp1252.csv", CITIES, "cp1252")
    write_text(folder, "utf16.csv", CITIES, "utf-16")
    write_text(folder, "few.csv", "hours,town\n1,rome\n")
    write_text(folder, "strange.csv", "hours,wage,town\n1,2,paris\nx,2,rome\n3,4,rome\n")
    write_text(folder, "gaps.csv", "time,load\n" + "\n".join(HOURS[:90] + HOURS[150:]))
    write_text(folder, "unsorted.csv", "time,load\n" + "\n".join(HOURS[100:] + HOURS[:100]))
    write_text(folder, "short.csv", "time,load\n" + "\n".join(HOURS[:30]))
    for k in range(8):
        write_wav(folder / "rates" / "ab"[k % 2] / f"{k}.wav", tone(400 + 50 * k), rate=16000 if k == 4 else 8000)
        write_wav(folder / "silent" / "ab"[k % 2] / f"{k}.wav", np.zeros(800))
        write_wav(folder / "long" / "ab"[k % 2] / f"{k}.wav", tone(400 + 50 * k))
    write_hours_of_sound(folder / "long/a/day.wav", 36_000)
    nested = {"a": list(range(9)), "tags": [[1], [], [2]] * 3, "y": ["p", "q", "p"] * 3}
    pq.write_table(pa.table(nested), folder / "nested.parquet")
    rng, y = np.random.default_rng(0), np.arange(40) % 2
    np.savez(folder / "wide_test.npz", x_train=rng.random((40, 3)), y_train=y, x_test=rng.random((8, 5)), y_test=y[:8])
    np.savez(folder / "numbers.npz", x_train=rng.random((40, 3)), y_train=y, x_test=rng.random((8, 3)), y_test=y[:8])
    np.save(folder / "wide.npy", rng.random((30, 5)))
    np.save(folder / "long.npy", rng.random((4, 2, 40)))


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of good and bad sources, and a model `to-KIND` of each kind of data."""
    folder = tmp_path_factory.mktemp("sources")
    write_sources(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("SPARRING_CACHE", str(folder / "cache"))
        for kind, (_, _, settings, _, read, *_) in KINDS.items():
            save_model(TRAINED[kind], read, settings, f"to-{kind}")
        save_model("numbers.npz", {}, {"hidden": 8}, "to-numbers")
    yield folder


def save_model(source: str, read: dict[str, Any], settings: dict[str, Any], folder: str) -> None:
    untrained(sparring.open(source, sparring.ReadOptions(**read)), settings).save(Path(folder))


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        # text tables
        ("inspect empty.csv", 1, ["empty.csv is empty"]),
        ("classify empty.csv --label a", 1, ["empty.csv is empty"]),
        ("train empty.csv", 1, ["empty.csv is empty"]),
        ("predict to-table empty.csv", 1, ["empty.csv is empty"]),
        ("attack to-table empty.csv", 1, ["empty.csv is empty"]),
        ("inspect header.csv", 1, ["header.csv has a header and no rows"]),
        ("classify header.csv --label a", 1, ["header.csv has a header and no rows"]),
        ("predict to-table header.csv", 2, ["header.csv has no column 'hours', which the model was trained with"]),
        ("inspect mixed.csv", 1, ["mixed.csv mixes delimiters", "--delimiter"]),
        ("classify mixed.csv --label b", 1, ["mixed.csv mixes delimiters"]),
        ("inspect cp1252.csv", 0, ["cp1252.csv is no UTF-8: it was read as Windows-1252"]),
        ("classify utf16.csv --label y", 0, ["utf16.csv was read as UTF-16"]),
        ("classify people.csv", 2, ["people.csv has no labels: name the column of the class (--label COLUMN)"]),
        ("train people.csv --minutes 1", 2, ["arf is fitted at once, in seconds: leave --minutes and --images out"]),
        ("predict to-table few.csv", 2, ["few.csv has no column 'wage', which the model was trained with"]),
        ("predict to-table strange.csv", 0, ["line 2: unknown category 'paris' in 'town'", "'x' is no number"]),
        # typed tables
        ("inspect nested.parquet", 2, ["column 'tags' holds list<", "--drop 'tags' leaves it out"]),
        ("classify nested.parquet --label y", 2, ["column 'tags' holds list<", "--drop 'tags'"]),
        ("inspect nested.parquet --drop tags", 0, ["9 rows, 2 columns"]),
        ("inspect wide_test.npz", 1, ["x_train 3", "x_test 5", "give all the same"]),
        ("classify wide_test.npz", 1, ["x_train 3", "x_test 5"]),
        ("predict to-numbers wide_test.npz", 1, ["x_train 3", "x_test 5"]),
        ("evaluate wide_test.npz --data numbers.npz", 1, ["x_train 3", "x_test 5"]),
        ("predict to-numbers wide.npy", 2, ["wide.npy has 5 columns without names", "trained on 3"]),
        ("attack to-numbers wide.npy", 2, ["wide.npy has 5 columns without names"]),
        ("evaluate wide.npy --data numbers.npz", 2, ["wide.npy has 5 columns without names"]),
        # sounds
        ("inspect rates", 0, ["recordings were resampled to 8,000 Hz: 1 of 16,000 Hz"]),
        ("inspect silent", 1, ["nothing usable in silent", "a/0.wav is silent throughout"]),
        ("predict to-audio silent", 1, ["nothing usable in silent"]),
        ("inspect long", 0, ["lasts 36,000 s, more than the 10 s that a recording may: a/day.wav", "8 recordings"]),
        ("predict to-audio long/a/day.wav", 1, ["nothing usable in long/a/day.wav", "lasts 36,000 s"]),
        ("train silent --images 8", 1, ["nothing usable in silent", "a/0.wav is silent throughout"]),
        ("train words --augment ada --images 8", 2, ["--augment ada is for images, these are recordings: take sound"]),
        ("evaluate words --data words --features inception", 2, ["--features inception and --weights are for images"]),
        # series
        ("inspect gaps.csv", 0, ["cut at 1 gaps that are too long to interpolate", "--window takes another length"]),
        ("inspect unsorted.csv", 0, ["rows were not in the order of 'time': they were sorted"]),
        ("classify gaps.csv --window 16", 2, ["gaps.csv has no labels"]),
        ("inspect short.csv", 1, ["no 64 steps without a long gap, the longest stretch has 30: --window"]),
        ("predict to-series gaps.csv", 2, ["gaps.csv has no numbers in '0', which the model was trained with"]),
        ("predict to-series long.npy", 2, ["series are [2, 40], those that the model was trained on [2, 32]"]),
    ],
)  # fmt: skip
def test_bad_sources(command: str, code: int, words: Sequence[str], sources: Path, quick: Cli) -> None:
    answered(run(quick, sources, command), code, words)


@pytest.mark.parametrize("verb", ["predict", "attack"])
@pytest.mark.parametrize("given", TRAINED)
@pytest.mark.parametrize("asked", TRAINED)
def test_data_of_another_kind(verb: str, asked: str, given: str, sources: Path, quick: Cli) -> None:
    if asked == given:
        return
    done = run(quick, sources, f"{verb} to-{asked} {TRAINED[given]}")
    assert done.returncode in (1, 2) and "Traceback" not in done.stderr
    if given != "series":  # arrays do not say what they hold: they are read as the model's data were
        plural, wanted = (KINDS[kind].spec.plural for kind in (given, asked))
        assert f"holds {plural} (" in done.stderr and f"the model was trained on {wanted}" in done.stderr


@pytest.mark.parametrize(("samples", "data"), [("image", "table"), ("table", "image"), ("audio", "image")])
def test_samples_of_another_kind(samples: str, data: str, sources: Path, quick: Cli) -> None:
    done = run(quick, sources, f"evaluate {TRAINED[samples]} --data {TRAINED[data]}")
    holds = f"{TRAINED[samples]} holds {KINDS[samples].spec.plural}, {TRAINED[data]} holds {KINDS[data].spec.plural}"
    answered(done, 2, [holds, "give samples and data of one kind"])


def run(quick: Cli, sources: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder beside the sources, so that it can write."""
    verb, *args = command.split()
    more = QUICK if verb == "classify" else ()
    done = quick(verb, *(sources / arg if (sources / arg).exists() else arg for arg in args), *more)
    done.stderr = done.stderr.replace(f"{sources}/", "")
    return done


def answered(done: subprocess.CompletedProcess[str], code: int, words: Sequence[str]) -> None:
    """The command ended with `code`, said `words`, and showed no traceback."""
    text = done.stdout + done.stderr
    assert done.returncode == code, text
    assert "Traceback" not in text
    for word in words:
        assert word in text, f"{word!r} is not in {text!r}"
