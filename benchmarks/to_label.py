"""Value of ten more labels on MNIST: the first ten of `to_label.csv`, against ten random ones, after 50 labels.

    python benchmarks/to_label.py --images 216000 --seeds 0

With 50 labels few or none of the five sevens has a bar, and sevens with one are confidently classified as twos.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from classifier_runs import ClassifierRun, Options, chosen, errors, parsed, to_text, train
from judge import source
from record import save
from trials import CACHE_FOLDER

from sparring.data.open import open_source

RECIPE = ("--recipe", "consistent")


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--labels", type=int, default=50)
    parser.add_argument("--more", type=int, default=10)


def main() -> None:
    options = parsed(__doc__, "to_label", more)
    few, ten = options.rest.labels, options.rest.more

    def training(seed: int, *labels: str) -> ClassifierRun:
        return ClassifierRun(source("mnist"), (*RECIPE, *options.flags, *labels, "--seed", str(seed)))

    first = {seed: training(seed, "--labels", str(few)) for seed in options.seeds}
    rows = {"before": train(options, first.values())}
    by_chance = {seed: training(seed, "--labels", str(few + ten)) for seed in options.seeds}
    queried = {
        seed: training(seed, "--labels-file", str(_answered(options, first[seed], seed))) for seed in options.seeds
    }
    rows |= {"asked": train(options, queried.values()), "by chance": train(options, by_chance.values())}
    table = {
        "before": errors(list(rows["before"].values())),
        f"{ten} asked for": errors(list(rows["asked"].values())),
        f"{ten} by chance": errors(list(rows["by chance"].values())),
    }
    save(
        options.name,
        result=f"errors with {few} labels of mnist, and {ten} more: "
        + "; ".join(f"{name} {to_text(row)}" for name, row in table.items()),
        target="fewer errors by those that are asked for than by chance",
        met=table[f"{ten} asked for"]["mean"] < table[f"{ten} by chance"]["mean"],
        details={**options.details(), "labels": few, "more": ten, "table": table},
    )


def _answered(options: Options, first: ClassifierRun, seed: int) -> Path:
    """A table of the labels that `first` was told, and of those that it asks for first, answered as MNIST has them."""
    whole, known = open_source("mnist"), chosen("mnist", options.rest.labels, seed)
    with (options.folder / first.name / "to_label.csv").open(encoding="utf-8") as file:
        wanted = {line["name"] for line in list(csv.DictReader(file))[: options.rest.more]}
    rows = [*np.flatnonzero(known.labels >= 0), *(k for k, name in enumerate(whole.names) if name in wanted)]
    path = CACHE_FOLDER / "labels" / f"asked-{options.length[1]}-{options.rest.labels}-{seed}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("name", "label"))
        lines.writerows((whole.names[k], whole.spec.classes[whole.labels[k]]) for k in rows)
    return path


if __name__ == "__main__":
    main()
