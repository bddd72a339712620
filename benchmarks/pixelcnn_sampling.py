"""Samplers of PixelCNNs against each other: the same pixels, and how much faster.

    python benchmarks/pixelcnn_sampling.py              # about 50 minutes on 2 cores, idle machine, 9 of them training

Three networks of binary MNIST, trained for the same minutes: single pixels, blocks of 2x2, and multiscale. On the first
two, the samplers run with the same uniform numbers. Equality is counted in float64 (all pixels) and in float32.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable
from typing import Any

import torch
from record import HERE, alternate, data_folder, log, save, spread
from torch import Tensor

import sparring
from sparring.nets.pixelcnn import PixelCNN
from sparring.nets.pixelcnn_samplers import sample_cached, sample_fixed_point, sample_naive, sample_row_wise
from sparring.recipes import recipe_class

MODELS: dict[str, dict[str, Any]] = {
    "pixels": {"block": 1},
    "blocks": {},
    "multiscale": {"scales": 1},
}
RUNS = HERE / "cache" / "pixelcnn_sampling"
FASTER, SECONDS, MULTISCALE_FASTER, WORSE = 50, 5.0, 10, 8.0
BATCH = 64


def trained(name: str, minutes: float) -> Any:
    """The model of one row of `MODELS`; a run that has ended is not trained again."""
    recipe = recipe_class("pixelcnn")(binary=True, **MODELS[name])
    run = sparring.train(str(data_folder() / "mnist"), recipe, minutes=minutes, out=RUNS / f"{name}-{minutes:g}")
    return sparring.load(run.path)


def test_nats(model: Any, images: int) -> float:
    """Mean -log P of binary test images, in nats."""
    data = sparring.open(str(data_folder() / "mnist")).split("test")
    x = model.spec.encode(data[torch.arange(images).numpy()])
    return -float(model.log_density(x).mean())


def seconds_of(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def numbers(net: PixelCNN, batch: int) -> Tensor:
    """Uniform numbers of a batch, from seed 0."""
    return net.uniforms(torch.randn(batch, net.latent_dim, generator=torch.Generator().manual_seed(0)))


def equality(net: PixelCNN, naive_images: int) -> dict[str, Any]:
    """Pixels that differ, in float64 and float32; the gap of log P between a coder's steps and the parallel pass."""
    double = copy.deepcopy(net).double()
    u = numbers(double, BATCH)
    cached, (fixed, passes) = sample_cached(double, u), sample_fixed_point(double, u)
    naive, rows = sample_naive(double, u[:naive_images]), sample_row_wise(double, u[:naive_images])
    single_cached, (single_fixed, _) = sample_cached(net, u), sample_fixed_point(net, u)
    x = net(torch.randn(BATCH, net.latent_dim, generator=torch.Generator().manual_seed(0)))
    gap = (stepwise(net, x) - net.log_prob(x).detach().double()).abs().max()
    return {
        "float64_images": BATCH,
        "float64_pixels_unequal_cached_fixed_point": int((cached != fixed).sum()),
        "float64_images_of_naive": naive_images,
        "float64_pixels_unequal_cached_naive": int((cached[:naive_images] != naive).sum()),
        "float64_pixels_unequal_row_wise_naive": int((rows != naive).sum()),
        "float32_pixels_unequal_cached_fixed_point": int((single_cached != single_fixed).sum()),
        "float32_largest_gap_of_log_p": float(gap),
        "fixed_point_passes": passes,
    }


def stepwise(net: PixelCNN, x: Tensor) -> Tensor:
    """Log P of images by the steps that a coder uses."""
    levels = ((x + 1) / 2 * (net.distribution.levels - 1)).round().long()
    steps, total = net.conditionals(len(x)), torch.zeros(len(x), dtype=torch.float64)
    try:
        step = next(steps)
        while True:
            total += step.probabilities.gather(1, levels[step.place][:, None])[:, 0].log()
            step = steps.send(levels[step.place])
    except StopIteration:
        return total


def samplers(net: PixelCNN, batch: int) -> dict[str, Callable[[], object]]:
    """The four ways by name."""
    u = numbers(net, batch)
    return {
        "naive": lambda: sample_naive(net, u),
        "row_wise": lambda: sample_row_wise(net, u),
        "fixed_point": lambda: sample_fixed_point(net, u),
        "cached": lambda: sample_cached(net, u),
    }


def measure(model: Any, batch: int, times: int) -> dict[str, Any]:
    """Seconds of each sampler at a batch; the slow ones once, after the others have warmed up."""
    ways = samplers(model.generator, batch)
    fast = alternate({name: ways[name] for name in ("fixed_point", "cached")}, times)
    seconds = {name: spread(values) for name, values in fast.items()}
    for name in "row_wise", "naive":
        log(f"{name}, batch {batch}")
        seconds[name] = spread([seconds_of(ways[name])])
    cached = seconds["cached"]["median"]
    return {
        "seconds": seconds,
        "times_faster_than_naive": {name: seconds["naive"]["median"] / s["median"] for name, s in seconds.items()},
        "seconds_per_image_cached": cached / batch,
    }


def measure_multiscale(model: Any, batch: int, times: int) -> dict[str, Any]:
    z = torch.randn(batch, model.generator.latent_dim, generator=torch.Generator().manual_seed(0))
    return spread(alternate({"multiscale": lambda: model.generator(z)}, times, warm_up=2)["multiscale"])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=3, help="of training, for each network")
    parser.add_argument("--times", type=int, default=5, help="measurements of the fast samplers")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, BATCH])
    parser.add_argument("--naive-images", type=int, default=8, help="compared with the naive sampler in float64")
    parser.add_argument("--test-images", type=int, default=10_000)
    options = parser.parse_args()
    models = {name: trained(name, options.minutes) for name in MODELS}
    nats = {name: test_nats(model, options.test_images) for name, model in models.items()}
    details: dict[str, Any] = {"minutes": options.minutes, "settings": MODELS, "test_nats": nats, "seed": 0}
    with torch.no_grad():
        for name in "pixels", "blocks":
            details[name] = {str(batch): measure(models[name], batch, options.times) for batch in options.batches}
            details[name]["equality"] = equality(models[name].generator, options.naive_images)
        multiscale = {str(b): measure_multiscale(models["multiscale"], b, options.times) for b in options.batches}
    details["multiscale"] = multiscale
    last = str(max(options.batches))
    cached = {name: details[name][last]["seconds"]["cached"]["median"] for name in ("pixels", "blocks")}
    faster = {name: details[name][last]["times_faster_than_naive"]["cached"] for name in cached}
    again = cached["pixels"] / multiscale[last]["median"]
    worse = nats["multiscale"] - min(nats["pixels"], nats["blocks"])
    unequal = sum(
        value for name in cached for key, value in details[name]["equality"].items() if "float64_pixels" in key
    )
    save(
        "pixelcnn_sampling",
        result=(
            f"batch {last}: cached {faster['pixels']:.0f} times naive, {cached['pixels']:.2f} s (blocks "
            f"{faster['blocks']:.0f} times, {cached['blocks']:.2f} s); multiscale {again:.1f} times faster than cached "
            f"single pixels and {worse:.1f} nats worse than the best; {unequal} pixels unequal in float64"
        ),
        target=f"{FASTER} times, {SECONDS:g} s; {MULTISCALE_FASTER} times, {WORSE:g} nats worse; no pixel unequal",
        met=min(faster.values()) >= FASTER
        and max(cached.values()) < SECONDS
        and again >= MULTISCALE_FASTER
        and worse <= WORSE
        and unequal == 0,
        details=details,
    )


if __name__ == "__main__":
    main()
