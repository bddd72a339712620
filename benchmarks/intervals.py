"""Coverage of the 95 % intervals of the scores, by simulation.

    python benchmarks/intervals.py            # about 15 minutes on 2 cores

Gaussians of known mean and width are drawn 300 times for each setting. The true value is the mean of a score over all
draws at the same sample size; that of `fd_infinity` is the true distance in closed form.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from record import save
from torch import Tensor

from sparring.measure.scores.scores import MEASURES, VALUE_MEASURE

SETTINGS = {
    "equal, d = 8, N = 300": (300, 8, 0.0, 1.0),
    "shifted by 0.3, d = 8, N = 300": (300, 8, 0.3, 1.0),
    "wider by 0.3, d = 4, N = 500": (500, 4, 0.1, 1.3),
    "narrower by 0.2, d = 32, N = 400": (400, 32, 0.1, 0.8),
    "shifted by 0.5, d = 64, N = 1000": (1000, 64, 0.5, 1.0),
}
LOW, HIGH = 0.90, 0.98


def draw(n: int, d: int, seed: int) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def covered(n: int, d: int, shift: float, scale: float, times: int) -> dict[str, Any]:
    results: dict[str, list[tuple[float, float, float]]] = {}
    for k in range(times):
        x, y = draw(n, d, 2 * k) * scale + shift, draw(n, d, 2 * k + 1)
        for measure in (*MEASURES, VALUE_MEASURE):
            for name, estimate, (least, most) in zip(measure.names, measure.compute(x, y), measure.bounds, strict=True):
                low, high = estimate.interval(least=least, most=most, seed=k)
                results.setdefault(name, []).append((estimate.value, low, high))
    summary = {}
    for name, draws in results.items():
        truth = sum(value for value, _, _ in draws) / times
        if name == "fd_infinity":
            truth = d * shift**2 + d * (scale - 1) ** 2
        summary[name] = {
            "covered": sum(low <= truth <= high for _, low, high in draws) / times,
            "truth": truth,
            "mean_value": sum(value for value, _, _ in draws) / times,
            "mean_width": sum(high - low for _, low, high in draws) / times,
        }
    return summary


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--times", type=int, default=300)
    options = parser.parse_args()
    summary: dict[str, dict[str, Any]] = {}
    for setting, (n, d, shift, scale) in SETTINGS.items():
        summary[setting] = covered(n, d, shift, scale, options.times)
        print(setting, {name: round(of["covered"], 3) for name, of in summary[setting].items()}, flush=True)
    every = [of["covered"] for setting in summary.values() for of in setting.values()]
    outside = [
        f"{name} {of['covered']:.1%} ({setting})"
        for setting, scores in summary.items()
        for name, of in scores.items()
        if not LOW <= of["covered"] <= HIGH
    ]
    save(
        "intervals",
        result=f"{min(every):.1%} to {max(every):.1%}" + (f"; outside: {'; '.join(outside)}" if outside else ""),
        target="90 to 98 % for nominal 95 %",
        met=not outside,
        details={"times": options.times, "settings": summary},
    )


if __name__ == "__main__":
    main()
