"""Arrays of genes: 72 and 102 rows of 7,129 and 12,600 columns, learnt from one half and judged by the other.

    python benchmarks/genes.py --halves 20

Protocol. For each of --halves splits of a data set, half of each class is learnt from and the other half is for
testing. `r3` plays on the scores of the first half for --rounds rounds. Beside it: the shrunk Gaussian of each class,
as which r3 begins; copies with noise; real rows. Scores: accuracy on the test half of a ridge classifier that learns
from 200 samples (TSTR), or from the first half (TRTR); gamma of the 1,000 most variable genes; ranks of t-statistics;
AUC of an attack on membership by the nearest sample. Intervals are those of a mean over splits, whose halves overlap,
so they are too narrow. Planted rows: three rows of permuted genes are added to the half of the first split; they come
back where a sample is as near to one of them as the nearest sample is to half of the other training rows. Settings were
chosen on another data set, alon.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from record import data_folder, log, save

from sparring.data.in_memory import InMemoryDataset
from sparring.data.loader import BatchLoader
from sparring.data.open import open_source
from sparring.engine.device import Hardware
from sparring.engine.loop import play
from sparring.engine.seeds import mix
from sparring.measure.kinds.gene_scores import (
    MAX_COLUMNS,
    gamma,
    membership_auc,
    most_variable,
    rank_correlation,
    ridge_classes,
    t_statistics,
)
from sparring.measure.rivals.gene_rivals import noisy_copies, shrunk_gaussian
from sparring.measure.rivals.rivals import LabelledRows
from sparring.models.load_generator import generator_model
from sparring.recipes.generators.r3 import R3

SETS = ("golub", "singh")
SAMPLES = 200
PLANTED = 3
CPU = Hardware(torch.device("cpu"), bf16=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--halves", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    args = parser.parse_args()
    for name in args.sets:
        data = open_source(data_folder() / "gene-expression" / f"{name}.tar.gz").split(None)
        every = LabelledRows(data[np.arange(len(data))], data.labels)
        splits: list[dict[str, Any]] = []
        begin = time.process_time()
        for k in range(args.halves):
            splits.append(one_split(data.spec, every, k, args.rounds))
            log(f"{name}, split {k}: {splits[-1]}")
        cpu = (time.process_time() - begin) / 60
        planted = plant(data.spec, every, args.rounds)
        record(name, splits, planted, args, cpu)


def one_split(spec: Any, every: LabelledRows, seed: int, rounds: int) -> dict[str, dict[str, float]]:
    """Scores of all generators on one split."""
    first, second = halves(every, seed)
    rng = np.random.default_rng([seed, 2])
    made = {
        "r3": learnt(spec, first, seed, rounds),
        "shrunk Gaussian": shrunk_gaussian(spec, first, SAMPLES, rng),
        "noisy copies": noisy_copies(spec, first, SAMPLES, rng),
        "real": first,
    }
    mean, std = first.rows.mean(0), first.rows.std(0)
    std = np.where(std > 0, std, 1)
    train, test = (((rows.rows - mean) / std).astype(np.float64) for rows in (first, second))
    columns = most_variable(first.rows)[:MAX_COLUMNS]
    t_test = t_statistics(test, second.labels)
    scores = {}
    for name, rows in made.items():
        x = ((rows.rows - mean) / std).astype(np.float64)
        scores[name] = {
            "accuracy": float((ridge_classes(x, rows.labels, test) == second.labels).mean()),
            "gamma": gamma(x[:, columns], test[:, columns]),
            "t_ranks": rank_correlation(t_statistics(x, rows.labels), t_test),
        }
        if name != "real":
            area = membership_auc(x[:, columns], train[:, columns], test[:, columns])
            scores[name]["membership_auc"] = area.value
    return {name: {key: round(value, 4) for key, value in of.items()} for name, of in scores.items()}


def halves(every: LabelledRows, seed: int) -> tuple[LabelledRows, LabelledRows]:
    """Half of each class, and the rest."""
    rng = np.random.default_rng([seed, 1])
    parts = [np.array_split(rng.permutation(np.flatnonzero(every.labels == k)), 2) for k in np.unique(every.labels)]
    return tuple(every.take(np.sort(np.concatenate([part[side] for part in parts]))) for side in (0, 1))  # type: ignore[return-value]


def learnt(spec: Any, rows: LabelledRows, seed: int, rounds: int) -> LabelledRows:
    """Samples of r3, as `sparring train --recipe r3` trains it."""
    spec = replace(spec, count=len(rows))
    data = InMemoryDataset(rows.rows, rows.labels, spec, None)
    recipe = R3().resolve(spec, CPU)
    loader = BatchLoader(data, recipe.batch_size, seed=seed)
    torch.manual_seed(mix(seed))
    nets = recipe.nets(spec)
    recipe.fit_parts(nets, data)
    system = recipe.system(spec, nets, rounds * recipe.batch_size)
    play(system, loader, total=rounds * recipe.batch_size, hardware=CPU)
    counts = tuple(np.bincount(rows.labels).tolist())
    model = generator_model(system.ema.net.eval(), spec, recipe, counts)
    made, labels = list[NDArray[Any]](), list[NDArray[np.int64]]()
    with torch.no_grad():
        for start in range(0, SAMPLES, model.chunk_samples):
            z, y = model.draw_inputs(range(start, start + model.chunk_samples), seed)
            made.append(spec.decode(model.generate(z, y)))
            labels.append(y.numpy())
    return LabelledRows(np.concatenate(made)[:SAMPLES], np.concatenate(labels)[:SAMPLES])


def plant(spec: Any, every: LabelledRows, rounds: int) -> dict[str, int]:
    """How many planted rows of permuted genes come back, of PLANTED."""
    first, _ = halves(every, 0)
    rng = np.random.default_rng(7)
    invalid = rng.permuted(first.rows[:PLANTED], axis=1)
    rows = LabelledRows(np.concatenate([first.rows, invalid]), np.concatenate([first.labels, first.labels[:PLANTED]]))
    mean, std = first.rows.mean(0), np.where(first.rows.std(0) > 0, first.rows.std(0), 1)
    back = {}
    for name, made in {
        "r3": learnt(spec, rows, 0, rounds),
        "shrunk Gaussian": shrunk_gaussian(spec, rows, SAMPLES, rng),
        "noisy copies": noisy_copies(spec, rows, SAMPLES, rng),
    }.items():
        x, real = (torch.from_numpy(((r - mean) / std).astype(np.float64)) for r in (made.rows, rows.rows))
        nearest = torch.cdist(real, x).amin(1)
        back[name] = int((nearest[-PLANTED:] <= nearest[:-PLANTED].median()).sum())
    return back


def record(name: str, splits: list[dict[str, Any]], planted: dict[str, int], args: Any, cpu: float) -> None:
    """Write the results of one data set."""
    means = {of: {key: summary([split[of][key] for split in splits]) for key in splits[0][of]} for of in splits[0]}
    r3, gaussian, real = (means[of] for of in ("r3", "shrunk Gaussian", "real"))
    difference = summary([split["r3"]["accuracy"] - split["real"]["accuracy"] for split in splits])
    against_gaussian = {
        key: summary([split["r3"][key] - split["shrunk Gaussian"][key] for split in splits])
        for key in ("accuracy", "gamma", "t_ranks", "membership_auc")
    }
    attack = r3["membership_auc"]
    met = {
        "tstr": difference["mean"] >= -0.03,
        "gamma_of_real": r3["gamma"]["mean"] >= 0.9 * real["gamma"]["mean"],
        "gamma_of_gaussian": against_gaussian["gamma"]["high"] >= 0,
        "membership": attack["low"] <= 0.5 <= attack["high"],
        "planted": planted["r3"] == 0,
    }
    result = (
        f"TSTR {r3['accuracy']['mean']:.3f} (TRTR {real['accuracy']['mean']:.3f}), gamma {r3['gamma']['mean']:.3f} "
        f"(real {real['gamma']['mean']:.3f}, Gaussian {gaussian['gamma']['mean']:.3f}), membership AUC "
        f"{attack['mean']:.3f} ({attack['low']:.3f} to {attack['high']:.3f}), planted rows back "
        f"{planted['r3']} of {PLANTED}"
    )
    target = (
        "TSTR within .03 of TRTR; gamma >= .9 of real and no lower than the Gaussian's; membership holds .5; none back"
    )
    details = {
        "met_parts": met, "means": means, "r3_less_gaussian": against_gaussian,
        "planted": planted, "halves": args.halves, "rounds": args.rounds,
        "cpu_minutes_in_all": round(cpu, 2), "splits": splits,
    }  # fmt: skip
    save(f"genes_{name}", result=result, target=target, met=all(met.values()), details=details)


def summary(values: list[float]) -> dict[str, float]:
    """Mean with a normal interval over splits."""
    mean = statistics.fmean(values)
    half = 1.96 * statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return {"mean": round(mean, 4), "low": round(mean - half, 4), "high": round(mean + half, 4)}


if __name__ == "__main__":
    main()
