"""Membership attack on private generators of images, by the density ratio (van Breugel et al. 2023, arXiv:2302.12580).

    python benchmarks/private_membership.py [--epsilons 3 10000] [--seeds 0 1 2]

Generators learn from 2,000 digits of MNIST. The attack compares the distances of a digit, in pixels, to their samples
and to those of a reference generator of the same epsilon, which learnt from 2,000 other digits. 2,000 members are
attacked beside 2,000 others; 2,000 more set the thresholds. The training digits in place of samples show the power of
the attack. An epsilon of 10,000 stands for none. Rows of other epsilons and seeds in results/private_membership.json
stay.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from private_generators import DELTA, samples_of
from record import RESULTS, data_folder, log, save

import sparring
from sparring.commands.reporting.progress import Progress
from sparring.measure.privacy.membership import density_ratio_scores, membership_result

ROWS = 2_000


def generated(x: np.ndarray, y: np.ndarray, epsilon: float, seed: int, images: int) -> np.ndarray:
    """Return the pixels `[M, D]` of samples of a private generator of images `x` with labels `y`."""
    with tempfile.TemporaryDirectory() as folder:
        np.savez(f"{folder}/x.npz", x=x, y=y)
        run = sparring.train(
            f"{folder}/x.npz", private=epsilon, delta=DELTA, images=images, seed=seed, out=f"{folder}/run",
            progress=Progress(quiet=True),
        )  # fmt: skip
        model: Any = sparring.load(run.path)
        return flat(model.spec.decode(samples_of(model)[0]))


def flat(x: np.ndarray) -> np.ndarray:
    """Return bytes of images `[N, ...]` as vectors in [0, 1], float64."""
    return x.reshape(len(x), -1) / 255


def measured(epsilon: float, seed: int, images: int) -> dict[str, Any]:
    """Train a generator and its reference, and attack the first."""
    data = sparring.open("mnist")
    order = np.random.default_rng(seed).permutation(len(data))[: 4 * ROWS].reshape(4, ROWS)
    members, others, elsewhere, calibration = (data[np.sort(idx)] for idx in order)
    labels = [data.labels[np.sort(idx)] for idx in order]
    samples = generated(members, labels[0], epsilon, seed, images)
    reference = generated(elsewhere, labels[2], epsilon, seed, images)
    rows = np.concatenate([flat(members), flat(others)])
    figures = {}
    for name, each in (("samples", samples), ("copies", flat(members))):
        scores, of_others = (density_ratio_scores(x, each, reference) for x in (rows, flat(calibration)))
        result = membership_result(scores, np.arange(len(rows)) < ROWS, of_others)
        hits = {str(rate): asdict(hit) for rate, hit in result.hits.items()}
        figures[name] = {"auc": result.auc.to_json(), "hits": hits, "precision": result.precision(0.01)}
    return {"epsilon": epsilon, "seed": seed, "images": images, **figures}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epsilons", type=float, nargs="+", default=[3.0, 10_000.0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--images", type=int, default=160_000)
    options = parser.parse_args()
    data_folder()
    torch.set_num_threads(1)
    path = RESULTS / "private_membership.json"
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    for seed in options.seeds:
        for epsilon in options.epsilons:
            rows = [row for row in rows if (row["epsilon"], row["seed"]) != (epsilon, seed)]
            rows.append(measured(epsilon, seed, options.images))
            log(f"{rows[-1]}")
            write(rows)


def write(rows: list[dict[str, Any]]) -> None:
    """Write the figures of all rows."""
    most = max(rows, key=lambda row: float(row["samples"]["auc"]["value"]))
    save(
        "private_membership",
        result=f"AUC at most {most['samples']['auc']['value']:.3f} (epsilon {most['epsilon']:g}, seed {most['seed']}); "
        f"of copies {min(row['copies']['auc']['value'] for row in rows):.3f} or more",
        target="no more than chance beyond the interval at epsilon 3, copies recognised",
        met=any(row["epsilon"] <= 3 for row in rows)
        and all(row["samples"]["auc"]["low"] <= 0.5 for row in rows if row["epsilon"] <= 3)
        and all(row["copies"]["auc"]["value"] > 0.95 for row in rows),
        details={"rows": rows},
    )


if __name__ == "__main__":
    main()
