"""Adversarial training by every method on two data sets: does any run end at chance?

    python benchmarks/harden_chance.py                       # 6 methods x 2 data sets x 5 seeds, about 60 core-minutes

Protocol. `sparring harden` at eps 0.3 (`noisy`: noise of 0.5) with the network `wong` of width 16, 40,000 images a run,
methods of many steps with 10 steps of 2.5 eps in all. A run is at chance where the lower end of the interval of its
clean accuracy, on all test images, is not above the share of the most frequent class. Robust accuracy is that under PGD
on 1,000 test images.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import torch
from record import data_folder, log, save

import sparring
from sparring.recipes import recipe_class

METHODS = ("fast", "fgsm", "free", "noisy", "pgd", "trades")
SHORT_ATTACK: dict[str, dict[str, Any]] = {name: {"steps": 10, "path_length": 2.5} for name in ("pgd", "trades")}
SOURCES = ("mnist", "fashion-mnist")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--sources", nargs="+", default=SOURCES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--images", type=int, default=40_000, help="training images of each run")
    parser.add_argument("--name", default="harden_chance", help="name of the result file")
    options = parser.parse_args()
    data_folder()
    torch.set_num_threads(1)
    runs: list[dict[str, Any]] = []
    for seed in options.seeds:
        for source in options.sources:
            for method in options.methods:
                runs.append(one_run(source, method, seed, options.images))
                write(options, runs)


def one_run(source: str, method: str, seed: int, images: int) -> dict[str, Any]:
    """Train and test one network."""
    recipe = recipe_class(method, "harden", "image")(net="wong", width=16, **SHORT_ATTACK.get(method, {}))
    with tempfile.TemporaryDirectory() as folder:
        report = sparring.harden(source, recipe, images=images, seed=seed, out=Path(folder) / "run", device="cpu")
    assert report.clean.errors is not None
    clean, robust = report.clean.errors.complement, report.robust.accuracy
    log(f"{source} {method} seed {seed}: clean {clean}, robust {robust}, restarts {report.restarts}")
    return {
        "source": source, "method": method, "seed": seed, "clean": clean.to_json(), "robust": robust.to_json(),
        "restarts": report.restarts, "verdict": report.verdict,
    }  # fmt: skip


def write(options: argparse.Namespace, runs: list[dict[str, Any]]) -> None:
    """Write the results of the finished runs."""
    chance = [f"{r['source']} {r['method']} {r['seed']}" for r in runs if "learnt nothing" in r["verdict"]]
    lowest = min(r["clean"]["value"] for r in runs)
    save(
        options.name,
        result=f"{len(runs)} runs, {len(chance)} at chance{': ' + ', '.join(chance) if chance else ''}; "
        f"lowest clean accuracy {lowest:.1%}; {sum(bool(r['restarts']) for r in runs)} restarted",
        target="none at chance",
        met=not chance,
        details={"images": options.images, "runs": runs},
    )


if __name__ == "__main__":
    main()
