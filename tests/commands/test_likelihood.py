"""The likelihood of `sparring evaluate`: its value, interval, protocol and baseline."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sparring
from sparring.commands.evaluate import to_text
from sparring.measure.likelihood.independent import independent_nll
from sparring.models.density import BINARISATION_SEED


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    sparring.train("digits", sparring.MADERecipe(hidden=32), images=6400, out=folder / "made")
    sparring.train("digits", sparring.R3(width=4), images=32, out=folder / "r3")
    return folder


def test_the_value_is_the_mean_over_held_out_images_made_binary_once(runs: Path) -> None:
    evaluation = sparring.evaluate(runs / "made", n=297, features="raw")
    model: Any = sparring.load(runs / "made")
    test = sparring.open("digits").split("test")
    log_p = model.log_density(model.spec.encode(test[np.sort(np.random.default_rng(0).permutation(len(test)))]))
    nll, own = evaluation["nll"], evaluation["nll_of_samples"]
    assert nll.name == "nll[nats]" and nll.value == pytest.approx(-float(log_p.mean()))
    half = 1.96 * float(log_p.std()) / len(log_p) ** 0.5
    assert nll.low == pytest.approx(nll.value - half, abs=half / 4) and nll.high > nll.value > nll.low
    about = evaluation.protocol["likelihood"]
    assert about["exact"] and about["n"] == 297 and str(BINARISATION_SEED) in about["binarised"]
    assert 20 < about["independent"] < 35 and own.value > 0
    assert "binarised once" in to_text(evaluation) and "with independent pixels" in to_text(evaluation)


def test_real_images_are_compared_as_the_model_sees_them(runs: Path) -> None:
    """Scores of binary samples are against binary images: their raw values have two levels alone."""
    from sparring.commands.evaluating.inputs import EvaluationRequest, read_inputs
    from sparring.commands.reporting.progress import Progress

    inputs = read_inputs(runs / "made", None, EvaluationRequest(n=50), None, Progress(quiet=True))
    rows = inputs.reference.real.fetch(np.arange(50))
    assert len(np.unique(rows)) == 2
    assert np.array_equal(rows, inputs.reference.real.fetch(np.arange(50)))


def test_a_gan_has_no_density(runs: Path) -> None:
    evaluation = sparring.evaluate(runs / "r3", n=50, features="raw")
    assert evaluation.protocol["likelihood"] is None and "density    none" in to_text(evaluation)


def test_independent_values_are_the_entropy_of_each_pixel() -> None:
    spec = sparring.ImageSpec(1, 2, 1)
    train = torch.tensor([[[[-1.0, 1.0]]]] * 30 + [[[[1.0, 1.0]]]] * 10)
    first = -(0.75 * math.log(31 / 42) + 0.25 * math.log(11 / 42))
    assert independent_nll(spec, train, train) == pytest.approx(first - math.log(41 / 42))
