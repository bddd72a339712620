"""Imperfect labels on MNIST: one in ten wrong, one class with a single label, one class without labels; 100 labels.

    python benchmarks/wrong_labels.py --minutes 20

The labels are given by --labels-file. Measured: errors of each case, errors on the odd class, and the classifier's
notes.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from classifier_runs import ClassifierRun, chosen, errors, parsed, to_text, train
from judge import source
from numpy.typing import NDArray
from record import save
from trials import CACHE_FOLDER

COUNT, WRONG, ODD = 100, 10, 3
"""Labels, how many of them are flipped, and the class that has one or none."""
Labels = NDArray[np.int64]


def as_they_are(data: str, seed: int) -> Labels:
    return chosen(data, COUNT, seed).labels


def one_in_ten_wrong(data: str, seed: int) -> Labels:
    """Each of the flipped becomes any other class, as likely."""
    rng, summary = np.random.default_rng([seed, 2]), chosen(data, COUNT, seed)
    labels, rows = summary.labels, rng.choice(np.flatnonzero(summary.labels >= 0), WRONG, replace=False)
    classes = len(summary.spec.classes)
    labels[rows] = (labels[rows] + rng.integers(1, classes, WRONG)) % classes
    return labels


def one_of_a_class(data: str, seed: int) -> Labels:
    """One label of the odd class, and eleven of each other."""
    labels = chosen(data, COUNT + 10, seed).labels
    labels[np.flatnonzero(labels == ODD)[1:]] = -1
    return labels


def none_of_a_class(data: str, seed: int) -> Labels:
    labels = chosen(data, COUNT, seed).labels
    labels[labels == ODD] = -1
    return labels


CASES: dict[str, Callable[[str, int], Labels]] = {
    "as they are": as_they_are,
    "one in ten wrong": one_in_ten_wrong,
    "one label of a class": one_of_a_class,
    "no label of a class": none_of_a_class,
}


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", default="mnist", choices=("mnist", "fashion-mnist"))
    parser.add_argument("--recipe", default="consistent")


def main() -> None:
    options = parsed(__doc__, "wrong_labels", more)
    data, recipe = options.rest.data, options.rest.recipe
    todo = {
        (case, seed): ClassifierRun(
            source(data),
            ("--recipe", recipe, *options.flags, "--labels-file", str(table_of(data, case, seed)), "--seed", str(seed)),
        )
        for seed in options.seeds for case in CASES
    }  # fmt: skip
    results = train(options, todo.values())
    table = {case: judged([results[todo[case, seed]] for seed in options.seeds]) for case in CASES}
    clean = table["as they are"]["mean"]
    save(
        options.name,
        result=f"errors with {COUNT} labels of {data}: "
        + "; ".join(
            f"{case} {to_text(row)} ({row['odd_class']['mean']:g} on the odd class)" for case, row in table.items()
        ),
        target="one label in ten wrong: at most twice the errors; a class with one label or none is told of",
        met=table["one in ten wrong"]["mean"] <= 2 * clean
        and all(len(table[case]["notes"]) > 1 for case in ("one label of a class", "no label of a class")),
        details={**options.details(), "data": data, "recipe": recipe, "odd_class": ODD, "table": table},
    )  # fmt: skip


def table_of(data: str, case: str, seed: int) -> Path:
    """Write a CSV of name,label."""
    images, labels = chosen(data, COUNT, seed), CASES[case](data, seed)
    path = CACHE_FOLDER / "labels" / f"{case.replace(' ', '-')}-{data}-{seed}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("name", "label"))
        rows.writerows((images.names[k], images.spec.classes[labels[k]]) for k in np.flatnonzero(labels >= 0))
    return path


def judged(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Errors, those on images of the odd class, and the notes of the first seed."""
    of_class = [row["confusion"][ODD] for row in rows]
    odd = [{"errors": {"hits": sum(counts) - counts[ODD], "total": sum(counts)}} for counts in of_class]
    return {**errors(rows), "odd_class": errors(odd), "notes": rows[0]["notes"]}


if __name__ == "__main__":
    main()
