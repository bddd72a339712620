"""Run the short form of each benchmark, and name the figures that moved beyond their noise since the recorded ones.

    make bench                                   # all of them; $SPARRING_DATA holds the data
    python benchmarks/bench.py startup step      # some of them
    python benchmarks/bench.py --record --repeats 3

A figure has a value and an interval: that of its repeats, of its seeds, or of sampling. It moved where its interval and
the recorded one, both widened by its tolerance, do not overlap. Short forms are for changes only: their figures are not
those of docs/results.md. Recorded figures are in `results/short/`; what runs now is kept nowhere.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

from record import HERE, hardware

RECORDED = HERE / "results" / "short"

TIME, MEMORY, SAME = 0.15, 0.05, 0.02
"""Tolerances, relative: of timings on an idle machine, of peak memory, of scores with a fixed seed."""
LIMIT_SECONDS = 600
"""Time after which a short benchmark has failed."""


class Short(NamedTuple):
    """The short form of a benchmark."""

    command: str
    """Script and arguments."""
    figures: Mapping[str, float]
    """Path of each figure in the JSON file, keys separated by slashes, and its relative tolerance."""


SHORT = {
    "startup": Short("startup.py --times 7", {"seconds/sparring --help": TIME, "seconds/import sparring": TIME}),
    "step": Short(
        "step.py --pairs 3 --rounds 8 --shapes 28x28x1",
        {"28x28x1/times_faster_than/textbook": TIME, "28x28x1/images_per_second/sparring": TIME},
    ),
    "overhead": Short("overhead.py --pairs 5 --rounds 30", {"milliseconds_a_round/loop": TIME}),
    "ingest": Short(
        "ingest.py --pairs 3 --small 4000 --large 800",
        {"cifar 32x32/times_faster_than_pillow": TIME, "photos 256x256/times_faster_than_pillow": TIME},
    ),
    "memory": Short(
        "memory.py --few 2000 --many 40000 --images 2560", {"at_40000/train_mb": MEMORY, "growth/train_mb": MEMORY}
    ),
    "studio_walk": Short("studio_walk.py --frames 100", {"milliseconds/p50": TIME, "cpu_ms": TIME}),
    "frechet": Short("frechet.py --rows 10000 --pairs 3", {"ratio": TIME, "values/ours": SAME}),
    "prdc": Short("prdc.py --rows 4000 --pairs 3", {"seconds/sparring": TIME, "alone/sparring/gigabytes": MEMORY}),
    "intervals": Short(
        "intervals.py --times 20",
        {f"settings/equal, d = 8, N = 300/{score}/mean_width": SAME for score in ("fd", "kd", "precision", "coverage")},
    ),
    "leakage": Short("leakage.py --repetitions 3", {"coverage/two groups, strong leak/auc": SAME}),
    "audits": Short(
        "privacy_audits.py --trials 1000 --canaries 200 --shadows 2",
        {"step/empty, noise 0.8/mu": SAME, "one_run/as promised/right": SAME},
    ),
    "packing": Short("packing.py --images 3200 --rows 500", {"nats": SAME, "ratio": 0.002, "pack_cpu_seconds": TIME}),
    "faces": Short(
        "small.py --images 3200 --data orl-faces-64 --augments none --workers 1",
        {"table/orl-faces-64/none/fd": SAME, "table/orl-faces-64/none/coverage": SAME},
    ),
    "genes": Short(
        "genes.py --halves 2 --rounds 30 --sets golub", {"means/r3/accuracy/mean": SAME, "means/r3/gamma/mean": SAME}
    ),
    "tables": Short("tables.py adult --seeds 0", {"means/tstr_auc_boosting": SAME, "means/shapes": SAME}),
    "private tables": Short("private_generators.py tables --seeds 0", {"rows/1/auroc/boosting": SAME}),
    "labels": Short(
        "fewlabels.py --images 10800 --labels 100 --seeds 0 --workers 1 --recipes consistent --without-others",
        {"table/mnist/100/consistent/mean": 0.1},
    ),
    "numbers": Short("regress.py --tasks 'seattle temp_max' --seeds 2", {"tasks/seattle temp_max/coverage": SAME}),
    "columns": Short(
        "adult.py --seeds 0 --images 40000 --count 100", {"accuracy": SAME, "by_seed/0/work/success": SAME}
    ),
    "harden": Short(
        "harden_chance.py --methods fast --sources mnist --seeds 0 --images 12800",
        {"runs/0/clean": SAME, "runs/0/robust": SAME},
    ),
    "orders": Short(
        "trading.py --seeds 0 --count 40 --markets sp500 --parts strategies --afresh",
        {"strategies/sp500 mlp/ratios": SAME},
    ),
    "tuning": Short("tune.py branin --seeds 1", {"surfaces/branin/runs/0/needed": SAME}),
    "evolution": Short("evolution.py trees --seeds 1", {"rates/random forest/evolution": SAME}),
    "restore": Short("restore.py --cases foreman --seeds 0", {"cases/foreman/seeds/0/psnr": 0.005}),
}


@dataclass(frozen=True)
class Figure:
    """A measured value and its interval."""

    value: float
    low: float
    high: float

    def moved(self, recorded: Figure, tolerance: float) -> bool:
        """Return whether the intervals, each widened by `tolerance` times its value, are apart."""
        gap = max(self.low - recorded.high, recorded.low - self.high)
        return gap > tolerance * (abs(self.value) + abs(recorded.value)) / 2


def figure(content: Any, path: str) -> Figure:
    """Return the figure at `path` of a JSON file: a number, numbers, or an object with median or value and ends."""
    found = reduce(lambda at, key: at[int(key)] if isinstance(at, list) else at[key], path.split("/"), content)
    if isinstance(found, list):
        return Figure(statistics.median(found), min(found), max(found))
    if not isinstance(found, dict):
        return Figure(found, found, found)
    if "median" in found:
        return Figure(found["median"], found["min"], found["max"])
    return Figure(found["value"], found["low"], found["high"])


def together(repeats: Sequence[Figure]) -> Figure:
    """Return the median of repeats with an interval that holds all of theirs."""
    low, high = min(each.low for each in repeats), max(each.high for each in repeats)
    return Figure(statistics.median(each.value for each in repeats), low, high)


def measured(short: Short) -> dict[str, Figure]:
    """Run a benchmark in folders of its own and return its figures by path."""
    script, *arguments = shlex.split(short.command)
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "BENCHMARK_RESULTS": f"{folder}/results", "BENCHMARK_CACHE": f"{folder}/cache"}
        command = [sys.executable, HERE / script, *arguments]
        try:
            done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{short.command}: not done after {LIMIT_SECONDS} s") from None
        written = list(Path(folder, "results").glob("*.json"))
        if done.returncode or len(written) != 1:
            lines = done.stderr.strip().splitlines() or ["it wrote no result"]
            raise RuntimeError(f"{short.command}: exit code {done.returncode}: {lines[-1]}")
        content = json.loads(written[0].read_text(encoding="utf-8"))
    return {path: figure(content, path) for path in short.figures}


def cpu_seconds() -> float:
    """Return the CPU time of all ended child processes."""
    of = os.times()
    return of.children_user + of.children_system


def compared(name: str, now: Mapping[str, Figure]) -> Iterator[str]:
    """Yield a line for each figure: recorded, now, and whether it moved."""
    path = RECORDED / f"{name}.json"
    recorded = json.loads(path.read_text(encoding="utf-8"))["figures"] if path.exists() else {}
    for key, value in now.items():
        before = Figure(**recorded[key]) if key in recorded else None
        change = (
            "not recorded" if before is None else "MOVED" if value.moved(before, SHORT[name].figures[key]) else "same"
        )
        was = f"{before.value:.4g} ({before.low:.4g} to {before.high:.4g})" if before else "-"
        yield f"{change:12}  {name}: {key}: {was} -> {value.value:.4g} ({value.low:.4g} to {value.high:.4g})"


def record(name: str, now: Mapping[str, Figure], seconds: float, repeats: int) -> None:
    """Write the figures to which later runs are compared."""
    content = {
        "benchmark": name, "command": f"python benchmarks/{SHORT[name].command}", "repeats": repeats,
        "seconds": round(seconds / repeats, 1), "figures": {key: asdict(value) for key, value in now.items()},
        "date": datetime.now(UTC).isoformat(timespec="seconds"), "hardware": hardware(),
    }  # fmt: skip
    RECORDED.mkdir(parents=True, exist_ok=True)
    (RECORDED / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SHORT)}; none: all")
    parser.add_argument("--record", action="store_true", help="record the figures in place of comparing them")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each, whose figures are joined")
    options = parser.parse_args()
    if unknown := set(options.names) - set(SHORT):
        parser.error(f"no short benchmark is called {', '.join(sorted(unknown))}: choose from {', '.join(SHORT)}")
    begin, failed, moved = time.perf_counter(), [], 0
    for name in options.names or SHORT:
        start, cpu = time.perf_counter(), cpu_seconds()
        try:
            each = [measured(SHORT[name]) for _ in range(options.repeats)]
        except RuntimeError as error:
            failed.append(name)
            print(f"{'FAILED':12}  {name}: {error}", flush=True)
            continue
        now = {path: together([run[path] for run in each]) for path in each[0]}
        seconds = time.perf_counter() - start
        lines = list(compared(name, now))
        moved += sum(line.startswith("MOVED") for line in lines)
        print("\n".join(lines), f"({seconds:.0f} s, {cpu_seconds() - cpu:.0f} CPU s)", flush=True)
        if options.record:
            record(name, now, seconds, options.repeats)
    minutes = (time.perf_counter() - begin) / 60
    print(f"{minutes:.1f} minutes; {moved} figures moved; failed: {', '.join(failed) or 'none'}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
