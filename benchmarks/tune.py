"""Tuning by a Gaussian process against random search at equal cost: trials until the best of random search is reached.

    python benchmarks/tune.py branin hartmann --seeds 10      # 5 minutes of one core
    python benchmarks/tune.py adult --seeds 3                 # 15 minutes

Surfaces: Branin's function (2 fields), Hartmann's of 6 fields, and the error of recipe `tabular_mlp` on held-out rows
of Adult (4 fields, `--rows` rows, `--images` training examples a trial). All are searched through
`commands/tuning/search.py`, without halving; the first trial has the defaults.

Random search has `--trials` trials; the process counts the trials that it needs for a score as low as the lowest of
these, at most as many. Target: at most half, in the mean over the seeds, on each surface.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from record import data_folder, log, save
from scipy.stats import t

from sparring.commands.training.request import TrainRequest
from sparring.commands.tuning.search import Params, Search, space_of
from sparring.commands.tuning.trial import Trainer
from sparring.data.reader_api import ReadOptions
from sparring.recipes import recipe_class
from sparring.recipes.recipe import Range

Score = Callable[[Params, int], float]
"""(settings, number of the trial) -> score; lower is better."""


def branin(params: Params, number: int) -> float:
    """Branin's function; three minima of 0.398."""
    x, y = params["x"], params["y"]
    valley = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return valley**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


HARTMANN_A = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
HARTMANN_P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def hartmann(params: Params, number: int) -> float:
    """Hartmann's function of 6 fields; its minimum is -3.322."""
    x = np.array(list(params.values()))
    return -float(np.array([1, 1.2, 3, 3.2]) @ np.exp(-(HARTMANN_A * (x - HARTMANN_P) ** 2).sum(1)))


def adult(rows: int, images: int, folder: Path, seed: int) -> tuple[dict[str, Range], Params, Score]:
    """The error of a perceptron on validation rows of Adult; the seed draws weights and batches of every trial."""
    lines = (data_folder() / "adult" / "adult.data").read_text().splitlines()
    source = folder / "adult.csv"
    kept = [line for line in lines if line.strip()][:rows]
    header = ",".join(f"c{k}" for k in range(kept[0].count(","))) + ",income"
    source.write_text(header + "\n" + "\n".join(kept) + "\n")
    recipe = recipe_class("tabular_mlp")()
    space = space_of(recipe, ("lr", "dropout", "weight_decay", "ema_half_life"))
    options = ReadOptions(label="income", validation=True)
    trainer = Trainer(TrainRequest(source=source, images=images, seed=seed, read=options, device="cpu"), recipe)

    def score(params: Params, number: int) -> float:
        out = Path(tempfile.mkdtemp(dir=folder)) / "run"
        return trainer.train(out, params)

    return space, {name: getattr(recipe, name) for name in space}, score


def searched(
    space: dict[str, Range], defaults: Params, score: Score, sampler: str, seed: int, trials: int, stop: float
) -> list[float]:
    """Scores of a search in order, which ends once `stop` is reached."""
    scores: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        search = Search("benchmark", space, f"{folder}/journal", sampler=sampler, seed=seed, defaults=defaults)
        while len(scores) < trials and (not scores or min(scores) > stop):
            trial = search.suggest()
            assert trial is not None
            search.claim(trial, "benchmark")
            scores.append(score(search.params(trial), trial.number))
            search.finish(trial, scores[-1], "complete")
    return scores


def surface(name: str, seed: int, rows: int, images: int, folder: Path) -> tuple[dict[str, Range], Params, Score]:
    if name == "branin":
        return {"x": Range(-5.0, 10.0), "y": Range(0.0, 15.0)}, {"x": 2.5, "y": 7.5}, branin
    if name == "hartmann":
        names = [f"x{k}" for k in range(6)]
        return dict.fromkeys(names, Range(0.0, 1.0)), dict.fromkeys(names, 0.5), hartmann
    return adult(rows, images, folder, seed)


def compare(name: str, options: argparse.Namespace) -> dict[str, Any]:
    runs = []
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            space, defaults, score = surface(name, seed, options.rows, options.images, Path(folder))
            begin = time.process_time()
            chance = searched(space, defaults, score, "random", seed, options.trials, -math.inf)
            lowest, middle = min(chance), time.process_time()
            model = searched(space, defaults, score, "gp", 1000 + seed, options.trials, lowest)
            reached = min(model) <= lowest
            needed = len(model) if reached else options.trials + 1
            runs.append(
                {
                    "needed": needed, "reached": reached, "random_best": lowest,
                    "random_best_at": chance.index(lowest) + 1,
                    "gp_best": min(model), "random": chance, "gp": model,
                    "cpu_seconds": {"random": middle - begin, "gp": time.process_time() - middle},
                }
            )  # fmt: skip
            log(f"{name}, seed {seed}: random {lowest:.4g}, reached after {needed} ({min(model):.4g})")
    fractions = [run["needed"] / options.trials for run in runs]
    mean = statistics.fmean(fractions)
    half = (
        float(t.ppf(0.975, len(runs) - 1)) * statistics.stdev(fractions) / len(runs) ** 0.5
        if len(runs) > 1
        else math.inf
    )
    return {"fraction": mean, "low": mean - half, "high": mean + half, "runs": runs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("surfaces", nargs="+", choices=("branin", "hartmann", "adult"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=30, help="of random search")
    parser.add_argument("--rows", type=int, default=4_000, help="of Adult")
    parser.add_argument("--images", type=int, default=20_000, help="training examples of a trial on Adult")
    options = parser.parse_args()
    results = {name: compare(name, options) for name in options.surfaces}
    text = "; ".join(
        f"{name}: {r['fraction']:.2f} ({r['low']:.2f} to {r['high']:.2f}) of {options.trials} trials"
        for name, r in results.items()
    )
    met = all(result["fraction"] <= 0.5 for result in results.values())
    save(
        f"tune_{'_'.join(options.surfaces)}", result=f"trials to random search's best, {options.seeds} seeds: {text}",
        target="at most half of the trials, in the mean", met=met,
        details={"surfaces": results, "settings": vars(options)},
    )  # fmt: skip


if __name__ == "__main__":
    main()
