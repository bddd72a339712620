"""Clean against robust accuracy over the eps of adversarial training.

    python benchmarks/tradeoff.py

Protocol. MNIST, Linf, `sparring harden --method fast` at each eps (0: no adversary), one thread each. Clean: all 10,000
test images. Robust: the first 1,000 under PGD of 40 steps at 0.1, the same attack for all. On MNIST weak adversaries
improve the clean accuracy (Tsipras et al. 2019, "Robustness may be at odds with accuracy", Figure 1).
"""

from __future__ import annotations

import argparse
import json
import statistics
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np
import torch
from judge import source
from record import RESULTS, data_folder, save, spread
from torch import Tensor
from trials import CACHE_FOLDER, hardened

from sparring.attacks import Threat, pgd
from sparring.commands.attacking.load_target import load_target
from sparring.commands.attacking.suites.image import image_target
from sparring.data.open import open_source
from sparring.report.svg_plots import curve

AT, STEPS = 0.1, 40
LOOK = (
    "background: #fff; color: #1b1f24; font-family: sans-serif; --quiet: #59616b; --line: #dfe3e8; "
    "--s1: #0072b2; --s2: #d55e00; --s3: #009e73"
)
"""Of pictures; on a page it is the page's."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--eps", type=float, nargs="+", default=[0.0, 0.03, 0.1, 0.2, 0.3])
    parser.add_argument("--images", type=int, default=300_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--flags", default="--eps-ramp 0", help="for `sparring harden --method fast`")
    parser.add_argument("--name", default="tradeoff")
    options = parser.parse_args()
    data_folder()
    todo = list(product(options.eps, options.seeds))
    with ThreadPoolExecutor(options.workers) as pool:
        runs = dict(zip(todo, pool.map(lambda one: _train(options, *one), todo), strict=True))
    test = open_source("mnist").split("test")
    x = torch.from_numpy(test[np.arange(1000)]).permute(0, 3, 1, 2).float() / 255
    y = torch.from_numpy(test.labels[:1000]).long()
    clean = {eps: [_clean(runs[eps, seed]) for seed in options.seeds] for eps in options.eps}
    robust = {eps: [_robust(runs[eps, seed], x, y) for seed in options.seeds] for eps in options.eps}
    mean = {eps: statistics.mean(of) for eps, of in clean.items()}
    weak = max(mean, key=lambda eps: mean[eps])
    RESULTS.mkdir(exist_ok=True)
    for kind, title, table in (("clean", "Clean accuracy", clean), ("robust", f"Right under PGD at {AT:g}", robust)):
        path = RESULTS / f"{options.name}_{kind}.svg"
        path.write_text(picture(title, table, options.seeds), encoding="utf-8")
    save(
        options.name,
        result="; ".join(
            f"eps {eps:g}: {mean[eps]:.2f} % clean, {statistics.mean(robust[eps]):.1f} % under PGD at {AT:g}"
            for eps in options.eps
        ) + f"; the best clean accuracy is that of eps {weak:g}",
        target="an adversary of some eps above 0 makes the mean clean accuracy better than none",
        met=weak > 0,
        details={
            "images": options.images, "seeds": options.seeds, "flags": options.flags,
            "clean_percent": {f"{eps:g}": spread(of) for eps, of in clean.items()},
            "robust_percent": {f"{eps:g}": spread(of) for eps, of in robust.items()},
            "pictures": [f"{options.name}_{kind}.svg" for kind in ("clean", "robust")],
        },
    )  # fmt: skip


def _train(options: argparse.Namespace, eps: float, seed: int) -> Path:
    run = CACHE_FOLDER / "tradeoff" / f"{options.name}-{options.images}-{eps:g}-{seed}"
    length = ("--eps", str(eps), "--images", str(options.images), "--seed", str(seed))
    return hardened(run, source("mnist"), "--method", "fast", *length, *options.flags.split())


def _clean(run: Path) -> float:
    """Percent of all test images."""
    summary = json.loads((run / "hardening.json").read_text(encoding="utf-8"))["clean"]
    return 100 * (1 - summary["errors"]["value"])


def _robust(run: Path, x: Tensor, y: Tensor) -> float:
    """Percent of `x`."""
    model = image_target(load_target(run)).model
    return 100 * (1 - pgd(model, x, y, Threat("Linf", AT), steps=STEPS).success_rate)


def picture(title: str, table: dict[float, list[float]], seeds: list[int]) -> str:
    """Percents over eps as SVG that stands alone, a line for each seed."""
    lines = {f"seed {seed}": [(eps, of[k]) for eps, of in table.items()] for k, seed in enumerate(seeds)}
    drawn = curve(title, lines, unit="%", axis="trained against eps")
    return str(drawn).replace("<svg ", f'<svg xmlns="http://www.w3.org/2000/svg" style="{LOOK}" ', 1) + "\n"


if __name__ == "__main__":
    main()
