"""Numbers from a file to predictions with intervals: tables beside boosted trees, images, series; and bad input."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import sparring
from sparring.engine.errors import UsageError
from sparring.measure.boosting.comparison import TREES
from sparring.measure.regression.report import RegressionReport
from sparring.recipes import recipe_class

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
CPU: Any = {"device": "cpu", "precision": "fp32"}


def write_table(path: Path, rows: int = 1200) -> Path:
    """Pay rises with hours, in steps by town; three rows have no pay."""
    rng = np.random.default_rng(0)
    hours, town = rng.integers(10, 100, rows), rng.integers(0, 3, rows)
    pay = hours * (town + 1) + rng.normal(0, 1 + hours / 10)
    lines = [f"{h},{('rome', 'york', 'bath')[t]},{p:.2f}" for h, t, p in zip(hours, town, pay, strict=True)]
    path.write_text("\n".join(["hours,town,pay", *lines, "10,rome,", "20,rome,NA", "30,bath,?"]))
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("pay") / "pay.csv")


@pytest.fixture(scope="module")
def report(table: Path) -> RegressionReport:
    """A short training, so that the trees win."""
    return sparring.regress(table, label="pay", images=2_560, out=table.parent / "run", **CPU)


@pytest.fixture(scope="module")
def shades(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 images of 8x8; the brightness of the left and of the right half are their two numbers."""
    rng = np.random.default_rng(0)
    y = rng.uniform(0.1, 1, (400, 2)) * [1, 50]
    x = (y / [1, 50]).repeat(4, 1)[:, None] * 200 + rng.integers(0, 40, (400, 8, 8))
    path = tmp_path_factory.mktemp("shades") / "shades.npz"
    np.savez(path, x=x.clip(0, 255).astype(np.uint8), y=y)
    return path


def test_a_table_is_learnt_and_the_better_of_network_and_trees_answers(report: RegressionReport) -> None:
    (test,) = report.numbers
    assert test.name == "pay" and test.covered.total == 240 and report.examples == 960
    spread = math.hypot(report.calibration_spread, 1.96 * math.sqrt(0.09 / 240))
    assert abs(test.covered.value - 0.9) < 1.5 * spread  # three standard deviations
    assert test.error.high < test.constant_error.low / 2 and test.width.high < test.constant_width / 2
    assert report.trees is not None and report.trees.winner == TREES and report.trees.validation_rows == 120
    assert report.trees.difference is not None and report.trees.difference.low > 0
    assert report.trees.network is not None and report.trees.trees is not None
    assert report.trees.difference.value == pytest.approx(report.trees.network - report.trees.trees)


def test_the_run_holds_report_page_and_model_without_a_pickle(report: RegressionReport) -> None:
    run = sparring.Run(report.run)
    assert RegressionReport.from_json(json.loads((run.path / "regression.json").read_text())) == report
    page = run.report_path.read_text()
    assert "Errors and intervals" in page and "Boosted trees answer in place of the network" in page
    model = sparring.load(run.path)
    assert isinstance(model, sparring.Regressor) and model.answered_by == TREES
    about = json.loads((run.path / "regressor.json").read_text())
    assert about["capabilities"] == ["IntervalPredictor"] and about["spec"]["target"] == "pay"


def test_new_rows_are_predicted_with_or_without_their_number(
    report: RegressionReport, quick: Cli, tmp_path: Path
) -> None:
    (tmp_path / "new.csv").write_text("hours,town\n50,york\n90,bath\n")
    (tmp_path / "empty.csv").write_text("town,hours,pay\nyork,50,\nbath,90,?\n")
    texts = [quick("predict", report.run, tmp_path / name, "--csv").stdout for name in ("new.csv", "empty.csv")]
    head, *rows = (line.split(",") for line in texts[0].splitlines())
    assert texts[0] == texts[1] and head == ["name", "value", "low", "high"] and len(rows) == 2
    assert all(float(low) < float(value) < float(high) for _, value, low, high in rows)
    assert 80 < float(rows[0][1]) < 120 and 220 < float(rows[1][1]) < 320
    told = json.loads(quick("predict", report.run, tmp_path / "new.csv", "--json").stdout)
    assert told["numbers"] == ["pay"] and told["coverage"] == 0.9 and told["predictions"][0]["name"] == "line 2"
    assert "2 examples: pay, with intervals of 90%" in quick("predict", report.run, tmp_path / "new.csv").stdout


def test_the_test_split_of_predict_is_that_of_the_training(report: RegressionReport, table: Path) -> None:
    from sparring.commands.predict import NumberPredictions

    found = sparring.predict(report.run, table, split="test")
    assert isinstance(found, NumberPredictions)
    numbers = sparring.open(table, sparring.ReadOptions(label="pay", numeric_label=True)).split("test")
    assert [row.name for row in found.predictions] == numbers.names and numbers.vectors is not None
    inside = sum(
        row.lows[0] <= y <= row.highs[0] for row, y in zip(found.predictions, numbers.vectors[:, 0], strict=True)
    )
    assert abs(inside - report.numbers[0].covered.hits) <= 1  # digits of the written ends


def test_a_finished_run_says_the_same_again_and_a_stopped_one_ends_with_the_same_bytes(
    report: RegressionReport, table: Path, tmp_path: Path
) -> None:
    run, again = Path(report.run), tmp_path / "again"
    shutil.copytree(run, again)
    last = max((again / "checkpoints").iterdir(), key=lambda path: int(path.name))
    shutil.rmtree(last)
    repeated = sparring.regress(table, label="pay", out=again, **CPU)
    assert {**asdict(repeated), "run": "", "minutes": 0} == {**asdict(report), "run": "", "minutes": 0}
    for name in (f"checkpoints/{last.name}/players.safetensors", "regressor.safetensors", "regressor.json"):
        assert (again / name).read_bytes() == (run / name).read_bytes(), name
    with pytest.raises(UsageError, match=r"coverage is 0\.9 there, 0\.8 was requested"):
        recipe = recipe_class("tabular_quantiles")(coverage=0.8)
        sparring.regress(table, recipe, label="pay", out=again, **CPU)


def test_the_doctor_and_other_commands_know_a_regressor(report: RegressionReport, table: Path, quick: Cli) -> None:
    assert "No problem was found" in quick("doctor", report.run).stdout
    for command in (("sample", report.run), ("encode", report.run, table), ("attack", report.run, table)):
        done = quick(*command)
        assert done.returncode == 2 and "it can predict numbers" in done.stderr, command
    done = quick("evaluate", report.run)
    assert done.returncode == 0 and "'pay' mean absolute" in done.stdout


def test_recipes_lists_what_it_trains(quick: Cli) -> None:
    listed = quick("recipes").stdout.partition("Regressors (sparring regress):\n")[2]
    assert listed.startswith("  quantiles  ") and "\n  tabular_quantiles " in listed


def test_images_with_two_numbers(shades: Path, tmp_path: Path, quick: Cli) -> None:
    recipe = recipe_class("quantiles")(width=8, lr=3e-3, coverage=0.8)
    report = sparring.regress(shades, recipe, images=12_800, out=tmp_path / "run", **CPU)
    assert [test.name for test in report.numbers] == ["number 1", "number 2"] and report.trees is None
    for test in report.numbers:
        assert test.gain.low > 0 and test.error.high < test.constant_error.low and test.covered.high > 0.8
    head = quick("predict", tmp_path / "run", shades, "--csv").stdout.splitlines()[0]
    assert head == "name,value_1,low_1,high_1,value_2,low_2,high_2"


def test_series_and_whole_numbers(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(1, 9, 200)
    x = np.sin(np.arange(32) * y[:, None, None] / 8) + rng.normal(0, 0.1, (200, 1, 32))
    np.savez(tmp_path / "waves.npz", x=x.astype(np.float32), y=y)
    report = sparring.regress(tmp_path / "waves.npz", kind="series", images=640, out=tmp_path / "run", **CPU)
    assert report.recipe == "quantiles" and report.numbers[0].name == "number"
    model = sparring.load(tmp_path / "run")
    assert isinstance(model, sparring.Regressor)
    value, low, high = model.predict_interval(x.astype(np.float32)[:3])
    assert value.shape == (3, 1) and bool((low <= value).all()) and bool((value <= high).all())


class Plain(nn.Module):
    def __init__(self, columns: int) -> None:
        super().__init__()
        self.layer = nn.Linear(columns, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x / 100)  # type: ignore[no-any-return]


def test_a_custom_network_is_compared_and_kept(table: Path, tmp_path: Path) -> None:
    report = sparring.regress(
        table,
        label="pay",
        images=1_280,
        out=tmp_path / "run",
        nets=lambda spec: {"regressor": Plain(*spec.shape)},
        **CPU,
    )
    assert report.trees is not None and report.trees.winner == "network" and report.trees.difference is not None
    with pytest.raises(UsageError, match="custom network"):
        sparring.load(tmp_path / "run")
    assert isinstance(sparring.load(tmp_path / "run", net=Plain(4)), sparring.Regressor)


def test_without_scikit_learn_the_network_answers_and_a_note_says_so(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sparring.measure.boosting.grow.find_spec", lambda name: None)
    report = sparring.regress(table, label="pay", images=256, out=tmp_path / "run", **CPU)
    assert report.trees is None and any("pip install 'sparring[tables]'" in note for note in report.notes)


def test_a_table_of_days_with_a_label_is_a_table_and_no_series(tmp_path: Path, quick: Cli) -> None:
    days = [f"2024-{1 + k // 28:02}-{1 + k % 28:02},{k % 7},{k % 7 + k / 100}" for k in range(140)]
    (tmp_path / "days.csv").write_text("\n".join(["date,weekday,sales", *days]))
    done = quick("regress", tmp_path / "days.csv", "--label", "sales", "--images", 512, "--out", tmp_path / "run")
    assert done.returncode == 0 and "'sales' mean absolute error" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n" + "1,2\n" * 200, ["the label of all 160 training rows", "is 2: there is nothing to learn"]),
        ("a,b\n" + "".join(f"1,{k}\n" for k in range(50)), ["40 training rows with a number, and 72 are needed"]),
        ("a,b\n" + "1,red\n2,blue\n" * 90, ["'b' holds words ('red' in line 2)", "`sparring classify`"]),
        ("a,b\n" + "1,\n2,NA\n" * 90, ["'b' holds no numbers"]),
    ],
)
def test_bad_labels_of_a_table(text: str, words: list[str], tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(UsageError) as caught:
        sparring.regress(tmp_path / "t.csv", label="b", images=256, out=tmp_path / "run", **CPU)
    assert all(word in str(caught.value) for word in words) and not (tmp_path / "run" / "run.json").exists()


def test_other_ways_to_get_it_wrong(table: Path, tmp_path: Path, quick: Cli) -> None:
    with pytest.raises(UsageError, match=r"no labels to predict: name the column of the number \(--label COLUMN\)"):
        sparring.regress(table, images=256, out=tmp_path / "run", **CPU)
    with pytest.raises(UsageError, match="tabular_quantiles trains a regressor: `sparring regress SOURCE"):
        sparring.classify(table, "tabular_quantiles", label="town", images=256, out=tmp_path / "run", **CPU)
    with pytest.raises(UsageError, match="quantiles is for image and audio and series data, these are table data"):
        sparring.regress(table, "quantiles", label="pay", images=256, out=tmp_path / "run", **CPU)
    done = quick("classify", table, "--label", "pay")
    assert done.returncode == 2 and "a classifier needs classes: `sparring regress` predicts numbers" in done.stderr
    np.savez(tmp_path / "words.npz", x=np.arange(1280).astype(np.uint8).reshape(20, 8, 8), y=["cat", "dog"] * 10)
    with pytest.raises(UsageError, match="are 2 classes, and `sparring regress` predicts numbers"):
        sparring.regress(tmp_path / "words.npz", images=256, out=tmp_path / "run", **CPU)
