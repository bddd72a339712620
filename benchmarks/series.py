"""Series: stylised facts of the S&P 500 and TimeGAN's two scores of hourly temperatures, beside simple generators.

    python benchmarks/series.py --seeds 0 1 2

Protocol. `sparring train FILE` learns windows, of 65 days of closing prices or of 24 hours of temperatures, for as
many examples as --minutes of one thread's CPU time allow by a probe. The last windows, after a gap of a window, are for
testing: a quarter, at most 20, or a tenth. There are 1,000 samples. Each rival learns from the same training windows.

  sp500   facts of log-returns within windows. The band of a fact is from the smallest to the largest value in five real
          sub-periods of equal length. The boosted two-sample test is against all real windows that do not overlap, and
          against those for testing alone.
  temps   discriminative and predictive score against the windows for testing, which overlap here: TimeGAN's protocol
          takes every window. Real data: training windows against these. Copies of training rows score as real data do.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from record import data_folder, log, save, spread

import sparring
from sparring.data.dataset import Dataset
from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions
from sparring.measure.kinds.kind_measures import Comparison, unlabelled
from sparring.measure.kinds.series_measures import boosted, distances, numbers_of, values
from sparring.measure.kinds.series_moves import join_windows, returns_of, to_moves
from sparring.measure.kinds.series_timegan import discriminative_score, predictive_score
from sparring.measure.rivals.rivals import rivals_for
from sparring.recipes.generators.r3 import R3

SETS: dict[str, tuple[str, ReadOptions]] = {
    "sp500": (
        "series/sp500.csv.gz",
        ReadOptions(kind="series", window=65, drop=("Open", "High", "Low", "Adj Close", "Volume"), hop=1, code="auto"),
    ),
    "temps": ("series/seattle-temps.csv", ReadOptions(kind="series", window=24, hop=1, code="auto")),
}
PERIODS = 5
IN_BAND = ("mean acf[|x|]", "mean leverage", "kurtosis")
TARGETS = {"discriminative": 0.12, "predictive": 0.125}
JUDGED = ("r3", "block bootstrap", "VAR(1)")
"""Generators of temperatures that TimeGAN's judges score, which takes minutes each."""
SAMPLES = 1000
PROBE_EXAMPLES = 1600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--minutes", type=float, default=10, help="CPU time of each training, on one thread")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    args = parser.parse_args()
    for name in args.sets:
        file, options = SETS[name]
        source = data_folder() / file
        seeds: dict[int, Any] = {}
        for seed in args.seeds:
            seeds[seed] = one_seed(name, source, options, args.minutes, seed)
            record(name, seeds, args.minutes)


def one_seed(name: str, source: Path, options: ReadOptions, minutes: float, seed: int) -> dict[str, Any]:
    """Train, sample and score one run, and the rivals by the same seed."""
    with tempfile.TemporaryDirectory() as folder:
        count = examples_in(source, options, minutes, Path(folder))
        begin = time.process_time()
        run = trained(source, options, count, Path(folder) / "run", seed)
        cpu = (time.process_time() - begin) / 60
        log(f"{name}, seed {seed}: {count:,} examples in {cpu:.1f} CPU minutes")
        samples = np.concatenate(list(sparring.load(run).samples(SAMPLES, seed=seed)))
    data = open_source(source, options)
    scores = score_prices(data, samples, seed) if name == "sp500" else score_temperatures(data, samples, seed)
    return {"examples": count, "cpu_minutes": round(cpu, 2), **scores}


def trained(source: Path, options: ReadOptions, count: int, out: Path, seed: int) -> Path:
    read = {"kind": "series", "window": options.window, "drop": options.drop}
    return sparring.train(source, R3(), images=count, out=out, seed=seed, **read).path


def examples_in(source: Path, options: ReadOptions, minutes: float, folder: Path) -> int:
    """How many examples the CPU time allows, by two short trainings, of which the second is timed by its excess."""
    spent = []
    for k, count in enumerate((PROBE_EXAMPLES // 4, PROBE_EXAMPLES)):
        begin = time.process_time()
        trained(source, options, count, folder / f"probe{k}", 0)
        spent.append(time.process_time() - begin)
    speed = (PROBE_EXAMPLES - PROBE_EXAMPLES // 4) / max(spent[1] - spent[0], 1e-3)
    return int(speed * 60 * minutes)


def contenders(data: Dataset, samples: Any, seed: int) -> dict[str, Any]:
    """Rows of the generator, of each rival, and copies of training rows."""
    train = unlabelled(data[np.arange(len(data))])
    rng = np.random.default_rng([seed, 5])
    rows = {name: rival(data.spec, train, SAMPLES, rng) for name, rival in rivals_for(data.spec).items()}
    rows["copies"] = train.take(rng.integers(len(train), size=SAMPLES))
    return {"r3": unlabelled(samples), **rows}


def score_prices(data: Dataset, samples: Any, seed: int) -> dict[str, Any]:
    """Facts, bands of real sub-periods, and the two-sample test against all real windows and those for testing."""
    train, held_out = data[np.arange(len(data))], data.split("test")
    test = held_out[np.arange(len(held_out))]
    every = np.concatenate([train[:: data.spec.length], test])
    returns = returns_of(data.spec, train)
    moves = to_moves(every, returns)
    band: dict[str, list[float]] = {}
    for part in np.array_split(moves, PERIODS):
        for fact, number in numbers_of(part).items():
            band.setdefault(fact, []).append(round(float(number(part)[0]), 4))
    scores: dict[str, Any] = {"sub_periods": band, "windows": len(every), "of_generators": {}}
    for name, rows in contenders(data, samples, seed).items():
        against = Comparison(data.spec, rows, unlabelled(every), unlabelled(train), seed)
        of_test = replace(against, real=unlabelled(test))
        found = {**values(against), **distances(against), **boosted(against)}
        found |= {f"{key} of the test": value for key, value in boosted(of_test).items()}
        scores["of_generators"][name] = {key: value.to_json() for key, value in found.items()}
        log(f"{name}: " + ", ".join(f"{key} {value.text(3, 1)}" for key, value in found.items()))
    return scores


def score_temperatures(data: Dataset, samples: Any, seed: int) -> dict[str, Any]:
    """TimeGAN's scores against every window of the test period."""
    train, held_out = data[np.arange(len(data))], data.split("test")
    (long,) = (stretch for stretch in [np.concatenate(list(held_out[np.arange(len(held_out))]), axis=1)])
    length = data.spec.length
    test = np.stack([long[:, k : k + length] for k in range(long.shape[1] - length + 1)]).astype(np.float64)
    every = np.concatenate([train[::3], test[::3]]).astype(np.float64)
    scores: dict[str, Any] = {"stretches": len(join_windows(train)), "of_generators": {}}
    rows = {name: rows.rows for name, rows in contenders(data, samples, seed).items() if name in JUDGED}
    rows["real"] = train[np.random.default_rng(seed).permutation(len(train))[:SAMPLES]]
    for name, windows in rows.items():
        found = {
            "discriminative": discriminative_score(windows.astype(np.float64), every, seed),
            "predictive": predictive_score(windows.astype(np.float64), every, seed),
        }
        log(f"{name}: {found}")
        scores["of_generators"][name] = {key: round(value, 4) for key, value in found.items()}
    return scores


def record(name: str, seeds: dict[int, Any], minutes: float) -> None:
    """Write the results so far; median over seeds in words."""
    of_r3 = [seed["of_generators"]["r3"] for seed in seeds.values()]
    if name == "temps":
        medians = {key: statistics.median(score[key] for score in of_r3) for key in TARGETS}
        result = ", ".join(f"{key} {value:.3f}" for key, value in medians.items())
        met, target = all(medians[key] <= TARGETS[key] for key in TARGETS), "discriminative <= .12, predictive <= .125"
    else:
        band = next(iter(seeds.values()))["sub_periods"]
        medians = {key: statistics.median(score[key]["value"] for score in of_r3) for key in of_r3[0]}
        inside = {key: min(band[key]) <= medians[key] <= max(band[key]) for key in IN_BAND}
        auc = "two-sample AUC"
        block = statistics.median(s["of_generators"]["block bootstrap"][auc]["value"] for s in seeds.values())
        met = all(inside.values()) and medians[auc] <= block
        result = ", ".join(f"{key} {medians[key]:.3f}{'' if ok else ' (outside)'}" for key, ok in inside.items())
        result += f", {auc} {medians[auc]:.3f} (block bootstrap {block:.3f})"
        target = "within the band of five real sub-periods; AUC no higher than the block bootstrap's"
    details = {"minutes": minutes, "cpu_minutes": spread([s["cpu_minutes"] for s in seeds.values()]), "seeds": seeds}
    save(f"series_{name}", result=result, target=target, met=met, details=details)


if __name__ == "__main__":
    main()
