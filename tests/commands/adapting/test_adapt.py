"""`sparring classify SOURCE --adapt-to TARGET` by the command line and as a function, on small synthetic domains."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sparring
from sparring.commands.adapting import adapt as adapting
from sparring.commands.classify import classify, to_text
from sparring.commands.predict import predict
from sparring.commands.training.interrupt import Stopped
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.run_folder import Run
from sparring.measure.domains.adaptation_report import AdaptationReport, Choice
from sparring.models.classifier import load_classifier
from sparring.recipes import recipe_class

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
SMALL: dict[str, Any] = {"device": "cpu", "precision": "fp32"}
CLASSES = 3


def bars(count: int, seed: int, *, light: int = 0, shares: list[float] | None = None) -> tuple[Any, Any]:
    """Return images of 8x8: class k is bright in rows 2k and 2k + 1, on a background of a brightness."""
    rng = np.random.default_rng(seed)
    y = rng.choice(CLASSES, count, p=shares) if shares else np.arange(count) % CLASSES
    x = rng.integers(0, 60, (count, 8, 8), np.uint8) + light
    for row in (0, 1):
        x[np.arange(count), 2 * y + row] += 120
    return x.astype(np.uint8), y


@pytest.fixture(scope="module")
def domains(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return dark images as a source, brighter ones of another size as a target."""
    folder = tmp_path_factory.mktemp("domains")
    x, y = bars(240, 0)
    np.savez(folder / "dark.npz", x_train=x[:180], y_train=y[:180], x_test=x[180:], y_test=y[180:])
    x, y = bars(240, 1, light=60)
    x = x.repeat(2, 1).repeat(2, 2)
    np.savez(folder / "bright.npz", x_train=x[:180], y_train=y[:180], x_test=x[180:], y_test=y[180:])
    return folder / "dark.npz", folder / "bright.npz"


def tiny(name: str, **more: Any) -> Any:
    return recipe_class(name)(width=8, batch_size=16, **more)


@pytest.fixture(scope="module")
def adapted(domains: tuple[Path, Path]) -> AdaptationReport:
    """A short run of source only and DANN."""
    source, target = domains
    report = classify(
        source, tiny("dann", critic_hidden=16), adapt_to=target, target_labels=target, images=3200,
        out=source.parent / "run", **SMALL,
    )  # fmt: skip
    assert isinstance(report, AdaptationReport)
    return report


def test_the_run_is_a_classifier_and_holds_the_choice(adapted: AdaptationReport, domains: tuple[Path, Path]) -> None:
    run, choice = Path(adapted.run), adapted.choice
    assert choice is not None and [each.name for each in choice.candidates] == ["source_only", "dann"]
    saved = json.loads((run / "choice.json").read_text())
    assert Choice.from_json(saved) == choice
    assert {"classifier.safetensors", "run.json", "metrics.jsonl", "report.html", "candidates"} <= {
        path.name for path in run.iterdir()
    }
    assert load_classifier(run).recipe.name == choice.selected == adapted.recipe
    assert Run(run / "candidates" / "dann").settings["recipe"]["settings"]["class_shares"]
    answers = predict(run, domains[1], resize=True)
    assert hasattr(answers, "predictions") and len(answers.predictions) == 240
    assert "Adaptation" in (run / "report.html").read_text(encoding="utf-8")
    assert sparring.doctor(run) is not None


def test_the_report_prints_every_candidate_and_the_regret(adapted: AdaptationReport) -> None:
    text = to_text(adapted)
    for words in ("source_only", "dann", "label shift", "regret", "on target", "rule", "IW risk"):
        assert words in text
    assert adapted.choice is not None and adapted.choice.regret is not None
    assert adapted.choice.regret.selected.total == 60  # the target's test split
    assert adapted.choice.regret.points >= 0


def test_the_choice_is_the_same_without_target_labels(adapted: AdaptationReport, domains: tuple[Path, Path]) -> None:
    """The finished run is opened again: nothing is trained, and labels change nothing but the regret."""
    again = classify(domains[0], adapt_to=domains[1], out=adapted.run, **SMALL)
    assert isinstance(again, AdaptationReport) and again.choice is not None and adapted.choice is not None
    assert again.choice.regret is None and again.choice.selected == adapted.choice.selected
    assert [each.weighted_risk for each in again.choice.candidates] == [
        each.weighted_risk for each in adapted.choice.candidates
    ]
    assert "no target labels were given" in to_text(again)


def test_labels_of_some_target_rows_in_a_table(
    adapted: AdaptationReport, domains: tuple[Path, Path], tmp_path: Path
) -> None:
    target = sparring.open(domains[1])
    lines = [f"{target.names[k]},{target.spec.classes[target.labels[k]]}" for k in range(50)]
    (tmp_path / "some.csv").write_text("\n".join(["name,label", *lines]) + "\n", encoding="utf-8")
    again = classify(domains[0], adapt_to=domains[1], target_labels=tmp_path / "some.csv", out=adapted.run, **SMALL)
    assert isinstance(again, AdaptationReport) and again.choice is not None and again.choice.regret is not None
    assert again.choice.regret.selected.total == 50
    assert "target rows, in training without labels" in to_text(again)


def test_labels_of_the_target_change_nothing_that_is_trained(domains: tuple[Path, Path], tmp_path: Path) -> None:
    source, target = domains
    with np.load(target) as arrays:
        shuffled = {**arrays, "y_train": np.zeros_like(arrays["y_train"]) + 1}
    np.savez(tmp_path / "other.npz", **shuffled)
    weights = []
    for k, path in enumerate((target, tmp_path / "other.npz")):
        out = tmp_path / f"run{k}"
        classify(source, tiny("mcc"), adapt_to=path, images=400, out=out, **SMALL)
        weights.append((out / "candidates/mcc/classifier.safetensors").read_bytes())
    assert weights[0] == weights[1]


def test_a_stopped_run_continues_in_the_right_candidate(
    domains: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = domains
    given = {"adapt_to": target, "images": 800, "seed": 3, **SMALL}
    whole = classify(source, tiny("coral"), out=tmp_path / "whole", **given)
    train = adapting.train_candidate

    def interrupted(*args: Any) -> Any:
        if args[2].name == "coral":
            raise KeyboardInterrupt
        return train(*args)

    monkeypatch.setattr(adapting, "train_candidate", interrupted)
    with pytest.raises(Stopped, match=r"Continue with: sparring classify .*dark\.npz --out .*stopped"):
        classify(source, tiny("coral"), out=tmp_path / "stopped", **given)
    monkeypatch.undo()
    again = classify(source, out=tmp_path / "stopped", **SMALL)  # the run knows its target
    assert isinstance(again, AdaptationReport) and isinstance(whole, AdaptationReport)
    assert again.choice is not None and whole.choice is not None
    untimed = [[{**vars(each), "minutes": 0} for each in report.choice.candidates] for report in (whole, again)]
    assert untimed[0] == untimed[1]


def test_other_candidates_or_targets_are_refused_where_a_run_goes_on(
    adapted: AdaptationReport, domains: tuple[Path, Path]
) -> None:
    source, target = domains
    with pytest.raises(UsageError, match="begun with the candidates source_only, dann"):
        classify(source, "mcc", adapt_to=target, out=adapted.run, **SMALL)
    with pytest.raises(UsageError, match="adapt_to is"):
        classify(source, adapt_to=source.parent / "x", out=adapted.run, **SMALL)
    with pytest.raises(UsageError, match="a candidate of one"):
        classify(source, adapt_to=target, out=Path(adapted.run) / "candidates/dann", **SMALL)


def write_table(path: Path, count: int, seed: int, shift: float, names: tuple[str, str] = ("no", "yes")) -> Path:
    """Write rows of two numbers and a colour; the class depends on the first number, relative to its mean."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=count)
    x = rng.normal(size=(count, 2)) + np.stack([3.0 * y, 0.0 * y], 1) + shift
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(("first", "second", "colour", "answer"))
        colours = rng.choice(["red", "blue"], count)
        lines.writerows((*row.round(3), colour, names[k]) for row, colour, k in zip(x, colours, y, strict=True))
    return path


def test_a_table_by_the_command_line(cli: Cli, tmp_path: Path) -> None:
    """The target's numbers have another mean: source only fails, and standardising each domain by itself does not."""
    source, target = write_table(tmp_path / "here.csv", 400, 0, 0.0), write_table(tmp_path / "there.csv", 400, 1, 5.0)
    done = cli(
        "classify", source, "--label", "answer", "--adapt-to", target, "--target-labels", target, "--images", "16000",
        "--recipe", "coral", "--lr", "0.01", "--device", "cpu", "--out", tmp_path / "run", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "standardised by the mean" in done.stderr
    choice = json.loads(done.stdout)["choice"]
    by_name = {each["name"]: each["target_accuracy"] for each in choice["candidates"]}
    assert by_name["source_only"] < 0.75 and by_name["coral"] > 0.8
    assert choice["selected"] == "coral"


def test_a_skewed_target_is_never_served_worse_than_by_source_only(tmp_path: Path) -> None:
    x, y = bars(300, 0)
    np.savez(tmp_path / "even.npz", x=x, y=y)
    x, y = bars(300, 1, light=10, shares=[0.8, 0.15, 0.05])
    np.savez(tmp_path / "skewed.npz", x=x, y=y)
    target = tmp_path / "skewed.npz"
    report = classify(
        tmp_path / "even.npz", tiny("dann", critic_hidden=16), adapt_to=target, target_labels=target, images=4800,
        out=tmp_path / "run", **SMALL,
    )  # fmt: skip
    assert isinstance(report, AdaptationReport) and report.choice is not None and report.choice.regret is not None
    assert report.choice.regret.selected.value >= report.choice.regret.source_only.value - 0.01
    shift = dict(zip(report.choice.shift.classes, report.choice.shift.target, strict=True))
    assert shift["0"] == pytest.approx(0.8, abs=0.08)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "nothing", "does not fit .*there is no '.*nothing'"),
        (lambda folder: other_classes(folder), "its classes are cat, dog, those of the source 0, 1, 2"),
        (lambda folder: few(folder, 1), "has 1 usable images: adaptation needs 20 or more"),
        (lambda folder: empty(folder), "does not fit .*empty: it is empty"),
        (lambda folder: write_table(folder / "t.csv", 30, 0, 0.0), "it holds table data, not image data"),
    ],
)
def test_a_target_that_does_not_fit_is_named(
    domains: tuple[Path, Path], tmp_path: Path, make: Callable[[Path], Path], words: str
) -> None:
    with pytest.raises(SparringError, match=words):
        classify(domains[0], adapt_to=make(tmp_path), images=100, out=tmp_path / "run", **SMALL)


def other_classes(folder: Path) -> Path:
    from PIL import Image

    x, _ = bars(40, 0)
    for k, image in enumerate(x):
        path = folder / "pets" / ("cat", "dog")[k % 2] / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder / "pets"


def few(folder: Path, count: int) -> Path:
    np.savez(folder / "few.npz", x=bars(count, 3)[0])
    return folder / "few.npz"


def empty(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def test_the_source_itself_is_no_target(domains: tuple[Path, Path], tmp_path: Path) -> None:
    copy = shutil.copy(domains[0], tmp_path / "copy.npz")
    for target in (domains[0], copy):
        with pytest.raises(UsageError, match="is the source itself"):
            classify(domains[0], adapt_to=target, images=100, out=tmp_path / "run", **SMALL)


def test_wrong_combinations_are_refused(domains: tuple[Path, Path], tmp_path: Path) -> None:
    source, target = domains
    with pytest.raises(UsageError, match=r"dann adapts a classifier .* add --adapt-to TARGET"):
        classify(source, "dann", out=tmp_path / "run", **SMALL)
    with pytest.raises(UsageError, match="--target-labels is for --adapt-to"):
        classify(source, target_labels=target, out=tmp_path / "run", **SMALL)
    with pytest.raises(UsageError, match="cannot use 'consistent': take one of source_only"):
        classify(source, "consistent", adapt_to=target, out=tmp_path / "run", **SMALL)
    assert not (tmp_path / "run").exists()
