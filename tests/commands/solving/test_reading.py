"""Sentences of four authors: most are understood, none is silently misunderstood; and what the parts read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from held_out_sentences import HELD_OUT
from second_held_out import SECOND_HELD_OUT
from sentences import SENTENCES, Sentence
from third_held_out import THIRD_HELD_OUT

from sparring.commands.solving.lexicon import PREDICT
from sparring.commands.solving.number_words import with_digits
from sparring.commands.solving.reading import read_text
from sparring.commands.solving.stated import Overrides, state
from sparring.commands.solving.task import Unclear
from sparring.data.known_names import PUBLISHED, find_name, one_edit
from sparring.engine.errors import UsageError

SETS = {
    "by the author, before the parser": (SENTENCES, 80),
    "by somebody else": (HELD_OUT, 80),
    "by another": (SECOND_HELD_OUT, 70),
    "by a fourth": (THIRD_HELD_OUT, 90),
}
"""Name -> sentences, and how many of them have to be understood, or refused where they are no task."""


def understood(text: str) -> dict[str, Any] | None:
    """Return the fields that a text states, or None where it is refused."""
    try:
        stated = state(read_text(text), Overrides())
    except Unclear:
        return None
    quantities = {name: decision.value for name, decision in stated.quantities.items()}
    kind = stated.kind.value if stated.kind else None
    return {"kind": kind, "source": stated.source.value, "target": stated.reading.target, **quantities}


def verdict(sentence: Sentence) -> str:
    got = understood(sentence.text)
    if got is None:
        return "refused" if sentence.meant is None else "refused, though clear"
    if sentence.meant is None:
        return "wrong"
    if got["kind"] == PREDICT:  # the data settle it
        got["kind"] = sentence.meant["kind"] if sentence.meant["kind"] in ("classify", "regress") else PREDICT
    return "right" if all(got[name] == value for name, value in sentence.meant.items()) else "wrong"


@pytest.mark.parametrize("sentence", [one for many, _ in SETS.values() for one in many], ids=lambda one: one.text[:40])
def test_none_is_silently_misunderstood(sentence: Sentence) -> None:
    assert verdict(sentence) != "wrong", understood(sentence.text)


@pytest.mark.parametrize("name", SETS)
def test_most_sentences_are_understood_and_what_is_no_task_is_refused(name: str) -> None:
    sentences, least = SETS[name]
    counts = Counter(verdict(sentence) for sentence in sentences)
    assert counts.total() == 100
    assert counts["right"] + counts["refused"] >= least


def test_what_is_refused_names_the_candidates_and_the_flag() -> None:
    for text, words in {
        "classify photos/ and also generate new ones": "more than one task: choose one by --task.*classify, generate",
        "segment the cells in cells/": "'segment' is nothing that sparring does.*--task: generate, classify",
        "do the usual with cells/": "no task that is known.*--task: generate, classify",
        "classify aa/ or b.zip": "more than one source of data: choose one by --source: aa/, b.zip",
        "generate dogs": "names no data: name a folder",
        "attack photos/": "which model is to be attacked.*--model",
        "certify photos/": "which model is to be certified",
        "make new rows like a.csv, 7": "what does 7 mean",
        "train a classifier on mnist but don't train a classifier": "'classifier' is both wanted and excluded",
        "measure the quality of wine from wine.csv": "no task that is known",
        "generate new pictures for my blog on fashion": "names no data",
    }.items():
        with pytest.raises(Unclear, match=words):
            state(read_text(text), Overrides())


def test_words_beside_a_task_change_nothing() -> None:
    for text, kind in {
        "train a classifier on mnist, not a linear classifier": "classify",
        "predict column price of a.csv, not column area": "predict",
        "generate new digits like mnist, do not generate letters": "generate",
        "train a classifier on mnist and measure the accuracy": "classify",
        "measure the accuracy of the classifier runs/a on mnist": "evaluate",
        "generate faces that look just like those in faces/": "generate",
        "classify 10 of the species in birds/ with labels from the folder names": "classify",
        "train a classifier on cifar10 that no one can fool": "harden",
        "train a classifier on cifar10 that nobody can fool": "harden",
        "nothing may fool the classifier of cifar10": "harden",
        "classify fabric stains in textiles/": "classify",
        "train a generator on *wine*, please": "generate",
        "predict the value of each house in houses.csv, column price": "predict",
    }.items():
        stated = state(read_text(text), Overrides())
        assert stated.kind is not None and stated.kind.value == kind, text
        assert stated.quantities["labels"].value is None
    assert read_text("predict the value of each house in houses.csv, column price").target == "price"


def test_flags_override_the_text_and_name_what_it_said() -> None:
    stated = state(read_text("classify aa/ or generate b.zip in 5 minutes"), Overrides("density", "c.npz", minutes=7))
    assert stated.kind is not None and stated.kind.value == "density" and stated.kind.runner_up == "classify, generate"
    assert stated.source.value == "c.npz" and stated.quantities["minutes"].value == 7
    with pytest.raises(UsageError, match="unknown --task 'clasify': did you mean 'classify'"):
        Overrides(task="clasify")
    with pytest.raises(UsageError, match="--labels cannot be 0"):
        state(read_text("classify aa/"), Overrides(labels=0))


def test_a_run_is_attacked_with_the_data_that_it_was_trained_on(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"format": 2, "data": {"source": "digits"}}')
    stated = state(read_text(f"attack {tmp_path}/ with eps 0.1"), Overrides())
    assert stated.source.value == "digits" and "was trained on" in stated.source.evidence
    (tmp_path / "run.json").write_text('{"format": 2}')
    with pytest.raises(Unclear, match="names no data"):
        state(read_text(f"attack {tmp_path}/"), Overrides())


def test_questions_are_answered_by_the_caller() -> None:
    asked = list[str]()

    def answer(question: str, candidates: Any) -> str:
        asked.append(question)
        return str(candidates[-1]) if candidates else "photos/"

    stated = state(read_text("classify and generate"), Overrides(), answer)
    assert stated.kind is not None and stated.kind.value == "generate" and stated.source.value == "photos/"
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("words", "digits"),
    [
        ("two hundred and fifty labels", "250 labels"), ("an hour and a half", "1.5 hours"),
        ("half an hour", "0.5 hours"),
        ("two dozen", "24"), ("the ones of one kind", "the ones of one kind"), ("five thousand two hundred", "5200"),
        ("twenty-five of them", "25 of them"), ("within an hour", "within 1 hour"),
    ],
)  # fmt: skip
def test_numbers_in_words(words: str, digits: str) -> None:
    assert with_digits(words) == digits


def test_names_of_data_sets_with_one_typo_and_no_other() -> None:
    for text, name in {
        "CIFAR 10": "cifar10", "Cifar-100": "cifar100", "minst": "mnist", "Fashion  MNIST": "fashion-mnist",
        "imagenet-1k": "imagenet", "k-mnist": "kmnist", "cifar 11": None, "cifar1": None, "mnisty-2000": None,
            "mist": None, "digit": None, "frobnitz": None,
    }.items():  # fmt: skip
        known = find_name(text)
        assert (known[0].name if known else None) == name, text
    assert len(PUBLISHED) >= 40 and all(one.by_hand or one.is_fetched for one in PUBLISHED)
    assert not one_edit("same", "same") and not one_edit("abc", "abcde")


def test_roles_paths_and_options() -> None:
    reading = read_text('inpaint "/home/kim/my pictures/a.png" with hole-mask.png --out /etc/x')
    assert [(m.text, m.role) for m in reading.mentions] == [
        ("/home/kim/my pictures/a.png", "source"), ("hole-mask.png", "mask"),
    ]  # fmt: skip
    reading = read_text("classify img/ with labels.csv")
    assert [m.role for m in reading.mentions] == ["source", "labels"]
    reading = read_text("classify the rows, from train.csv, of test.csv")
    assert [m.role for m in reading.mentions] == ["source", "predict"]
    assert [m.text for m in read_text("predict class in openml:61, or hf:ann/cats").mentions] == [
        "openml:61",
        "hf:ann/cats",
    ]
    assert [m.text for m in read_text("a model of mnist").mentions] == ["mnist"]  # not fmnist
    assert read_text("../logs/x.csv.gz").mentions[0].text == "../logs/x.csv.gz"
    assert read_text(r"C:\data\x.zip").mentions[0].text == r"C:\data\x.zip"
