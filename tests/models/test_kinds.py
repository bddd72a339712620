"""What every saved classifier owes, over all kinds of data. A new kind joins by its line in `tests/kinds.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from kinds import CLASSES, COUNT, KINDS, every_kind, untrained

import sparring
from sparring.data.in_memory import InMemoryDataset
from sparring.engine.errors import UsageError
from sparring.models.answers import NONE
from sparring.models.capabilities import capabilities_of
from sparring.models.classifier import Classifier


def made(kind: str) -> Classifier:
    spec, rows, settings, *_ = KINDS[kind]
    return untrained(InMemoryDataset(rows, np.arange(COUNT) % 3, spec, None), settings)  # type: ignore[arg-type]


@every_kind
def test_answers_are_classes_or_none_of_these(kind: str) -> None:
    model, rows = made(kind), KINDS[kind].rows
    answers = model.predict(rows)
    columns = 3 + model.background
    assert len(answers) == COUNT and answers.probabilities.shape == (COUNT, columns)
    torch.testing.assert_close(answers.probabilities.sum(1), torch.ones(COUNT))
    assert set(answers.labels) <= {*CLASSES, NONE} and answers.familiarity.shape == (COUNT,)
    for k, answer in enumerate(answers):
        assert answer == answers[k] and answer.probability == pytest.approx(float(answers.probabilities[k].max()))
    torch.testing.assert_close(model.predict(rows[:3]).probabilities, answers.probabilities[:3])
    assert list(model.predict(rows[:0])) == []


@every_kind
def test_one_row_and_network_input_are_taken_as_stored_rows_are(kind: str) -> None:
    model, (spec, rows, *_) = made(kind), KINDS[kind]
    probabilities = model.predict(rows[:4]).probabilities
    torch.testing.assert_close(model.predict(rows[0]).probabilities, probabilities[:1])
    torch.testing.assert_close(model.predict(spec.encode(rows[:4])).probabilities, probabilities)
    torch.testing.assert_close(model.predict(spec.encode(rows[:1])[0]).probabilities, probabilities[:1])
    x = model.to_input(rows[:4]).requires_grad_()
    log_p = model.log_probabilities(x)
    torch.testing.assert_close(log_p.exp(), probabilities)
    log_p[:, 0].sum().backward()
    assert x.grad is not None and x.grad.abs().sum() > 0


@every_kind
def test_a_background_class_answers_none_of_these(kind: str) -> None:
    model, rows = made(kind), KINDS[kind].rows
    model.min_familiarity = -1.0
    assert NONE not in model.predict(rows).labels or model.background
    if model.background:
        head = [layer for layer in model.net.head.modules() if isinstance(layer, torch.nn.Linear)][-1]  # type: ignore[union-attr]
        head.bias.data[-1] = 1e3
        assert set(model.predict(rows).labels) == {NONE} and model.predict(rows).unknown.all()
        model.remember(rows[:1], "d")
        assert model.logits(model.to_input(rows[:2])).shape == (2, 5)  # the background class stays last


@every_kind
def test_examples_are_remembered_and_forgotten(kind: str) -> None:
    model, rows = made(kind), KINDS[kind].rows
    before = model.predict(rows).probabilities
    model.remember(rows[0], "d")
    assert model.classes == (*CLASSES, "d") and model.predict(rows[:1]).labels == ["d"]
    model.forget("d")
    torch.testing.assert_close(model.predict(rows).probabilities, before)


@every_kind
def test_a_saved_model_comes_back(kind: str, tmp_path: Path) -> None:
    model, rows = made(kind), KINDS[kind].rows
    model.remember(rows[:2], ["d", "a"])
    model.save(tmp_path)
    again = sparring.load(tmp_path)
    assert isinstance(again, Classifier) and again.spec == model.spec and again.recipe == model.recipe
    assert again.classes == model.classes and capabilities_of(again) == ["Predictor", "Encoder", "Remembers"]
    assert again.predict(rows).labels == model.predict(rows).labels
    torch.testing.assert_close(again.predict(rows).probabilities, model.predict(rows).probabilities)
    torch.testing.assert_close(again.encode(rows), model.encode(rows))
    assert again.encode(rows).dtype == torch.float32 and len(again.encode(rows)) == COUNT


@every_kind
def test_rows_that_do_not_fit_are_named(kind: str) -> None:
    model, rows = made(kind), KINDS[kind].rows
    for odd in (np.array([["x"]]), np.zeros((2, 7, 7, 7, 7)), torch.zeros(2, dtype=torch.int64)):
        with pytest.raises(UsageError):
            model.predict(odd)
    if kind in ("series", "table"):
        with pytest.raises(UsageError, match="this model was trained on"):
            model.predict(rows[:, :1])


def test_silence_at_the_end_changes_no_answer() -> None:
    model, rows = made("audio"), KINDS["audio"].rows.copy()
    rows[:, 700:] = 0
    answers = model.predict(rows)
    for length in (700, 2000):
        other = np.zeros((COUNT, length), np.int16)
        other[:, :700] = rows[:, :700]
        torch.testing.assert_close(model.predict(other).probabilities, answers.probabilities)
        torch.testing.assert_close(model.predict(other).familiarity, answers.familiarity)
    assert model.predict(np.zeros((1, 5), np.int16)).probabilities.isfinite().all()
