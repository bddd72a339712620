"""AutoAttack standard at eps 0.3 on all 10,000 test images of MNIST, in one batch, for a GPU.

    python benchmarks/attacked_all.py RUN --device cuda

RUN is a run of `benchmarks/hardened.py`, which attacks 1,000 images and adds the follow-up attacks of the masking
checks. Here the robust accuracy is that of AutoAttack alone, with a Wilson interval.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from attack_speed import EPS, THREAT, Pixels
from record import data_folder, save

from sparring.attacks import autoattack
from sparring.data.open import open_source
from sparring.stats.intervals import wilson_interval


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--name", default="attacked_all")
    options = parser.parse_args()
    data_folder()
    test = open_source("mnist").split("test")
    rows = np.arange(min(options.images, len(test)))
    x = (torch.from_numpy(test[rows]).permute(0, 3, 1, 2).float() / 255).to(options.device)
    y = torch.from_numpy(test.labels[rows]).to(options.device)
    model = Pixels(options.run).to(options.device)
    begin = time.perf_counter()
    results = autoattack(
        model, x, y, THREAT, batch_size=len(x), on_progress=lambda name, left: print(f"{name}: {left} stand")
    )
    seconds = time.perf_counter() - begin
    robust, clean = int(results.robust.sum()), sum(name != "clean" for name in results.broken_by)
    low, high = wilson_interval(robust, len(x))
    save(
        options.name,
        result=f"AutoAttack at {EPS} on {len(x):,} images: "
        f"{robust / len(x):.2%} ({low:.2%} to {high:.2%}); clean {clean / len(x):.2%}",
        target="at least 90 % with clean at least 98.8 %",
        met=robust >= 0.9 * len(x) and clean >= 0.988 * len(x),
        details={
            "run": options.run.name, "robust": robust, "clean": clean, "of": len(x), "interval": [low, high],
            "broken_by": dict(Counter(name for name in results.broken_by if name)),
            "seconds": round(seconds, 1), "seed": 0,
            "passes": {
                "forward": float(results.queries.double().mean()),
                "backward": float(results.gradients.double().mean()),
            },
            "notes": results.notes,
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
