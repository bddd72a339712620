"""Response of each score to known corruptions of real images: does it change in the expected direction?

    python benchmarks/corruptions.py            # about 20 minutes on 2 cores

Protocol. One half of the held-out images takes the place of samples, the other half is the reference. The samples are
then corrupted: noise, blur, one class missing, 10 % copies of training images, 5 of 10 classes. A score has changed if
it is outside the interval of the clean samples. All scores come from `sparring.evaluate`, with the feature network that
it trains on the data. Results are in results/corruptions.json and, as tables, in corruptions.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from record import HERE, data_folder, save

import sparring
from sparring.measure.scores.evaluation import Evaluation

Pixels = NDArray[np.uint8]
MOST = 5_000
SETS = {
    "mnist": "mnist",
    "fashion-mnist": "fashion-mnist",
    "CIFAR-10 (JPEG re-encoded)": "cifar10",
    "faces": "faces-easy.zip",
}
NOISE, BLUR, COPIES = 25.0, 1.0, 0.1
"""Standard deviation of 256 steps; radius in pixels; share of the samples."""

CLAIMS: dict[str, dict[str, str]] = {
    "noise": {"fd": "up", "fd_infinity": "up", "kd": "up", "precision": "down", "density": "down",
        "coverage": "down", "swd": "up", "nash": "up"},
    "blur": {"fd": "up", "fd_infinity": "up", "kd": "up", "precision": "down", "density": "down",
        "coverage": "down", "swd": "up", "nash": "up"},
    "one class missing": {"fd": "up", "fd_infinity": "up", "kd": "up", "recall": "down", "coverage": "down",
        "swd": "up", "modes": "down", "kl": "up", "nash": "up"},
    "10 % copies": {"copied_share": "up", "p_value": "down"},
    "5 of 10 classes": {"fd": "up", "fd_infinity": "up", "kd": "up", "recall": "down", "coverage": "down",
        "swd": "up", "modes": "down", "kl": "up", "nash": "up"},
}  # fmt: skip


def blurred(pixels: Pixels) -> Pixels:
    def one(image: Pixels) -> Pixels:
        picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
        return np.asarray(picture.filter(ImageFilter.GaussianBlur(BLUR))).reshape(image.shape)

    return np.stack([one(image) for image in pixels])


def corruptions(made: Pixels, labels: NDArray[np.int64], train: Pixels, classes: int) -> dict[str, Pixels]:
    rng = np.random.default_rng(0)
    noisy = (made + rng.normal(0, NOISE, made.shape)).round().clip(0, 255).astype(np.uint8)
    copies = made.copy()
    some = rng.permutation(len(made))[: round(COPIES * len(made))]
    copies[some] = train[rng.permutation(len(train))[: len(some)]]
    bad = {"clean": made, "noise": noisy, "blur": blurred(made), "10 % copies": copies}
    if classes > 1:
        bad |= {"one class missing": made[labels != 0], "5 of 10 classes": made[labels < 5]}
    return bad


def figures(reports: Evaluation) -> dict[str, tuple[float, float, float]]:
    """Value and the ends of the interval, by name."""
    summary = {s.name.partition("[")[0]: (s.value, s.low, s.high) for s in reports.scores if "/" not in s.name}
    if reports.two_sample is not None:
        summary["nash"] = reports.two_sample.accuracy, reports.two_sample.low, reports.two_sample.high
    if reports.memorisation is not None:
        summary["copied_share"] = reports.memorisation.copied_fraction, 0.0, 0.02
        summary["p_value"] = reports.memorisation.p_value, 0.01, 1.0
    return summary


def verdicts(clean: dict[str, Any], bad: dict[str, Any], claims: dict[str, str]) -> dict[str, bool]:
    return {
        name: bad[name][0] > clean[name][2] if way == "up" else bad[name][0] < clean[name][1]
        for name, way in claims.items()
        if name in bad
    }


def one_set(name: str, source: str, folder: Path) -> dict[str, Any]:
    path = data_folder() / source
    data = sparring.open(path if path.is_file() else source)
    whole = data.split(None)
    rng = np.random.default_rng(1)
    if data.report.splits["test"]:
        fresh, train = data.split("test"), data
        order, known = rng.permutation(len(fresh)), np.arange(len(train))
    else:
        fresh = train = whole
        order = rng.permutation(len(fresh))
        order, known = order[: len(order) // 2], order[len(order) // 2 :]
    made, real = order[: len(order) // 2][:MOST], order[len(order) // 2 :][:MOST]
    stem = folder / "data.npz"
    arrays: dict[str, Any] = {"x_train": train[known], "x_test": fresh[real]}
    if len(data.spec.classes) > 1:
        arrays |= {"y_train": train.labels[known], "y_test": fresh.labels[real]}
    np.savez(stem, **arrays)
    summary: dict[str, Any] = {}
    for how, pixels in corruptions(fresh[made], fresh.labels[made], train[known], len(data.spec.classes)).items():
        reports = sparring.evaluate(pixels, stem, n=min(len(pixels), len(real)))
        summary[how] = figures(reports)
        print(name, how, json.dumps({k: round(v[0], 4) for k, v in summary[how].items()}), flush=True)
    moved = {how: verdicts(summary["clean"], summary[how], claims) for how, claims in CLAIMS.items() if how in summary}
    return {
        "samples": len(made),
        "reference": len(real),
        "features": reports.protocol["features"],
        "figures": summary,
        "moved": moved,
    }


def table(results: dict[str, Any]) -> str:
    lines = ["# What each score says of known corruptions", ""]
    lines += [
        "Made by `python benchmarks/corruptions.py`. **Bold**: moved as it claims to; "
        "~~struck~~: claims to, and did not.",
        "",
    ]
    for name, summary in results.items():
        columns = list(summary["figures"]["clean"])
        lines += [
            f"## {name}",
            "",
            f"{summary['samples']:,} pictures against {summary['reference']:,}, features {summary['features']['name']}",
            "",
        ]
        lines += ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
        for how, values in summary["figures"].items():
            cells = []
            for column in columns:
                cell = f"{values[column][0]:.3g}" if column in values else ""
                said = summary["moved"].get(how, {}).get(column)
                cells.append(f"**{cell}**" if said else f"~~{cell}~~" if said is False else cell)
            lines.append(f"| {how} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    options = parser.parse_args()
    data_folder()
    results = {}
    for name in options.sets:
        with tempfile.TemporaryDirectory() as folder:
            results[name] = one_set(name, SETS[name], Path(folder))
    every = [said for summary in results.values() for moved in summary["moved"].values() for said in moved.values()]
    still = [
        f"{name}: {score} of {how}"
        for name, summary in results.items()
        for how, moved in summary["moved"].items()
        for score, said in moved.items()
        if not said
    ]
    (HERE / "corruptions.md").write_text(table(results) + "\n", encoding="utf-8")
    save(
        "corruptions",
        result=f"{sum(every)} of {len(every)} claims hold" + (f"; not: {'; '.join(still)}" if still else ""),
        target="each score moves the way it claims to",
        met=all(every),
        details={"noise": NOISE, "blur": BLUR, "copies": COPIES, "sets": results},
    )


if __name__ == "__main__":
    main()
