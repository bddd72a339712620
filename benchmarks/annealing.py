"""How often the intervals of annealed importance sampling hold log Z, on Boltzmann machines that can be enumerated.

    python benchmarks/annealing.py           # about 5 minutes of one core, idle

An RBM of 16 units, and a DBM of 16 and 32, are trained on MNIST for half a minute each. Their log Z is the sum over all
states. Each is annealed 50 times, with 100 chains of 2,000 temperatures.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import torch
from rbm import CHAINS, trained
from record import data_folder, log, save

from sparring.nets.boltzmann_energy import exact_log_z
from sparring.stats.annealed_importance import annealed_weights, log_mean_exp
from sparring.stats.intervals import wilson_interval

HIDDEN, TEMPERATURES, REPEATS = 16, 2_000, 50
LEAST, MOST = 0.9, 0.98
"""Proportion of 95 % intervals that should hold the exact value."""


def covered(recipe: str, folder: Path) -> dict[str, Any]:
    """Train a machine with few units in its first hidden layer; compare AIS with the sum over all its states, often."""
    flags = ("--hidden", str(HIDDEN), *(("--top", "32") if recipe == "dbm" else ()))
    net: Any = trained(recipe, 0.5, folder / recipe, *flags).generator
    exact, generator = exact_log_z(net.energy()), torch.Generator().manual_seed(1)
    with torch.no_grad():  # all annealings together
        weights = annealed_weights(net.path(), REPEATS * CHAINS, TEMPERATURES, generator).view(REPEATS, CHAINS)
    estimates = [log_mean_exp(row, steps=TEMPERATURES) for row in weights]
    inside = sum(each.low <= exact <= each.high for each in estimates)
    low, high = wilson_interval(inside, REPEATS)
    return {
        "exact": exact, "coverage": {"value": inside / REPEATS, "low": low, "high": high},
        "median_width": median(each.high - each.low for each in estimates),
        "median_ess": median(each.ess for each in estimates),
        "below": sum(each.high < exact for each in estimates),
        "estimates": [[each.value, each.low, each.high] for each in estimates],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--name", default="annealing", help="of the result file")
    options = parser.parse_args()
    data_folder()
    torch.set_num_threads(1)
    machines: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for recipe in ("rbm", "dbm"):
            machines[recipe] = covered(recipe, Path(folder))
            log(f"{recipe}: {machines[recipe] | {'estimates': '...'}}")
    rates = {recipe: of["coverage"]["value"] for recipe, of in machines.items()}
    save(
        options.name,
        result=", ".join(f"{recipe}: {rate:.0%} of {REPEATS} intervals" for recipe, rate in rates.items()),
        target=f"{LEAST:.0%} to {MOST:.0%} of 95 % intervals hold the exact log Z",
        met=all(LEAST <= rate <= MOST for rate in rates.values()),
        details={"temperatures": TEMPERATURES, "chains": CHAINS, "machines": machines},
    )


if __name__ == "__main__":
    main()
