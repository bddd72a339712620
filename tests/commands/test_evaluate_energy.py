"""`sparring evaluate` of a model whose log Z is estimated: its likelihood between two ends."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

import sparring
from sparring.commands.evaluating import likelihood
from sparring.measure.likelihood.bounds import likelihood_bounds
from sparring.recipes.density.boltzmann import RBM


@pytest.mark.slow
def test_a_run_is_evaluated_between_ais_and_raise(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(likelihood, "likelihood_bounds", partial(likelihood_bounds, temperatures=400, lower_rows=50))
    pixels = (np.random.default_rng(0).random((300, 6, 6, 1)) < 0.3).astype(np.uint8) * 255
    np.savez(tmp_path / "x.npz", x_train=pixels[:200], x_test=pixels[200:])
    recipe = RBM(hidden=24, batch_size=20, chains=20, sample_sweeps=20)
    run = sparring.train(tmp_path / "x.npz", recipe, images=2_000, out=tmp_path / "run")
    evaluation = sparring.evaluate(run.path, features="raw", n=100)
    scores = {score.name: score for score in evaluation.scores}
    nll, lower, about = scores["nll[nats]"], scores["nll_raise[nats]"], evaluation.protocol["likelihood"]
    entropy = -36 * (0.3 * np.log(0.3) + 0.7 * np.log(0.7))
    assert nll.low < nll.value < nll.high and entropy - 1 < nll.value < entropy + 5
    assert nll.value - 0.3 < lower.value < nll.value + 1 and lower.low < lower.value < lower.high
    assert not about["exact"] and about["log_z"] == "annealed importance sampling, 100 chains, 400 temperatures"
    assert "effective sample size" in about["log_z_interval"]
