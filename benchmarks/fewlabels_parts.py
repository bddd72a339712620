"""Ablation of the recipe `consistent`: test errors with 100 labels of MNIST, complete and without one part each.

    python benchmarks/fewlabels_parts.py --minutes 20

Beside it the recipe `improved`, as published and with the terms of Bad GAN (Dai et al. 2017). All use the same labels
for the same seed.
"""

from __future__ import annotations

import argparse

from classifier_runs import ClassifierRun, errors, parsed, to_text, train
from judge import source
from record import save

PARTS = {
    "whole": ("--recipe", "consistent"),
    "without the generator": ("--recipe", "consistent", "--generated-weight", "0"),
    "without consistency": ("--recipe", "consistent", "--consistency-weight", "0"),
    "without strong changes": ("--recipe", "consistent", "--augment-strength", "0"),
    "without strokes": ("--recipe", "consistent", "--no-strokes"),
    "without even shares": ("--recipe", "consistent", "--no-balance-classes"),
    "improved": ("--recipe", "improved"),
    "improved, Bad GAN's terms": (
        "--recipe",
        "improved",
        "--entropy-weight",
        "0.3",
        "--pull-away-weight",
        "1",
        "--low-density-weight",
        "1",
    ),
}


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS, help="'whole' among them")


def main() -> None:
    options = parsed(__doc__, "fewlabels_parts", more)
    request = options.rest
    todo = {
        (part, seed): ClassifierRun(
            source(request.data), (*PARTS[part], *options.flags, "--labels", str(request.labels), "--seed", str(seed))
        )
        for seed in options.seeds for part in request.parts
    }  # fmt: skip
    results = train(options, todo.values())
    table = {part: errors([results[todo[part, seed]] for seed in options.seeds]) for part in request.parts}
    save(
        options.name,
        result=f"errors with {request.labels} labels of {request.data}: "
        + "; ".join(f"{part} {to_text(row)}" for part, row in table.items()),
        target="no part can be taken out without more errors",
        met=all(row["mean"] > table["whole"]["mean"] for part, row in table.items() if part.startswith("without"))
        and any(part.startswith("without") for part in table),
        details={
            **options.details(), "data": request.data, "labels": request.labels, "table": table,
            "parts": {part: " ".join(PARTS[part]) for part in request.parts},
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
