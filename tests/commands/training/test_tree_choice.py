"""Boosted trees beside the network of a table: which one answers, what is saved, and what the report says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sparring
from sparring.measure.boosting.comparison import NETWORK, TREES
from sparring.measure.classifier.calibration import ClassificationReport
from sparring.nets.boosted_trees import BoostedClassifier
from sparring.nets.tabular_mlp import TabularClassifier
from sparring.recipes import recipe_class

CPU: Any = {"device": "cpu", "precision": "fp32"}


def write_table(path: Path, rows: int, classes: int = 2, *, linear: bool = False) -> Path:
    """Squares of a chessboard, which trees learn at once; or a noisy sum, which they learn less well than a network."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 3, (rows, 6))
    y = x.sum(1) + rng.logistic(0, 0.5, rows) > 9 if linear else np.floor(x[:, :2]).sum(1) % classes
    lines = [f"{','.join(f'{cell:.3f}' for cell in row)},c{int(label)}" for row, label in zip(x, y, strict=True)]
    path.write_text("\n".join(["a,b,c,d,e,f,y", *lines]))
    return path


@pytest.fixture(scope="module")
def chess(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("chess") / "chess.csv", 2000)


@pytest.fixture(scope="module")
def report(chess: Path) -> ClassificationReport:
    return sparring.classify(chess, label="y", images=1_280, out=chess.parent / "run", **CPU)


def test_trees_answer_where_they_are_better_on_rows_that_neither_learnt_from(report: ClassificationReport) -> None:
    trees = report.trees
    assert trees is not None and trees.winner == TREES and trees.validation is not None and trees.validation.low > 0
    assert trees.validation_rows == 79 and trees.tested_on == "399 test rows"
    assert trees.network is not None and trees.trees is not None and trees.difference is not None
    assert trees.difference.value == pytest.approx(trees.network - trees.trees) and trees.difference.low > 0.3
    assert trees.trees_auc is not None and trees.network_auc is not None
    assert trees.trees_auc.low > 0.98 > 0.8 > trees.network_auc.high
    assert report.errors is not None and report.errors.high < 0.05


def test_the_run_says_so_and_its_classifier_loads_without_a_pickle(report: ClassificationReport, chess: Path) -> None:
    run = sparring.Run(report.run)
    assert ClassificationReport.from_json(json.loads((run.path / "classification.json").read_text())) == report
    assert "Network and boosted trees" in run.report_path.read_text()
    model = sparring.load(run.path)
    assert isinstance(model, sparring.Classifier) and isinstance(model.net, BoostedClassifier)
    data = sparring.open(chess, sparring.ReadOptions(label="y")).split("test")
    rows = data[np.arange(len(data))]
    answers = model.predict(rows)
    assert (answers.best.numpy() == data.labels).mean() > 0.95
    logits = model.net.trees(torch.from_numpy(rows)).float() / model.temperature
    torch.testing.assert_close(answers.probabilities, logits.softmax(1))
    assert model.encode(rows).shape[1] == 128 + 2
    findings = sparring.doctor(run.path)
    assert [finding.kind for finding in findings] == ["healthy"]


def test_it_is_attacked_remembers_and_goes_on_like_any_classifier(
    report: ClassificationReport, chess: Path, tmp_path: Path
) -> None:
    attacked = sparring.attack(report.run, chess, count=10, out=tmp_path / "out", device="cpu")
    assert attacked.clean.total == 10
    model = sparring.load(report.run)
    assert isinstance(model, sparring.Classifier)
    row = np.array([[0.5, 0.5, 1, 1, 1, 1]], np.float32)
    model.remember(row, "corner")
    assert model.predict(row).labels == ["corner"]
    before = (Path(report.run) / "classifier.safetensors").read_bytes()
    again = sparring.classify(chess, label="y", out=report.run, **CPU)
    assert again.trees == report.trees and (Path(report.run) / "classifier.safetensors").read_bytes() == before


def test_the_network_answers_where_it_is_better(tmp_path: Path) -> None:
    table = write_table(tmp_path / "sum.csv", 2000, linear=True)
    recipe = recipe_class("tabular_mlp")(hidden=16, dropout=0.0)
    report = sparring.classify(table, recipe, label="y", images=64_000, out=tmp_path / "run", **CPU)
    assert report.trees is not None and report.trees.winner == NETWORK
    model = sparring.load(tmp_path / "run")
    assert isinstance(model, sparring.Classifier) and not isinstance(model.net, BoostedClassifier)


def test_of_few_labels_none_are_set_aside_to_choose_by(tmp_path: Path) -> None:
    table = write_table(tmp_path / "few.csv", 500, classes=3)
    report = sparring.classify(table, label="y", images=256, out=tmp_path / "run", **CPU)
    assert report.trees is not None and report.trees.winner == NETWORK and report.trees.validation is None
    assert "too few labels" in report.trees.choice_text and report.trees.trees_auc is None
    assert report.trees.difference is not None and report.trees.difference.low > 0


def test_a_custom_network_stays(chess: Path, tmp_path: Path) -> None:
    report = sparring.classify(
        chess, label="y", images=256, out=tmp_path / "run",
        nets=lambda spec: {"classifier": TabularClassifier(6, 2, 8)}, **CPU,
    )  # fmt: skip
    assert report.trees is not None and report.trees.winner == NETWORK and report.trees.validation is not None
    assert report.trees.validation.low > 0


def test_trees_can_be_left_out(chess: Path, tmp_path: Path) -> None:
    recipe = recipe_class("tabular_mlp")(trees=False)
    report = sparring.classify(chess, recipe, label="y", images=256, out=tmp_path / "run", **CPU)
    assert report.trees is None


def test_without_scikit_learn_there_is_a_note(
    chess: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sparring.measure.boosting.grow.find_spec", lambda name: None)
    report = sparring.classify(chess, label="y", images=256, out=tmp_path / "run", **CPU)
    assert report.trees is None and "pip install 'sparring[tables]'" in capsys.readouterr().err
