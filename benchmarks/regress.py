"""Numbers with intervals, and boosted trees beside networks: coverage on real tables and images, AUC on Adult.

    python benchmarks/regress.py

Protocol. Each table is shuffled by the seed, so that every seed has other rows to test on: `sparring.regress` holds one
row in five out for testing, an eighth of the others for choosing between network and trees, and an eighth for
calibrating the intervals (at most 1,000 and 2,000). Small tables have 20 or 40 seeds, the others three. The images are
MNIST digits that are turned by a random angle of up to 45 degrees, which is to be predicted. Tasks may be run one by
one: the result file keeps the others. Coverage is pooled over seeds; its interval is that of the mean of the seeds
(normal, by their standard deviation), since rows of one seed share a calibration.
Classification: `sparring.classify` on adult.data, tested on adult.test, beside scikit-learn's
HistGradientBoostingClassifier with its default settings on all rows of adult.data, which keeps categories as such.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from adult import DROPPED, NAMES
from PIL import Image
from record import RESULTS, data_folder, log, save

import sparring
from sparring.commands.reporting.progress import Progress
from sparring.stats.auc import auc

COVERAGE, LEAST, MOST = 0.9, 0.88, 0.92
"""Nominal coverage, and the range in which the measured one is to be."""
MARGIN = 0.003
"""Largest AUC that classify may have below boosted trees alone."""
DIGITS, LARGEST_ANGLE = 6_000, 45.0


@dataclass(frozen=True)
class Task:
    """A number to predict."""

    file: str
    label: str
    drop: tuple[str, ...]
    seeds: int
    images: int
    names: tuple[str, ...] = ()


TASKS = {
    "penguins mass": Task(
        "dirty/penguins-raw.csv", "Body Mass (g)",
        ("studyName", "Sample Number", "Stage", "Individual ID", "Date Egg", "Comments"), 40, 30_000,
    ),
    "seattle temp_max": Task("series/seattle-weather.csv", "temp_max", ("date",), 20, 60_000),
    "adult age": Task("adult/adult.data", "age", DROPPED, 3, 100_000, NAMES),
    "adult hours": Task("adult/adult.data", "hours-per-week", DROPPED, 3, 100_000, NAMES),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=["adult classes", *TASKS, "digit angle"])
    parser.add_argument("--seeds", type=int, help="seeds of each task (default: 20 or 40 of small tables, else 3)")
    parser.add_argument("--images", type=int, help="training examples of each network (default: by the task)")
    parser.add_argument("--name", default="regress", help="name of the result file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = earlier(options.name)
    for name in options.tasks:
        if name == "adult classes":
            results[name] = adult_classes(options.seeds or 3, options.images or 200_000)
        elif name == "digit angle":
            results[name] = numbers(name, write_digits, "", (), options.seeds or 3, options.images or 60_000)
        else:
            task = TASKS[name]
            results[name] = numbers(
                name, shuffled(task), task.label, task.drop, options.seeds or task.seeds, options.images or task.images
            )
        write(options.name, results)


def numbers(
    name: str, make: Callable[[Path, int], Path], label: str, drop: Sequence[str], seeds: int, images: int
) -> dict[str, Any]:
    """Train and test one regressor for each seed."""
    by_seed, begin = list[dict[str, Any]](), time.process_time()
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as temporary:
            source = make(Path(temporary), seed)
            read = {"label": label, "drop": tuple(drop), "kind": "table"} if label else {}
            report = sparring.regress(
                source, images=images, seed=seed, out=Path(temporary) / "run", device="cpu",
                progress=Progress(quiet=True), **read,
            )  # fmt: skip
        (test,) = report.numbers
        row: dict[str, Any] = {
            "covered": test.covered.hits, "tested": test.covered.total, "width": test.width.value,
            "width_without_a_model": test.constant_width, "error": test.error.value,
            "error_of_the_median": test.constant_error.value, "root_mean_square": test.root_mean_square.value,
        }  # fmt: skip
        if report.trees is not None:
            row |= {"winner": report.trees.winner, "network": report.trees.network, "trees": report.trees.trees}
        by_seed.append(row)
        log(f"{name}, seed {seed}: {test.covered}, error {test.error.text(3, 1)}, {row.get('winner', 'network')}")
    coverages = [row["covered"] / row["tested"] for row in by_seed]
    half = 1.96 * statistics.stdev(coverages) / len(coverages) ** 0.5 if len(coverages) > 1 else float("nan")
    pooled = sum(row["covered"] for row in by_seed) / sum(row["tested"] for row in by_seed)
    return {
        "coverage": pooled, "coverage_low": pooled - half, "coverage_high": pooled + half, "by_seed": by_seed,
        "images": images, "cpu_seconds_a_seed": (time.process_time() - begin) / seeds,
    }  # fmt: skip


def shuffled(task: Task) -> Callable[[Path, int], Path]:
    """Return a function that writes the rows of a table in another order."""

    def make(folder: Path, seed: int) -> Path:
        with open(data_folder() / task.file, encoding="utf-8", newline="") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file) if row]
        header, rows = (list(task.names), rows) if task.names else (rows[0], rows[1:])
        order = np.random.default_rng(seed).permutation(len(rows))
        with open(folder / "rows.csv", "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *(rows[k] for k in order)])
        return folder / "rows.csv"

    return make


def write_digits(folder: Path, seed: int) -> Path:
    """Write digits of MNIST that are turned by a random angle."""
    with gzip.open(data_folder() / "mnist" / "train-images-idx3-ubyte.gz") as file:
        digits = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    rng = np.random.default_rng(seed)
    idx, angles = rng.permutation(len(digits))[:DIGITS], rng.uniform(-LARGEST_ANGLE, LARGEST_ANGLE, DIGITS)
    turned = [
        np.asarray(Image.fromarray(digits[k]).rotate(angle, Image.Resampling.BILINEAR))
        for k, angle in zip(idx, angles, strict=True)
    ]
    np.savez(folder / "digits.npz", x=np.stack(turned), y=angles)
    return folder / "digits.npz"


def adult_classes(seeds: int, images: int) -> dict[str, Any]:
    """Compare `classify` with boosted trees alone on adult.test."""
    folder, by_seed = data_folder() / "adult", list[dict[str, Any]]()
    alone = trees_alone(folder)
    log(f"boosted trees alone: AUC {alone['auc']:.4f} ({alone['low']:.4f} to {alone['high']:.4f})")
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as temporary:
            report = sparring.classify(
                folder, "tabular_mlp", label="14", names=NAMES, drop=DROPPED, images=images, seed=seed,
                out=Path(temporary) / "run", device="cpu", progress=Progress(quiet=True),
            )  # fmt: skip
            model = sparring.load(Path(temporary) / "run", "classifier")
            assert isinstance(model, sparring.Classifier) and report.trees is not None and report.errors is not None
            read = sparring.ReadOptions(names=NAMES)
            test = sparring.open(folder / "adult.test", read, like=model.spec, keep_duplicates=True).split(None)
            score = model.predict(test[np.arange(len(test))]).probabilities[:, 1].double().numpy()
        area = auc(score[test.labels == 0], score[test.labels == 1])
        network, trees = report.trees.network_auc, report.trees.trees_auc
        assert network is not None and trees is not None
        row = {
            "auc": area.value, "network_auc": network.value, "trees_auc": trees.value, "winner": report.trees.winner,
            "validation": vars(report.trees.validation), "errors": report.errors.value,
        }  # fmt: skip
        by_seed.append(row)
        log(f"adult classes, seed {seed}: AUC {area.value:.4f}, {report.trees.winner}; network {network.value:.4f}")
    return {"trees_alone": alone, "by_seed": by_seed, "images": images}


def trees_alone(folder: Path) -> dict[str, float]:
    """Fit scikit-learn's boosted trees with default settings on adult.data, and test them on adult.test."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    def read(name: str) -> list[list[str]]:
        with open(folder / name, encoding="utf-8", newline="") as file:
            return [[cell.strip() for cell in row] for row in csv.reader(file) if len(row) == len(NAMES)]

    train, test = read("adult.data"), read("adult.test")
    kept = [k for k, name in enumerate(NAMES[:-1]) if name not in DROPPED]
    words = [not all(row[k].isdigit() for row in train) for k in kept]
    codes = [sorted({row[k] for row in train}) for k in kept]

    def table(rows: list[list[str]]) -> np.ndarray[Any, Any]:
        return np.array(
            [
                [
                    float(of.index(row[k])) if word else float(row[k])
                    for k, word, of in zip(kept, words, codes, strict=True)
                ]
                for row in rows
            ]
        )

    rich = [np.array([row[-1].startswith(">") for row in rows]) for rows in (train, test)]
    model = HistGradientBoostingClassifier(categorical_features=words, random_state=0).fit(table(train), rich[0])
    scores = model.decision_function(table(test))
    area = auc(scores[~rich[1]], scores[rich[1]])
    return {"auc": area.value, "low": area.low, "high": area.high}


def earlier(name: str) -> dict[str, dict[str, Any]]:
    """Return the tasks that a result file has already: they may be run one by one."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))["tasks"] if path.exists() else {}


def write(name: str, results: dict[str, dict[str, Any]]) -> None:
    """Write what is there so far."""
    covered = {task: found["coverage"] for task, found in results.items() if "coverage" in found}
    met = all(LEAST <= value <= MOST for value in covered.values())
    text = "coverage " + ", ".join(f"{task} {value:.1%}" for task, value in covered.items())
    if classes := results.get("adult classes"):
        ours, alone = [row["auc"] for row in classes["by_seed"]], classes["trees_alone"]["auc"]
        met = met and min(ours) >= alone - MARGIN
        text += (
            f"; Adult AUC {statistics.fmean(ours):.4f} ({min(ours):.4f} to {max(ours):.4f}), trees alone {alone:.4f}"
        )
    target = (
        f"coverage of {LEAST:.0%} to {MOST:.0%} at nominal {COVERAGE:.0%}; AUC at most {MARGIN} below boosted trees"
    )
    save(name, result=text, target=target, met=met, details={"tasks": results})


if __name__ == "__main__":
    main()
