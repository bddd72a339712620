"""What each promise costs on the same data, by group: a fair, a private, an adapted and a robust classifier.

    python benchmarks/promises.py --seeds 0 1 2          # about 25 minutes of one core for a seed

Protocol. MNIST digits in two tints, white on black and black on yellow, and two classes, 0 to 4 and 5 to 9. The second
tint is rare: 5 % of the low digits and 15 % of the high ones, so that equal rates cost accuracy. All
classifiers are tested on the same `--test` images with the same tints, drawn by the seed:

  plain     `sparring classify`, all labels of both tints
  fair      --protect-from, gap penalties, --gap 0.15: both tints are to be called high equally often. Perfect
            answers have a gap of 0.28, since the second tint has more high digits
  private   --private EPSILON at delta 1e-5
  adapted   --adapt-to: labels of the common tint alone, images of the rare one without
  source    the candidate of the same run that does not see the rare tint
  robust    `sparring harden`, tested by `sparring attack` on `--count` images at eps 0.1 (Linf), as plain is

Accuracy and gaps have the 95 % intervals of `measure_fairness`; a value over the seeds is their mean. A run replaces
its rows of the same seed in results/NAME.json; with --only the rows of other promises of that seed stay.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from record import RESULTS, data_folder, log, save, spread

import sparring
from sparring.commands.reporting.progress import Progress
from sparring.engine.errors import SparringError
from sparring.measure.fairness.gaps import Answers, measure_fairness

PROMISES = ("plain", "fair", "private", "adapted", "robust")
TINTS = ("common", "rare")
RARE = 0.05, 0.15
"""Proportion of the rare tint among the digits 0 to 4, and 5 to 9."""
GAP = 0.15
"""Largest parity gap of the fair classifier."""
EPSILONS = (1.0, 3.0)
EPS = 0.1
"""Radius of the attack, in units of the pixel box."""
CLASSES = ("low", "high")
PATTERN = "{label}_{group}_{number}.png"
QUIET = Progress(quiet=True)


def tinted(images: NDArray[np.uint8], rare: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Colour grey digits `[N, 28, 28]`: white on black, or black on yellow; `[N, 28, 28, 3]`."""
    ink = images[..., None].astype(np.float32) / 255
    yellow = np.array([255, 220, 60], np.float32) * (1 - ink)
    rgb = np.where(rare[:, None, None, None], yellow, 255 * ink.repeat(3, -1))
    return rgb.round().astype(np.uint8)


def write_zip(path: Path, parts: dict[str, tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.bool_]]]) -> Path:
    """Write images, labels and tints of each part as PNG files, named by PATTERN."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for part, (images, labels, rare) in parts.items():
            for number, (image, label, tint) in enumerate(zip(tinted(images, rare), labels, rare, strict=True)):
                buffer = BytesIO()
                Image.fromarray(image).save(buffer, "PNG")
                archive.writestr(f"{part}/{CLASSES[label]}_{TINTS[int(tint)]}_{number}.png", buffer.getvalue())
    return path


def draw(split: str, count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.bool_]]:
    """Draw images of MNIST with their labels, and which of them have the rare tint."""
    rng = np.random.default_rng([seed, split == "test"])
    data = sparring.open("mnist").split(split)  # type: ignore[arg-type]
    idx = np.sort(rng.permutation(len(data))[:count])
    labels = (data.labels[idx] >= 5).astype(np.int64)
    return data[idx][..., 0], labels, rng.random(len(idx)) < np.where(labels == 0, *RARE)


def row_of(run: Path, test: Path) -> dict[str, Any]:
    """Accuracy and gaps of a saved classifier on all test images, by tint."""
    model = sparring.load(run, "classifier")
    assert isinstance(model, sparring.Classifier)
    options = sparring.ReadOptions(label_from="{label}_*.png", protect_from=PATTERN)
    data = sparring.open(test, options, like=model.spec, keep_duplicates=True).split(None)
    assert data.groups is not None and data.spec.groups is not None
    import torch

    scores = model.predict(data[np.arange(len(data))]).probabilities[:, :2]
    answers = Answers.of_scores(scores, torch.from_numpy(data.labels), torch.from_numpy(data.groups))
    result = measure_fairness(answers, data.spec.groups)
    by_tint = {name: asdict(group.accuracy) for name, group in result.by_group.items()}
    return {
        "accuracy": asdict(result.accuracy), "by_tint": by_tint, "parity": asdict(result.parity),
        "odds": asdict(result.odds),
    }  # fmt: skip


def one_seed(seed: int, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Train and test the classifiers of a seed."""
    train = draw("train", options.train, seed)
    common = ~train[2]
    held_out = draw("test", options.test, seed)
    full = write_zip(folder / "full.zip", {"train": train, "test": held_out})
    source = write_zip(folder / "source.zip", {"train": tuple(each[common] for each in train)})  # type: ignore[dict-item]
    target = write_zip(folder / "target.zip", {"train": tuple(each[~common] for each in train)})  # type: ignore[dict-item]
    test = write_zip(folder / "test.zip", {"x": held_out})
    settings: dict[str, Any] = {
        "images": options.images, "seed": seed, "device": "cpu", "progress": QUIET, "label_from": "{label}_*.png",
    }  # fmt: skip
    trainings: dict[str, Callable[[Path], object]] = {
        "plain": lambda out: sparring.classify(full, out=out, **settings),
        "fair": lambda out: sparring.classify(full, "gap_penalty", out=out, gap=GAP, protect_from=PATTERN, **settings),
        "private": lambda out: [
            sparring.classify(
                full, out=out / f"{epsilon:g}", private=epsilon, delta=1e-5, **settings | {"images": None}
            )
            for epsilon in EPSILONS
        ],
        "adapted": lambda out: sparring.classify(
            source, out=out, adapt_to=target, **settings | {"images": 4 * options.images}
        ),
        "robust": lambda out: sparring.harden(full, out=out, eps=EPS, **settings),
    }
    rows: dict[str, Any] = {}
    for name in options.only:
        run = folder / name
        try:
            trainings[name](run)
        except SparringError as error:  # no candidate is fair enough
            if name != "fair":
                raise
            log(f"seed {seed}: {name}: {error}")
            continue
        for row, path in runs_of(name, run).items():
            rows[row] = row_of(path, test)
            if name in ("plain", "robust"):
                rows[row]["robust_accuracy"] = attacked(path, test, seed, options.count)
            log(f"seed {seed}: {row}: {rows[row]}")
    return rows


def runs_of(name: str, run: Path) -> dict[str, Path]:
    """Return the runs of a promise by the names of their rows."""
    if name == "private":
        return {f"private, epsilon {epsilon:g}": run / f"{epsilon:g}" for epsilon in EPSILONS}
    return {name: run} | ({"source": run / "candidates" / "source_only"} if name == "adapted" else {})


def attacked(run: Path, test: Path, seed: int, count: int) -> float:
    """Return the accuracy of a classifier under `sparring attack`."""
    report = sparring.attack(
        run, test, count=count, seed=seed, eps=EPS, device="cpu", label_from="{label}_*.png",
        out=run.with_name(f"attack-{run.name}"),
    )  # fmt: skip
    return float(report.robust.value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--images", type=int, default=120_000, help="of a training; all candidates of adapted get 4 times it"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--train", type=int, default=60_000)
    parser.add_argument("--test", type=int, default=10_000)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--name", default="promises")
    parser.add_argument("--only", nargs="+", default=list(PROMISES), choices=PROMISES)
    options = parser.parse_args()
    data_folder()
    path = RESULTS / f"{options.name}.json"
    by_seed: dict[str, Any] = json.loads(path.read_text())["by_seed"] if path.exists() else {}
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            renewed = {row for name in options.only for row in runs_of(name, Path(folder))}
            kept = {row: of for row, of in by_seed.get(str(seed), {}).items() if row not in renewed}
            by_seed[str(seed)] = kept | one_seed(seed, options, Path(folder))
        write(options, by_seed)


def write(options: argparse.Namespace, by_seed: dict[str, Any]) -> None:
    """Write the results of the finished seeds."""
    names = list(dict.fromkeys(name for rows in by_seed.values() for name in rows))
    accuracy = {name: spread([r[name]["accuracy"]["value"] for r in by_seed.values() if name in r]) for name in names}
    means = {name: statistics.mean(figures["values"]) for name, figures in accuracy.items()}
    save(
        options.name,
        result="; ".join(f"{name} {mean:.1%}" for name, mean in means.items()),
        target="a table of the accuracy that each promise costs, by group",
        met=len(names) >= 7,
        details={"settings": vars(options), "accuracy": accuracy, "by_seed": by_seed},
    )


if __name__ == "__main__":
    main()
