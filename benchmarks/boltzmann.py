"""A deep Boltzmann machine of 500 and 1,000 units on MNIST, its annealing, and small machines against enumeration.

    python benchmarks/boltzmann.py           # 20 minutes of training, then AIS and RAISE
    python benchmarks/boltzmann.py --run RUN # measures a run that exists

The bound is the mean-field bound minus log Z by AIS, on all test images, made binary once by a fixed seed. AIS is timed
alone: 100 chains, 14,500 temperatures.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from rbm import measured, rows, trained
from record import data_folder, log, save

import sparring
from sparring.models.density import DensityModel
from sparring.nets.boltzmann_energy import exact_log_z
from sparring.stats.annealed_importance import annealed_weights, log_mean_exp

TARGET_NATS, TARGET_WIDTH, TARGET_ESS, TARGET_SECONDS = -90.0, 0.5, 20.0, 120.0
CHAINS, TEMPERATURES = 100, 14_500
SMALL = 16
"""Hidden units of the machines that are enumerated."""


def annealed(net: Any, temperatures: int = TEMPERATURES) -> dict[str, Any]:
    """AIS alone, with its seconds."""
    begin = time.perf_counter()
    with torch.no_grad():
        weights = annealed_weights(net.path(), CHAINS, temperatures, torch.Generator().manual_seed(1))
    estimate = log_mean_exp(weights, steps=temperatures)
    return {
        "log_z": [estimate.value, estimate.low, estimate.high],
        "ess": estimate.ess,
        "temperatures": temperatures,
        "seconds": time.perf_counter() - begin,
    }


def small(recipe: str, folder: Path) -> dict[str, Any]:
    """Train a machine with few units in its first hidden layer; compare AIS with the sum over all its states."""
    flags = ("--hidden", str(SMALL), *(("--top", "32") if recipe == "dbm" else ()))
    net: Any = trained(recipe, 0.5, folder / f"small-{recipe}", *flags).generator
    result = {"exact": exact_log_z(net.energy()), **annealed(net, 2_000)}
    low, high = result["log_z"][1:]
    return {**result, "inside": low <= result["exact"] <= high}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--run", help="a run of `sparring train --recipe dbm` to measure, in place of training one")
    parser.add_argument("--name", default="boltzmann", help="of the result file")
    options = parser.parse_args()
    data_folder()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = sparring.load(options.run) if options.run else trained("dbm", options.minutes, folder / "run")
        assert isinstance(model, DensityModel)
        enumerated = {recipe: small(recipe, folder) for recipe in ("rbm", "dbm")}
    log(f"small machines: {enumerated}")
    ais = annealed(model.generator)
    log(f"AIS: {ais}")
    likelihood = measured(model.generator, rows(model, "test"), TEMPERATURES)
    width = ais["log_z"][2] - ais["log_z"][1]
    inside = [found["inside"] for found in enumerated.values()]
    save(
        options.name,
        result=f"mean-field bound {likelihood['ais']:.2f} nats, RAISE {likelihood['raise']:.2f}; AIS in "
        f"{ais['seconds']:.0f} s: interval of {width:.2f} nats, effective sample size {ais['ess']:.0f} of {CHAINS}; "
        f"exact log Z of machines with {SMALL} units inside the interval: {inside}",
        target=f"bound at least {TARGET_NATS:g}; AIS in {TARGET_SECONDS:g} s: interval under {TARGET_WIDTH} nats, "
        f"effective sample size above {TARGET_ESS:g}",
        met=likelihood["ais"] >= TARGET_NATS
        and (width < TARGET_WIDTH and ais["ess"] > TARGET_ESS and ais["seconds"] <= TARGET_SECONDS)
        and all(inside),
        details={"minutes": options.minutes, "likelihood": likelihood, "ais": ais, "enumerated": enumerated},
    )


if __name__ == "__main__":
    main()
