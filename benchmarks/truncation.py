"""Fidelity against variety of a BigGAN over `--truncation` (Brock et al. 2019, section 3.1).

    python benchmarks/truncation.py                   # trains 10 minutes on MNIST, then measures for about 15
    python benchmarks/truncation.py --run RUN         # measures an existing run

Protocol. For each truncation, 10,000 samples of the same weights, as `sparring sample --truncation T` writes them,
against the test images: Fréchet distance, precision, recall and coverage of `sparring evaluate`, with intervals. A
picture has a row for each truncation, of the same noise, and a column for each class.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from record import RESULTS, data_folder, save

import sparring
from sparring.engine.image_io import grid, save_png, to_uint8
from sparring.models.load_generator import load_generator

TRUNCATIONS = (None, 1.5, 1.0, 0.7, 0.5, 0.3, 0.1)
SCORES = ("fd", "precision", "recall", "coverage")
SMALL = 0.5
"""The truncation that the target speaks of."""


def measure(run: Path, source: str, truncation: float | None, n: int, samples: Path) -> dict[str, Any]:
    """Scores at one truncation, each with its interval and what real data reach. Of files: a run's game plays on."""
    sparring.sample(run, n, out=samples, truncation=truncation)
    evaluation = sparring.evaluate(samples, source, n=n)
    scores = {name: evaluation[name] for name in SCORES}
    summary = {
        name: {"value": s.value, "low": s.low, "high": s.high, "real": s.real_baseline} for name, s in scores.items()
    }
    return {"truncation": truncation, **summary}


def row(run: Path, truncation: float | None, seed: int) -> NDArray[np.uint8]:
    """Samples `[10, H, W, C]`, one of each of the first ten classes, of the same noise at every truncation."""
    model = load_generator(run, truncation=truncation)
    count = min(len(model.spec.classes), 10)
    return to_uint8(model.generate(model.draw_inputs(range(count), seed)[0], torch.arange(count)))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="of training")
    parser.add_argument("--images", type=int, help="to train on, in place of --minutes")
    parser.add_argument("--run", type=Path, help="a BigGAN that is there, in place of training one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-n", type=int, default=10_000, help="samples, and real images")
    parser.add_argument("--name", default="truncation", help="of the result files")
    options = parser.parse_args()
    data_folder()
    with tempfile.TemporaryDirectory() as folder:
        run = options.run
        if run is None:
            length = {"images": options.images} if options.images else {"minutes": options.minutes}
            run = sparring.train("mnist", "biggan", out=Path(folder) / "run", seed=options.seed, **length).path
        settings = sparring.Run(run).settings
        source, samples = settings["data"]["source"], Path(folder) / "samples.npz"
        results = [measure(run, source, truncation, options.n, samples) for truncation in TRUNCATIONS]
        pixels = np.concatenate([row(run, truncation, options.seed) for truncation in TRUNCATIONS])
    picture = RESULTS / f"{options.name}.png"
    RESULTS.mkdir(exist_ok=True)
    save_png(grid(pixels, len(pixels) // len(TRUNCATIONS)), picture, f"truncations {TRUNCATIONS}, a row each")
    free, small = results[0], next(line for line in results if line["truncation"] == SMALL)
    words = "; ".join(
        f"T = {line['truncation'] or 'none'}: " + ", ".join(f"{name} {line[name]['value']:.3f}" for name in SCORES)
        for line in results
    )
    save(
        options.name,
        result=words,
        target=f"at {SMALL}, precision higher and recall lower than without truncation, beyond their intervals",
        met=small["precision"]["low"] > free["precision"]["high"] and small["recall"]["high"] < free["recall"]["low"],
        details={
            "images": settings["plan"]["images"],
            "recipe": settings["recipe"],
            "seed": options.seed,
            "curve": results,
            "picture": picture.name,
        },
    )


if __name__ == "__main__":
    main()
