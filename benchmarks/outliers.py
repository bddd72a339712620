"""Outliers by a density model: Fashion-MNIST against MNIST, the known failure of the likelihood and its mends.

    python benchmarks/outliers.py --images 200000 --seeds 3        # six models of about an hour of one core each

Protocol. A PixelCNN of bytes and a background model of the same network (`--mutation`) are trained on Fashion-MNIST's
training images. Inliers are test images of Fashion-MNIST, outliers test images of MNIST, `--rows` of each. The area
under the ROC curve is the probability that an outlier has the higher score, with the interval of DeLong.

Scores: -log p; the likelihood ratio to the background model (Ren et al. 2019); -log p beyond the bits of a PNG (Serrà
et al. 2020); typicality, the distance of -log p to its held-out mean, of one image and of batches of 10 (Nalisnick et
al. 2019); and the PNG bits alone, the simplest score.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from math import log as ln
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from record import data_folder, log, save
from torch import Tensor

import sparring
from sparring.commands.reporting.progress import Progress
from sparring.measure.likelihood.outliers import batch_means, png_bits
from sparring.models.density import DensityModel
from sparring.stats.auc import auc

BATCH = 10
TARGET = 0.9


def scores_of(model: DensityModel, background: DensityModel, source: str, rows: int) -> dict[str, Tensor]:
    """Scores of test images of a source, high for outliers."""
    test = sparring.open(source).split("test")
    images = test[np.arange(rows)]
    x = model.spec.encode(images)
    log_p = model.log_density(x)
    bits = png_bits(images)
    return {
        "-log p": -log_p,
        "likelihood ratio": background.log_density(x) - log_p,
        "-log p beyond PNG": -log_p / ln(2) - bits,
        "typicality": model.typicality(log_p),
        f"typicality of {BATCH}": (batch_means(log_p, BATCH) - model.typical).abs(),
        "PNG bits": bits,
    }


def one_seed(seed: int, images: int, rows: int, mutation: float, folder: Path) -> dict[str, Any]:
    """Areas under the curve of all scores."""
    models = []
    for name, rate in (("model", 0.0), ("background", mutation)):
        recipe = sparring.PixelCNNRecipe(mutation=rate)
        run = sparring.train(
            "fashion-mnist", recipe, images=images, seed=seed, out=folder / f"{name}{seed}",
            progress=Progress(quiet=True),
        )  # fmt: skip
        model = sparring.load(run.path)
        assert isinstance(model, DensityModel)
        models.append(model)
        log(f"seed {seed}, {name}: {run.metrics()[-1]['nll']:.3f} bits/dim")
    inliers, outliers = (scores_of(*models, source, rows) for source in ("fashion-mnist", "mnist"))
    areas = {name: auc(inliers[name].numpy(), outliers[name].numpy()) for name in inliers}
    for name, area in areas.items():
        log(f"seed {seed}, {name}: {area.text(3, 1)}")
    means = {f"bits/dim of {name}": float(s["-log p"].mean()) / (784 * ln(2)) for name, s in
             (("fashion-mnist", inliers), ("mnist", outliers))}  # fmt: skip
    return {"seed": seed, "auroc": {name: area.to_json() for name, area in areas.items()}, **means}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--mutation", type=float, default=0.2)
    parser.add_argument("--name", default="outliers")
    arguments = parser.parse_args()
    data_folder()
    with tempfile.TemporaryDirectory() as folder:
        runs = [
            one_seed(seed, arguments.images, arguments.rows, arguments.mutation, Path(folder))
            for seed in range(arguments.seeds)
        ]
    median = {name: statistics.median(run["auroc"][name]["value"] for run in runs) for name in runs[0]["auroc"]}
    words = ", ".join(f"{name} {area:.3f}" for name, area in median.items())
    save(
        arguments.name, result=words, target=f"a mend of at least {TARGET} where -log p fails",
        met=max(median["likelihood ratio"], median["-log p beyond PNG"]) >= TARGET,
        details={"images": arguments.images, "rows": arguments.rows, "mutation": arguments.mutation, "runs": runs},
    )  # fmt: skip


if __name__ == "__main__":
    main()
