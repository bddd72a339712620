"""Density models and a GAN side by side at equal time: -log p, Fréchet distance, seconds a sample, bytes.

    python benchmarks/density.py --minutes 5             # 9 models, about 75 minutes of one core
    python benchmarks/density.py --minutes 5 --only made pixelcnn --name density_part

Protocol. MNIST, 60,000 training images; one thread; `--minutes` are CPU minutes of the process, turned into a number of
images by two short runs. -log p is of test images, `--rows` of them, by `sparring evaluate`: nats of images made binary
once by a fixed seed, or bits per dimension of bytes (D = 784). The Fréchet distance is in the features of MNIST's
classifier, of `--rows` samples against as many test images, which are binary for models of binary images. The seconds
of a sample are CPU time of 64 samples drawn together, divided by 64. Bytes are of 1,000 test images packed by
`sparring pack`, beside PNG and lossless WebP of the same pixels. Models of binary images and of bytes are two tables:
their figures do not compare.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from record import HERE, data_folder, log, save

import sparring
from sparring.commands.reporting.progress import Progress
from sparring.models.capabilities import Density
from sparring.models.density import DensityModel
from sparring.nets.density_net import Codes

PROBE_IMAGES = 640, 6400
"""Images of two short runs, whose difference gives the speed."""
SHORTEST = 0.85
"""Fraction of the time below which a training is repeated with more images."""
SAMPLES = 64
PACKED = 1_000

MODELS: dict[str, Callable[[], Any]] = {
    "made": lambda: sparring.MADERecipe(),
    "rbm": lambda: sparring.RBM(),
    "dbm": lambda: sparring.DBM(),
    "pixelcnn": lambda: sparring.PixelCNNRecipe(binary=True),
    "pixelcnn --scales 2": lambda: sparring.PixelCNNRecipe(binary=True, scales=2),
    "pixelcnn, bytes": lambda: sparring.PixelCNNRecipe(),
    "flow, bytes": lambda: sparring.FlowRecipe(),
    "flowgan, bytes": lambda: sparring.FlowGANRecipe(),
    "r3, bytes": lambda: sparring.R3(),
}
"""Name -> recipe."""


def cpu_seconds(recipe: Any, images: int, folder: Path) -> float:
    """CPU seconds of a training, its measurements included."""
    begin = time.process_time()
    sparring.train("mnist", recipe, images=images, out=folder, progress=Progress(quiet=True))
    return time.process_time() - begin


def trained(recipe: Any, minutes: float, folder: Path) -> tuple[Path, int, float]:
    """Train for about these CPU minutes; return the run, its images and its CPU seconds.

    Measurements at checkpoints take time that does not grow with the images, so the first guess can be far too short.
    """
    cpu_seconds(recipe, PROBE_IMAGES[0], folder / "warm-up")
    shorter, longer = (cpu_seconds(recipe, images, folder / f"probe{images}") for images in PROBE_IMAGES)
    images = int(minutes * 60 * (PROBE_IMAGES[1] - PROBE_IMAGES[0]) / max(longer - shorter, 0.1))
    while (seconds := cpu_seconds(recipe, images, folder / f"run{images}")) < SHORTEST * minutes * 60:
        images = int(images * min(minutes * 60 / seconds, 10))
    return folder / f"run{images}", images, seconds


def figures(name: str, run: Path, rows: int) -> dict[str, Any]:
    """All figures of one model."""
    model = sparring.load(run)
    begin = time.process_time()
    list(model.samples(SAMPLES))  # type: ignore[union-attr]
    seconds = (time.process_time() - begin) / SAMPLES
    evaluation = sparring.evaluate(run, n=rows, progress=Progress(quiet=True))
    scores = {score.name: score for score in evaluation.scores}
    row: dict[str, Any] = {"seconds_a_sample": round(seconds, 4), "protocol": evaluation.protocol["likelihood"]}
    for prefix in ("nll[", "nll_raise[", "nll_of_samples[", "fd["):
        for score in (score for key, score in scores.items() if key.startswith(prefix) and "]/" not in key):
            row[prefix[:-1]] = {
                "name": score.name, "value": score.value, "low": score.low, "high": score.high,
                "real": score.real_baseline,
            }  # fmt: skip
    row["warnings"] = list(evaluation.warnings)
    if isinstance(model, Density) and isinstance(model, DensityModel) and isinstance(model.generator, Codes):
        row["packed"] = packed(model, run)
    return row


def packed(model: DensityModel, run: Path) -> dict[str, int | float]:
    """Bytes of test images, packed by the model."""
    test = sparring.open("mnist").split("test")
    rows = test[np.arange(PACKED)]
    if model.binary:
        rows = model.spec.decode(model.observe(model.spec.encode(rows)))
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "x.npz", images=rows[..., 0])
        result = sparring.pack(
            Path(folder) / "x.npz", run, out=Path(folder) / "x.sparring", progress=Progress(quiet=True)
        )
    return {
        "bytes": result.bytes, "code_bytes": result.code_bytes, "stated_bytes": result.stated_bytes,
        "png_bytes": result.png_bytes, "webp_bytes": result.webp_bytes,
    }  # fmt: skip


def earlier_models(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Rows of the saved result of this name, where it was measured with the same settings."""
    path = HERE / "results" / f"{name}.json"
    saved = json.loads(path.read_text()) if path.exists() else {}
    same = all(saved.get(key) == value for key, value in settings.items())
    return dict(saved["models"]) if same else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--only", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--name", default="density")
    arguments = parser.parse_args()
    data_folder()
    result: dict[str, Any] = {"cpu_minutes": arguments.minutes, "rows": arguments.rows}
    result["models"] = earlier_models(arguments.name, result) if arguments.only != list(MODELS) else {}
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.only:
            recipe, path = MODELS[name](), Path(folder) / str(list(MODELS).index(name))
            run, images, seconds = trained(recipe, arguments.minutes, path)
            row = {"images": images, "cpu_seconds": round(seconds, 1), **figures(name, run, arguments.rows)}
            result["models"][name] = row
            nll, fd = row.get("nll"), row["fd"]
            log(f"{name}: {images:,} images, {nll and nll['value']}, fd {fd['value']:.3f} (real {fd['real']})")
            rows = len(result["models"])
            save(
                arguments.name, result=f"{rows} of {len(MODELS)} models measured", target="every model measured",
                met=rows == len(MODELS), details=result,
            )  # fmt: skip


if __name__ == "__main__":
    main()
