"""Certified accuracy on MNIST over the L2 radius, beside the accuracy under attack on the same images.

    python benchmarks/certified.py

Protocol. `sparring harden mnist --method noisy` at three noise levels, each for the same number of training examples on
one thread. Then `sparring certify` on 500 test images. Radii are in pixels from 0 to 1. Trainings and certificates are
kept in `cache/trials/`, so that an interrupted benchmark continues.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any

from record import data_folder, save
from trials import ALONE, CACHE_FOLDER

SIGMAS = (0.25, 0.5, 1.0)
RADII = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5)
ENOUGH = {0.25: 0.95, 0.5: 0.9, 1.0: 0.8}
"""Noise -> the share that should be certified at a radius of one sigma."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--images", type=int, default=600_000, help="of each training")
    parser.add_argument("--certified", type=int, default=500, help="test images")
    parser.add_argument("--draws", type=int, default=10_000, help="of noise on each")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    data_folder()
    table = {f"{sigma:g}": one(sigma, options) for sigma in SIGMAS}

    def share(sigma: float, radius: float, of: str) -> float:
        return float(table[f"{sigma:g}"][of][RADII.index(radius)]["accuracy"]["value"])

    summary = [
        f"noise {sigma:g}: "
        + ", ".join(f"{share(sigma, r, 'certified'):.1%} ({share(sigma, r, 'attacked'):.1%}) at {r:g}" for r in RADII)
        for sigma in SIGMAS
    ]
    save(
        "certified",
        result=f"certified (attacked) of {options.certified} test images: " + "; ".join(summary),
        target="certified at one sigma: "
        + ", ".join(f"{most:.0%} in noise {sigma:g}" for sigma, most in ENOUGH.items()),
        met=all(share(sigma, sigma, "certified") >= most for sigma, most in ENOUGH.items()),
        details={**vars(options), "threads_each": 1, "table": table},
    )


def one(sigma: float, options: argparse.Namespace) -> dict[str, Any]:
    """One training and its certificates, with the seconds each took on the clock (beside whatever else ran)."""
    run = CACHE_FOLDER / f"noisy-{sigma:g}-{options.images}"
    path = run / f"certified-{options.certified}-{options.draws}.json"
    if not path.exists():
        size = ("--images", options.images, "--seed", options.seed)
        if not (run / "hardening.json").exists():
            run_command("harden", "mnist", "--method", "noisy", "--sigma", sigma, *size, "--out", run)
        trained = json.loads((run / "hardening.json").read_text())
        few = ("--count", options.certified, "--draws", options.draws, "--radius", *RADII, "--seed", options.seed)
        begin = time.perf_counter()
        results = run_command("certify", run, "mnist", *few)
        seconds = time.perf_counter() - begin
        clean = trained["clean"]
        path.write_text(
            json.dumps(
                {
                    "minutes_of_training": trained["minutes"],
                    "errors_without_noise": f"{clean['errors']['hits']} of {clean['errors']['total']}",
                    "seconds_certifying_and_attacking": round(seconds),
                    **{name: results[name] for name in ("certified", "attacked", "alpha", "attack", "rows")},
                }
            )
        )
    summary: dict[str, Any] = json.loads(path.read_text())
    ends = [
        (row["certified"], row["broken"])
        for row in summary.pop("rows")
        if row["certified"] is not None and row["broken"]
    ]
    ratios = sorted(sure / broken for sure, broken in ends)
    return {**summary, "bracketed": len(ends), "median_of_certified_over_broken": round(ratios[len(ratios) // 2], 3)}


def run_command(*words: object) -> dict[str, Any]:
    """What a command of `sparring` prints as JSON; its progress is shown."""
    command = [sys.executable, "-m", "sparring", *map(str, words), "--device", "cpu", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, **ALONE})
    results: dict[str, Any] = json.loads(done.stdout)
    return results


if __name__ == "__main__":
    main()
