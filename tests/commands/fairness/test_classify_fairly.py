"""`sparring classify --protect`: candidates, the choice, the saved classifier, and what is wrong with a column."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sparring
from sparring.commands.fairness.result import FairClassification
from sparring.engine.errors import SparringError, UsageError
from sparring.recipes import recipe_class

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
SMALL: dict[str, Any] = {"width": 16, "batch_size": 128, "lr": 0.01}
ROWS = 2400


def table(path: Path, **columns: Any) -> Path:
    """Pay follows skill, and group b gets it seldom; `club` tells the group nearly always."""
    rng = np.random.default_rng(0)
    b = rng.random(ROWS) < 0.5
    skill = rng.normal(size=ROWS)
    pay = skill - 1.2 * b + 0.5 * rng.normal(size=ROWS) > 0
    club = np.where(rng.random(ROWS) < 0.95, b, ~b)
    values = {
        "skill": skill.round(3), "club": np.where(club, "x", "y"), "group": np.where(b, "b", "a"),
        "pay": np.where(pay, "high", "low"), **columns,
    }  # fmt: skip
    lines = [",".join(values), *(",".join(map(str, row)) for row in zip(*values.values(), strict=True))]
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return table(tmp_path_factory.mktemp("fair") / "people.csv")


def classify(people: Path, name: str = "gap_penalty", **options: Any) -> FairClassification:
    settings = {**SMALL, **options.pop("settings", {})}
    recipe = recipe_class(name)(**settings)
    keywords = {"label": "pay", "protect": "group", "images": 30_000, "device": "cpu", "gap": 0.1, **options}
    report = sparring.classify(people, recipe, **keywords)
    assert isinstance(report, FairClassification)
    return report


@pytest.fixture(scope="module")
def report(people: Path) -> FairClassification:
    return classify(people, out=people.parent / "run", settings={"weight": 3.0})


def test_the_chosen_one_has_a_small_gap(report: FairClassification) -> None:
    plain, fair = report.by_name["plain"], report.by_name["gap_penalty-3"]
    assert report.selected == "gap_penalty-3" and report.groups.keys() == {"a", "b"}
    assert plain.test.parity.value > 0.3 and fair.validation.parity.value <= 0.1
    assert fair.test.parity.low <= 0.1 and fair.test.accuracy.value > report.constant
    assert plain.test.rows == 479 and plain.validation.rows == 384  # about a fifth, and a fifth of the others
    assert report.errors is not None
    assert report.errors.complement.value == pytest.approx(fair.test.accuracy.value)


def test_the_run_holds_the_chosen_classifier(report: FairClassification, people: Path) -> None:
    run = Path(report.run)
    choice = json.loads((run / "choice.json").read_text())
    assert choice["selected"] == "gap_penalty-3" and choice["candidates"][0]["test"]["parity"]["low"] > 0.2
    assert "gap_penalty-3" in (run / "report.html").read_text()
    settings = json.loads((run / "run.json").read_text())
    assert settings["fairness"]["protect"] == "group" and settings["fairness"]["selected"] == "gap_penalty-3"
    assert settings["recipe"]["name"] == "gap_penalty" and settings["request"]["read"]["protect"] == "group"
    assert sparring.doctor(run)
    with pytest.raises(UsageError, match="was begun with --protect"):
        sparring.classify(people, label="pay", out=run, images=100)
    model = sparring.load(run, "classifier")
    assert isinstance(model, sparring.Classifier) and [c.name for c in model.spec.columns] == ["skill", "club"]
    answers = sparring.predict(run, people)
    assert len(answers.predictions) == ROWS  # new data with the column, which is not used
    assert sparring.doctor(run / "candidates" / "plain")


def test_the_same_command_trains_nothing_twice(report: FairClassification, people: Path) -> None:
    weights = Path(report.run) / "candidates" / "gap_penalty-3" / "checkpoints"
    before = {path: path.stat().st_mtime_ns for path in weights.rglob("*.safetensors")}
    again = classify(people, out=report.run, settings={"weight": 3.0})
    assert again.selected == report.selected and again.candidates == report.candidates
    assert before == {path: path.stat().st_mtime_ns for path in weights.rglob("*.safetensors")}


def test_where_no_gap_is_small_enough_none_is_chosen(people: Path, tmp_path: Path) -> None:
    words = r"no candidate has a parity gap of 0.001 or less.*the smallest is 0\.\d+.*none is saved"
    with pytest.raises(SparringError, match=words):
        classify(people, "hsic", out=tmp_path / "run", gap=0.001, settings={"weight": 0.1}, images=5_000)
    assert json.loads((tmp_path / "run" / "choice.json").read_text())["selected"] == ""
    assert (tmp_path / "run" / "report.html").exists() and not (tmp_path / "run" / "classifier.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hsic", "zhang", "laftr", "max_entropy"])
def test_each_method_narrows_the_gap(people: Path, tmp_path: Path, name: str) -> None:
    weight = {"hsic": 100.0, "zhang": 2.0, "laftr": 3.0, "max_entropy": 10.0}[name]
    fair = classify(people, name, out=tmp_path / "run", gap=1.0, settings={"weight": weight}, images=60_000)
    assert fair.candidates[1].test.parity.value < 0.6 * fair.candidates[0].test.parity.value
    assert fair.candidates[1].test.accuracy.value > fair.constant + 0.1


@pytest.mark.parametrize("notion", ["parity", "opportunity"])
def test_thresholds_are_chosen_where_the_group_is_seen(people: Path, tmp_path: Path, notion: str) -> None:
    fair = classify(
        people, "gap_penalty", out=tmp_path / "run", gap=0.1, see_protected=True, images=15_000,
        settings={"weight": 0.0, "notion": notion, "positive": "high"},
    )  # fmt: skip
    if notion == "parity":
        assert fair.selected == "thresholds"
    model = sparring.load(tmp_path / "run" / "candidates" / "thresholds", "classifier")
    assert isinstance(model, sparring.Classifier)
    data = sparring.open(people, sparring.ReadOptions(label="pay"), like=model.spec).split("test")
    high = model.predict(data[np.arange(len(data))]).best.numpy() == model.spec.classes.index("high")
    group = data[np.arange(len(data))][:, model.spec.columns[-1].indices[1]] == 1
    asked = np.ones(len(data), bool) if notion == "parity" else data.labels == model.spec.classes.index("high")
    gap = abs(high[asked & group].mean() - high[asked & ~group].mean())
    assert gap == pytest.approx(fair.by_name["thresholds"].test.gap(notion).value, abs=0.02)


@pytest.mark.parametrize(
    ("columns", "options", "words"),
    [
        ({"group": ["a"] * ROWS}, {}, r"'group' has one value \('a'\)"),
        ({"group": ["?"] * ROWS}, {}, "'group' has no value"),
        ({"group": ["a"] * (ROWS - 3) + ["b"] * 3}, {}, r"fewer than two groups.*'b' \(\d validation rows\)"),
        (
            {"group": ["a"] * (ROWS - 200) + ["b"] * 200},
            {"notion": "odds"},
            "compares groups inside each class.*at most",
        ),
        ({"group": [f"name {k}" for k in range(ROWS)]}, {}, "more than 20 different values"),
        ({}, {"protect": "pay"}, "is the column of the class"),
        ({}, {"protect": "race"}, "no column 'race'"),
        ({}, {"gap": 2.0}, "--gap must be from 0 to 1"),
        ({}, {"labels": 100}, "--labels and --labels-file are not for --protect"),
        ({"pay": np.arange(ROWS)}, {}, "are numbers: groups are compared by classes"),
        ({"pay": np.array([f"pay{k}" for k in range(ROWS)])}, {}, "too many for classes"),
        ({}, {"label": None}, "no classes to learn: name the column of the class"),
        ({}, {"protect": None, "notion": "odds"}, "belong to --protect"),
        ({}, {"notion": "equality"}, "unknown --notion 'equality'"),
    ],
)
def test_bad_input(tmp_path: Path, columns: Any, options: Any, words: str) -> None:
    source = table(tmp_path / "people.csv", **columns)
    with pytest.raises(UsageError, match=words):
        classify(source, "plain", out=tmp_path / "run", **options)


def test_rare_and_unknown_groups_are_named_and_count_for_no_gap(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    group = rng.choice(["a", "b", "c", "?", "rare"], ROWS, p=[0.4, 0.3, 0.2, 0.09, 0.01])
    source = table(tmp_path / "people.csv", group=group)
    fair = classify(source, "hsic", out=tmp_path / "run", gap=1.0, images=5_000, settings={"weight": 1.0})
    assert set(fair.groups) == {"a", "b", "c"} and set(fair.by_name["plain"].test.by_group) == {"a", "b", "c"}
    assert any("'rare' (" in note for note in fair.notes) and any("have no 'group'" in note for note in fair.notes)


def test_groups_of_files_are_in_their_names(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        (tmp_path / "files" / split).mkdir(parents=True)
    for k in range(700):
        bright, group = k % 2, int(rng.integers(2))
        pixels = rng.integers(0, 100, (8, 8)) + 120 * bright * (np.arange(8)[:, None] < 4)
        name = f"{'test' if k % 5 == 0 else 'train'}/{'ab'[bright]}_{'xy'[group]}_{k}.png"
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "files" / name)
    recipe = recipe_class("gap_penalty")(width=4, batch_size=32, lr=0.01, weight=0.5)
    fair = sparring.classify(
        tmp_path / "files", recipe, label_from="{label}_*.png", protect_from="{label}_{group}_*.png", gap=0.5,
        images=1_920, out=tmp_path / "run", device="cpu", precision="fp32",
    )  # fmt: skip
    assert isinstance(fair, FairClassification) and set(fair.groups) == {"x", "y"} and fair.classes == ("a", "b")
    assert fair.by_name["plain"].test.accuracy.value > 0.8


def test_recipes_that_compare_groups_need_groups(people: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"zhang compares groups: name the column of the groups \(--protect COLUMN\)"):
        sparring.classify(people, "zhang", label="pay", images=1_000, out=tmp_path / "run", device="cpu")
    with pytest.raises(UsageError, match="tabular_mlp does not compare groups: with --protect take --recipe plain"):
        sparring.classify(people, "tabular_mlp", label="pay", protect="group", out=tmp_path / "run")
    with pytest.raises(UsageError, match="leave --recipe out, and add --see-protected"):
        sparring.classify(people, "thresholds", label="pay", protect="group", out=tmp_path / "run")


def test_the_command_line(people: Path, quick: Cli, tmp_path: Path) -> None:
    flags = "--label pay --protect group --notion odds --gap 1 --images 20000 --width 16 --batch-size 128 --lr 0.01"
    flags += " --recipe zhang --weight 1"
    done = quick("classify", people, *flags.split(), "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "candidate   zhang-1 " in done.stdout and "odds gap on validation" in done.stdout
    assert "chosen      " in done.stdout and "price       " in done.stdout
    done = quick("classify", people, "--label", "pay", "--notion", "odds")
    assert done.returncode == 2


def bars(folder: Path, count: int, seed: int) -> None:
    """Write noisy bars of two directions; the inverted ones are the second group, of which more are horizontal."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for k in range(count):
        horizontal, at = int(rng.integers(2)), int(rng.integers(2, 13))
        inverted = bool(rng.random() < (0.05, 0.15)[horizontal])
        x = np.zeros((16, 16), bool)
        x[at : at + 2, 3:13] = True
        x = (x if horizontal else x.T) ^ (rng.random(x.shape) < 0.1) ^ inverted
        Image.fromarray((255 * x).astype(np.uint8)).save(folder / f"{'vh'[horizontal]}_{'ab'[inverted]}_{k}.png")


@pytest.mark.slow
def test_images_of_a_rare_group_are_learnt_by_their_class_and_not_by_the_group(tmp_path: Path) -> None:
    bars(tmp_path / "s" / "train", 3000, 0)
    bars(tmp_path / "s" / "test", 600, 1)
    report = sparring.classify(
        tmp_path / "s", recipe_class("gap_penalty")(width=8, weight=0.3), label_from="{label}_*.png",
        protect_from="{label}_{group}_{n}.png", gap=1.0, images=16_000, out=tmp_path / "run", device="cpu",
    )  # fmt: skip
    assert isinstance(report, FairClassification)
    plain, fair = report.by_name["plain"].test, report.by_name["gap_penalty-0.3"].test
    assert min(plain.accuracy.value, fair.accuracy.value) > 0.9
    assert fair.parity.value < plain.parity.value < 0.4
