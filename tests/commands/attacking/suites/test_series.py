"""`sparring attack` on series: exact results for a linear model, the mask, and what is refused."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import sparring
from sparring.commands.attacking.suites import series as suite
from sparring.commands.training.interrupt import Stopped
from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions
from sparring.report.attack_report import AttackReport
from sparring.report.series_attack_section import SeriesAttackDetails

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
MODULE = """
import torch

def first(x):  # [B, 2, 12], standardised: class 1 where the mean of the first channel is above 0
    s = 5 * x[:, 0].mean(1)
    return torch.stack([-s, s], 1)
def fails(x): raise ValueError("too long")
"""


@pytest.fixture(autouse=True)
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Series of two channels and twelve steps; the mean of the first decides the class."""
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    x = rng.normal(0, 1, (200, 2, 12)).astype(np.float32)
    x[:, 0] += np.where(y, 1.0, -1.0)[:, None]
    np.savez(tmp_path / "series.npz", x=3 * x + 10, y=y)
    (tmp_path / "own_series.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path / "series.npz"


def attacked(source: Path, **flags: object) -> tuple[AttackReport, SeriesAttackDetails]:
    report = sparring.attack("own_series:first", source, kind="series", device="cpu", **flags)
    assert isinstance(report.details, SeriesAttackDetails)
    return report, report.details


def margins(source: Path) -> np.ndarray:
    """The mean of the first channel of each test series, in the direction of its class."""
    data = open_source(source, ReadOptions("series")).split("test")
    x = data.spec.encode(data[np.arange(len(data))]).numpy()
    return x[:, 0].mean(1) * np.where(data.labels, 1, -1)


def test_results_of_a_linear_model(source: Path, tmp_path: Path) -> None:
    report, details = attacked(source, eps=0.5, out=tmp_path / "out")
    margin = margins(source)
    assert report.kind == "series" and report.clean.hits == (margin > 0).sum()
    assert report.robust.hits == (margin > 0.5).sum() < report.clean.hits
    assert [point.accuracy.hits for point in report.curve] == [(margin > point.eps).sum() for point in report.curve]
    assert details.success.hits == ((margin > 0) & (margin <= 0.5)).sum()
    lines = list(csv.DictReader((tmp_path / "out" / "samples.csv").read_text().splitlines()))
    assert sum(line["broken"] == "yes" for line in lines) == details.success.hits
    assert all(float(line["largest_change"]) <= 0.5 + 1e-6 for line in lines)
    assert "Adversarial series" in (tmp_path / "out" / "report.html").read_text()


def test_only_what_the_mask_allows_changes(source: Path, tmp_path: Path) -> None:
    _, details = attacked(source, eps=3, channels=("1",), out=tmp_path / "a")
    assert details.success.hits == 0 and details.channels == ["1"]
    report, details = attacked(source, eps=0.6, steps=(0, 5), out=tmp_path / "b")
    assert details.steps == (0, 5) and report.robust.hits == (margins(source) > 0.3).sum()


def test_an_interrupted_attack_goes_on(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "CHUNK_SERIES", 8)
    whole, _ = attacked(source, out=tmp_path / "whole")
    search, calls = suite.robustness, []

    def stopping(*args: object, **options: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return search(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(suite, "robustness", stopping)
    with pytest.raises(Stopped, match=r"after 8 of .* series"):
        attacked(source, out=tmp_path / "again")
    again, _ = attacked(source, out=tmp_path / "again")
    assert (again.robust, again.curve, again.details) == (whole.robust, whole.curve, whole.details)


def test_by_the_command_line(source: Path, quick: Cli) -> None:
    flags = ("--kind", "series", "--eps", "1/2", "--fail-below", "0.99", "--json")
    done = quick("attack", "own_series:first", source, *flags)
    assert done.returncode == 1 and "the robust proportion is" in done.stderr
    report = json.loads(done.stdout)
    assert report["settings"] == {
        "kind": "series", "norm": "Linf", "eps": 0.5, "channels": report["details"]["channels"], "steps": [0, 11],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--channels", "third"], "no channel 'third'"),
        (["--steps", "4", "12"], "--steps are two time steps from 0 to 11"),
        (["--eps", "-1"], "eps must be 0 or more"),
        (["--eps", "0"], "--eps must be above 0"),
        (["--norm", "L7"], "unknown norm"),
        (["--version", "plus"], "--version is for images"),
    ],
)
def test_bad_flags(flags: list[str], message: str, source: Path, quick: Cli) -> None:
    done = quick("attack", "own_series:first", source, "--kind", "series", *flags)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr, done.stderr


def test_a_model_that_fails(source: Path, quick: Cli) -> None:
    done = quick("attack", "own_series:fails", source, "--kind", "series")
    assert done.returncode == 2 and "too long" in done.stderr and "float32 [B, C, T]" in done.stderr
