"""Tasks, checked against data: targets, kinds, what is refused; and the commands that carry them out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sparring.commands.solving.stated import Overrides
from sparring.commands.solving.steps import steps_of
from sparring.commands.solving.task import Unclear
from sparring.commands.solving.understanding import describe, understand
from sparring.engine.errors import UsageError

ROWS = 60


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with two columns of words, either of which may be the class."""
    path = tmp_path_factory.mktemp("tables") / "people.csv"
    lines = [f"{20 + k % 40},{'><'[k % 2]}50K,{('cat', 'dog')[k // 2 % 2]}" for k in range(ROWS)]
    path.write_text("\n".join(["age,earns,pet", *lines]) + "\n")
    return path


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images with labels and a test split."""
    x, y = np.random.default_rng(0).integers(0, 255, (ROWS, 8, 8), np.uint8), np.arange(ROWS) % 3
    path = tmp_path_factory.mktemp("images") / "bars.npz"
    np.savez(path, x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
    return path


def commands(text: str, **flags: Any) -> list[str]:
    understood = understand(text, Overrides(**flags))
    return [step.text() for step in steps_of(understood.task, understood.report, Path("out"))]


@pytest.mark.parametrize(
    ("text", "target", "evidence"),
    [
        ("predict the column earns in {}", "earns", "'earns' in the text"),
        ("who earns more than 50K? {}", "earns", "the only column that the text names"),
        ("classify the rows of {} by pet", "pet", "the only column that the text names"),
        ("which of my customers in {} has a dog?", "pet", "its value 'dog' is in the text"),
    ],
)
def test_the_target_of_a_table(people: Path, text: str, target: str, evidence: str) -> None:
    task = understand(text.format(people), Overrides()).task
    assert (task.target.value, task.target.evidence, task.kind.value) == (target, evidence, "classify")
    assert len(task.classes.value) == 2 and task.data_kind.value == "table"


def test_many_numbers_are_predicted_as_numbers_and_few_as_classes(people: Path) -> None:
    task = understand(f"predict the column age in {people}", Overrides()).task
    assert task.kind.value == "regress" and "the labels are numbers" in task.kind.evidence
    assert commands(f"predict the column age in {people}")[0] == (
        f"sparring regress {people} --label age --minutes 10 --out out"
    )
    rows = "\n".join(f"{k},{k % 3}" for k in range(60))
    (people.parent / "few.csv").write_text(f"x,stars\n{rows}\n")
    assert (
        understand(f"predict the column stars in {people.parent / 'few.csv'}", Overrides()).task.kind.value
        == "classify"
    )


def test_an_unknown_target_is_a_question_with_candidates(people: Path) -> None:
    with pytest.raises(Unclear, match=r"which column is to be predicted.*--label: pet, earns"):
        understand(f"classify the rows of {people}", Overrides())
    with pytest.raises(Unclear, match="there is no column 'wages'"):
        understand(f"predict the column wages in {people}", Overrides())
    task = understand(f"classify the rows of {people}", Overrides(), lambda question, candidates: candidates[1]).task
    assert task.target.value == "earns" and task.target.certainty == "flag"
    assert understand(f"classify {people}", Overrides(label="pet")).task.target.evidence == "--label pet"


def test_the_data_choose_where_nothing_else_is_said(bars: Path, people: Path) -> None:
    task = understand(str(bars), Overrides()).task
    assert task.kind.value == "classify" and task.kind.certainty == "data" and task.kind.runner_up == "generate"
    with pytest.raises(Unclear, match="names data and no task: choose one by --task: generate, density, outliers"):
        understand(str(people), Overrides())


def test_each_kind_has_its_commands(bars: Path, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "m").mkdir(parents=True)
    for name in ("new.npz", "mask.png", "fakes.npz"):
        (tmp_path / name).touch()
    assert commands(f"tell the bars in {bars} apart, 3 minutes") == [
        f"sparring classify {bars} --minutes 3 --out out",
        f"sparring predict out {bars} --split test --csv > out/predictions.csv",
    ]
    assert commands(f"make 9 new images like {bars}") == [
        f"sparring train {bars} --minutes 10 --out out", "sparring sample out -n 9", "sparring evaluate out",
    ]  # fmt: skip
    assert commands(f"classify {bars} with 12 labels", predict="new.npz") == [
        f"sparring classify {bars} --labels 12 --minutes 10 --out out",
        "sparring predict out new.npz --csv > out/predictions.csv",
    ]
    assert commands(f"a robust classifier of {bars}, eps 0.1")[0] == (
        f"sparring harden {bars} --eps 0.1 --minutes 10 --out out"
    )
    assert commands(f"attack runs/m with {bars}") == [f"sparring attack runs/m {bars} --out out"]
    assert commands(f"certify runs/m on {bars}") == [f"sparring certify runs/m {bars} --out out"]
    assert commands(f"find the outliers in {people}")[0] == (
        f"sparring train {people} --recipe flow --minutes 10 --out out"
    )
    assert commands(f"new rows like {people} with differential privacy, epsilon 2")[0] == (
        f"sparring train {people} --private 2 --minutes 10 --out out"
    )
    assert commands(f"FID of fakes.npz against {bars}") == [
        f"sparring evaluate fakes.npz --data {bars} --report out/report.html"
    ]
    for text in ("how accurate is the classifier runs/m on", "measure the accuracy of runs/m on"):
        assert commands(f"{text} {bars}") == [f"sparring evaluate runs/m --data {bars} --report out/report.html"]
    assert commands(f"train a classifier on {bars} and report the accuracy of the test set")[0].startswith(
        f"sparring classify {bars}"
    )
    denoise = "sparring restore 'old photo.png' --noise --minutes 10 --out out"
    assert commands("remove the noise from 'old photo.png'") == [denoise]
    assert commands("inpaint a.png with mask.png")[0] == "sparring restore a.png --mask mask.png --minutes 10 --out out"
    assert "--scale 4" in commands("enlarge a.png")[0] and "--jpeg" in commands("remove JPEG artefacts from a.png")[0]


def test_what_does_not_fit_names_the_way_out(bars: Path, people: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"imagenet is not fetched by its name: get it from https://image-net\.org"):
        understand("imagenet classifier", Overrides())
    with pytest.raises(Unclear, match=r"how many labels may training see.*--labels N"):
        commands(f"classify {bars} with few labels")
    with pytest.raises(Unclear, match="what is wrong with the picture"):
        commands("repair a.png")
    with pytest.raises(Unclear, match="is no picture file"):
        commands("denoise a.zip")
    with pytest.raises(Unclear, match="means numbers, and the labels are 3 classes"):
        understand(f"regression on {bars}", Overrides())
    with pytest.raises(UsageError, match=r"there is no 'nothing/'"):
        understand("classify nothing/", Overrides())
    np.savez(tmp_path / "x.npz", x=np.zeros((20, 4, 4), np.uint8) + np.arange(20, dtype=np.uint8)[:, None, None])
    with pytest.raises(UsageError, match="has no labels, which 'classify' learns from"):
        understand(f"classify {tmp_path / 'x.npz'}", Overrides())


def test_parts_without_a_use_and_files_that_are_not_there_are_refused(bars: Path, people: Path) -> None:
    for flags, words in (
        ({"eps": 0.1}, "--eps 0.1 has no use in a task of kind 'classify'"),
        ({"mask": "m.png"}, "--mask m.png has no use"),
        ({"count": 5}, "-n 5 has no use"),
        ({"predict": "nothing.npz"}, "there is no 'nothing.npz'"),
        ({"labels": 1000}, "--labels 1,000 is more than the 60 images"),
        ({"label": "sex"}, "--label is for tables"),
    ):
        with pytest.raises(UsageError, match=words):
            understand(f"classify {bars}", Overrides(**flags))  # type: ignore[arg-type]
    with pytest.raises(Unclear, match="has no use in a task of kind 'outliers'"):
        understand(f"find the outliers in {people}, 8/255", Overrides())
    with pytest.raises(UsageError, match="there is no model 'runs/none'"):
        understand(f"attack runs/none with {bars}", Overrides())
    with pytest.raises(Unclear, match="what does -5 mean"):
        understand(f"classify {bars} in -5 minutes", Overrides())
    with pytest.raises(UsageError, match="--eps cannot be inf"):
        understand(f"harden {bars}, radius 300/0", Overrides())
    with pytest.raises(Unclear, match="--task regress predicts numbers"):
        numbers = people.parent / "numbers.csv"
        numbers.write_text("x,price\n" + "\n".join(f"{k},{k * 1.5}" for k in range(300)) + "\n")
        understand(f"predict price in {numbers}", Overrides(task="classify", label="price"))


def test_what_is_printed_holds_no_control_characters(tmp_path: Path) -> None:
    path = tmp_path / "evil.csv"
    path.write_text("x,y\x1b[2J\n" + "\n".join(f"{k},{'ab'[k % 2]}\x1b[31m" for k in range(60)) + "\n")
    understood = understand(f"classify {path}", Overrides(label="1"))
    lines = [*describe(understood.task), *(s.text() for s in steps_of(understood.task, understood.report, Path("o")))]
    assert all(line.isprintable() for line in lines)
    with pytest.raises(Unclear) as refused:
        understand(f"classify {path}", Overrides())
    assert str(refused.value).isprintable()


def test_the_description_names_evidence_and_flags(people: Path) -> None:
    lines = describe(understand(f"predict the column pet in {people}, 2 minutes", Overrides()).task)
    assert lines[0].startswith("task       classify: the class of each example")
    assert any(line.startswith("target     pet  (text: 'pet' in the text; --label overrides it)") for line in lines)
    assert any("minutes    2  (text: '2 minutes'" in line for line in lines)
    assert all("None" not in line for line in lines)
