"""The surface of scores, the command line of the best settings, and the sentence that shows it."""

from __future__ import annotations

import shlex

import pytest

import sparring
from sparring.commands.tuning.folder import command_line, digest
from sparring.commands.tuning.search import TrialResult
from sparring.commands.tuning.surface import Surface, axis_name, axis_value, position
from sparring.data.reader_api import ReadOptions
from sparring.recipes.recipe import Range

SPACE = {"lr": Range(1e-4, 1.0, log=True), "drop": Range(0.0, 0.5)}


def test_positions_and_axes() -> None:
    assert position(SPACE["lr"], 1e-2) == pytest.approx(0.5) and position(SPACE["drop"], 0.125) == 0.25
    assert axis_value(SPACE["lr"], 0.5) == pytest.approx(-2) and axis_value(SPACE["drop"], 0.5) == 0.25
    assert axis_name("lr", SPACE["lr"]) == "log10 of lr" and axis_name("drop", SPACE["drop"]) == "drop"


def test_a_surface_through_the_scores() -> None:
    """Of a parabola in log10 lr around -2, which the other field does not change."""
    pytest.importorskip("sklearn")
    points = [(10.0 ** (-4 * k / 7), 0.5 * ((3 * k) % 8) / 7) for k in range(8)]
    trials = [
        TrialResult(k, {"lr": lr, "drop": drop}, "complete", (position(SPACE["lr"], lr) - 0.5) ** 2, 1)
        for k, (lr, drop) in enumerate(points)
    ]
    surface = Surface(SPACE, trials)
    x, mean, low, high = surface.curve("lr", {"lr": 1e-2, "drop": 0.2})
    assert x[0] == -4 and x[-1] == 0 and abs(x[int(mean.argmin())] + 2) < 0.5
    assert (low <= mean).all() and (mean <= high).all()
    scores = surface.map("lr", "drop", {"lr": 1e-2, "drop": 0.2})
    assert scores.shape == (24, 24) and scores[:, 0].mean() > scores[:, 12].mean() + 0.1


def test_the_command_line_holds_what_differs_from_the_defaults() -> None:
    recipe = sparring.R3(lr=0.00123, width=48, labels=False, hints="mirror")
    options = ReadOptions(size=(32, 24), names=("a", "b c"), force=True, validation=True)
    words = shlex.split(command_line("train", "my photos", recipe, options, 5_000))
    assert words[:5] == ["sparring", "train", "my photos", "--recipe", "r3"]
    assert words[5:] == [
        "--width", "48", "--no-labels", "--lr", "0.00123", "--hints", "mirror",
        "--size", "32x24", "--force", "--names", "a", "b c", "--images", "5000",
    ]  # fmt: skip


def test_other_settings_have_another_name_in_a_storage() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 1, "b": 3})
