"""`sparring obfuscate` and what follows it, on images, words and a table; every way in which it can be wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
from PIL import Image

import sparring
from sparring.commands.obfuscate import to_text
from sparring.commands.obfuscating import audit
from sparring.measure.leakage.adversaries import FAMILIES, Adversary, logistic
from sparring.models.obfuscator import ObfuscatorModel
from sparring.recipes.features.noisy_code import NoisyCode

Cli = Callable[..., "CompletedProcess[str]"]
PATTERN, LABEL = "{label}_{group}_{n}.png", "{label}_*.png"
TINY = NoisyCode(width=8, code_size=8, batch_size=32, generations=3)
LINEAR = {"logistic regression": FAMILIES["logistic regression"]}


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparring.measure.leakage.attack.available", lambda: LINEAR)
    quick = {"linear": Adversary({"": logistic(1e-2)})}
    monkeypatch.setattr(audit, "network_adversary", lambda spec: quick)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 images of 8x8: the class is a bright half, the group a bright column."""
    folder = tmp_path_factory.mktemp("images") / "halves"
    rng = np.random.default_rng(0)
    for k in range(400):
        label, group = k % 2, k // 2 % 2
        x = rng.integers(0, 40, (8, 8), np.uint8)
        x[4 * label : 4 * label + 4] += 120
        x[:, 7 * group] += 90
        part = folder / ("test" if k >= 300 else "train")
        part.mkdir(parents=True, exist_ok=True)
        Image.fromarray(x).save(part / f"{'ab'[label]}_{'fm'[group]}_{k}.png")
    return folder


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    sex, age = rng.integers(0, 2, 600), rng.integers(20, 60, 600)
    job = np.where(rng.random(600) < 0.9, sex, 1 - sex)
    rich = (age + rng.normal(0, 5, 600) > 40).astype(int)
    lines = [f"{a},{'xy'[j]},{'fm'[s]},{['no', 'yes'][r]}" for a, j, s, r in zip(age, job, sex, rich, strict=True)]
    path = tmp_path_factory.mktemp("table") / "people.csv"
    path.write_text("\n".join(["age,job,sex,rich", *lines]) + "\n")
    return path


def test_images_are_audited_and_replaced(images: Path, tmp_path: Path) -> None:
    report = sparring.obfuscate(
        images, TINY, protect_from=PATTERN, label_from=LABEL, images=9_600, out=tmp_path / "run", device="cpu"
    )
    measured = report.audit
    assert measured.leaks["original"].auc.low > 0.9
    assert measured.leaks["obfuscated"].auc.value < measured.leaks["original"].auc.value - 0.2
    assert measured.utility["obfuscated"].balanced_accuracy.value > 0.8
    assert measured.leaks["shuffled groups"].auc.low <= 0.5
    assert "class alone" in measured.leaks
    assert sum(report.groups.values()) == 200
    assert "sparring encode" in to_text(report)
    saved = json.loads((tmp_path / "run" / "obfuscation.json").read_text())
    assert saved["group"]["obfuscated"]["auc"] == measured.leaks["obfuscated"].auc.to_json()
    assert "Examples" in (tmp_path / "run" / "report.html").read_text()
    written = sparring.encode(tmp_path / "run", images / "test", out=tmp_path / "hidden", seed=1)
    assert written.count == 100
    files = sorted((tmp_path / "hidden").iterdir())
    assert len(files) == 100
    with Image.open(files[0]) as image:
        assert image.size == (8, 8)
    model = sparring.load(tmp_path / "run")
    assert isinstance(model, ObfuscatorModel)
    rows = np.zeros((3, 8, 8, 1), np.uint8)
    assert np.array_equal(model.obfuscate(rows, 1), model.obfuscate(rows, 1))
    assert not np.array_equal(model.obfuscate(rows), model.obfuscate(rows))


def test_a_table_goes_through_the_command_line(table: Path, tmp_path: Path, quick: Cli) -> None:
    run = tmp_path / "run"
    done = quick(
        "obfuscate", str(table), "--label", "rich", "--protect", "sex", "--images", "4000", "--width", "8",
        "--out", str(run), "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["groups"].keys() == {"f", "m"}
    assert report["group"]["original"]["auc"]["low"] > 0.7
    assert json.loads((run / "run.json").read_text())["request"]["read"]["protect"] == "sex"
    done = quick("encode", str(run), str(table), "--out", str(tmp_path / "hidden.csv"))
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "hidden.csv").read_text().splitlines()
    assert lines[0] == "age,job,rich"
    assert [line.split(",")[2] for line in lines[1:]] == [
        line.split(",")[3] for line in table.read_text().splitlines()[1:]
    ]
    assert len(lines) == 601
    assert {line.split(",")[1] for line in lines[1:]} <= {"x", "y"}
    assert quick("predict", str(run), str(table)).returncode == 2
    done = quick("encode", str(run), str(table), "--out", str(tmp_path / "hidden.png"))
    assert done.returncode == 2
    assert "are written as" in done.stderr
    assert quick("doctor", str(run)).returncode == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "name the column of the groups"),
        (("--protect", "age2"), "age2"),
        (("--protect", "sex", "--recipe", "zhang"), "zhang"),
        (("--protect", "sex", "--noise", "0"), "--noise must be above 0"),
    ],
)
def test_wrong_commands_are_refused(table: Path, quick: Cli, flags: tuple[str, ...], message: str) -> None:
    done = quick("obfuscate", str(table), "--label", "rich", *flags)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_small_groups_are_refused(table: Path, tmp_path: Path) -> None:
    few = tmp_path / "few.csv"
    few.write_text("\n".join(table.read_text().splitlines()[:40]) + "\n")
    with pytest.raises(sparring.UsageError, match="fewer than two groups of 'sex' have 40"):
        sparring.obfuscate(few, TINY, protect="sex", label="rich", images=100, out=tmp_path / "a")
