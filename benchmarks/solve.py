"""From one sentence to predictions or samples and the page: the tasks of the issue, and how well sentences are read.

    python benchmarks/solve.py --minutes 10             # about an hour of two cores
    python benchmarks/solve.py --only adult page --minutes 1

Protocol. Each task is one command, `sparring solve TEXT --minutes M`, on real data of `$SPARRING_DATA`:

  cifar    "train something that tells the pictures in cifar10-jpeg.zip apart and predict the test part"
  adult    "adult.data who earns more than 50K?"
  faces    "make new faces like those in orl-faces.zip"
  page     an address of a page on 127.0.0.1, which describes the digits of scikit-learn and links to their table

It is measured whether the exit code is 0, predictions or samples and `understood.html` are there, the errors on the
test split with their interval, the wall minutes, and whether the first command by hand gives the same model. Copies:
test images of MNIST and Fashion-MNIST with a nearly equal training image, by the check of `understood.html`.
Sentences: the sets of `tests/commands/solving/`, by `test_reading.verdict`.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from record import HERE, data_folder, log, save

TASKS = {
    "cifar": "train something that tells the pictures in {data}/cifar10-jpeg.zip apart and predict the test part",
    "adult": "{data}/adult/adult.data who earns more than 50K?",
    "faces": "make new faces like those in {data}/orl-faces.zip",
    "page": "{url}/page.html",
}
PAGE = """<!DOCTYPE html><html><body><h1>Digits</h1><p>Images of handwritten digits, 8x8 pixels, a row each. The task is
to predict the column digit.</p><a href="digits.csv">digits.csv</a></body></html>"""


def write_page(folder: Path) -> None:
    """Write the page and its table into a folder."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    names = [f"p{k}" for k in range(digits.data.shape[1])]
    rows = [",".join([*map(str, row.astype(int)), f"d{y}"]) for row, y in zip(digits.data, digits.target, strict=True)]
    (folder / "digits.csv").write_text("\n".join([",".join([*names, "digit"]), *rows]) + "\n")
    (folder / "page.html").write_text(PAGE)


def measure(text: str, minutes: float, folder: Path) -> dict[str, Any]:
    """Run one sentence, and its first command by hand."""
    begin = time.monotonic()
    command = [sys.executable, "-m", "sparring", "solve", text, "--minutes", f"{minutes:g}", "--out", "run", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    result: dict[str, Any] = {"rc": done.returncode, "wall_minutes": round((time.monotonic() - begin) / 60, 2)}
    if done.returncode:
        return {**result, "message": done.stderr[-500:]}
    solution = json.loads(done.stdout)
    run = folder / "run"
    result |= {name: (run / name).exists() for name in ("predictions.csv", "samples-0.png", "understood.html")}
    if (run / "classification.json").exists():
        errors = json.loads((run / "classification.json").read_text())["errors"]
        result["errors"] = {name: errors[name] for name in ("value", "low", "high", "total")}
    return {**result, "kind": solution["task"]["kind"]["value"], "commands": solution["commands"]}


def same_bytes(commands: list[str], folder: Path) -> bool:
    """Return whether the first command by hand, with the number of examples of the run, gives the same model."""
    words = shlex.split(commands[0])[1:]
    images = json.loads((folder / "run" / "run.json").read_text())["plan"]["images"]
    at = words.index("--minutes")
    words[at : at + 2] = ["--images", str(images)]
    words[words.index("--out") + 1] = "by-hand"
    subprocess.run([sys.executable, "-m", "sparring", *words], capture_output=True, cwd=folder, check=True)
    models = [next(iter(sorted((folder / name).glob("*.safetensors")))) for name in ("run", "by-hand")]
    return models[0].read_bytes() == models[1].read_bytes()


def copies() -> dict[str, dict[str, int]]:
    """Count the near copies of training images in published test splits."""
    from sparring.commands.solving.checks import check
    from sparring.commands.solving.stated import Overrides
    from sparring.commands.solving.understanding import understand

    checks = {name: check(understand(name, Overrides()).task) for name in ("mnist", "fashion-mnist")}
    return {name: {"copies": one.duplicates, "compared": one.compared} for name, one in checks.items()}


def sentences() -> dict[str, dict[str, int]]:
    """Count the verdicts on each set of sentences."""
    sys.path.insert(0, str(HERE.parent / "tests" / "commands" / "solving"))
    from test_reading import SETS, verdict  # type: ignore[import-not-found]

    return {name: dict(Counter(verdict(one) for one in many)) for name, (many, _) in SETS.items()}


def main() -> None:
    """Measure the tasks and the sentences, and save the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="training time of each task")
    parser.add_argument("--only", nargs="*", choices=TASKS, default=list(TASKS))
    parser.add_argument("--name", default="solve")
    arguments = parser.parse_args()
    data, results = data_folder(), dict[str, Any]()
    with tempfile.TemporaryDirectory() as base:
        site = Path(base) / "site"
        site.mkdir()
        write_page(site)
        handler = functools.partial(SimpleHTTPRequestHandler, directory=str(site))
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        os.environ.setdefault("SPARRING_CACHE", str(Path(base) / "cache"))
        for name in arguments.only:
            folder = Path(base) / name
            folder.mkdir()
            text = TASKS[name].format(data=data, url=f"http://127.0.0.1:{server.server_port}")
            results[name] = measure(text, arguments.minutes, folder)
            if not results[name]["rc"] and name in ("adult", "page"):
                results[name]["same_bytes_by_hand"] = same_bytes(results[name].pop("commands"), folder)
            log(f"{name}: {results[name]}")
        server.shutdown()
    near = copies()
    log(f"copies: {near}")
    read = sentences()
    log(f"sentences: {read}")
    met = all(not result["rc"] and result["understood.html"] for result in results.values())
    met = met and all(not counts.get("wrong") for counts in read.values()) and len(results) == len(TASKS)
    done = sum(not result["rc"] for result in results.values())
    wrong = sum(counts.get("wrong", 0) for counts in read.values())
    total = sum(sum(counts.values()) for counts in read.values())
    save(
        arguments.name, result=f"{done} of {len(TASKS)} tasks done, {wrong} of {total} sentences misunderstood",
        target="every task done, none misunderstood", met=met,
        details={"minutes": arguments.minutes, "tasks": results, "copies": near, "sentences": read},
    )  # fmt: skip


if __name__ == "__main__":
    main()
