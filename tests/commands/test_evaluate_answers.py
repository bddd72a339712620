"""`evaluate` scores the answers of classifiers and regressors on labelled examples."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sparring
from sparring.commands.evaluate import evaluate, to_text
from sparring.engine.errors import UsageError
from sparring.measure.classifier.answer_scores import AnswerScores, class_scores
from sparring.recipes import recipe_class

CPU: dict[str, Any] = {"device": "cpu", "precision": "fp32"}


@pytest.fixture(scope="module")
def classified(data: Path) -> sparring.ClassificationReport:
    """A short run on the images of `data`."""
    recipe = recipe_class("consistent")(width=4, batch_size=12, labelled_batch_size=6, latent_dim=6)
    return sparring.classify(data, recipe, images=480, out=data.parent / "classified", **CPU)


def scores_of(*arguments: Any, **named: Any) -> AnswerScores:
    scores = evaluate(*arguments, **named)
    assert isinstance(scores, AnswerScores)
    return scores


def test_the_scores_are_counts_of_the_answers() -> None:
    p = torch.tensor([[0.8, 0.2, 0.0], [0.6, 0.4, 0.0], [0.3, 0.1, 0.6], [0.1, 0.9, 0.0]])
    scores = class_scores(p, torch.tensor([0, 1, 1, 1]), ("cat", "dog"), 1, ("none of these",))
    assert (scores.accuracy.hits, scores.accuracy.total) == (2, 4)
    assert {name: (recall.hits, recall.total) for name, recall in scores.recalls.items()} == {
        "cat": (1, 1), "dog": (1, 3),
    }  # fmt: skip
    assert scores.balanced_accuracy.value == pytest.approx((1 + 1 / 3) / 2)
    assert (scores.commonest, scores.baseline) == ("dog", 0.75)
    assert scores.confusion == {"cat": [1, 0, 0], "dog": [1, 1, 1]}
    assert scores.answers == ("cat", "dog", "none of these") and scores.unfamiliar == 1


def test_the_test_split_gives_the_figures_of_the_training(classified: sparring.ClassificationReport) -> None:
    scores = scores_of(classified.run)
    assert classified.errors is not None and scores.classes is not None
    wrong = scores.classes.accuracy.total - scores.classes.accuracy.hits
    assert (wrong, scores.classes.accuracy.total) == (classified.errors.hits, classified.errors.total)
    assert scores.classes.calibration_error == pytest.approx(classified.calibration_error)
    assert scores.tested_on == "12 test images" and scores.numbers == () and not scores.notes
    text = to_text(scores)
    assert "accuracy" in text and "class       '0'" in text


def test_training_examples_are_named_as_such(classified: sparring.ClassificationReport) -> None:
    scores = scores_of(classified.run, split="train", n=20)
    assert scores.tested_on == "20 train images"
    assert "the run was trained on these examples" in scores.notes[-1]


def test_other_examples_of_some_classes(
    classified: sparring.ClassificationReport, data: Path, tmp_path: Path, cli: Callable[..., Any]
) -> None:
    held = np.load(data)
    few = held["y_test"] < 2
    np.savez(tmp_path / "new.npz", x=held["x_test"][few], y=held["y_test"][few])
    done: subprocess.CompletedProcess[str] = cli("evaluate", classified.run, "--data", tmp_path / "new.npz", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["tested_on"] == "8 images" and sorted(found["classes"]["recalls"]) == ["0", "1"]
    np.savez(tmp_path / "other.npz", x=held["x_test"], y=held["y_test"] + 7)
    with pytest.raises(UsageError, match="has the class '7', and the run knows 0, 1, 2"):
        evaluate(classified.run, tmp_path / "other.npz")
    np.savez(tmp_path / "bare.npz", x=held["x_test"])
    with pytest.raises(UsageError, match="no labelled images"):
        evaluate(classified.run, tmp_path / "bare.npz")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"raw": True}, "--raw is for samples"), ({"truncation": 0.5}, "--truncation is for samples"),
        ({"report": "page.html"}, "--report is for samples"), ({"features": "raw"}, "--features is for samples"),
        ({"device": "mps"}, "--device is for samples"), ({"n": 500}, "12 labelled images, fewer than -n 500"),
    ],
)  # fmt: skip
def test_settings_of_samples_are_refused(
    classified: sparring.ClassificationReport, flags: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        evaluate(classified.run, **flags)


def test_a_class_that_was_remembered_is_scored(
    classified: sparring.ClassificationReport, data: Path, tmp_path: Path
) -> None:
    model = sparring.load(classified.run)
    rows = np.load(data)["x_test"][:4, :, :, None].swapaxes(1, 2)
    model.remember(rows[:1], "column")  # type: ignore[union-attr]
    model.save(tmp_path / "run")
    np.savez(tmp_path / "new.npz", x=rows[..., 0], y=np.array(["column"] * 4))
    scores = scores_of(tmp_path / "run", tmp_path / "new.npz", split="all")
    assert scores.classes is not None and list(scores.classes.recalls) == ["column"]
    assert scores.classes.answers == ("0", "1", "2", "column") and sum(scores.classes.confusion["column"]) == 4


def test_a_run_without_a_test_split_is_not_scored_on_its_training_examples_unasked(data: Path, tmp_path: Path) -> None:
    held = np.load(data)
    np.savez(tmp_path / "all.npz", x=held["x_train"], y=held["y_train"])
    recipe = recipe_class("consistent")(width=4, batch_size=12, labelled_batch_size=6, latent_dim=6)
    report = sparring.classify(tmp_path / "all.npz", recipe, images=120, out=tmp_path / "run", **CPU)
    with pytest.raises(UsageError, match="no test split"):
        evaluate(report.run)
    assert scores_of(report.run, split="all").tested_on == "48 images"


def test_a_sentence_becomes_an_evaluation_of_the_runs_own_data(
    classified: sparring.ClassificationReport, data: Path
) -> None:
    solution = sparring.solve(f"how accurate is {classified.run}/", plan=True)
    assert solution.commands == (f"sparring evaluate {classified.run}/ --data {data}",)


@pytest.mark.slow
def test_a_regressor_of_a_table(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    hours = rng.integers(10, 100, 900)
    rows = [f"{h},{2 * h + rng.normal():.2f}" for h in hours]
    (tmp_path / "pay.csv").write_text("\n".join(["hours,pay", *rows[:700]]))
    (tmp_path / "new.csv").write_text("\n".join(["hours,pay", *rows[700:]]))
    report = sparring.regress(tmp_path / "pay.csv", label="pay", images=2_560, out=tmp_path / "run", **CPU)
    scores = scores_of(report.run, tmp_path / "new.csv", split="all")
    (test,) = scores.numbers
    assert scores.classes is None and test.name == "pay" and test.covered.total == 200
    assert test.error.value < test.constant_error.value
    assert scores.coverage == report.coverage and "90% nominal" in to_text(scores)
    own = scores_of(report.run)
    assert own.numbers[0].error == report.numbers[0].error and own.numbers[0].covered == report.numbers[0].covered
    (tmp_path / "words.csv").write_text("\n".join(["hours,pay", *(f"{k},low" for k in range(30))]))
    with pytest.raises(UsageError):
        evaluate(report.run, tmp_path / "words.csv")
