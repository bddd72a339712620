"""What the report of a test counts as an error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch

from sparring.commands.reporting.classifier_report import report_of
from sparring.commands.training import calibrate
from sparring.commands.training.further_tests import FurtherTests


def test_a_word_that_is_taken_for_a_sound_without_a_word_is_an_error() -> None:
    """Also where the likeliest of the words is right; what is merely unfamiliar is counted beside."""
    probabilities = torch.tensor([[0.3, 0.1, 0.6], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1]])
    test = calibrate.TestResult("test recordings", torch.tensor([0, 1, 1]), probabilities, 1, FurtherTests())
    spec = SimpleNamespace(classes=("no", "yes"))
    data = SimpleNamespace(labels=np.zeros(3, int), spec=spec)
    run = SimpleNamespace(path=Path("run"), metrics=list)
    classifier = SimpleNamespace(
        recipe=SimpleNamespace(name="speech_cnn"), metadata={"seed": 0}, temperature=1.0, background=True
    )
    report = report_of(*(cast(Any, each) for each in (run, classifier, data, test, ())))
    assert report.errors is not None and report.errors.hits == 2 and report.confusion == [[0, 0, 1], [1, 1, 0]]
    assert report.answers == ("no", "yes", "none of these") and report.unfamiliar == 1
    assert report.majority == ("yes", 2 / 3)
    words_alone = replace(test, probabilities=probabilities[:, :2])
    classifier.background = False
    report = report_of(*(cast(Any, each) for each in (run, classifier, data, words_alone, ())))
    assert report.errors is not None and report.errors.hits == 1 and report.confusion == [[1, 0], [1, 1]]
