"""Checks of a task: planted leaks are each found; clean data have none; suspicion of what is too good."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from makers import write_targz, write_zip
from PIL import Image

from sparring.commands.solving.checks import Checks, check, suspicion
from sparring.commands.solving.page import understood_page
from sparring.commands.solving.stated import Overrides
from sparring.commands.solving.task import Task
from sparring.commands.solving.understanding import Understood, understand
from sparring.measure.classifier.baselines import Baseline
from sparring.stats.proportion import Proportion


def bars(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(count) % 3
    x = rng.integers(0, 90, (count, 16, 16), np.uint8)
    x[np.arange(count), 4 * y] += 120
    return x, y


def understood(path: Path, text: str = "classify") -> Understood:
    return understand(f"{text} {path}", Overrides())


def problems(checks: Checks) -> list[str]:
    return [finding.message for finding in checks.findings if finding.severity == "problem"]


def test_clean_images_have_no_problem_and_a_baselines(tmp_path: Path) -> None:
    (x, y), (test_x, test_y) = bars(300, 0), bars(150, 1)
    np.savez(tmp_path / "clean.npz", x_train=x, y_train=y, x_test=test_x, y_test=test_y)
    checks = check(understood(tmp_path / "clean.npz").task)
    assert problems(checks) == [] and checks.duplicates == 0 and checks.compared == 150
    assert [one.name for one in checks.baselines][:3] == [
        "the commonest class", "nearest neighbour", "logistic regression",
    ]  # fmt: skip
    assert checks.baselines[2].errors.value < 0.1 < checks.baselines[0].errors.value


def test_copies_across_the_splits_are_named_and_left_out_of_a_second_figure(tmp_path: Path) -> None:
    (x, y), (test_x, test_y) = bars(300, 0), bars(150, 1)
    test_x[:20] = np.clip(x[30:50].astype(int) + 2, 0, 255)
    test_y[:20] = y[30:50]
    np.savez(tmp_path / "copies.npz", x_train=x, y_train=y, x_test=test_x, y_test=test_y)
    checks = check(understood(tmp_path / "copies.npz").task)
    assert checks.duplicates == 20 and any("20 test examples (13.3" in message for message in problems(checks))
    assert checks.without_duplicates is not None and checks.without_duplicates.total == 130


@pytest.mark.parametrize("leak", ["", "label", "id", "later"])
def test_a_planted_column_is_found_and_no_other(leak: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = np.sort(rng.integers(0, 2, 600))
    columns = {
        "label": [f"code{k}" for k in y], "id": [str(1000 + k) for k in range(600)],
        "later": [f"{90 * k + rng.uniform():.3f}" for k in y],
    }  # fmt: skip
    names = ["weight", *([leak] if leak else []), "class"]
    rows = [f"{v:.4f}" for v in y + rng.normal(0, 1, 600)]
    cells = zip(rows, *([columns[leak]] if leak else []), (["no", "yes"][k] for k in y), strict=True)
    path = tmp_path / "table.csv"
    path.write_text("\n".join([",".join(names), *map(",".join, cells)]) + "\n")
    checks = check(understood(path, "predict the column class in").task)
    leaks = [message for message in problems(checks) if "one column" in message]
    assert leaks == ([f"The class can be read from one column: '{leak}'."] if leak else [])


def notices(checks: Checks) -> str:
    return "; ".join(finding.as_line() for finding in checks.findings if finding.severity == "notice")


def test_persons_in_both_splits_and_mixed_times_are_noticed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = [f"2024-{1 + k // 28 % 12:02}-{1 + k % 28:02},P{k % 60:03},{rng.normal():.4f},{k % 2}" for k in range(336)]
    path = tmp_path / "visits.csv"
    path.write_text("\n".join(["day,patient,weight,class", *lines]) + "\n")
    seen = notices(check(understood(path, "predict the column class in").task))
    assert "of 60 values of 'patient' are in both splits" in seen
    assert "Training rows are later than test rows by 'day'" in seen
    folder = tmp_path / "by-time"
    folder.mkdir()
    for name, part in (("train", lines[:240]), ("test", lines[240:])):
        (folder / f"{name}.csv").write_text("\n".join(["day,patient,weight,class", *part]) + "\n")
    seen = notices(check(understood(folder, "predict the column class in").task))
    assert "in both splits" in seen and "later than test rows" not in seen


@pytest.mark.parametrize("form", ["table.zip", "table.tar.gz", "table.csv.gz", "table.npz"])
def test_tables_of_all_forms_are_checked(form: str, tmp_path: Path) -> None:
    """Cells are looked at where they lie open; elsewhere the other checks are made."""
    lines = [f"P{k % 60:03},{k * 0.37 % 1:.4f},{'ab'[k % 2]}" for k in range(300)]
    text = "\n".join(["patient,weight,class", *lines]).encode()
    path = tmp_path / form
    if form.endswith("npz"):
        np.savez(path, x=np.random.default_rng(0).normal(size=(300, 3)), y=np.arange(300) % 2)
    elif form.endswith("csv.gz"):
        path.write_bytes(gzip.compress(text))
    else:
        (write_zip if form.endswith("zip") else write_targz)(path, {"table.csv": text})
    seen = notices(check(understood(path, "predict the column class in" if "npz" not in form else "classify").task))
    assert ("'patient' are in both splits" in seen) == (form in ("table.zip", "table.csv.gz"))


@pytest.mark.parametrize("planted", [False, True])
def test_a_class_with_a_camera_of_its_own_is_noticed(planted: bool, tmp_path: Path) -> None:
    for k, (x, y) in enumerate(zip(*bars(150, 0), strict=True)):
        exif = Image.Exif()
        exif[0x0110] = f"camera {y if planted else k // 3 % 3}"
        (tmp_path / f"class{y}").mkdir(exist_ok=True)
        Image.fromarray(x).save(tmp_path / f"class{y}" / f"{k}.png", exif=exif)
    seen = notices(check(understood(tmp_path).task))
    assert ("The class can be read from the files, without their pixels: 'camera'." in seen) == planted


def test_a_result_is_compared_with_the_ladder_and_with_what_is_published(tmp_path: Path) -> None:
    (x, y), (test_x, test_y) = bars(60, 0), bars(60, 1)
    np.savez(tmp_path / "x.npz", x_train=x, y_train=y, x_test=test_x, y_test=test_y)
    task = understood(tmp_path / "x.npz").task
    baselines = (Baseline("nearest neighbour", Proportion.count(100, 1000)),)

    def verdict(hits: int, task: Task = task) -> list[tuple[str, str]]:
        return [(f.severity, f.message) for f in suspicion(task, Proportion.count(hits, 1000), baselines)]

    assert verdict(20) == [("ok", "The result is better than all simple classifiers.")]
    assert verdict(95) == [("notice", "The result is within chance of a simple classifier.")]
    assert verdict(300) == [("problem", "A simple classifier is better.")]
    assert suspicion(task, None, baselines) == []
    mnist = understand("mnist", Overrides(source=str(tmp_path / "x.npz"))).task
    assert mnist.source.value != "mnist"  # the flag counts


def test_the_page_shows_task_checks_and_baselines(tmp_path: Path) -> None:
    (x, y), (test_x, test_y) = bars(90, 0), bars(60, 1)
    np.savez(tmp_path / "x<b>.npz", x_train=x, y_train=y, x_test=test_x, y_test=test_y)
    result = understand("classify", Overrides(source=str(tmp_path / "x<b>.npz")))
    page = understood_page(
        "<script>", result.task, result.report, ["sparring classify x"], check(result.task), Proportion.count(3, 60), 2
    )
    assert "<script>" not in page and "x<b>" not in page
    for words in ("nearest neighbour", "the trained classifier", "read 2 times", "--task", "sparring classify x"):
        assert words in page
