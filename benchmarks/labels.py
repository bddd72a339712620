"""Value of labels: conditional training with all, a tenth, a hundredth and none of them.

    python benchmarks/labels.py                   # --minutes 5 --recipes r3 s3gan

Data: Fashion-MNIST and CIFAR-10 (JPEG re-encoded). Measured: the Fréchet distance, and how often an independent
classifier predicts the class that was requested. Lučić et al. 2019 claim that a tenth of the labels comes within 10 %
of all.
"""

from __future__ import annotations

import argparse
from typing import Any

from judge import Judge
from record import save
from trials import Trial, run

DATA = ("fashion-mnist", "cifar10-jpeg")
FRACTIONS = ("1", "0.1", "0.01", "0")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--images", type=int, help="in place of minutes: the heads' time then does not count")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=DATA)
    parser.add_argument("--recipes", nargs="+", default=["r3", "s3gan"])
    parser.add_argument("--name", default="labels", help="of the result file")
    parser.add_argument("--fractions", nargs="+", default=list(FRACTIONS), help="1 and 0.1 among them")
    options = parser.parse_args()
    length = ("--images", str(options.images)) if options.images else ("--minutes", f"{options.minutes:g}")
    todo = {
        (recipe, name, fraction, seed): Trial(
            f"labels-{length[1]}/{name}-{recipe}-{fraction}-{seed}", name,
            ("--recipe", recipe, *length, "--label-fraction", fraction, "--seed", str(seed)),
            {"nash": False},
        )
        for seed in options.seeds for recipe in options.recipes
        for name in options.data for fraction in options.fractions
    }  # fmt: skip
    results = run(list(todo.values()), options.workers)
    table: dict[str, Any] = {name: {"floor": Judge(name).baseline()} for name in options.data}
    ratios = {}
    shown = ("fd", "coverage", "class_accuracy", "images")
    for recipe in options.recipes:
        for name in options.data:
            rows = {f: [results[todo[recipe, name, f, seed].name] for seed in options.seeds] for f in options.fractions}
            table[name][recipe] = {f: [{key: r.get(key) for key in shown} for r in row] for f, row in rows.items()}
            mean = {f: sum(r["fd"] for r in row) / len(row) for f, row in rows.items()}
            ratios[f"{recipe} {name}"] = mean["0.1"] / mean["1"]
    words = ", ".join(f"{key} {ratio:.2f}" for key, ratio in ratios.items())
    save(
        options.name,
        result=f"Fréchet distance with a tenth of the labels / with all: {words}",
        target="at most 1.1",
        met=max(ratios.values()) <= 1.1,
        details={"length": length, "seeds": options.seeds, "threads_each": 1, "at_a_time": 2, "table": table},
    )


if __name__ == "__main__":
    main()
