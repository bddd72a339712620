"""A deep Boltzmann machine of 500 and 1,000 units on MNIST, its annealing, and small machines against enumeration.

    python benchmarks/boltzmann.py           # 20 minutes of training, then AIS and RAISE
    python benchmarks/boltzmann.py --run RUN # measures a run that exists

The bound is the mean-field bound minus log Z by AIS, on all test images, made binary once by a fixed seed. AIS is timed
alone: 100 chains, 14,500 temperatures.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from rbm import CHAINS, TARGET_ESS, TARGET_SECONDS, TARGET_WIDTH, TEMPERATURES, annealed, measured, rows, trained
from record import data_folder, log, save

import sparring
from sparring.models.density import DensityModel
from sparring.nets.boltzmann_energy import exact_log_z

TARGET_NATS = -90.0
SMALL = 16
"""Hidden units of the machines that are enumerated."""
REPEATS, LEAST_COVERED = 20, 0.9
"""Annealings of each of these, and the proportion of their 95 % intervals that should hold the exact value."""


def small(recipe: str, folder: Path) -> dict[str, Any]:
    """Train a machine with few units in its first hidden layer; compare AIS with the sum over all its states, often."""
    flags = ("--hidden", str(SMALL), *(("--top", "32") if recipe == "dbm" else ()))
    net: Any = trained(recipe, 0.5, folder / f"small-{recipe}", *flags).generator
    exact, log_z = exact_log_z(net.energy()), [annealed(net, 2_000, seed)["log_z"] for seed in range(REPEATS)]
    inside = sum(low <= exact <= high for _, low, high in log_z)
    return {"exact": exact, "log_z": log_z, "inside": inside, "of": REPEATS}


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
    inside, every = (sum(found[name] for found in enumerated.values()) for name in ("inside", "of"))
    save(
        options.name,
        result=f"mean-field bound {likelihood['ais']:.2f} nats, RAISE {likelihood['raise']:.2f}; AIS in "
        f"{ais['seconds']:.0f} s: interval of {width:.2f} nats, effective sample size {ais['ess']:.0f} of {CHAINS}; "
        f"exact log Z of machines with {SMALL} units in {inside} of {every} intervals",
        target=f"bound at least {TARGET_NATS:g}; AIS in {TARGET_SECONDS:g} s: interval under {TARGET_WIDTH} nats, "
        f"effective sample size above {TARGET_ESS:g}; {LEAST_COVERED:.0%} of intervals hold the exact value",
        met=likelihood["ais"] >= TARGET_NATS
        and (width < TARGET_WIDTH and ais["ess"] > TARGET_ESS and ais["seconds"] <= TARGET_SECONDS)
        and inside >= LEAST_COVERED * every,
        details={"minutes": options.minutes, "likelihood": likelihood, "ais": ais, "enumerated": enumerated},
    )


if __name__ == "__main__":
    main()
