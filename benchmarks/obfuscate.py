"""What fresh adversaries read of a group in examples that `sparring obfuscate` replaced, and what is left of the class.

    python benchmarks/obfuscate.py [--cases tinted speakers adult] [--weights 1] [--seeds 0]

Protocol. No audited example is used in training; half of them train adversaries (five families on simple numbers, and a
network on whole examples), half test them. The cases:

  tinted    MNIST digits, white on black or black on yellow by a fair coin: the tint is hidden, ten classes are kept.
            The class says nothing of the tint, so both can be reached together
  speakers  Free Spoken Digit Dataset: six speakers are hidden, ten words are kept
  adult     UCI Adult: the sex is hidden, the class of income is kept, which reveals some of the sex
  adult5000 the same with 5,000 rows, for a short run

A run replaces the rows of the same case, weight and seed in results/obfuscate.json.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from promises import draw, write_zip
from record import RESULTS, data_folder, log, save

import sparring
from sparring.commands.obfuscating.result import OBFUSCATED, ORIGINAL
from sparring.recipes.features.noisy_code import NoisyCode

IMAGES = {"tinted": 100_000, "speakers": 60_000, "adult": 200_000, "adult5000": 40_000}
TRAIN, TEST = 10_000, 2_000
"""Images of the case `tinted`."""
MOST_AUC = 0.60
"""Target of the AUC."""


def tinted(folder: Path, seed: int, test: int = TEST) -> dict[str, Any]:
    """Write digits in tints that are independent of their classes."""
    import promises

    promises.CLASSES = tuple(map(str, range(10)))
    parts = {}
    for split, count in (("train", TRAIN), ("test", test)):
        rng = np.random.default_rng([seed, split == "test"])
        images, _, _ = draw(split, count, seed)
        data = sparring.open("mnist").split(split)  # type: ignore[arg-type]
        idx = np.sort(np.random.default_rng([seed, split == "test"]).permutation(len(data))[:count])
        parts[split] = (images, data.labels[idx], rng.random(count) < 0.5)
    source = write_zip(folder / "tinted.zip", parts)
    return {"source": source, "label_from": "{label}_*.png", "protect_from": "{label}_{group}_{number}.png"}


def speakers(folder: Path, seed: int) -> dict[str, Any]:
    return {"source": data_folder() / "spoken-digits.zip", "protect_from": "{label}_{group}_{number}.wav"}


def adult(folder: Path, seed: int) -> dict[str, Any]:
    return {"source": data_folder() / "adult", "label": "14", "protect": "9"}


def adult5000(folder: Path, seed: int) -> dict[str, Any]:
    path = data_folder() / "dirty" / "adult-clean.csv"
    return {"source": path, "label": "income", "protect": "sex", "drop": ("id", "joined")}


CASES = {"tinted": tinted, "speakers": speakers, "adult": adult, "adult5000": adult5000}


def one_run(case: str, weight: float, seed: int, images: int) -> dict[str, Any]:
    """Train and audit one obfuscator."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = CASES[case](Path(folder), seed)
        begin = time.process_time()
        recipe = NoisyCode(weight=weight, batch_size=256 if case.startswith("adult") else 64)
        arguments |= {"images": images, "seed": seed, "out": Path(folder) / "run", "device": "cpu"}
        report = sparring.obfuscate(arguments.pop("source"), recipe, **arguments)
        row = {"case": case, "weight": weight, "seed": seed, "images": images, **report.to_json()}
        row["cpu_seconds"] = round(time.process_time() - begin)
        log(f"{case}, weight {weight:g}, seed {seed}: {report.message}")
        return {**row, "run": ""}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=["tinted", "speakers", "adult"], choices=list(CASES))
    parser.add_argument("--weights", nargs="+", type=float, default=[1.0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--images", type=int, help="length of each training; default: by the case")
    options = parser.parse_args()
    data_folder()
    for case in options.cases:
        for weight in options.weights:
            for seed in options.seeds:
                write(one_run(case, weight, seed, options.images or IMAGES[case]))


def write(row: dict[str, Any]) -> None:
    """Add a row to the results, in place of one of the same case, weight and seed."""
    path = RESULTS / "obfuscate.json"
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    key = ("case", "weight", "seed")
    rows = [old for old in rows if [old[k] for k in key] != [row[k] for k in key]] + [row]
    rows.sort(key=lambda each: [each[k] for k in key])
    texts = []
    for each in rows:
        before, after = (each["group"][name]["auc"]["value"] for name in (ORIGINAL, OBFUSCATED))
        kept = [each["class"][name]["balanced_accuracy"]["value"] for name in (ORIGINAL, OBFUSCATED)]
        texts.append(
            f"{each['case']}, weight {each['weight']:g}, seed {each['seed']}: AUC {before:.3f} to {after:.3f}, "
            f"class {kept[0]:.1%} to {kept[1]:.1%}"
        )
    save(
        "obfuscate",
        result="; ".join(texts),
        target=f"AUC of the best fresh adversary on replacements at most {MOST_AUC}",
        met=all(each["group"][OBFUSCATED]["auc"]["value"] <= MOST_AUC for each in rows),
        details={"rows": rows},
    )


if __name__ == "__main__":
    main()
