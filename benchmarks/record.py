"""What all benchmarks share: alternating measurements, the hardware, and the JSON file of results.

Not a benchmark itself. Nothing here imports `sparring` or torch before it is needed.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = Path(os.environ.get("BENCHMARK_RESULTS", HERE / "results"))
CACHE = Path(os.environ.get("BENCHMARK_CACHE", HERE / "cache"))
"""Finished trainings, with which a stopped benchmark goes on; `bench.py` sets both to folders of its own."""
PACKAGES = ("sparring", "torch", "numpy", "pillow")


def data_folder() -> Path:
    """Where the real data lie: `$SPARRING_DATA`, or `shared/data` beside the repository; told to subprocesses too."""
    folder = Path(os.environ.setdefault("SPARRING_DATA", str(HERE.parent.parent / "shared" / "data")))
    if not folder.is_dir():
        sys.exit(f"no data in {folder}: set SPARRING_DATA to the folder that holds them")
    return folder


def alternate(contenders: Mapping[str, Callable[[], object]], pairs: int, warm_up: int = 1) -> dict[str, list[float]]:
    """Seconds of each contender, `pairs` times A, B, A, B, ..., after `warm_up` rounds that do not count."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for k in range(-warm_up, pairs):
        for name, run in contenders.items():
            begin = time.perf_counter()
            run()
            took = time.perf_counter() - begin
            if k >= 0:
                seconds[name].append(took)
            print(f"{'warm-up' if k < 0 else f'pair {k + 1} of {pairs}'}: {name} {took:.2f} s", file=sys.stderr)
    return seconds


def ratios(of: list[float], to: list[float]) -> list[float]:
    """`of / to`, pair by pair."""
    return [a / b for a, b in zip(of, to, strict=True)]


def spread(values: list[float]) -> dict[str, Any]:
    """Median, smallest, largest, and all values as they came."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "values": values}


def to_text(values: list[float], form: str = ".2f") -> str:
    """`median (min to max)`."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def log(text: str) -> None:
    """Print a line with the time to stderr, at once."""
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)


def read(name: str) -> dict[str, Any]:
    """Return the content of `results/<name>.json`."""
    content: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return content


def markdown(heads: Sequence[object], rows: Iterable[Iterable[object]]) -> str:
    """Return a table in Markdown."""
    lines = ["|" + "|".join(" " if cell == "" else f" {cell} " for cell in row) + "|" for row in (heads, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(heads), *lines[1:]])


def interval(of: Mapping[str, float], form: str, unit: str = "") -> str:
    """Return `value unit (low to high)`."""
    return f"{of['value']:{form}}{unit} ({of['low']:{form}} to {of['high']:{form}})"


def ends(of: Mapping[str, float]) -> dict[str, float]:
    """Return a spread as an interval: its median, least and largest value."""
    return {"value": of["median"], "low": of["min"], "high": of["max"]}


def percent(fraction: float, digits: int) -> str:
    """Return a fraction as percent."""
    return f"{100 * fraction:.{digits}f} %"


def hardware() -> dict[str, Any]:
    """What this ran on."""
    import torch

    has: dict[str, Any] = getattr(
        torch.cpu, "get_capabilities", dict
    )()  # of torch 2.13; GPU machines come with older ones
    return {
        "cpu": _first("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gb": round(int((_first("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) / 1e6, 1),
        "bf16": bool(has.get("avx512_bf16")) if has else None,
        "amx_bf16": bool(has.get("amx_bf16")) if has else None,
        "system": platform.platform(),
        **({"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}),
        "load_before": LOAD_BEFORE,
    }


def save(name: str, *, result: str, target: str, met: bool, details: Mapping[str, Any]) -> Path:
    """Write `results/<name>.json`: the figure in words, its target, and all that is needed to judge and repeat it."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    summary = {
        "benchmark": name,
        "result": result,
        "target": target,
        "met": met,
        **details,
        "command": shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), **{package: _version(package) for package in PACKAGES}},
        "hardware": hardware(),
    }
    path.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    print(f"{name}: {result}; target {target}: {'met' if met else 'missed'}\n{path}")
    return path


def _version(package: str) -> str:
    """Of a package; ours may also be a folder on the path alone."""
    try:
        return version(package)
    except PackageNotFoundError:
        return str(import_module(package).__version__)


def _first(path: str, key: str) -> str | None:
    """The first value of `key` in a file of `key : value` lines, None where there is none."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), None)


LOAD_BEFORE: float | None = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
"""Of the machine, before this benchmark began: above 0.3 or so, timings are not worth keeping."""
