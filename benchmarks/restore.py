"""`sparring restore` on pictures whose truth is known: holes, enlargement, noise.

    python benchmarks/restore.py --seeds 0 1 2

Protocol. One thread; a fit has a fixed number of steps, so that other work on the machine does not change it, and its
CPU time is written beside it (limit: 5 minutes). Each figure is a PSNR of 8-bit pixels:

- hole: kate.png is whole under its mask. PSNR of RGB in the hole alone, beside harmonic and biharmonic fill.
- scale: four pictures of Set14 (SCALED), reduced by 4 with Pillow's bicubic filter and rounded; Y of BT.601, 4 pixels
  cut off at each border; beside Pillow's bicubic enlargement. Not the whole set: 14 pictures x 3 seeds take hours.
- noise: 256x256 of lenna (from the upper left) with normal noise of 25, cut off and rounded as a file is; the noise is
  estimated by the command. PSNR of RGB, beside the best of Gaussian blurs, chosen by the truth.

`best` is the highest PSNR of the averaged output at any step, by the truth. The restored picture also has known pixels
put back, which no step has, so it can be better.
"""

from __future__ import annotations

import argparse
import io
import math
import statistics
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter
from record import data_folder, log, save

LIMIT_CPU_SECONDS = 300
SCALED = ("foreman", "face", "comic", "pepper")
STEPS = {"hole": 40, "foreman": 200, "face": 200, "comic": 200, "pepper": 200, "noise": 200}
Array = np.ndarray[Any, Any]


def psnr(a: Array, b: Array, where: Array | None = None) -> float:
    squares = (a.astype(np.float64) - b.astype(np.float64)) ** 2
    return 10 * math.log10(255**2 / float((squares if where is None else squares[where]).mean()))


def luma(x: Array) -> Array:
    """Y of BT.601 in 16 to 235, 4 pixels cut off."""
    y = 16 + (x.astype(np.float64) @ [65.481, 128.553, 24.966]) / 255
    return y[4:-4, 4:-4]


class Case:
    """A picture to restore, its truth, and how it is scored."""

    def __init__(self, folder: Path, truth: Array, source: Array, baselines: dict[str, float], **task: Any) -> None:
        self.folder, self.truth, self.baselines, self.task = folder, truth, baselines, task
        Image.fromarray(source).save(folder / "source.png")
        self.score: Callable[[Array], float] = lambda x: psnr(x, truth)
        self.region = slice(0, len(truth)), slice(0, truth.shape[1])
        """The part of the picture that is fitted."""

    def run(self, steps: int, seed: int) -> dict[str, Any]:
        from sparring.commands.reporting.progress import Progress
        from sparring.commands.restore import restore
        from sparring.restoration import prior

        scores: list[tuple[float, int]] = []
        whole, start = prior.Fit.record, time.process_time()

        def record(fit: prior.Fit, *args: Any) -> None:
            whole(fit, *args)
            step = int(fit.steps)
            picture = self.truth.copy()
            part = picture[self.region]
            if step % 10 == 0 and fit.average.shape[2:] == part.shape[:2]:
                part[:] = (fit.average[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
                scores.append((self.score(picture), step))

        prior.Fit.record = record  # type: ignore[method-assign]
        try:
            out = self.folder / f"run-{seed}"
            result = restore(
                self.folder / "source.png", steps=steps, seed=seed, out=out, progress=Progress(quiet=True), **self.task
            )
        finally:
            prior.Fit.record = whole  # type: ignore[method-assign]
        cpu = time.process_time() - start
        score = self.score(np.asarray(Image.open(result.restored)))
        rules = {rule.rule: _nearest(scores, rule.step) for rule in result.rules}
        best, best_step = max(scores)
        return {
            "psnr": score, "best": best, "best_step": best_step, "rule": result.rule, "steps": result.steps,
            "at_rules": rules, "cpu_seconds": round(cpu, 1),
            "error_estimate": result.error and [result.error.rms, result.error.low, result.error.high],
        }  # fmt: skip


def _nearest(scores: list[tuple[float, int]], step: int) -> list[float]:
    """[step, PSNR of the average there], to the nearest ten steps."""
    return [step, min(scores, key=lambda each: abs(each[1] - step))[0]]


def hole(folder: Path) -> Case:
    import torch

    from sparring.commands.restoring.setup import region_of
    from sparring.restoration.fill import biharmonic_fill, harmonic_fill

    truth = np.asarray(Image.open(data_folder() / "inpainting/kate.png").convert("RGB"))
    mask = data_folder() / "inpainting/kate_mask.png"
    known = np.asarray(Image.open(mask).convert("L")) >= 128
    x, weights = (
        torch.from_numpy(truth / 255).float().permute(2, 0, 1)[None],
        torch.from_numpy(known).float()[None, None],
    )
    fills = {"harmonic fill": harmonic_fill, "biharmonic fill": biharmonic_fill}
    baselines = {
        name: psnr((fill(x * weights, weights)[0].clamp(0, 1) * 255).round().permute(1, 2, 0).numpy(), truth, ~known)
        for name, fill in fills.items()
    }
    case = Case(folder, truth, np.where(known[..., None], truth, 128).astype(np.uint8), baselines, mask=mask)
    case.score, case.region = (lambda picture: psnr(picture, truth, ~known)), region_of(weights)
    return case


def scale(name: str) -> Callable[[Path], Case]:
    def make(folder: Path) -> Case:
        truth = set14(name)
        truth = truth[: len(truth) // 4 * 4, : truth.shape[1] // 4 * 4]
        height, width = truth.shape[:2]
        small = Image.fromarray(truth).resize((width // 4, height // 4), Image.Resampling.BICUBIC)
        bicubic = psnr(luma(np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))), luma(truth))
        case = Case(folder, truth, np.asarray(small), {"bicubic": bicubic}, scale=4)
        case.score = lambda picture: psnr(luma(picture), luma(truth))
        return case

    return make


def noise(folder: Path) -> Case:
    truth = set14("lenna")[:256, :256]
    noisy = truth + np.random.default_rng(7).normal(0, 25, truth.shape)
    source = noisy.round().clip(0, 255).astype(np.uint8)
    image = Image.fromarray(source)
    blurs = [psnr(np.asarray(image.filter(ImageFilter.GaussianBlur(k / 10))), truth) for k in range(5, 30)]
    return Case(folder, truth, source, {"Gaussian blur": max(blurs), "noisy": psnr(source, truth)}, noise=True)


def set14(name: str) -> Array:
    with zipfile.ZipFile(data_folder() / "set14.zip") as archive:
        path = next(path for path in archive.namelist() if path.endswith(f"{name}.png"))
        return np.asarray(Image.open(io.BytesIO(archive.read(path))).convert("RGB"))


CASES: dict[str, Callable[[Path], Case]] = {"hole": hole, **{name: scale(name) for name in SCALED}, "noise": noise}
GAINS = {"hole": ("harmonic fill", 2.0), "noise": ("Gaussian blur", 0.0), **dict.fromkeys(SCALED, ("bicubic", 0.5))}
"""Case -> the baseline, and the gain over it in dB that is the target (for noise there is none)."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--name", default="restore")
    args = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    details: dict[str, Any] = {}
    for name in args.cases:
        with tempfile.TemporaryDirectory() as folder:
            case = CASES[name](Path(folder))
            runs = {seed: case.run(STEPS[name], seed) for seed in args.seeds}
        details[name] = {"baselines": case.baselines, "steps": STEPS[name], "seeds": runs}
        log(f"{name}: {case.baselines} {runs}")
        report(args.name, details)


def report(name: str, details: dict[str, Any]) -> None:
    gains, met = [], True
    for case, of in details.items():
        baseline, target = GAINS[case]
        runs = of["seeds"].values()
        gain = statistics.mean(run["psnr"] for run in runs) - of["baselines"][baseline]
        short = max(run["best"] - run["psnr"] for run in runs)
        gains.append(f"{case} {gain:+.2f} dB over {baseline} (best step by truth at most {short:+.2f} dB better)")
        met &= gain >= target and short <= 1 and max(run["cpu_seconds"] for run in runs) <= LIMIT_CPU_SECONDS
    target = "hole +2 dB, each enlargement +0.5 dB, stop within 1 dB of the best step, 5 CPU minutes"
    save(name, result="; ".join(gains), target=target, met=met, details={"cases": details})


if __name__ == "__main__":
    main()
