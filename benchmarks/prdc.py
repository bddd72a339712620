"""Precision, recall, density and coverage: time of Sparring's blocks against whole distance matrices of scikit-learn.

    python benchmarks/prdc.py            # about 3 minutes on 2 cores, idle machine

The plain implementation computes three whole matrices by `sklearn.metrics.pairwise_distances`, and the k-th nearest by
`numpy.partition`. Sparring's time includes what its intervals need. Memory is the growth of a process of its own after
it has loaded the features. `--large N` also runs Sparring alone on N against N rows.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from typing import Any

import torch
from record import alternate, ratios, save, spread, to_text

from sparring.measure.scores.prdc import precision_recall_density_coverage

K = 5
TIMES, GIGABYTES = 3.0, 1.0


def features(rows: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Samples and data, as a net's features are: not negative, of few true dimensions; samples a little off."""
    noise = torch.Generator().manual_seed(0)
    mix = torch.randn(64, width, generator=noise)
    drawn = [torch.randn(rows, 64, generator=noise) * scale for scale in (0.9, 1.0)]
    samples, data = ((latent_dim @ mix + torch.randn(rows, width, generator=noise)).relu_() for latent_dim in drawn)
    return samples, data


def plain(x: torch.Tensor, y: torch.Tensor) -> list[float]:
    """The four scores as the definitions read."""
    import numpy as np
    from sklearn.metrics import pairwise_distances

    samples, data = x.numpy(), y.numpy()
    radius_x = np.partition(pairwise_distances(samples), K, axis=1)[:, K]
    radius_y = np.partition(pairwise_distances(data), K, axis=1)[:, K]
    across = pairwise_distances(samples, data)
    in_y, in_x = across <= radius_y, across <= radius_x[:, None]
    return [in_y.any(1).mean(), in_x.any(0).mean(), in_y.sum() / (K * len(samples)), in_y.any(0).mean()]


def ours(x: torch.Tensor, y: torch.Tensor) -> list[float]:
    return [estimate.value for estimate in precision_recall_density_coverage(x, y, K)]


def alone(way: str, rows: int, width: int) -> dict[str, Any]:
    """Scores, seconds and memory of one call in a fresh process."""
    command = [sys.executable, __file__, "--alone", way, "--rows", str(rows), "--width", str(width)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def here(way: str, rows: int, width: int) -> dict[str, Any]:
    import sklearn.metrics  # noqa: F401  # Its own size counts for neither.

    x, y = features(rows, width)
    {"sparring": ours, "plain": plain}[way](x[:100], y[:100])
    clear_peak()
    before, begin = memory("VmRSS"), time.perf_counter()
    values = {"sparring": ours, "plain": plain}[way](x, y)
    seconds = time.perf_counter() - begin
    return {"values": [float(v) for v in values], "seconds": seconds, "gigabytes": memory("VmHWM") - before}


def clear_peak() -> None:
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def memory(key: str) -> float:
    """Of this process, in GB."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key)) * 1024 / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pairs", type=int, default=5, help="times that each way is measured")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--large", type=int, help="rows that Sparring alone is run on as well")
    parser.add_argument("--alone", choices=("sparring", "plain"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        print(json.dumps(here(options.alone, options.rows, options.width)))
        return
    each = {way: alone(way, options.rows, options.width) for way in ("sparring", "plain")}
    x, y = features(options.rows, options.width)
    seconds = alternate({"sparring": lambda: ours(x, y), "plain": lambda: plain(x, y)}, options.pairs)
    faster = ratios(seconds["plain"], seconds["sparring"])
    apart = max(abs(a - b) for a, b in zip(each["sparring"]["values"], each["plain"]["values"], strict=True))
    size = f"{options.rows:,} against {options.rows:,} x {options.width}"
    gigabytes = each["sparring"]["gigabytes"]
    save(
        "prdc",
        result=f"{size}: {to_text(faster)} times, {gigabytes:.2f} GB, scores at most {apart:.1e} apart",
        target=f"at least {TIMES:g} times, under {GIGABYTES:g} GB, equal scores",
        met=spread(faster)["median"] >= TIMES and gigabytes < GIGABYTES and apart < 1e-3,
        details={
            "pairs": options.pairs,
            "seed": 0,
            "seconds": {way: spread(took) for way, took in seconds.items()},
            "alone": each,
            "large": {f"{options.large:,} rows": alone("sparring", options.large, options.width)}
            if options.large
            else {},
        },
    )


if __name__ == "__main__":
    main()
