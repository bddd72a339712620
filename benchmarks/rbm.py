"""Restricted Boltzmann machines of 500 units: `sparring train` against scikit-learn, at equal minutes.

    python benchmarks/rbm.py                 # 5 minutes each, then AIS and RAISE of both

The minutes are those of the clock for `sparring train`, and of CPU time for scikit-learn: other work slows only ours.
Both see MNIST made binary anew in each batch. The test set is made binary once by a fixed seed. All are measured
by the same annealing. scikit-learn runs with its default settings and with two others; its best counts.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from record import data_folder, log, save
from torch import Tensor

import sparring
from sparring.measure.likelihood.bounds import LikelihoodBounds, likelihood_bounds
from sparring.models.density import DensityModel
from sparring.nets.boltzmann import BoltzmannMachine
from sparring.stats.annealed_importance import annealed_weights, log_mean_exp

HIDDEN = 500
SKLEARN = ({}, {"learning_rate": 0.05, "batch_size": 100}, {"learning_rate": 0.01, "batch_size": 10})
"""Settings of `BernoulliRBM`; the first are its defaults."""
TARGET_NATS, TARGET_MARGIN = -95.0, 10.0
TARGET_WIDTH, TARGET_ESS, TARGET_SECONDS = 0.5, 20.0, 120.0
"""Bounds for AIS alone, here and in `boltzmann.py`: nats, chains of CHAINS, seconds."""
CHAINS, TEMPERATURES = 100, 14_500


def trained(recipe: str, minutes: float, folder: Path, *flags: str) -> DensityModel:
    """Train on MNIST by the command line and return the averaged model."""
    words = ["train", "mnist", "--recipe", recipe, "--minutes", f"{minutes:g}", "--out", str(folder), *flags]
    subprocess.run([sys.executable, "-m", "sparring", *words], check=True, stdout=sys.stderr)
    model = sparring.load(folder)
    assert isinstance(model, DensityModel)
    return model


def rows(model: DensityModel, split: str) -> Tensor:
    """All images of a split of MNIST as the model sees them: -1 and 1."""
    data = sparring.open("mnist").split(split)
    return model.observe(torch.as_tensor(model.spec.encode(data[np.arange(len(data))])))


def sklearn_machine(settings: dict[str, Any], grey: np.ndarray, seconds: float) -> BoltzmannMachine:
    """Fit scikit-learn's machine for CPU `seconds` to images `[N, D]` in [0, 1], made binary anew for each pass."""
    from sklearn.neural_network import BernoulliRBM

    machine, rng = BernoulliRBM(HIDDEN, random_state=0, **settings), np.random.default_rng(0)
    begin, passes = time.process_time(), 0
    while time.process_time() - begin < seconds:
        for part in np.array_split(rng.permutation(len(grey)), len(grey) // machine.batch_size):
            machine.partial_fit((rng.random((len(part), grey.shape[1])) < grey[part]).astype(np.float32))
            if time.process_time() - begin >= seconds:
                break
        passes += 1
    log(f"scikit-learn {settings}: {passes} passes")
    return converted(machine, torch.as_tensor(grey.mean(0)))


def converted(machine: Any, mean: Tensor) -> BoltzmannMachine:
    """Return scikit-learn's machine as ours. `mean` `[D]` of the data sets the base rates of annealing."""
    net = BoltzmannMachine((1, 28, 28), (HIDDEN,))
    w1 = torch.as_tensor(machine.components_.T).float()
    with torch.no_grad():
        net.visible_offset.copy_(mean)
        net.offset1.zero_()
        net.w1.copy_(w1)
        net.b.copy_(torch.as_tensor(machine.intercept_visible_))
        net.c1.copy_(torch.as_tensor(machine.intercept_hidden_) + mean.float() @ w1)
    return net


def annealed(net: Any, temperatures: int = TEMPERATURES, seed: int = 1) -> dict[str, Any]:
    """AIS alone, with its seconds."""
    begin = time.perf_counter()
    with torch.no_grad():
        weights = annealed_weights(net.path(), CHAINS, temperatures, torch.Generator().manual_seed(seed))
    estimate = log_mean_exp(weights, steps=temperatures)
    return {
        "log_z": [estimate.value, estimate.low, estimate.high],
        "ess": estimate.ess,
        "temperatures": temperatures,
        "seconds": time.perf_counter() - begin,
    }


def described(bounds: LikelihoodBounds) -> dict[str, Any]:
    """All that the figures depend on, for JSON."""
    log_z = bounds.log_z
    return {
        "ais": bounds.upper,
        "raise": bounds.lower,
        "gap": bounds.gap,
        "log_z": [log_z.value, log_z.low, log_z.high],
        "ess": log_z.ess,
        "chains": log_z.chains,
        "temperatures": log_z.temperatures,
        "warnings": bounds.warnings,
    }


def measured(net: Any, x: Tensor, temperatures: int) -> dict[str, Any]:
    begin = time.perf_counter()
    result = described(likelihood_bounds(net, x, torch.Generator().manual_seed(0), temperatures=temperatures))
    return {**result, "seconds": time.perf_counter() - begin}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--temperatures", type=int, default=TEMPERATURES)
    parser.add_argument("--name", default="rbm", help="of the result file")
    options = parser.parse_args()
    data_folder()
    with tempfile.TemporaryDirectory() as folder:
        model = trained("rbm", options.minutes, Path(folder) / "run", "--hidden", str(HIDDEN))
    ais = annealed(model.generator)
    log(f"AIS: {ais}")
    width = ais["log_z"][2] - ais["log_z"][1]
    test = rows(model, "test")
    ours = measured(model.generator, test, options.temperatures)
    log(f"sparring: RAISE {ours['raise']:.2f}, AIS {ours['ais']:.2f}")
    train = sparring.open("mnist").split("train")
    grey = (train[np.arange(len(train))].reshape(len(train), -1) / 255).astype(np.float32)
    theirs = []
    for settings in SKLEARN:
        net = sklearn_machine(settings, grey, options.minutes * 60)
        theirs.append({"settings": settings, **measured(net, test, options.temperatures)})
        log(f"scikit-learn {settings}: RAISE {theirs[-1]['raise']:.2f}, AIS {theirs[-1]['ais']:.2f}")
    best = max(theirs, key=lambda result: result["ais"])
    save(
        options.name,
        result=f"test log-likelihood between {ours['raise']:.2f} (RAISE) and {ours['ais']:.2f} nats (AIS); "
        f"scikit-learn's best of {len(SKLEARN)} settings {best['raise']:.2f} to {best['ais']:.2f}; AIS in "
        f"{ais['seconds']:.0f} s: interval of {width:.2f} nats, effective sample size {ais['ess']:.0f} of {CHAINS}",
        target=f"RAISE at least {TARGET_NATS:g}; {TARGET_MARGIN:g} nats above scikit-learn's AIS; AIS in "
        f"{TARGET_SECONDS:g} s: interval under {TARGET_WIDTH} nats, effective sample size above {TARGET_ESS:g}",
        met=ours["raise"] >= TARGET_NATS
        and ours["raise"] - best["ais"] >= TARGET_MARGIN
        and width < TARGET_WIDTH
        and ais["ess"] > TARGET_ESS
        and ais["seconds"] <= TARGET_SECONDS,
        details={"minutes": options.minutes, "sparring": ours, "scikit-learn": theirs, "ais": ais},
    )


if __name__ == "__main__":
    main()
