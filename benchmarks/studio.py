"""Cost of the studio's page: the list of 500 runs, 20 browsers at once, and what it takes from a training.

    python benchmarks/studio.py                    # about 8 minutes on 2 cores, idle machine

`list` is a GET of the list of 500 runs with 200 pictures each: cold, and again with nothing changed. `browsers` are 20
clients that follow two runs each and fetch the list every 5 seconds. `training` alternates parts of one training, of
`--seconds` each, with and without a page that follows it: images per second of its metrics.
The latent walk has its own, `studio_walk.py`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from record import log, ratios, save, spread, to_text

RUNS, PICTURES, BROWSERS = 500, 200, 20
LIST_SECONDS, COST_PERCENT = 1.0, 3.0


class Server(NamedTuple):
    """A running studio."""

    address: str
    token: str
    pid: int


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A studio on `folder`, in a process."""
    command = [sys.executable, "-m", "sparring", "studio", str(folder), "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        address, _, token = process.stderr.readline().split()[1].partition("/#")
        try:
            yield Server(address, token, process.pid)
        finally:
            process.terminate()


def ask(server: Server, path: str, body: object = None) -> Any:
    """The answer to a GET, or to a POST of `body`, as bytes."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"x-sparring-token": server.token, "content-type": "application/json"}
    return urllib.request.urlopen(urllib.request.Request(server.address + path, data, headers), timeout=120)


def seconds_of(server: Server, path: str) -> float:
    begin = time.perf_counter()
    ask(server, path).read()
    return time.perf_counter() - begin


def copies(run: Path, folder: Path) -> None:
    """500 runs with the metrics of `run` and 200 pictures each."""
    picture = next((run / "samples").glob("*.png")).read_bytes()
    for k in range(RUNS):
        copy = folder / f"run-{k:03d}"
        (copy / "samples").mkdir(parents=True)
        for name in ("run.json", "metrics.jsonl"):
            shutil.copy(run / name, copy / name)
        for step in range(PICTURES):
            (copy / "samples" / f"{100 * step:09d}.png").write_bytes(picture)


def follow(server: Server, names: list[str], stop: threading.Event) -> None:
    """Read the events of runs, as a page does."""
    query = "&".join(f"run={name}" for name in names)
    with ask(server, f"/api/events?{query}") as stream:
        while not stop.is_set() and stream.readline():
            pass


@contextmanager
def browsers(server: Server, count: int, names: list[str]) -> Iterator[list[float]]:
    """`count` clients that follow runs and fetch the list every 5 seconds; the seconds of each list."""
    stop, took = threading.Event(), []

    def look() -> None:
        while not stop.wait(5):
            took.append(seconds_of(server, "/api/runs"))

    threads = [threading.Thread(target=look) for _ in range(count)]
    threads += [threading.Thread(target=follow, args=(server, names, stop), daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield took
    finally:
        stop.set()
        for thread in threads[:count]:
            thread.join()


def speed(run: Path, seconds: float) -> float:
    """Images per second of a training in the next `seconds`, between lines of its metrics."""

    def last() -> tuple[int, float]:
        path = run / "metrics.jsonl"
        line = path.read_bytes().splitlines()[-1]
        return int(json.loads(line)["nimg"]), path.stat().st_mtime

    def at_line() -> tuple[int, float]:
        first = last()
        while (now := last()) == first:
            time.sleep(0.02)
        return now

    (start, begin), _ = at_line(), time.sleep(seconds)
    end, stopped = at_line()
    return (end - start) / (stopped - begin)


def cost(folder: Path, source: str, pairs: int, seconds: float) -> dict[str, list[float]]:
    """Speed of a training that a page follows, and without a page, in turn."""
    speeds: dict[str, list[float]] = {"page": [], "none": []}
    command = [sys.executable, "-m", "sparring", "train", source, "--recipe", "r3", "--out", str(folder / "live")]
    minutes = 4 * pairs * seconds / 60  # twice as long as is measured: metrics are written every few hundredths of it
    with subprocess.Popen([*command, "--minutes", f"{minutes:.2f}"], stderr=subprocess.DEVNULL) as training:
        try:
            while not (folder / "live" / "metrics.jsonl").exists():
                time.sleep(0.5)
            with serving(folder) as server:
                for pair in range(pairs):
                    with browsers(server, 1, ["live"]):
                        speeds["page"].append(speed(folder / "live", seconds))
                    speeds["none"].append(speed(folder / "live", seconds))
                    log(f"pair {pair + 1} of {pairs}: {speeds['page'][-1]:.0f} and {speeds['none'][-1]:.0f} images/s")
        finally:
            training.kill()
    return speeds


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--source", default="digits", help="data of the training")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each part of the training")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        example = [sys.executable, "-m", "sparring", "train", "digits", "--images", "2000", "--out", f"{name}/example"]
        subprocess.run(example, check=True, capture_output=True)
        copies(folder / "example", folder / "many")
        with serving(folder / "many") as server:
            cold = seconds_of(server, "/api/runs")
            warm = [seconds_of(server, "/api/runs") for _ in range(10)]
            with browsers(server, BROWSERS, ["run-000", "run-001"]) as together:
                time.sleep(30)
        speeds = cost(folder / "trained", options.source, options.pairs, options.seconds)
    costs = [100 * (1 - ratio) for ratio in ratios(speeds["page"], speeds["none"])]
    slowest = max(cold, *warm)
    met = slowest <= LIST_SECONDS and spread(costs)["median"] <= COST_PERCENT
    save(
        "studio",
        result=f"list {slowest:.2f} s; with {BROWSERS} browsers {to_text(together)} s; cost {to_text(costs, '.1f')} %",
        target=f"list {LIST_SECONDS} s, cost {COST_PERCENT} %",
        met=met,
        details={
            "list_cold_seconds": cold, "list_warm_seconds": spread(warm),
            "list_with_browsers_seconds": spread(together),
            "images_per_second": {key: spread(values) for key, values in speeds.items()}, "cost_percent": spread(costs),
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
