"""Train many generators through the command line, two at a time with one thread each, and measure them alike.

Not a benchmark itself. Two trainings on one thread each do more rounds than one on two threads (docs/lab-notebook.md).
Results are kept in `cache/trials/`, so that an interrupted benchmark continues; `--afresh` deletes them first.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from record import CACHE, data_folder

CACHE_FOLDER = CACHE / "trials"
ALONE = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}


@dataclass(frozen=True)
class Trial:
    """One training and its judgement."""

    name: str
    source: str
    """A name of `judge.SOURCES`."""
    flags: tuple[str, ...]
    """Of `sparring train`."""
    judged: Mapping[str, Any] = field(default_factory=dict)
    """Options of `judge.Judge.look`."""

    @property
    def folder(self) -> Path:
        """Where its run and its result lie."""
        return CACHE_FOLDER / self.name

    @property
    def result(self) -> dict[str, Any] | None:
        """What it found, or None where it has not ended."""
        path = self.folder / "result.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def run(trials: Sequence[Trial], workers: int = 2, afresh: bool = False) -> dict[str, dict[str, Any]]:
    """The results of all trials by name; those that ended before are not run again."""
    data_folder()
    if afresh:
        for trial in trials:
            shutil.rmtree(trial.folder, ignore_errors=True)
    with ThreadPoolExecutor(workers) as pool:
        results = list(pool.map(_in_a_process, trials))
    return {trial.name: result for trial, result in zip(trials, results, strict=True)}


def hardened(run: Path, *words: str) -> Path:
    """The run of `sparring harden WORDS`; one that ended before is not trained again."""
    if not (run / "hardening.json").exists():
        command = [sys.executable, "-m", "sparring", "harden", *words, "--out", str(run)]
        subprocess.run(command, check=True, env={**os.environ, **ALONE}, stdout=sys.stderr)
    return run


def _in_a_process(trial: Trial) -> dict[str, Any]:
    if trial.result is None:
        begin = time.perf_counter()
        command = [sys.executable, str(Path(__file__).resolve()), json.dumps(asdict(trial))]
        done = subprocess.run(command, env={**os.environ, **ALONE}, capture_output=True, text=True, check=False)
        if done.returncode or trial.result is None:
            raise RuntimeError(f"{trial.name}: {done.stderr[-2000:]}")
        print(f"{time.strftime('%H:%M:%S')} {trial.name}: {time.perf_counter() - begin:.0f} s", _short(trial.result),
              file=sys.stderr, flush=True)  # fmt: skip
    assert trial.result is not None
    return trial.result


def _short(result: Mapping[str, Any]) -> str:
    shown = ("fd", "coverage", "nash", "class_accuracy", "images", "images_per_second")
    return ", ".join(f"{name} {result[name]}" for name in shown if name in result)


def one(trial: Trial) -> None:
    """Train and judge, in this process's own threads."""
    import torch
    from judge import Judge, size_flags, source

    from sparring.engine.run_folder import Run
    from sparring.models.load_generator import load_generator

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    shutil.rmtree(trial.folder, ignore_errors=True)
    trial.folder.mkdir(parents=True)
    words = ["train", source(trial.source), *size_flags(trial.source), *trial.flags]
    begin = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "sparring", *words, "--out", str(trial.folder / "run")], check=True, stdout=sys.stderr
    )
    seconds = time.perf_counter() - begin
    run = Run(trial.folder / "run")
    model = load_generator(run.path)
    settings, images = run.settings, run.settings["plan"]["images"]
    parameters = {"generator": sum(p.numel() for p in model.generator.parameters())}
    metrics = run.metrics()
    reports: dict[str, Any] = {
        "command": "sparring " + " ".join(words).replace(str(data_folder()), "$SPARRING_DATA"),
        "images": images,
        "seconds": round(seconds, 1),
        "images_per_second": settings["plan"]["images_per_second"] or round(images / seconds, 1),
        "parameters": parameters,
        "recipe": settings["recipe"],
        "course": [
            {k: round(v, 4) for k, v in line.items()}
            for line in metrics
            if "coverage" in line or line is metrics[-1]
        ],
        **Judge(trial.source).look(model, **trial.judged),
    }  # fmt: skip
    (trial.folder / "result.json").write_text(json.dumps(reports, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    one(Trial(**json.loads(sys.argv[1])))
