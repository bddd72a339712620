"""Quality of `sparring train mnist --minutes 5`, measured in the features of an independent classifier.

    python benchmarks/quality.py            # about 18 minutes on 2 cores, idle machine

Protocol. For each seed: train and sample through the command line; then the Fréchet distance between 10,000 samples and
the 10,000 test images in the 128 features of `mnist_classifier.py`, and the fraction of each class by that classifier.
The real-vs-real baseline is the distance of 10,000 training images to the test images. Fréchet distances scale with the
square of the features: `test_total_variance` (the trace of their covariance) makes other classifiers comparable.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import mnist_classifier
import numpy as np
import torch
from numpy.typing import NDArray
from record import HERE, data_folder, save, to_text
from torch import Tensor

SAMPLES = 10_000
TARGET = 0.8
FEWEST, MOST = 0.05, 0.15


def sparring(*words: str) -> tuple[str, float]:
    """Run the command line; returns what it printed and the seconds it took."""
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "sparring", *words], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout, time.perf_counter() - begin


@torch.no_grad()
def look(classifier: mnist_classifier.Classifier, images: Tensor) -> tuple[NDArray[np.float64], list[float]]:
    """Features `[N, 128]` and the share of each class, of uint8 images `[N, 1, 28, 28]`."""
    features = torch.cat([classifier.features(part.float() / 127.5 - 1) for part in images.split(500)])
    classes = classifier.head(features).argmax(1)
    shares = torch.bincount(classes, minlength=10).double() / len(images)
    return features.double().numpy(), [round(share, 4) for share in shares.tolist()]


def frechet(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """|mean a - mean b|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2) of the features' covariances A and B."""
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ cov_b @ root).clip(0)).sum()
    apart = np.square(a.mean(0) - b.mean(0)).sum()
    return float(apart + np.trace(cov_a) + np.trace(cov_b) - 2 * shared)


def one_seed(seed: int, options: argparse.Namespace, folder: Path) -> tuple[Tensor, dict[str, Any]]:
    """Samples of a fresh run, and what it took."""
    run, out = folder / f"run-{seed}", folder / f"samples-{seed}.npz"
    recipe = ["--recipe", options.recipe] if options.recipe else []
    train = ["train", "mnist", "--minutes", f"{options.minutes:g}", "--seed", str(seed), *recipe]
    _, seconds = sparring(*train, "--out", str(run))
    _, sampling = sparring("sample", str(run), "-n", str(SAMPLES), "--out", str(out))
    settings = json.loads((run / "run.json").read_text(encoding="utf-8"))
    images = settings["plan"]["images"]
    with np.load(out) as samples:
        pixels = torch.from_numpy(samples["arr_0"]).permute(0, 3, 1, 2)
    return pixels, {
        "seed": seed,
        "command": " ".join(["sparring", *train]),
        "recipe": settings["recipe"],
        "images": images,
        "images_per_second_planned": settings["plan"]["images_per_second"],
        "images_per_second_wall": round(images / seconds, 1),
        "train_seconds": round(seconds, 1),
        "sample_seconds": round(sampling, 1),
    }


def yardstick(classifier: mnist_classifier.Classifier) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """The test images' features, and the floor."""
    test_images, test_labels = mnist_classifier.mnist("t10k")
    train_images, _ = mnist_classifier.mnist("train")
    chosen = np.random.default_rng(0).choice(len(train_images), len(test_images), replace=False)
    test, shares = look(classifier, test_images)
    baseline = frechet(look(classifier, train_images[torch.from_numpy(chosen)])[0], test)
    return test, {
        "floor": round(baseline, 4),
        "test_total_variance": round(float(np.trace(np.cov(test, rowvar=False))), 3),
        "test_class_shares": shares,
        "classifier_errors_of_10000": mnist_classifier.errors(classifier, test_images, test_labels),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--recipe", help="default: what `sparring train` takes")
    parser.add_argument("--name", default="quality", help="of the result file")
    parser.add_argument("--keep", type=Path, help="a folder for the runs, to look at; default: none is kept")
    options = parser.parse_args()
    data_folder()
    classifier = mnist_classifier.load()
    test, summary = yardstick(classifier)
    runs: list[dict[str, Any]] = []
    with nullcontext(options.keep) if options.keep else tempfile.TemporaryDirectory() as folder:
        os.environ["SPARRING_CACHE"] = str(Path(folder) / "cache")
        sparring("inspect", "mnist")  # every training below finds the data decoded, as a second one of a user does
        for seed in options.seeds:
            samples, run = one_seed(seed, options, Path(folder))
            features, shares = look(classifier, samples)
            runs.append({"frechet_distance": round(frechet(features, test), 4), "class_shares": shares, **run})
            print(json.dumps(runs[-1]), file=sys.stderr)
    distances = [run["frechet_distance"] for run in runs]
    even = all(FEWEST <= share <= MOST for run in runs for share in run["class_shares"])
    shares_in_words = "all classes" if even else "not all classes"
    save(
        options.name,
        result=f"{to_text(distances)}, {shares_in_words} 5-15 %; floor {summary['floor']:.3f}",
        target=f"at most {TARGET} for each seed, all classes 5-15 %",
        met=max(distances) <= TARGET and even,
        details={"mean": round(statistics.mean(distances), 4), "samples": SAMPLES, **summary, "runs": runs,
                 "classifier": str(mnist_classifier.CACHE.relative_to(HERE))},
    )  # fmt: skip


if __name__ == "__main__":
    main()
