"""One-shot learning: two digits that training did not see, learnt afterwards from 1, 5 or 20 examples of each.

    python benchmarks/oneshot.py --minutes 20 --seeds 0

Protocol. `sparring classify` on MNIST without these digits, with 100 labels of the other eight; then
`Classifier.remember` with several draws of training images. Measured: accuracy on test images of the two, of the eight
and of all ten; before that, how often the two, Fashion-MNIST, noise and the eight are answered "none of these"; and the
time to remember an image and to classify one afterwards.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from classifier_runs import ClassifierRun, Options, log, parsed, train
from numpy.typing import NDArray
from record import save, spread
from torch import Tensor
from trials import CACHE_FOLDER

from sparring.data.dataset import Dataset
from sparring.data.open import open_source
from sparring.models.classifier import Classifier, load_classifier, views_of

PAIRS = ("0-1", "3-8", "4-9")
"""Two that are like no other, two that are like each other and others, and two that are like each other."""
SHOTS = (1, 5, 20)
OTHERS = 2000
"""Images of Fashion-MNIST, and of noise."""
TIMED = 30
ENOUGH = 0.9
"""Accuracy on the held-out digits with five examples of each that is aimed at."""
MAY_COST = 0.01
"""Accuracy on the digits that were learnt that this may cost."""


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--labels", type=int, default=100, help="of the eight digits; 0: all")
    parser.add_argument("--recipe", default="consistent")
    parser.add_argument("--pairs", nargs="+", default=list(PAIRS), help="of digits that are left out")
    parser.add_argument("--draws", type=int, default=5, help="of the examples")


def main() -> None:
    options = parsed(__doc__, "oneshot", more)
    request = options.rest
    labels = ("--labels", str(request.labels)) if request.labels else ()
    mnist = open_source("mnist")
    todo = {
        (pair, seed): ClassifierRun(
            str(without(mnist, two(pair), CACHE_FOLDER / f"without-{pair}.npz")),
            ("--recipe", request.recipe, *options.flags, *labels, "--seed", str(seed)),
        )
        for seed in options.seeds for pair in request.pairs
    }  # fmt: skip
    learnt = train(options, todo.values())
    torch.set_num_threads(1)
    strange = {
        "Fashion-MNIST": some(open_source("fashion-mnist").split("test"), OTHERS),
        "noise": np.random.default_rng(0).integers(0, 256, (OTHERS, 28, 28, 1), dtype=np.uint8),
    }
    table: dict[str, dict[str, Any]] = {}
    for (pair, seed), one in todo.items():
        classifier, test = load_classifier(options.folder / one.name), mnist.split("test")
        seen = seen_in_views(classifier, test[np.arange(len(test))])
        table[f"{pair}, seed {seed}"] = {
            "test_errors_of_eight": learnt[one]["errors"]["hits"],
            "called_none_of_these": unknown(classifier, mnist, two(pair), strange),
            "accuracy": {k: shots(classifier, mnist, two(pair), seen, k, request.draws) for k in SHOTS},
            "milliseconds": timed(classifier, mnist),
        }
        log(f"{pair}, seed {seed}: {table[f'{pair}, seed {seed}']}")
    report(options, table)


def report(options: Options, table: dict[str, dict[str, Any]]) -> None:
    def mean(k: int, of: str) -> float:
        return statistics.mean(row["accuracy"][k][of]["median"] for row in table.values())

    def none(of: str) -> float:
        return statistics.mean(row["called_none_of_these"][of] for row in table.values())

    lost = max(row["accuracy"][k]["lost"] for row in table.values() for k in SHOTS)
    save(
        options.name,
        result=", ".join(
            f"{k} told: {mean(k, 'held_out'):.1%} of the held-out digits right, {mean(k, 'ten'):.1%} of all ten"
            for k in SHOTS
        )
        + f"; at most {lost:.1%} of the eight lost; called none of these before: "
        f"{none('held out'):.1%} of the held-out digits, "
        f"{none('Fashion-MNIST'):.1%} of Fashion-MNIST, {none('noise'):.1%} of noise, "
        f"{none('learnt'):.1%} of the eight",
        target=f"5 told: {ENOUGH:.0%} of the held-out digits right, at most {MAY_COST:.0%} of the eight lost",
        met=mean(5, "held_out") >= ENOUGH and lost <= MAY_COST,
        details={**options.details(), "labels": options.rest.labels, "draws": options.rest.draws, "table": table},
    )  # fmt: skip


def two(pair: str) -> list[int]:
    """The digits of a pair."""
    return [int(digit) for digit in pair.split("-")]


def without(mnist: Dataset, digits: list[int], path: Path) -> Path:
    """Write MNIST without images of these digits, trained on or tested."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {}
        for split in (mnist, mnist.split("test")):
            rows, name = np.flatnonzero(~np.isin(split.labels, digits)), "train" if split is mnist else "test"
            arrays |= {f"x_{name}": split[rows], f"y_{name}": split.labels[rows]}
        part = path.with_name("part.npz")  # a stop leaves no half of it under the name
        np.savez(part, **arrays)
        part.rename(path)
    return path


def some(images: Dataset, count: int, of: list[int] | None = None, seed: int = 0) -> NDArray[np.uint8]:
    """`count` images at random, or all where there are fewer; of these classes alone, where they are given."""
    rows = np.flatnonzero(np.isin(images.labels, of)) if of is not None else np.arange(len(images))
    return images[np.random.default_rng(seed).permutation(rows)[:count]]


def unknown(
    classifier: Classifier, mnist: Dataset, digits: list[int], strange: dict[str, NDArray[np.uint8]]
) -> dict[str, float]:
    """Share of images that are called "none of these", by what they are."""
    test = mnist.split("test")
    others = [k for k in range(10) if k not in digits]
    kinds = {"held out": some(test, OTHERS, digits), "learnt": some(test, OTHERS, others), **strange}
    return {kind: float(classifier.predict(x).unknown.double().mean()) for kind, x in kinds.items()}


def shots(
    classifier: Classifier, mnist: Dataset, digits: list[int], seen: list[Tensor], count: int, draws: int
) -> dict[str, Any]:
    """Accuracies when `count` training images of each digit are remembered, over several draws; forgets them all.

    `lost`: how much of the accuracy on the eight digits goes in the worst draw.
    """
    test = mnist.split("test")
    held_out = np.isin(test.labels, digits)
    before = right(classifier, seen, test.labels)[~held_out].mean()
    results: dict[str, list[float]] = {"held_out": [], "eight": [], "ten": []}
    for draw in range(draws):
        for digit in digits:
            classifier.remember(some(mnist, count, [digit], seed=draw), digit)
        good = right(classifier, seen, test.labels)
        classifier.forget()
        for kind, part in {"held_out": good[held_out], "eight": good[~held_out], "ten": good}.items():
            results[kind].append(round(float(part.mean()), 4))
    return {kind: spread(values) for kind, values in results.items()} | {
        "lost": round(float(before) - min(results["eight"]), 4)
    }


def seen_in_views(classifier: Classifier, images: NDArray[np.uint8]) -> list[Tensor]:
    """The features of each view of the images, which no fact that is told changes."""
    with torch.no_grad():
        parts = [
            [classifier.features(view) for view in views_of(x, classifier.recipe.tta)]
            for x in torch.split(classifier.to_input(images), OTHERS)
        ]
    return [torch.cat(view) for view in zip(*parts, strict=True)]


def right(classifier: Classifier, seen: list[Tensor], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of the best guesses are right, out of the features of all views; "none of these" is not asked for here."""
    with torch.no_grad():
        guesses = torch.stack([classifier.logits_of(h).softmax(1) for h in seen]).mean(0).argmax(1).tolist()
    return np.array([classifier.classes[k] == str(y) for k, y in zip(guesses, labels.tolist(), strict=True)])


def timed(classifier: Classifier, mnist: Dataset) -> dict[str, Any]:
    """Milliseconds to remember one image, and to answer for one next, after a first time that does not count."""
    x = some(mnist, TIMED + 1)
    results: dict[str, list[float]] = {"remember": [], "next_answer": []}
    for k in range(TIMED + 1):
        steps: dict[str, Callable[[], object]] = {
            "remember": lambda k=k: classifier.remember(x[k], "new"),  # type: ignore[misc]
            "next_answer": lambda k=k: classifier.predict(x[k]),  # type: ignore[misc]
        }
        for step, run in steps.items():
            begin = time.perf_counter()
            run()
            if k:
                results[step].append(round((time.perf_counter() - begin) * 1000, 3))
    classifier.forget()
    return {step: spread(values) for step, values in results.items()}


if __name__ == "__main__":
    main()
