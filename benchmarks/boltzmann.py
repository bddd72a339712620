"""A deep Boltzmann machine of 500 and 1,000 units on MNIST, and its annealing.

    python benchmarks/boltzmann.py           # 20 minutes of training, then AIS and RAISE
    python benchmarks/boltzmann.py --run RUN # measures a run that exists

The bound is the mean-field bound minus log Z by AIS, on all test images, made binary once by a fixed seed. AIS is timed
alone: 100 chains, 14,500 temperatures.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from rbm import CHAINS, TARGET_ESS, TARGET_SECONDS, TARGET_WIDTH, TEMPERATURES, annealed, measured, rows, trained
from record import data_folder, log, save

import sparring
from sparring.models.density import DensityModel

TARGET_NATS = -90.0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--run", help="a run of `sparring train --recipe dbm` to measure, in place of training one")
    parser.add_argument("--name", default="boltzmann", help="of the result file")
    options = parser.parse_args()
    data_folder()
    with tempfile.TemporaryDirectory() as folder:
        model = sparring.load(options.run) if options.run else trained("dbm", options.minutes, Path(folder) / "run")
        assert isinstance(model, DensityModel)
    ais = annealed(model.generator)
    log(f"AIS: {ais}")
    likelihood = measured(model.generator, rows(model, "test"), TEMPERATURES)
    width = ais["log_z"][2] - ais["log_z"][1]
    save(
        options.name,
        result=f"mean-field bound {likelihood['ais']:.2f} nats, RAISE {likelihood['raise']:.2f}; AIS in "
        f"{ais['seconds']:.0f} s: interval of {width:.2f} nats, effective sample size {ais['ess']:.0f} of {CHAINS}",
        target=f"bound at least {TARGET_NATS:g}; AIS in {TARGET_SECONDS:g} s: interval under {TARGET_WIDTH} nats, "
        f"effective sample size above {TARGET_ESS:g}",
        met=likelihood["ais"] >= TARGET_NATS
        and (width < TARGET_WIDTH and ais["ess"] > TARGET_ESS and ais["seconds"] <= TARGET_SECONDS),
        details={"minutes": options.minutes, "likelihood": likelihood, "ais": ais},
    )


if __name__ == "__main__":
    main()
