"""What fresh adversaries read of a group in features that were trained to hide it, and what the classes cost.

    python benchmarks/encoded.py [--cases adult speakers tinted] [--seeds 0 1 2]

Protocol. `sparring classify --protect` trains the plain classifier and each of METHODS for the same number of examples;
`sparring encode` writes the features of the test rows, and `sparring evaluate --protect` trains fresh adversaries (five
families) on half of these and tests them on the other half. Of finite codes there is a certificate. The cases:

  adult     UCI Adult: income above $50,000; the sex is hidden. 16,281 rows of adult.test
  speakers  Free Spoken Digit Dataset: ten words; six speakers are hidden. Recordings 0 to 29 of each speaker and word
            train, 30 to 49 test
  tinted    MNIST digits, white on black or black on yellow by a fair coin: the tint is hidden. 10,000 train, 4,000 test

A run replaces the rows of the same case and seed in results/encoded.json.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from adult import NAMES
from obfuscate import tinted
from record import RESULTS, data_folder, log, save

import sparring
from sparring.commands.reporting.progress import Progress
from sparring.measure.leakage.result import FEATURES, SHUFFLED, LeakageReport
from sparring.recipes import recipe_class

METHODS = {
    "adult": {"codes": 0.2, "leace": None, "max_entropy": 3.0, "laftr": 3.0},
    "speakers": {"codes": 1.0, "leace": None, "max_entropy": 3.0},
    "tinted": {"codes": 1.0, "leace": None, "max_entropy": 3.0},
}
"""Case -> recipe -> weight."""
IMAGES = {"adult": 250_000, "speakers": 60_000, "tinted": 60_000}
MOST_AUC, MOST_GAP = 0.60, 0.10
"""Targets: AUC of the best fresh adversary on the codes, and the certified gap of 16 codes."""
Case = tuple[Path, Path, dict[str, Any]]
"""Source, its test part as a source of its own, and options to read both."""


def adult(folder: Path, seed: int) -> Case:
    test = folder / "test.csv"
    lines = (data_folder() / "adult" / "adult.test").read_text().splitlines()
    rows = [line.rstrip(".").replace(", ", ",") for line in lines if line.count(",") == len(NAMES) - 1]
    test.write_text("\n".join([",".join(NAMES), *rows]) + "\n")
    return data_folder() / "adult", test, {"label": "income", "names": NAMES, "protect": "sex"}


def speakers(folder: Path, seed: int) -> Case:
    parts = {name: zipfile.ZipFile(folder / f"{name}.zip", "w") for name in ("full", "test")}
    with zipfile.ZipFile(data_folder() / "spoken-digits.zip") as archive:
        for name in (each for each in archive.namelist() if each.endswith(".wav")):
            sound, held_out = archive.read(name), int(Path(name).stem.split("_")[2]) >= 30
            parts["full"].writestr(f"{'test' if held_out else 'train'}/{Path(name).name}", sound)
            if held_out:
                parts["test"].writestr(f"{Path(name).name[0]}/{Path(name).name}", sound)
    for part in parts.values():
        part.close()
    read = {"label_from": "{label}_*.wav", "protect_from": "{label}_{group}_{number}.wav"}
    return folder / "full.zip", folder / "test.zip", read


def tints(folder: Path, seed: int) -> Case:
    options = tinted(folder, seed, test=4_000)
    source = Path(options.pop("source"))
    with zipfile.ZipFile(source) as full, zipfile.ZipFile(folder / "test.zip", "w") as part:
        for name in (each for each in full.namelist() if each.startswith("test/")):
            part.writestr(f"{Path(name).name[0]}/{Path(name).name}", full.read(name))
    return source, folder / "test.zip", options


CASES = {"adult": adult, "speakers": speakers, "tinted": tints}


def one_seed(case: str, seed: int, images: int, folder: Path) -> list[dict[str, Any]]:
    """Train, encode and audit each method."""
    source, test, read = CASES[case](folder, seed)
    rows = []
    for method, weight in METHODS[case].items():
        recipe: Any = recipe_class(method)(**({} if weight is None else {"weight": weight}))
        begin = time.process_time()
        report: Any = sparring.classify(
            source, recipe, images=images, seed=seed, out=folder / method, gap=1.0, device="cpu",
            progress=Progress(quiet=True), **read,
        )  # fmt: skip
        seconds = time.process_time() - begin  # of the plain classifier as well
        for name, candidate in report.by_name.items():
            if candidate.run and (name != "plain" or method == next(iter(METHODS[case]))):
                row = {"case": case, "seed": seed, "method": name, "images": images, "cpu_seconds": round(seconds)}
                rows.append(row | audited(Path(candidate.run), test, read, folder))
                log(f"{case}, seed {seed}, {name}: {rows[-1]}")
    return rows


def audited(run: Path, test: Path, read: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Encode the test rows, attack the features and return all figures."""
    file = folder / "features.npz"
    groups_of = {name: value for name, value in read.items() if name.startswith("protect")}
    encoded: Any = sparring.encode(run, test, out=file, progress=Progress(quiet=True), **groups_of)
    with np.load(file) as arrays:
        features, groups, labels = arrays["features"], arrays["groups"], arrays["labels"]
    answers: Any = sparring.predict(run, test)
    correct = np.mean([row.label == word for row, word in zip(answers.predictions, labels, strict=True)])
    report = sparring.evaluate(features, protect=groups, progress=Progress(quiet=True))
    assert isinstance(report, LeakageReport)
    leaks = {name: leak.to_json() for name in (FEATURES, SHUFFLED) if (leak := report.of(name)) is not None}
    certified = report.certificates[0].to_json() if report.certificates else None
    return {"accuracy": float(correct), "width": encoded.width, "leaks": leaks, "certificate": certified}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--images", type=int, help="length of each training; default: by the case")
    options = parser.parse_args()
    data_folder()
    for seed in options.seeds:
        for case in options.cases:
            with tempfile.TemporaryDirectory() as folder:
                write(one_seed(case, seed, options.images or IMAGES[case], Path(folder)))


def write(new: list[dict[str, Any]]) -> None:
    """Add rows to the results, in place of those of the same case and seed."""
    path = RESULTS / "encoded.json"
    old = json.loads(path.read_text())["rows"] if path.exists() else []
    done = {(row["case"], row["seed"]) for row in new}
    rows = [row for row in old if (row["case"], row["seed"]) not in done] + new
    rows.sort(key=lambda row: (row["case"], row["method"], row["seed"]))
    codes = [row for row in rows if row["certificate"]]
    texts = [
        f"{row['case']}, seed {row['seed']}, {row['method']}: AUC {row['leaks'][FEATURES]['auc']['value']:.3f}, "
        f"accuracy {row['accuracy']:.1%}"
        for row in rows
    ]
    adult_codes = [row for row in codes if row["case"] == "adult"]
    save(
        "encoded",
        result="; ".join(texts),
        target=f"Adult, 16 codes: upper limit of the AUC of fresh adversaries at most {MOST_AUC}, certified gap at "
        f"most {MOST_GAP}; three seeds",
        met=len(adult_codes) >= 3
        and all(
            row["leaks"][FEATURES]["auc"]["high"] <= MOST_AUC and row["certificate"]["bound"] <= MOST_GAP
            for row in adult_codes
        ),
        details={"rows": rows},
    )


if __name__ == "__main__":
    main()
