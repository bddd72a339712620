"""What a plan says before a training: its length, what to expect of it, and what follows."""

from __future__ import annotations

import pytest
import torch

from sparring.commands.training.plan import Plan, PostTraining
from sparring.engine.device import Hardware
from sparring.measure.diagnostics.training_length import (
    CLASSIFIER,
    GENERATOR,
    TrainingLength,
    few_examples_note,
)

CPU = Hardware(torch.device("cpu"), bf16=False)


def test_a_short_training_of_photos_says_what_to_expect_and_how_long_is_enough() -> None:
    plan = Plan.of(7_296, 32, minutes=2.0, speed=62.0)
    assert plan.outlook(4_011, GENERATOR) == (
        "1.8 passes over the data, 228 rounds: expect rough samples; --minutes 5 gives 4 passes, 500 rounds"
    )
    by_count = Plan.of(7_296, 32)
    assert "--images 16000 gives 4 passes" in by_count.outlook(4_011, GENERATOR)


def test_the_way_out_of_a_short_training_is_long_enough() -> None:
    for examples in (10, 1_797, 4_011, 60_000, 1_000_000):
        for enough in (GENERATOR, CLASSIFIER):
            length = TrainingLength(640, examples, 32)
            assert enough.too_short(length)
            assert not enough.too_short(TrainingLength(enough.smallest(length), examples, 32))


def test_a_training_that_is_long_enough_says_its_passes_alone() -> None:
    assert Plan.of(64_000, 32).outlook(1_600, GENERATOR) == "40 passes over the data, 2,000 rounds"


@pytest.mark.parametrize(("seconds", "text"), [(3, "a few seconds"), (40, "40 seconds"), (420, "about 7.0 minutes")])
def test_what_follows_the_training_is_in_the_plan(seconds: float, text: str) -> None:
    then = PostTraining("calibration and testing", seconds)
    plan = Plan.of(7_296, 32, minutes=2.0, speed=62.0)
    assert f"2.0 minutes, then {text} of calibration and testing, done at" in plan.to_text(CPU, None, "images", then)
    assert "then " in Plan.of(640, 32).to_text(CPU, None, "images", then)


def test_few_examples_are_warned_of() -> None:
    assert "10 training images are few" in few_examples_note(10, "images")
    assert few_examples_note(1_000, "images") == ""
