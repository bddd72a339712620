"""Training r3 on 400 and 435 faces, with and without augmentation.

    python benchmarks/small.py                    # --minutes 5

The ORL faces, and Faces_easy at 64 and 128 pixels. Measured: coverage, Fréchet distance, and memorisation (the copying
test and the fraction of copies among the samples), against all training images, since none are held out.
"""

from __future__ import annotations

import argparse
from typing import Any

from judge import Judge
from record import save
from trials import Trial, run

DATA = ("orl-faces-64", "faces-easy-64", "orl-faces", "faces-easy-128")
AUGMENTS = ("none", "diff", "ada")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--images", type=int, help="in place of minutes")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=DATA)
    parser.add_argument("--augments", nargs="+", default=list(AUGMENTS), choices=AUGMENTS)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--name", default="small", help="of the result file")
    options = parser.parse_args()
    length = ("--images", str(options.images)) if options.images else ("--minutes", f"{options.minutes:g}")
    todo = {
        (name, augment): Trial(
            f"small-{length[1]}/{name}-{augment}-{options.seed}", name,
            (*length, "--augment", augment, "--seed", options.seed),
            {"nash": False, "copies": True},
        )
        for name in options.data for augment in options.augments
    }  # fmt: skip
    results = run(list(todo.values()), options.workers)
    table: dict[str, Any] = {}
    shown = ("fd", "coverage", "recall", "precision", "memorisation", "images")
    for name in options.data:
        rows = {augment: results[todo[name, augment].name] for augment in options.augments}
        table[name] = {"floor": Judge(name).baseline()}
        table[name] |= {augment: {key: row[key] for key in shown} for augment, row in rows.items()}
    words = "; ".join(
        f"{name}: "
        + ", ".join(f"{a} {table[name][a]['coverage']:.2f} (fd {table[name][a]['fd']:.1f})" for a in options.augments)
        for name in options.data
    )
    better = all(
        max(row[a]["coverage"] for a in options.augments if a != "none") > row["none"]["coverage"]
        for row in table.values()
    )
    save(
        options.name,
        result=f"coverage: {words}",
        target="more coverage with augmentation than without, everywhere",
        met=better,
        details={"length": length, "seed": options.seed, "threads_each": 1, "at_a_time": 2, "table": table},
    )


if __name__ == "__main__":
    main()
