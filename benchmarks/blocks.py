"""Residual blocks, lazy penalties and the average's half-life of r3, at equal minutes of one core or at equal images.

    python benchmarks/blocks.py                   # --data mnist cifar10-jpeg --minutes 5
    python benchmarks/blocks.py --equal-images --variants before average --seeds 0 1 2 --name average

before    strided convolutions alone, R1 and R2 in every round, half-life of the average 2 % of the training
average   the same with a half-life of 8 %
lazy      R1 and R2 in every fourth round, at four times the weight, and a half-life of 8 %
blocks    the same with a residual block at each level of both networks
"""

from __future__ import annotations

import argparse
from statistics import fmean
from typing import Any

from judge import SOURCES, Judge
from record import save
from trials import Trial, run

VARIANTS = {
    "before": ("--blocks", "0", "--penalty-interval", "1", "--ema-half-life", "0.02"),
    "average": ("--blocks", "0", "--penalty-interval", "1", "--ema-half-life", "0.08"),
    "lazy": ("--blocks", "0", "--penalty-interval", "4", "--ema-half-life", "0.08"),
    "blocks": ("--blocks", "1", "--penalty-interval", "4", "--ema-half-life", "0.08"),
}
IMAGES = {"mnist": 64_000, "fashion-mnist": 64_000, "cifar10-jpeg": 40_000, "orl-faces": 24_000}
"""Training images of a comparison at equal images: about five minutes of a core."""
SHOWN = ("fd", "precision", "recall", "coverage", "class_accuracy", "nash", "images", "seconds", "parameters")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--equal-images", action="store_true", help="IMAGES of each data set in place of minutes")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--data", nargs="+", default=["mnist", "cifar10-jpeg"], choices=SOURCES)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    parser.add_argument("--name", default="blocks", help="of the result file")
    options = parser.parse_args()
    minutes = f"{options.minutes:g}"

    def length(name: str) -> tuple[str, str]:
        return ("--images", str(IMAGES[name])) if options.equal_images else ("--minutes", minutes)

    todo = {
        (name, variant, seed): Trial(
            f"blocks-{'images' if options.equal_images else minutes}/{name}-{variant}-{seed}", name,
            ("--recipe", "r3", *length(name), *VARIANTS[variant], "--seed", str(seed)),
        )
        for seed in options.seeds for variant in options.variants for name in options.data
    }  # fmt: skip
    results = run(list(todo.values()), options.workers)
    table: dict[str, Any] = {}
    for name in options.data:
        rows = {v: [results[todo[name, v, seed].name] for seed in options.seeds] for v in options.variants}
        table[name] = {
            "floor": Judge(name).baseline(),
            **{v: [{key: r.get(key) for key in SHOWN} for r in row] for v, row in rows.items()},
        }
    means = {name: {v: fmean(r["fd"] for r in table[name][v]) for v in options.variants} for name in options.data}
    shown = {name: ", ".join(f"{v} {fd:.2f}" for v, fd in of.items()) for name, of in means.items()}
    save(
        options.name,
        result="; ".join(f"{name}: {text}" for name, text in shown.items()),
        target="the last one has the lowest Fréchet distance on every data set",
        met=all(min(of, key=lambda v: of[v]) == options.variants[-1] for of in means.values()),
        details={
            "minutes": None if options.equal_images else options.minutes, "seeds": options.seeds, "threads_each": 1,
            "at_a_time": options.workers, "table": table,
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
