"""Fair classifiers: UCI Adult, income above $50,000, protected: sex. Accuracy against the gap of parity and of odds.

    python benchmarks/fairness.py

Protocol. For each seed, notion and method `sparring.classify ... --protect sex` trains the plain classifier and the
method at each weight of its grid on four fifths of adult.data, each for the same number of examples. By the last fifth
the most accurate candidate of a gap of 2.5 points or less is chosen, or where there is none the smallest gap. All gaps
and accuracies are those of the 16,281 rows of adult.test, which decide nothing. No classifier sees the column `sex`;
`relationship` (Husband, Wife) is seen, as in the published figures. Figures: the chosen candidate of all, the one that
the same rule chooses within each method, and the area over each method's front, from the corner (plain gap, majority).
Answers of `reductions` are by chance, and `thresholds` needs the group: neither can be chosen. With --runs the trained
candidates are kept, and a later call with more --methods trains these alone.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from adult import NAMES
from record import data_folder, log, save

import sparring
from sparring.commands.fairness.candidates import METHODS
from sparring.commands.fairness.result import Candidate, FairClassification
from sparring.measure.fairness.fronts import area_over, choose, front, smallest_gap

GOALS = {"parity": 0.830, "odds": 0.843}
"""Notion -> least mean accuracy of the chosen candidate at a gap of LIMIT."""
LIMIT = 0.03
REQUESTED = 0.025
"""Largest gap on validation rows: half a point of room, for the smallest of several gaps is small by chance too."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--images", type=int, default=250_000, help="training examples of each candidate")
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--runs", type=Path, help="folder that keeps the runs")
    parser.add_argument("--name", default="fairness", help="name of the result file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    runs: dict[str, dict[str, Any]] = {notion: {} for notion in GOALS}
    with tempfile.TemporaryDirectory() as temporary:
        for seed in options.seeds:
            for notion, by_seed in runs.items():
                out = (options.runs or Path(temporary)) / f"{notion}-{seed}"
                by_seed[str(seed)] = one_run(seed, notion, out, options)
                write(options, runs)


def one_run(seed: int, notion: str, out: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Train and measure all candidates of a notion."""
    begin = time.process_time()
    candidates: dict[str, Candidate] = {}
    for method in options.methods:
        report = sparring.classify(
            data_folder() / "adult", method, label="income", names=NAMES, protect="sex", notion=notion, gap=1.0,
            images=options.images, seed=seed, out=out, device="cpu",
        )  # fmt: skip
        assert isinstance(report, FairClassification)
        candidates |= report.by_name
    eligible = {name: c.validation for name, c in candidates.items() if not c.veto}
    chosen = choose(eligible, notion, REQUESTED) or smallest_gap(eligible, notion)
    methods = sorted({method_of(candidate) for candidate in candidates.values()})
    result = {
        "cpu_seconds": round(time.process_time() - begin),
        "chosen": described(candidates[chosen], notion),
        "plain": described(candidates["plain"], notion),
        "majority": report.constant,
        "methods": {method: of_method(candidates, method, notion, report.constant) for method in methods},
        "candidates": {name: described(c, notion) for name, c in candidates.items()},
    }
    log(f"seed {seed}, {notion}: {result['chosen']}, {result['cpu_seconds']} s of CPU")
    return result


def method_of(candidate: Candidate) -> str:
    return candidate.name.rpartition("-")[0] or candidate.name


def described(candidate: Candidate, notion: str) -> dict[str, Any]:
    """Return the figures of a candidate on adult.test, and its gap on validation rows."""
    result = candidate.test
    gaps = {name: result.gap(name).value for name in ("parity", "odds", "opportunity", "distribution")}
    interval = result.gap(notion)
    return {
        "name": candidate.name, "accuracy": result.accuracy.value, "balanced": result.balanced_accuracy.value,
        **gaps, "interval": [interval.low, interval.high], "validation_gap": candidate.validation.gap(notion).value,
    }  # fmt: skip


def of_method(candidates: Mapping[str, Candidate], method: str, notion: str, constant: float) -> dict[str, Any]:
    """Return what the rule chooses among one method and the plain one, and the area over their front."""
    own = {name: c for name, c in candidates.items() if method_of(c) in (method, "plain")}
    selected = choose({name: c.validation for name, c in own.items()}, notion, REQUESTED)
    kept = front({name: (c.validation.gap(notion).value, c.validation.accuracy.value) for name, c in own.items()})
    points = [(own[name].test.gap(notion).value, own[name].test.accuracy.value) for name in kept]
    area = area_over(points, (candidates["plain"].test.gap(notion).value, constant))
    return {"selected": None if selected is None else described(own[selected], notion), "area": area}


def write(options: argparse.Namespace, runs: dict[str, dict[str, Any]]) -> None:
    """Write the results of the finished runs."""
    texts, reached = [], []
    for notion, by_seed in runs.items():
        if not by_seed:
            return
        chosen = [run["chosen"] for run in by_seed.values()]
        gap, accuracy = mean(c[notion] for c in chosen), mean(c["accuracy"] for c in chosen)
        areas = {
            method: mean(run["methods"][method]["area"] for run in by_seed.values())
            for method in next(iter(by_seed.values()))["methods"]
        }
        best = max((m for m in areas if m not in ("plain", "thresholds", "reductions")), key=lambda m: areas[m])
        rival = f", of reductions {1e4 * areas['reductions']:.1f}" if "reductions" in areas else ""
        other = "odds" if notion == "parity" else "parity"
        texts.append(
            f"{notion}: gap {100 * gap:.2f} points at accuracy {accuracy:.2%} ("
            f"{', '.join(c['name'] for c in chosen)}), {other} gap {100 * mean(c[other] for c in chosen):.1f}; area "
            f"over the front x 10^4: {best} {1e4 * areas[best]:.1f}{rival}"
        )
        reached.append(gap <= LIMIT and accuracy >= GOALS[notion])
        reached.append("reductions" in areas and areas[best] >= areas["reductions"])
    seeds = ", ".join(next(iter(runs.values())))
    save(
        options.name,
        result=f"means of seeds {seeds} on adult.test: {'; '.join(texts)}",
        target="parity gap at most 3 points at accuracy 83.0 % or more, odds gap at most 3 at 84.3 %, on or above the "
        "front of exponentiated gradient",
        met=all(reached),
        details={
            "seeds": options.seeds,
            "images": options.images,
            "methods": options.methods,
            "requested_gap": REQUESTED,
            "raw": runs,
        },
    )


if __name__ == "__main__":
    main()
