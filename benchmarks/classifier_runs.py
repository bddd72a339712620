"""Train many classifiers through the command line from the same labels, and keep their runs.

Not a benchmark itself. Each training has one thread, and two run at a time, as in `trials.py`. A run is kept in
`cache/trials/classify-LENGTH/` under a name made of its labels and flags: benchmarks that need the same training share
it, and an interrupted one continues from its checkpoint. `--afresh` trains again, which is needed after a recipe
changed.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge import source
from record import data_folder
from trials import ALONE, CACHE_FOLDER

from sparring.data.dataset import Dataset
from sparring.data.labels import choose_labels
from sparring.data.open import open_source


@dataclass(frozen=True)
class ClassifierRun:
    """One classifier to be trained."""

    source: str
    """What the command line takes."""
    flags: tuple[str, ...]
    """Of `sparring classify`, beside --out and those of the length."""

    @property
    def name(self) -> str:
        """Of its run folder."""
        words = [self.source, *self.flags]
        return "-".join(Path(word).stem if "/" in word else word.lstrip("-") for word in words)


@dataclass(frozen=True)
class Options:
    """What all these benchmarks are told."""

    length: tuple[str, str]
    seeds: Sequence[int]
    workers: int
    flags: tuple[str, ...]
    name: str
    rest: argparse.Namespace

    @property
    def folder(self) -> Path:
        """Where the runs of this length lie."""
        return CACHE_FOLDER / f"classify-{self.length[1]}-{self.length[0][2:]}"

    def details(self) -> dict[str, Any]:
        """For the JSON."""
        return {
            "length": self.length, "seeds": list(self.seeds), "flags": self.flags,
            "threads_each": self.rest.threads, "at_a_time": self.workers,
        }  # fmt: skip


def parsed(doc: str | None, name: str, more: Callable[[argparse.ArgumentParser], None]) -> Options:
    """The command line's options, with those that `more` adds."""
    parser = argparse.ArgumentParser(description=(doc or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=20.0, help="of each training, one thread each")
    parser.add_argument("--images", type=int, help="in place of minutes")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the labels' choice, too")
    parser.add_argument("--workers", type=int, default=2, help="trainings at a time")
    parser.add_argument("--threads", type=int, default=1, help="of each training")
    parser.add_argument(
        "--flags", default="", help='more flags for the recipes, in one word: --flags="--confidence 0.9"'
    )
    parser.add_argument("--afresh", action="store_true", help="train again what was trained before")
    parser.add_argument("--name", default=name, help="of the result file")
    more(parser)
    summary = parser.parse_args()
    data_folder()
    length = ("--images", str(summary.images)) if summary.images else ("--minutes", f"{summary.minutes:g}")
    return Options(length, summary.seeds, summary.workers, tuple(shlex.split(summary.flags)), summary.name, summary)


def train(options: Options, todo: Iterable[ClassifierRun]) -> dict[ClassifierRun, dict[str, Any]]:
    """`classification.json` of each; those that ended before are not trained again."""
    trainings = list(dict.fromkeys(todo))
    if options.rest.afresh:
        for one in trainings:
            shutil.rmtree(options.folder / one.name, ignore_errors=True)
    with ThreadPoolExecutor(options.workers) as pool:
        results = list(pool.map(lambda one: _in_a_process(options, one), trainings))
    return dict(zip(trainings, results, strict=True))


def _in_a_process(options: Options, one: ClassifierRun) -> dict[str, Any]:
    run = options.folder / one.name
    path = run / "classification.json"
    if not path.exists():
        run.parent.mkdir(parents=True, exist_ok=True)
        env = {**os.environ, **ALONE, "OMP_NUM_THREADS": str(options.rest.threads)}
        if (
            options.rest.threads > 1
        ):  # they wait for each other all the time: asleep they are slower (docs/lab-notebook.md)
            del env["OMP_WAIT_POLICY"]
        words = ["classify", one.source, *options.length, *one.flags, "--out", str(run)]
        done = subprocess.run(
            [sys.executable, "-m", "sparring", *words], env=env, capture_output=True, text=True, check=False
        )  # fmt: skip
        if done.returncode:
            sys.exit(f"sparring {shlex.join(words)}\n{done.stderr[-2000:]}")
        summary = json.loads(path.read_text(encoding="utf-8"))
        log(
            f"{one.name}: {summary['errors']['hits']} errors of {summary['errors']['total']}, "
            f"{summary['minutes']:.1f} min"
        )
    return dict(json.loads(path.read_text(encoding="utf-8")))


def cached(name: str, find: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `find` found, now or before."""
    path = CACHE_FOLDER / f"{name}.json"
    if not path.exists():
        results = find()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(results) + "\n", encoding="utf-8")
        log(f"{name}: {results}")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def chosen(name: str, labels: int, seed: int) -> Dataset:
    """The training images of data `name`, with the labels that `sparring classify --labels --seed` tells."""
    data = open_source(source(name))
    return data.relabelled(choose_labels(data.labels, labels, data.spec.classes, seed), data.spec.classes)


def errors(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean and standard deviation of the test errors over the seeds, and each of them; minutes where they are known."""
    each = [row["errors"]["hits"] for row in rows]
    summary: dict[str, Any] = {
        "mean": round(statistics.mean(each), 1),
        "deviation": round(statistics.stdev(each), 1) if len(each) > 1 else None,
        "each": each,
        "of": rows[0]["errors"]["total"],
    }
    return summary | ({"minutes": [round(row["minutes"], 1) for row in rows]} if "minutes" in rows[0] else {})


def to_text(summary: Mapping[str, Any]) -> str:
    """`mean ± deviation`, the latter where there are two or more seeds."""
    return f"{summary['mean']:g}" + (f" ± {summary['deviation']:g}" if summary["deviation"] is not None else "")


def log(words: str) -> None:
    """To stderr, with the clock."""
    print(time.strftime("%H:%M:%S"), words, file=sys.stderr, flush=True)
