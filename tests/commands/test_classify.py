"""`classify` and `predict` as functions and by the command line: what lies in the run, what is told, what stays."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from sparring.commands.classify import classify, to_text
from sparring.commands.predict import as_csv, predict
from sparring.commands.reporting.classifier_report import doubtful_labels, unconfident_teacher
from sparring.commands.training import calibrate
from sparring.commands.training.further_tests import FurtherTests
from sparring.commands.training.interrupt import Stopped
from sparring.data.open import open_source
from sparring.engine.device import Hardware
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.run_folder import Run
from sparring.measure.classifier.calibration import ClassificationReport
from sparring.models.classifier import load_classifier
from sparring.recipes import recipe_class
from sparring.stats.proportion import Proportion

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
CPU = Hardware(torch.device("cpu"), bf16=False)
SMALL: dict[str, Any] = {"device": "cpu", "precision": "fp32"}


def tiny(**more: Any) -> Any:
    return recipe_class("consistent")(width=4, batch_size=12, labelled_batch_size=6, latent_dim=6, **more)


@pytest.fixture(scope="module")
def trained(rows: Path) -> ClassificationReport:
    """A short run on nine labels of sixty-six."""
    return classify(rows, tiny(), labels=9, images=720, out=rows.parent / "run", **SMALL)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ninety-six labelled images of 8x8 with a test split: class k is bright in rows 2k and 2k + 1."""
    y = np.arange(96) % 3
    x = np.random.default_rng(0).integers(0, 60, (96, 8, 8), np.uint8)
    x[np.arange(96), 2 * y] += 180
    x[np.arange(96), 2 * y + 1] += 120
    path = tmp_path_factory.mktemp("rows") / "rows.npz"
    np.savez(path, x_train=x[:66], y_train=y[:66], x_test=x[66:], y_test=y[66:])
    return path


# the run


def test_a_run_holds_all_that_is_promised(trained: ClassificationReport) -> None:
    run = Path(trained.run)
    for name in (
        "run.json", "metrics.jsonl", "generator.safetensors", "generator.json", "classifier.safetensors",
        "classifier.json", "classification.json", "to_label.csv", "to_label.png", "report.html", "film.webp",
    ):  # fmt: skip
        assert (run / name).is_file(), name
    assert Run(run).frames() and Run(run).checkpoints() and not list(run.rglob("*.tmp"))
    assert None not in Run(run).settings["recipe"]["settings"].values()
    assert any({"classifier", "generator", "accuracy", "confident"} <= line.keys() for line in Run(run).metrics())
    assert ClassificationReport.from_json(Run(run).read_json("classification") or {}) == trained


def test_it_learns_and_the_figures_hold_together(trained: ClassificationReport) -> None:
    assert (
        trained.labels == 9 and trained.seed == 0 and trained.errors.total == 30 and trained.tested_on == "test images"
    )
    assert trained.errors.hits < 10  # guessing: 20
    assert trained.errors == Proportion.count(int(trained.errors.hits), 30)
    table = np.array(trained.confusion)
    assert (
        table.sum() == 30 and table.sum() - table.trace() == trained.errors.hits and table.sum(1).tolist() == [10] * 3
    )
    assert sum(one.count for one in trained.reliability) == 30 and 0 <= (trained.calibration_error or 0) <= 1
    assert trained.minutes > 0 and 1 / 50 < trained.temperature < 50


def test_what_to_label_next_are_the_least_sure_and_the_least_like_labelled_in_turn(
    trained: ClassificationReport, rows: Path
) -> None:
    lines = list(csv.DictReader(io.StringIO(Path(trained.to_label).read_text())))
    data = open_source(rows)
    lines, told = lines[:57], {line["name"]: line["label"] for line in lines[57:]}
    known = dict(zip(data.names, data.labels.tolist(), strict=True))
    assert len(told) == 9 and all(label == str(known[name]) for name, label in told.items())
    assert len(lines) == 66 - 9 and {line["name"] for line in lines} < set(data.names)
    assert all(line["label"] == "" for line in lines)
    assert [line["why"] for line in lines[:2]] == ["unsure", "unlike all labelled"]
    sure = [float(line["probability"]) for line in lines if line["why"] == "unsure"]
    assert sure == sorted(sure) and sure[0] == min(float(line["probability"]) for line in lines)
    p = (
        load_classifier(trained.run)
        .predict(data[np.array([data.names.index(line["name"]) for line in lines])])
        .probabilities
    )
    assert [float(line["probability"]) for line in lines] == pytest.approx(p.amax(1).tolist(), abs=1e-4)
    assert [line["guess"] for line in lines] == [str(int(k)) for k in p.argmax(1)]


def test_a_finished_run_given_again_is_left_as_it_is(trained: ClassificationReport, rows: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained.run, tmp_path / "run")
    filled = (run / "to_label.csv").read_text().replace(",,", ",1,", 3)
    (run / "to_label.csv").write_text(filled)  # by hand, for hours
    before = {
        p.name: p.read_bytes() for p in [*run.rglob("*.safetensors"), run / "metrics.jsonl", run / "to_label.csv"]
    }
    again = classify(rows, out=run, **SMALL)
    assert {
        p.name: p.read_bytes() for p in [*run.rglob("*.safetensors"), run / "metrics.jsonl", run / "to_label.csv"]
    } == before
    assert (again.errors.hits, again.temperature, again.minutes) == (
        trained.errors.hits,
        trained.temperature,
        trained.minutes,
    )


def test_what_a_finished_runs_classifier_remembers_outlasts_the_same_training(
    trained: ClassificationReport, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(trained.run, tmp_path / "run")
    one = load_classifier(run)
    one.remember(np.full((1, 8, 8), 255, np.uint8), "white")
    one.save(run)
    files = [run / f"classifier.{kind}" for kind in ("safetensors", "json")]
    before = [file.read_bytes() for file in files]
    again = classify(rows, out=run, **SMALL)
    assert [file.read_bytes() for file in files] == before and load_classifier(run).classes == ("0", "1", "2", "white")
    assert "remembers examples since its training: it is kept as it is" in capsys.readouterr().err
    assert again.confusion == trained.confusion  # the figures are those of the training
    files[0].write_bytes(before[0][:100])
    classify(rows, out=run, **SMALL)
    assert load_classifier(run).classes == ("0", "1", "2")  # a damaged one is written anew


def test_stopped_and_gone_on_with_it_ends_with_the_same_bytes(
    trained: ClassificationReport, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sparring.commands.training import session as module

    whole = module.play
    monkeypatch.setattr(
        module,
        "play",
        lambda *args, **how: whole(*args, **{**how, "should_stop": iter([False] * 40 + [True]).__next__}),
    )
    with pytest.raises(Stopped, match=r"stopped at image 480 of 720; .* sparring classify .*--out"):
        classify(rows, tiny(), labels=9, images=720, out=tmp_path / "run", **SMALL)
    with pytest.raises(UsageError, match="its training has not saved one yet"):
        load_classifier(tmp_path / "run")
    monkeypatch.undo()
    found = classify(rows, out=tmp_path / "run", **SMALL)
    for path in Path(trained.run).glob("**/*0720/*.safetensors"):
        assert (tmp_path / "run" / path.relative_to(trained.run)).read_bytes() == path.read_bytes(), path.name
    for name in ("classifier.safetensors", "generator.safetensors", "to_label.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (Path(trained.run) / name).read_bytes(), name
    assert (found.errors.hits, found.temperature) == (trained.errors.hits, trained.temperature)


def test_lost_checkpoints_are_not_played_over(trained: ClassificationReport, rows: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained.run, tmp_path / "run")
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(SparringError, match="has metrics but no checkpoint"):
        classify(rows, out=run, **SMALL)


@pytest.mark.slow
def test_the_published_recipe_and_one_without_a_generator(rows: Path, tmp_path: Path) -> None:
    found = classify(rows, "improved", labels=9, images=500, out=tmp_path / "published", **SMALL)
    assert found.recipe == "improved" and found.errors.hits < 20
    found = classify(rows, tiny(generated_weight=0.0), labels=9, images=240, out=tmp_path / "alone", **SMALL)
    assert not Run(found.run).frames() and "Samples" not in Run(found.run).report_path.read_text()


# which labels it is told


def test_a_source_with_labels_for_some_images_just_works(rows: Path, tmp_path: Path) -> None:
    with np.load(rows) as file:
        x, y = file["x_train"], file["y_train"]
    folder = tmp_path / "pictures"
    for k, (image, label) in enumerate(zip(x, y, strict=True)):
        place = folder / f"class {label}" if k < 12 else folder
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{k}.png")
    found = classify(folder, tiny(), images=240, out=tmp_path / "run", **SMALL)
    assert found.labels == 12 and found.classes == ("class 0", "class 1", "class 2")
    assert found.errors is None  # nothing to test on
    assert "no example with a known label" in Run(found.run).report_path.read_text()
    answers = predict(found.run, folder / "class 0" / "0.png").predictions
    assert len(answers) == 1 and answers[0].label in (*found.classes, "none of these")


def test_a_table_of_labels_for_a_source_without_any(rows: Path, tmp_path: Path) -> None:
    with np.load(rows) as file:
        np.savez(tmp_path / "bare.npz", x=file["x_train"])
    table = tmp_path / "labels.csv"
    table.write_text(
        "name,label\n"
        + "".join(f"{name},{'abc'[k % 3]}\n" for k, name in enumerate(open_source(tmp_path / "bare.npz").names[:12]))
    )
    found = classify(tmp_path / "bare.npz", tiny(), labels_file=table, images=120, out=tmp_path / "run", **SMALL)
    assert found.labels == 12 and found.classes == ("a", "b", "c") and found.errors is None
    table.write_text(table.read_text().replace(",a\n", ",b\n", 1))
    with pytest.raises(UsageError, match=r"begun with other labels: .*labels.csv has changed"):
        classify(tmp_path / "bare.npz", out=tmp_path / "run", **SMALL)


def test_where_there_is_no_test_split_the_labels_it_was_not_told_test_it(rows: Path, tmp_path: Path) -> None:
    with np.load(rows) as file:
        np.savez(tmp_path / "one.npz", x=file["x_train"], y=file["y_train"])
    found = classify(tmp_path / "one.npz", tiny(), labels=6, images=240, out=tmp_path / "run", **SMALL)
    assert found.errors.total == 60 and found.tested_on == "training images whose labels were hidden"
    found = classify(tmp_path / "one.npz", tiny(), images=240, out=tmp_path / "all", **SMALL)
    assert found.labels == 66 and found.errors is None
    assert Path(found.to_label).read_text().splitlines() == ["name,label,guess,probability,why"]


@pytest.mark.slow
def test_a_table_may_order_classes_otherwise_than_the_test_images(rows: Path, tmp_path: Path) -> None:
    """The training images have no labels, the test images have: numbers go by name."""
    with np.load(rows) as file:
        arrays = dict(file)
    for part, images in (("train", arrays["x_train"]), ("test", arrays["x_test"])):
        for k, image in enumerate(images):
            place = tmp_path / "x" / part / ("" if part == "train" else f"{'cba'[arrays['y_test'][k]]}")
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(place / f"{part}{k}.png")
    data = open_source(tmp_path / "x")
    assert (data.labels < 0).all() and data.report.classes.keys() == set("abc")
    (tmp_path / "t.csv").write_text("".join(f"train{k}.png,{'cbad'[k % 3]}\n" for k in range(30)) + "train30.png,0th\n")
    found = classify(tmp_path / "x", tiny(), labels_file=tmp_path / "t.csv", images=720, out=tmp_path / "run", **SMALL)
    assert found.classes == ("0th", "a", "b", "c") and found.errors.total == 30
    assert found.errors.hits < 15
    errors = [line["error"] for line in Run(found.run).metrics() if "error" in line]
    assert abs(errors[-1] - found.errors.value) < 0.11  # the curve's glance means the same


@pytest.mark.parametrize(
    ("sure", "told"),
    [([0.0] * 20, True), ([0.9] * 18 + [0.05] * 2, True), ([0.0] * 18 + [0.2] * 2, False), ([0.01], True), ([], False)],
)
def test_unlabelled_images_that_taught_little_are_noted(sure: list[float], told: bool, tmp_path: Path) -> None:
    run = Run(tmp_path)
    for k, share in enumerate(sure):
        run.log(k, {"classifier": 1.0, "confident": share})
    run.log(len(sure), {"error": 0.1})
    assert [("--generated-weight 0" in note) for note in unconfident_teacher(run)] == [True] * told


def test_labels_that_look_wrong_are_named_unless_they_are_too_many(trained: ClassificationReport, rows: Path) -> None:
    classifier, data = load_classifier(trained.run), open_source(rows)
    none, classes = np.empty(0, np.int64), data.spec.classes
    answers = classifier.predict(data[np.arange(len(data))]).probabilities.argmax(1).numpy()
    assert doubtful_labels(classifier, data.relabelled(answers, classes), none, None) == []
    wrong = answers.copy()
    wrong[[3, 40]] = (answers[[3, 40]] + 1) % 3
    (note,) = doubtful_labels(classifier, data.relabelled(wrong, classes), none, None)
    assert note.startswith("2 of 66 labelled images") and data.names[3] in note and data.names[40] in note
    assert data.names[40] not in doubtful_labels(classifier, data.relabelled(wrong, classes), np.array([40]), None)[0]
    (note,) = doubtful_labels(classifier, data.relabelled((answers + 1) % 3, classes), none, None)
    assert "train it for longer" in note and data.names[0] not in note
    bad = calibrate.TestResult("test images", torch.arange(3), torch.eye(3)[[0, 1, 1]], 0, FurtherTests())
    (note,) = doubtful_labels(classifier, data.relabelled(wrong, classes), none, bad)
    assert "no reason to doubt" in note and data.names[3] not in note


def test_predict_names_examples_as_to_label_does(trained: ClassificationReport, rows: Path) -> None:
    with open(trained.to_label, newline="") as file:
        listed = {line["name"] for line in csv.DictReader(file)}
    assert listed and listed <= {row.name for row in predict(trained.run, rows).predictions}


def test_the_errors_of_the_commonest_answer_are_beside_those_of_the_classifier(trained: ClassificationReport) -> None:
    assert trained.majority is not None
    name, share = trained.majority
    assert f"baseline    errors {1 - share:.2%}, always answering '{name}'" in to_text(trained)


def test_ctrl_c_during_the_test_names_what_is_kept(rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopping(*args: object, **settings: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(import_module("sparring.commands.training.train_classifier"), "calibrated", stopping)
        with pytest.raises(Stopped, match=r"weights are kept in .*run\. Go on with .* by: sparring classify"):
            classify(rows, tiny(), labels=9, images=72, out=tmp_path / "run", **SMALL)
    assert classify(rows, out=tmp_path / "run", **SMALL).errors is not None


def test_uneven_labels_are_noted_with_the_flag_that_the_recipe_has(rows: Path, tmp_path: Path) -> None:
    with np.load(rows) as file:
        x, y = file["x_train"], np.minimum(file["y_train"], 1)
    y = np.where(np.cumsum(y == 0) > 3, 1, y)
    np.savez(tmp_path / "odd.npz", x=x, y=y)
    for recipe, said in ((tiny(), True), ("improved", False)):
        name = str(recipe)[:3]
        found = classify(tmp_path / "odd.npz", recipe, images=12, out=tmp_path / name, **SMALL)
        (note,) = [note for note in found.notes if "uneven" in note]
        assert ("--no-balance-classes" in note) is said


class Own(nn.Module):
    """A classifier of a user's own, in two halves."""

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(int(np.prod(shape)), 12), nn.Linear(12, classes)

    def features(self, x: Tensor) -> Tensor:
        return self.body(x.flatten(1)).relu()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


def test_networks_of_ones_own(rows: Path, tmp_path: Path) -> None:
    def nets(spec: Any) -> dict[str, nn.Module]:
        return {
            "generator": tiny().resolve(spec, CPU).nets(spec)["generator"],
            "classifier": Own(spec.shape, len(spec.classes)),
        }

    found = classify(rows, tiny(), labels=9, images=120, nets=nets, out=tmp_path / "own", **SMALL)
    with pytest.raises(UsageError, match="custom networks"):
        predict(found.run, rows)
    assert len(predict(found.run, rows, net=Own((1, 8, 8), 3)).predictions) == 96
    with pytest.raises(UsageError, match="begun with networks of your own"):
        classify(rows, out=found.run, **SMALL)


# calibration


def test_calibration_sees_the_training_images_alone(trained: ClassificationReport, rows: Path) -> None:
    one, recipe, data = load_classifier(trained.run), tiny(), open_source(rows)
    told = data.relabelled(np.where(np.arange(66) < 9, data.labels, -1), data.spec.classes)
    first = calibrate.calibrated(one.net, told, recipe, one.metadata, CPU)
    second = calibrate.calibrated(one.net, told, recipe, one.metadata, CPU)
    assert first.temperature == second.temperature and first.min_familiarity == second.min_familiarity
    assert first.memory.classes.means.shape == (3, 128) and len(first.memory.reference) == 33 and len(first.memory) == 0
    familiar = first.predict(data[np.arange(66)]).familiarity
    assert float((familiar < first.min_familiarity).float().mean()) <= 0.05
    noise = np.random.default_rng(5).integers(0, 256, (50, 8, 8, 1), np.uint8)
    assert float((first.predict(noise).familiarity < first.min_familiarity).float().mean()) > 0.5
    test = calibrate.run_test(first, data, told)
    assert test is not None and len(test.labels) == 30 and test.probabilities.shape == (30, 3)


# predict


def test_predictions_name_each_image_and_come_in_the_sources_order(trained: ClassificationReport, rows: Path) -> None:
    found = predict(trained.run, rows)
    data = open_source(rows).split(None)
    assert [one.name for one in found.predictions] == data.names and found.skipped == {}
    answers = load_classifier(trained.run).predict(data[np.arange(len(data))])
    assert [one.label for one in found.predictions] == [answer.label for answer in answers]
    lines = list(csv.reader(io.StringIO(as_csv(found))))
    assert lines[0] == ["name", "label", "probability", "likeliest"] and len(lines) == 97


def test_images_of_another_shape_are_refused_or_brought_to_it(trained: ClassificationReport, tmp_path: Path) -> None:
    Image.new("L", (10, 8)).save(tmp_path / "wide.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "colour.png")
    for name, shape in (("wide", "8x10 L"), ("colour", "8x8 RGB")):
        with pytest.raises(UsageError, match=f"holds images of {shape}, the model was trained on 8x8 L: --resize"):
            predict(trained.run, tmp_path / f"{name}.png")
        assert len(predict(trained.run, tmp_path / f"{name}.png", resize=True).predictions) == 1


def test_files_that_are_no_images_are_told_and_equal_ones_all_answered(
    trained: ClassificationReport, tmp_path: Path
) -> None:
    (folder := tmp_path / "new").mkdir()
    for k in range(2):
        Image.new("L", (8, 8)).save(folder / f"{k}.png")
    (folder / "torn.png").write_bytes((folder / "0.png").read_bytes()[:40])
    found = predict(trained.run, folder)
    assert [one.name for one in found.predictions] == ["0.png", "1.png"]
    assert list(found.skipped.values()) == [["torn.png"]]


def test_sizes_brought_to_one_in_training_are_brought_to_it_later(rows: Path, tmp_path: Path) -> None:
    with np.load(rows) as file:
        for k, image in enumerate(file["x_train"]):
            (tmp_path / "x" / str(k % 3)).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).resize((8 + k % 2, 8)).save(tmp_path / "x" / str(k % 3) / f"{k}.png")
    found = classify(tmp_path / "x", tiny(), labels=6, images=24, size="8", out=tmp_path / "run", **SMALL)
    Image.new("L", (30, 20)).save(tmp_path / "any.png")
    assert len(predict(found.run, tmp_path / "any.png").predictions) == 1


@pytest.mark.parametrize("channels", [2, 5])
def test_images_of_any_number_of_channels(channels: int, tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (24, 6, 5, channels), np.uint8)
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(24) % 2)
    found = classify(tmp_path / "x.npz", tiny(), labels=6, images=24, out=tmp_path / "run", **SMALL)
    assert len(predict(found.run, tmp_path / "x.npz").predictions) == 24


# the command line


@pytest.mark.slow
def test_digits_through_the_command_line(cli: Cli, quick: Cli) -> None:
    done = cli("classify", "digits", "--labels", 50, "--images", 5000, "--width", 8, "--out", "run", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {"errors", "minutes", "labels", "seed"} <= told.keys()
    assert told["labels"] == 50 and told["errors"]["total"] == 297 and told["errors"]["hits"] < 200  # guessing: 267
    assert "50 of 1,500 training images have a label" in done.stderr
    done = quick("predict", "run", "digits", "--csv")
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 1798


@pytest.mark.slow
def test_all_commands_know_a_classifiers_run(
    quick: Cli, trained: ClassificationReport, rows: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(trained.run, tmp_path / "run")
    done = quick("predict", run, rows, "--json")
    told = json.loads(done.stdout)
    assert told.keys() == {"predictions", "skipped", "notes"} and told["predictions"][0].keys() == {
        "name",
        "label",
        "probability",
        "likeliest",
    }
    assert quick("predict", run, rows).stdout.count("\n") == 97
    assert quick("predict", run / "classifier.json", rows).returncode == 0
    assert quick("sample", run, "-n", 3).returncode == 0
    found = {finding["kind"] for finding in json.loads(quick("doctor", run, "--json").stdout)["findings"]}
    assert "few" in found  # 66 images
    assert quick("evaluate", run, "-n", 30).returncode == 0
    page = (run / "report.html").read_text()
    assert "Confusion" in page and "What to label next" in page  # an evaluation adds to it


def test_a_name_that_is_no_utf_8_and_a_hostile_class(quick: Cli, tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("names are text there")
    hostile = '<script>alert("x")<|script>&,\n'
    folder = os.fsencode(tmp_path / "x")
    for k in range(16):
        of = [b"one", os.fsencode(hostile), b"."][min(k // 2, 2)]
        os.makedirs(os.path.join(folder, of), exist_ok=True)
        Image.fromarray(np.full((6, 6), k * 9, np.uint8)).save(tmp_path / "a.png")
        shutil.move(tmp_path / "a.png", os.path.join(folder, of, b"caf\xe9 %d.png" % k))
    settings = ("--images", 24, "--width", 4, "--batch-size", 8, "--labelled-batch-size", 4)
    done = quick("classify", "x", "--out", "run", *settings)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "run" / "report.html").read_text()
    assert "<script" not in page
    done = quick("classify", "x", "--labels-file", "run/to_label.csv", "--out", "two", *settings)
    assert done.returncode == 0, done.stderr  # it was found, and read: the labels that were told are in it
    table = (tmp_path / "run" / "to_label.csv").read_bytes().splitlines()
    filled = [table[0], *(line.replace(b",,", b",one,", 1) for line in table[1:5])]
    filled += [line.replace(b",,", b',"' + os.fsencode(hostile).strip() + b'",', 1) for line in table[5:7]]
    (tmp_path / "t.csv").write_bytes(b"\n".join(filled))
    assert "café".encode() in filled[1]  # the name is decoded, as `inspect` says
    assert quick("predict", "run", "x", "--csv").returncode == 0
