"""Evolution beside gradients: how many times more work a small network takes, an attack on trees, and strokes.

    python benchmarks/evolution.py network --seeds 3          # 10 minutes of one core
    python benchmarks/evolution.py trees --seeds 3            # 2 minutes
    python benchmarks/evolution.py strokes --seeds 3          # an hour

network: a perceptron on the embedded digits (64-16-10, 1,210 weights; linear: 64-10, 650) until its error on the test
digits is at most `--error`. Work is counted in passes over a batch of 256: 3 of a step with gradients (forward and
backward), 2 pairs + 1 of evolution, the population + 1 of CMA-ES. Adam has the fastest of three learning rates,
evolution 0.03, which was faster than 0.1.

trees: digits of a random forest and of boosted trees, Linf, 300 passes an attack: evolution, square and random points.

strokes: recipe `strokes` on the digits, against the untrained renderer and against `gan2014` of as many images.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from record import log, save
from scipy.stats import t
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Adam, Optimizer

import sparring
from sparring.attacks import Threat, evolution, square
from sparring.commands.reporting.progress import Progress
from sparring.engine.evolution import CMAES, EvolutionStrategy

BATCH, PAIRS, MAX_PASSES = 256, 32, 40_000


def interval(values: list[float]) -> str:
    """Mean with Student's 95 % interval over seeds."""
    if len(values) < 2:
        return f"{values[0]:.3g}"
    half = float(t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / len(values) ** 0.5
    mean = statistics.fmean(values)
    return f"{mean:.3g} ({mean - half:.3g} to {mean + half:.3g})"


# a small network


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    data = sparring.open("digits")
    test = data.split("test")
    parts: list[Tensor] = []
    for split in (data, test):
        parts += [split.spec.encode(split[np.arange(len(split))]).flatten(1), torch.from_numpy(split.labels)]
    return parts[0], parts[1], parts[2], parts[3]


def passes_to_error(
    make: Callable[[nn.Module], tuple[Optimizer, int]], hidden: int, error: float, seed: int
) -> dict[str, float]:
    """Train until the test error is `error`; return passes, seconds of CPU and the lowest error."""
    x, y, x_test, y_test = digits()
    torch.manual_seed(seed)
    layers = [nn.Linear(64, hidden), nn.Tanh(), nn.Linear(hidden, 10)] if hidden else [nn.Linear(64, 10)]
    net = nn.Sequential(*layers)
    optimizer, cost = make(net)
    generator = torch.Generator().manual_seed(seed)
    passes, lowest, begin = 0, 1.0, time.process_time()
    while passes < MAX_PASSES:
        idx = torch.randint(len(x), (BATCH,), generator=generator)

        def loss(idx: Tensor = idx) -> Any:
            value = cross_entropy(net(x[idx]), y[idx])
            if isinstance(optimizer, Adam) and not isinstance(optimizer, EvolutionStrategy):
                optimizer.zero_grad()
                value.backward()
                return value
            return float(value)

        optimizer.step(loss)
        passes += cost
        with torch.no_grad():
            lowest = min(lowest, float((net(x_test).argmax(1) != y_test).double().mean()))
        if lowest <= error:
            break
    return {"passes": passes, "cpu_seconds": time.process_time() - begin, "error": lowest}


def network(seeds: int, error: float, with_cma: bool) -> None:
    def es(lr: float) -> Callable[[nn.Module], tuple[Optimizer, int]]:
        return lambda net: (EvolutionStrategy(net.parameters(), lr, sigma=0.05, pairs=PAIRS), 2 * PAIRS + 1)

    def adam(lr: float) -> Callable[[nn.Module], tuple[Optimizer, int]]:
        return lambda net: (Adam(net.parameters(), lr), 3)

    def cma(net: nn.Module) -> tuple[Optimizer, int]:
        return CMAES(net.parameters(), sigma=0.1, population=24), 25

    contenders = {
        "adam": (16, {f"lr {lr}": adam(lr) for lr in (3e-3, 1e-2, 3e-2)}),
        "evolution": (16, {"lr 0.03": es(3e-2)}),
        "adam, linear": (0, {f"lr {lr}": adam(lr) for lr in (3e-3, 1e-2, 3e-2)}),
        "evolution, linear": (0, {"lr 0.03": es(3e-2)}),
    }
    if with_cma:
        contenders["cma, linear"] = (0, {"sigma 0.1": cma})
    results: dict[str, Any] = {}
    for name, (hidden, variants) in contenders.items():
        best: tuple[float, str, list[dict[str, float]]] | None = None
        for variant, make in variants.items():
            runs = [passes_to_error(make, hidden, error, seed) for seed in range(seeds)]
            mean = statistics.fmean(run["passes"] for run in runs)
            log(f"{name}, {variant}: {mean:,.0f} passes, errors {[round(run['error'], 3) for run in runs]}")
            if best is None or mean < best[0]:
                best = (mean, variant, runs)
        assert best is not None
        results[name] = {"variant": best[1], "runs": best[2], "reached": all(r["error"] <= error for r in best[2])}

    def ratio(of: str, to: str) -> list[float]:
        return [a["passes"] / b["passes"] for a, b in zip(results[of]["runs"], results[to]["runs"], strict=True)]

    ratios = {
        "evolution": ratio("evolution", "adam"),
        "evolution, linear": ratio("evolution, linear", "adam, linear"),
    }
    if with_cma:
        ratios["cma, linear"] = ratio("cma, linear", "adam, linear")
    text = "; ".join(f"{name} {interval(values)}" for name, values in ratios.items())
    save(
        "evolution_network",
        result=f"times Adam's passes to {error:.0%} test error (at least, where it was not reached): {text}",
        target="none: the cost of having no gradient",
        met=True, details={"error": error, "contenders": results, "ratios": ratios, "seeds": seeds},
    )  # fmt: skip


# trees


def trees(seeds: int) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

    x, y, x_test, y_test = digits()
    x, x_test = (x + 1) / 2, (x_test + 1) / 2
    results: dict[str, dict[str, list[float]]] = {}
    for name, kind, eps in (
        ("random forest", lambda s: RandomForestClassifier(100, random_state=s), 0.15),
        ("boosted trees", lambda s: HistGradientBoostingClassifier(max_iter=60, random_state=s), 0.08),
    ):
        rates: dict[str, list[float]] = {"evolution": [], "square": [], "random points": []}
        for seed in range(seeds):
            fitted = kind(seed).fit(x.numpy(), y.numpy())

            def model(rows: Tensor, fitted: Any = fitted) -> Tensor:
                return torch.from_numpy(fitted.predict_proba(rows.numpy())).clamp(min=1e-6).log().to(rows)

            correct = (model(x_test).argmax(1) == y_test).nonzero().squeeze(1)[:150]
            rows, labels, threat = x_test[correct], y_test[correct], Threat("Linf", eps)
            rates["evolution"].append(evolution(model, rows, labels, threat, seed=seed).success_rate)
            rates["square"].append(square(model, rows, labels, threat, steps=300, seed=seed).success_rate)
            region, generator = threat.around(rows), torch.Generator().manual_seed(seed)
            broken = torch.zeros(len(rows), dtype=torch.bool)
            for _ in range(300):
                broken |= model(region.random_point(generator)).argmax(1) != labels
            rates["random points"].append(float(broken.double().mean()))
            log(f"{name}, seed {seed}: { {k: round(v[-1], 3) for k, v in rates.items()} }")
        results[name] = rates
    text = "; ".join(
        f"{name}: " + ", ".join(f"{attack} {interval([100 * v for v in values])} %" for attack, values in rates.items())
        for name, rates in results.items()
    )
    better = all(min(r["evolution"]) > max(r["random points"]) for r in results.values())
    save(
        "evolution_trees", result=text, target="more rows broken than by random points", met=better,
        details={"rates": results, "seeds": seeds},
    )  # fmt: skip


# strokes


def strokes(seeds: int, images: int) -> None:
    results: dict[str, list[dict[str, float]]] = {"strokes": [], "gan2014": []}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(seeds):
            for name, runs in results.items():
                begin = time.process_time()
                run = sparring.train(
                    "digits", name, images=images, seed=seed, out=Path(folder) / f"{name}-{seed}",
                    progress=Progress(quiet=True),
                )  # fmt: skip
                measured = [line for line in run.metrics() if "sliced_wasserstein" in line]
                first, last = measured[0], measured[-1]
                runs.append(
                    {
                        "untrained": first["sliced_wasserstein"], "distance": last["sliced_wasserstein"],
                        "coverage": last["coverage"], "real": first["baseline_sliced_wasserstein"],
                        "cpu_seconds": time.process_time() - begin,
                    }
                )  # fmt: skip
                log(f"{name}, seed {seed}: {runs[-1]}")
    shown = {name: interval([run["distance"] for run in runs]) for name, runs in results.items()}
    untrained = interval([run["untrained"] for run in results["strokes"]])
    real = interval([run["real"] for run in results["strokes"]])
    met = all(run["distance"] < run["untrained"] / 4 for run in results["strokes"])
    save(
        "evolution_strokes",
        result=f"sliced Wasserstein to held-out digits after {images:,} images: strokes {shown['strokes']} (untrained "
        f"{untrained}), gan2014 {shown['gan2014']}; other real digits {real}",
        target="a quarter of the untrained distance", met=met, details={"runs": results, "images": images},
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("network", "trees", "strokes"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--error", type=float, default=0.1, help="of the network")
    parser.add_argument("--cma", action="store_true", help="CMA-ES, too: half an hour more")
    parser.add_argument("--images", type=int, default=64_000, help="of strokes")
    options = parser.parse_args()
    if options.part == "network":
        network(options.seeds, options.error, options.cma)
    elif options.part == "trees":
        trees(options.seeds)
    else:
        strokes(options.seeds, options.images)


if __name__ == "__main__":
    main()
