"""`sparring train SOURCE --private EPSILON` by the command line and as a function, on small images and tables."""

from __future__ import annotations

import csv
import json
import platform
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sparring
from sparring.commands.train import train
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.run_folder import SECRETS, Run
from sparring.engine.safetensors_io import load_file
from sparring.measure.diagnostics.private_diagnostics import SCORE
from sparring.privacy.secret import KEY_FILE

TINY: dict[str, Any] = {"width": 4, "batch_size": 8, "frequencies": 20, "orientations": 2}
FLAGS = [part for name, value in TINY.items() for part in (f"--{name.replace('_', '-')}", str(value))]
SCHEMA = {
    "label": "paid",
    "columns": [
        {"name": "age", "kind": "integer", "low": 18, "high": 80},
        {"name": "town", "kind": "category", "values": ["ash", "birch", "cedar", "?"]},
        {"name": "height", "kind": "number", "low": 1.0, "high": 2.2},
        {"name": "paid", "kind": "category", "values": ["no", "yes"]},
    ],
}


def bars(count: int) -> tuple[Any, Any]:
    """Return images of 8x8: class k is bright in rows 3k to 3k + 2."""
    rng = np.random.default_rng(0)
    y = np.arange(count) % 2
    x = rng.integers(0, 60, (count, 8, 8), np.uint8)
    for row in range(3):
        x[np.arange(count), 3 * y + row] += 120
    return x, y


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with bars.npz, people.csv and people.json."""
    folder = tmp_path_factory.mktemp("private")
    x, y = bars(300)
    np.savez(folder / "bars.npz", x_train=x, y_train=y)
    rng = np.random.default_rng(1)
    with open(folder / "people.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "age", "town", "height", "paid"])
        for k in range(600):
            town = rng.choice(["ash", "birch", ""], p=[0.6, 0.3, 0.1])
            paid = "yes" if (town == "ash") == (rng.random() < 0.9) else "no"
            writer.writerow([f"secret-{k}", rng.integers(20, 70), town, f"{rng.normal(1.7, 0.1):.2f}", paid])
    (folder / "people.json").write_text(json.dumps(SCHEMA))
    return folder


@pytest.fixture(scope="module")
def images(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A short private run on images."""
    out = tmp_path_factory.mktemp("runs") / "images"
    recipe = sparring.Moments(**TINY)
    return train(sources / "bars.npz", recipe, private=3, images=64, out=out, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def table(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A private run on a table."""
    out = tmp_path_factory.mktemp("runs") / "table"
    return train(sources / "people.csv", private=30, schema=sources / "people.json", out=out)


def test_the_ledger_and_the_page_state_the_promise(images: Run, table: Run) -> None:
    for run, epsilon in ((images, 3), (table, 30)):
        ledger = json.loads((run.path / "privacy.json").read_text())
        assert ledger["total_epsilon"] == pytest.approx(epsilon, rel=1e-3) and ledger["budget"]["delta"] == 1e-5
        assert ledger["adjacency"] == "one row added or removed" and ledger["releases"]
        page = run.report_path.read_text()
        assert "Privacy" in page and "generator.safetensors" in page and "Never share the folder private/" in page
    assert set(json.loads((table.path / "privacy.json").read_text())["public"]) == {
        "the number of rows, 600", "the schema: names of columns, their ranges and values",
    }  # fmt: skip


def test_shared_files_hold_nothing_of_the_rows(images: Run, table: Run, sources: Path) -> None:
    shared = [path for path in images.path.rglob("*") if path.is_file() and SECRETS not in path.parts]
    key = json.loads((images.path / SECRETS / KEY_FILE).read_text())["key"]
    fingerprint = sparring.open(str(sources / "bars.npz")).fingerprint
    for path in shared:
        content = path.read_bytes()
        assert key.encode() not in content and fingerprint.encode() not in content, path
    assert not images.real_path.exists()
    logged = set().union(*images.metrics())
    assert logged == {"nimg", SCORE, "moment_distance", "largest_weight", "generator", "critic"}
    for path in table.path.glob("*.*"):
        content = path.read_bytes()
        assert b"secret-" not in content and b'"id"' not in content, path


def test_classes_come_in_their_noisy_proportions_and_the_model_loads(images: Run) -> None:
    model = sparring.load(images.path)
    assert sum(model.counts) == pytest.approx(300, abs=60) and model.counts != (150, 150)
    rows = np.concatenate(list(model.samples(20, seed=1)))
    assert rows.shape == (20, 8, 8, 1) and rows.dtype == np.uint8
    assert model.label("1") == 1


def test_a_longer_training_reads_no_rows(images: Run, tmp_path: Path) -> None:
    out = tmp_path / "longer"
    shutil.copytree(images.path, out)
    moments = [load_file(path / "players.safetensors")["critic.moments"] for path in images.checkpoints()]
    run = train("gone.npz", out=out, images=128, device="cpu", precision="fp32")
    later = load_file(run.checkpoints()[-1] / "players.safetensors")["critic.moments"]
    assert all((each == later).all() for each in moments) and later.abs().sum() > 0
    assert run.metrics()[-1]["nimg"] == 128


def test_a_start_that_was_killed_releases_the_same_again(sources: Path, tmp_path: Path) -> None:
    out, schema = tmp_path / "killed", sources / "people.json"
    first = train(sources / "people.csv", private=1, schema=schema, out=out)
    before = load_file(first.path / "generator.safetensors")
    (out / "privacy.json").unlink()  # as if it was killed before
    assert (out / SECRETS / KEY_FILE).exists()
    again = train(sources / "people.csv", private=1, schema=schema, out=out)
    after = load_file(again.path / "generator.safetensors")
    assert all((before[name] == after[name]).all() for name in before)
    for path in out.glob("*.*"):
        path.unlink()
    other = train(sources / "people.csv", private=2, schema=schema, out=out)
    assert (load_file(other.path / "generator.safetensors")["class_weights"] != before["class_weights"]).all()


def test_a_run_without_its_noise_or_on_another_machine_is_refused(
    images: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(images.path, copy)
    with monkeypatch.context() as patch:
        patch.setattr(platform, "node", lambda: "elsewhere")
        with pytest.raises(SparringError, match=r"another machine.*continue there"):
            train("bars.npz", out=copy, images=128)
    shutil.rmtree(copy / SECRETS)
    with pytest.raises(SparringError, match=r"is gone, or .* was copied without it.*sampling, reporting and loading"):
        train("bars.npz", out=copy, images=128)
    assert sparring.load(copy).label_names == ("0", "1")


def test_another_budget_is_refused(images: Run) -> None:
    with pytest.raises(UsageError, match=r"begun with --private 3.*costs epsilon again"):
        train("bars.npz", out=images.path, private=1)
    with pytest.raises(UsageError, match="begun with --delta 1e-05"):
        train("bars.npz", out=images.path, delta=1e-6)


def test_samples_of_a_table_have_its_columns_and_dependence(table: Run, quick: Any) -> None:
    done = quick("sample", table.path, "-n", 400, "--out", "new.csv")
    assert done.returncode == 0
    rows = list(csv.DictReader(Path("new.csv").read_text().splitlines()))
    assert [*rows[0]] == ["age", "town", "height", "paid"]
    assert {row["town"] for row in rows} <= {"ash", "birch", "cedar", "?"}
    assert all(18 <= int(row["age"]) <= 80 and 1.0 <= float(row["height"]) <= 2.2 for row in rows)
    assert np.mean([row["town"] == "ash" for row in rows]) == pytest.approx(0.6, abs=0.12)
    agree = np.mean([(row["town"] == "ash") == (row["paid"] == "yes") for row in rows])
    assert agree == pytest.approx(0.9, abs=0.1)


def test_every_command_works_on_a_private_run_without_its_rows(images: Run, table: Run, quick: Any) -> None:
    for run in (images, table):
        done = quick("doctor", run.path)
        assert done.returncode == 0 and "Traceback" not in done.stderr
        done = quick("evaluate", run.path)
        assert done.returncode == 2 and "one more release" in done.stderr and "--data SOURCE" in done.stderr
    assert "would cost privacy" in quick("doctor", images.path).stdout
    assert quick("sample", images.path, "-n", 8, "--out", "grid.png").returncode == 0
    source = images.settings["data"]["source"]
    assert quick("evaluate", images.path, "--data", source).returncode == 2


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["bars.npz", "--private", "0"], "--private must be a number above 0, not 0"),
        (["bars.npz", "--private", "-1"], "--private must be a number above 0, not -1"),
        (["bars.npz", "--private", "1", "--delta", "0.01"], "not below 1/n of n = 300 rows"),
        (["bars.npz", "--delta", "1e-6"], "belong to --private EPSILON"),
        (["bars.npz", "--private", "1", "--recipe", "r3"], r"r3 is not private: .*--recipe moments \(images\) or mst"),
        (["bars.npz", "--recipe", "moments"], "belong to --private EPSILON"),
        (["bars.npz", "--private", "1", "--label-fraction", "0.5"], "neither custom networks nor --label-fraction"),
        (["bars.npz", "--private", "1", "--batch-size", "3"], "less than two samples of each of 2 classes"),
        (["people.csv", "--private", "1"], 'needs a public schema, --schema FILE.json: .*"kind": "integer"'),
        (["people.csv", "--private", "1", "--schema", "no.json"], "cannot be read"),
        (["people.csv", "--private", "1", "--schema", "other.json"], "column 'hight' that the table has not: did you"),
        (["people.csv", "--private", "1", "--schema", "few.json"], "column 'town' of the table holds a value"),
        (["people.csv", "--private", "1", "--schema", "words.json"], "column 'town' of the table holds a cell"),
        (["people.csv", "--private", "1", "--schema", "people.json"], "leave --minutes and --images out"),
        (
            ["people.csv", "--private", "1", "--schema", "people.json", "--drop", "age"],
            "leave --drop and --categorical",
        ),
        (["people.csv", "--private", "1", "--recipe", "moments"], "moments is (for image data|not for table data)"),
    ],
)
def test_bad_input(sources: Path, tmp_path: Path, quick: Any, flags: list[str], message: str) -> None:
    for path in sources.iterdir():
        shutil.copy(path, tmp_path)
    columns = {column["name"]: column for column in SCHEMA["columns"]}
    wrong = {
        "other": {**columns, "height": {**columns["height"], "name": "hight"}},
        "few": {**columns, "town": {**columns["town"], "values": ["ash", "?"]}},
        "words": {**columns, "town": {"name": "town", "kind": "number", "low": 0, "high": 1}},
    }
    for name, changed in wrong.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({"columns": [*changed.values()]}))
    done = quick("train", *flags, "--images", "16", "--out", "run")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert __import__("re").search(message, done.stderr, 16), done.stderr
    assert "birch" not in done.stderr and "secret-" not in done.stderr
    assert not (tmp_path / "run" / "run.json").exists()


def test_weak_promises_and_few_rows_are_remarked(sources: Path, tmp_path: Path, quick: Any) -> None:
    shutil.copy(sources / "bars.npz", tmp_path)
    done = quick("train", "bars.npz", "--private", "60", "--images", "8", "--out", "weak", *FLAGS)
    assert done.returncode == 0 and "guarantees almost nothing" in done.stderr
    assert "privacy  epsilon 60, delta 1e-05" in done.stdout and "evaluate weak --data PUBLIC_SOURCE" in done.stdout
    done = quick("train", "bars.npz", "--private", "0.1", "--images", "8", "--out", "noisy", *FLAGS)
    assert done.returncode == 0 and "the noise in the moments is" in done.stderr
