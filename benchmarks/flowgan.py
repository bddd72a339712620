"""FlowGAN on 8-bit MNIST: bits per dimension against the Fréchet distance, by the weight of the likelihood.

    python benchmarks/flowgan.py --minutes 20        # about 2 hours on 2 cores, idle machine

Every run has the same minutes, networks and seed: the flow by likelihood alone, FlowGAN with weights 10, 1 and 0.1, and
by the game alone (0). Bits per dimension are the bound of -log p of 10,000 test images by one draw of the
dequantisation noise, divided by the 784 dimensions of the image. Fréchet distances are those of `quality.py`: 10,000
samples against the test images, in the features of `mnist_classifier.py`. The condition number and the round trips are
those of the last checkpoint. Runs are kept in `cache/flowgan/`, and a finished one is not trained again.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import mnist_classifier
import numpy as np
import torch
from numpy.typing import NDArray
from quality import frechet, look, yardstick
from record import HERE, data_folder, log, save

import sparring
from sparring.recipes import recipe_class
from sparring.stats.intervals import Z

RUNS = HERE / "cache" / "flowgan"
ALONE = "alone"
HALF, MORE_BITS = 0.5, 1.05
HEALTH = ("condition_number", "finite_proportion", "round_trip")


def trained(weight: str, minutes: float, seed: int) -> Any:
    """The run with this weight of the likelihood, or by likelihood alone."""
    recipe = recipe_class("flow")() if weight == ALONE else recipe_class("flowgan")(likelihood=float(weight))
    out = RUNS / f"{weight}-{minutes:g}-{seed}"
    return sparring.train(str(data_folder() / "mnist"), recipe, minutes=minutes, out=out, seed=seed)


def measure(
    run: Any, classifier: mnist_classifier.Classifier, real: NDArray[np.float64], samples: int, tests: int
) -> dict[str, Any]:
    """The figures of one run."""
    model = sparring.load(run.path)
    data = sparring.open(str(data_folder() / "mnist")).split("test")
    x = model.spec.encode(data[np.arange(tests)])
    bits = -model.log_density(x) / model.unit.nats
    half = Z * float(bits.std()) / len(bits) ** 0.5
    rows = np.concatenate(list(model.samples(samples, 0)))
    features, classes = look(classifier, torch.from_numpy(rows).permute(0, 3, 1, 2))
    own = -model.log_density(model.spec.encode(rows[:1000])) / model.unit.nats
    health = next(line for line in reversed(run.metrics()) if HEALTH[0] in line)
    return {
        "bits_per_dimension": round(float(bits.mean()), 4),
        "interval_half_width": round(half, 4),
        "bits_of_own_samples": round(float(own.mean()), 4),
        "frechet_distance": round(frechet(features, real), 4),
        "class_shares": classes,
        "images": run.settings["plan"]["images"],
        **{name: health[name] for name in HEALTH},
    }


def judge(rows: dict[str, dict[str, Any]]) -> tuple[str, bool]:
    """The best run of at most 5 % more bits, in words, and whether its distance is at most half."""
    alone = rows[ALONE]
    most = MORE_BITS * alone["bits_per_dimension"]
    near = {weight: row for weight, row in rows.items() if weight != ALONE and row["bits_per_dimension"] <= most}
    if not near:
        return "no weight stays within 5 % more bits per dimension", False
    weight, best = min(near.items(), key=lambda item: item[1]["frechet_distance"])
    ratio = best["frechet_distance"] / alone["frechet_distance"]
    bits = best["bits_per_dimension"] / alone["bits_per_dimension"] - 1
    return f"weight {weight}: {ratio:.2f} times the Fréchet distance at {100 * bits:+.1f} % bits", ratio <= HALF


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=20.0, help="of each run")
    parser.add_argument("--weights", nargs="+", default=["10", "1", "0.1", "0"], help="of the likelihood")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--tests", type=int, default=10_000, help="test images whose likelihood is measured")
    parser.add_argument("--name", default="flowgan", help="of the result file")
    options = parser.parse_args()
    classifier = mnist_classifier.load()
    real, summary = yardstick(classifier)
    rows: dict[str, dict[str, Any]] = {}
    for weight in [ALONE, *options.weights]:
        run = trained(weight, options.minutes, options.seed)
        rows[weight] = measure(run, classifier, real, options.samples, options.tests)
        log(f"{weight}: {json.dumps(rows[weight])}")
    result, met = judge(rows)
    save(
        options.name,
        result=result,
        target="at most half the Fréchet distance of likelihood alone at most 5 % more bits per dimension",
        met=met,
        details={"minutes": options.minutes, "seed": options.seed, **summary, "by_weight": rows},
    )


if __name__ == "__main__":
    main()
