"""`sparring attack strategy:NAME prices.csv`: named strategies, Python code, a run, what is written, and bad input."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.bars import random_bars, write_prices

import sparring
from sparring.engine.errors import SparringError, UsageError
from sparring.report.trading_attack_section import TradingAttackDetails

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
CODE = """
import numpy as np
import torch

def differentiable(bars):
    return bars[:, 3, -1].log() - bars[:, 3, -6].log()

def closed(bars):
    close = np.asarray(bars)[:, 3]
    return torch.from_numpy(close[:, -1] - close[:, -6])

def logits(bars):
    score = differentiable(bars)
    return torch.stack([-score, score], 1)

def pictures(bars):
    return bars

def fails(bars):
    raise MemoryError("no room")
"""


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparring.commands.attacking.suites.trading.SURROGATES", ("momentum",))
    monkeypatch.setattr("sparring.commands.attacking.strategies.STEPS", 40)


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    """A csv of 500 bars, and strategies in code.py beside it."""
    (tmp_path / "code.py").write_text(CODE)
    return write_prices(tmp_path / "prices.csv", random_bars(500))


def test_a_rule_from_the_command_line(prices: Path, quick: Cli) -> None:
    result = quick("attack", "strategy:momentum", prices, "--count", 50, "--participation", 0.5, "--json")
    assert result.returncode == 0, result.stderr
    report, folder = json.loads(result.stdout), prices.parent / "attack-strategy-momentum"
    assert (folder / "report.html").read_text().count("Signals turned") and report["kind"] == "prices"
    levels = report["details"]["levels"]
    turned = [level["turned"]["value"] for level in levels]
    assert turned == sorted(turned) and levels[-1]["participation"] == pytest.approx(0.5) and turned[-1] > 0
    assert report["robust"]["value"] == pytest.approx(1 - turned[-1])
    with (folder / "signals.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 50 and {line["signal"] for line in lines} <= {"long", "short"}
    broken = [line for line in lines if line["turned"] == "yes"]
    assert len(broken) == round(50 * turned[-1])
    assert all(0 < float(line["participation"]) <= 0.5 and float(line["cost"]) > 0 for line in broken)


@pytest.mark.parametrize("name", ["differentiable", "closed", "logits"])
def test_python_code_is_a_strategy_with_gradients_or_without(name: str, prices: Path) -> None:
    model = f"strategy:{prices.parent / 'code.py'}:{name}"
    report = sparring.attack(model, prices, count=46, participation=0.05, out=prices.parent / "out")
    details = report.details
    assert isinstance(details, TradingAttackDetails) and details.levels[-1].turned.value > 0.05
    assert any("no gradient" in note for note in report.notes) == (name == "closed")


@pytest.mark.parametrize("name", ["tcn", "boosting"])
def test_strategies_that_learn_are_the_same_by_seed(name: str, prices: Path) -> None:
    reports = [
        sparring.attack(f"strategy:{name}", prices, count=12, seed=3, out=prices.parent / str(k)).to_json()
        for k in (1, 2)
    ]
    assert reports[0]["details"] == reports[1]["details"]


@pytest.mark.slow
def test_a_run_of_classify_is_a_strategy(tmp_path: Path) -> None:
    bars = random_bars(400)
    windows = np.lib.stride_tricks.sliding_window_view(bars, 32, 0)[::4].astype(np.float32)
    up = np.where(windows[:, 3, -1] > windows[:, 3, -6], "up", "down")
    np.savez(tmp_path / "windows.npz", x=windows, y=up)
    names = ("open", "high", "low", "close", "volume")
    sparring.classify(tmp_path / "windows.npz", out=tmp_path / "run", images=400, kind="series", names=names)
    report = sparring.attack(
        f"strategy:{tmp_path / 'run'}", write_prices(tmp_path / "prices.csv", bars), count=30, out=tmp_path / "out"
    )
    assert report.settings["window"] == 32 and not any("no gradient" in note for note in report.notes)


@pytest.mark.parametrize(
    ("model", "flags", "words"),
    [
        ("strategy:momentun", {}, "there is no strategy 'momentun'"),
        ("strategy:", {}, "there is no strategy ''"),
        ("strategy:{}/code.py:pictures", {}, "a score for each"),
        ("strategy:{}/code.py:fails", {}, "MemoryError: no room"),
        ("strategy:momentum", {"eps": 0.1}, "--eps is for"),
        ("strategy:momentum", {"steps": (1, 2)}, "--steps is for"),
        ("strategy:momentum", {"participation": 0.0}, "--participation"),
        ("strategy:momentum", {"position": 2.0}, "--position"),
        ("strategy:momentum", {"kind": "table"}, "leave out --kind"),
        ("strategy:momentum", {"window": 20}, "longer --window"),
        ("{}/code.py:logits", {"participation": 0.1}, "--participation is for strategies"),
    ],
)
def test_settings_that_do_not_fit_are_refused(model: str, flags: dict[str, object], words: str, prices: Path) -> None:
    with pytest.raises(UsageError, match=words):
        sparring.attack(model.format(prices.parent), prices, out=prices.parent / "out", **flags)


def test_few_bars_are_refused(tmp_path: Path) -> None:
    prices = write_prices(tmp_path / "prices.csv", random_bars(100))
    with pytest.raises(SparringError, match="too few"):
        sparring.attack("strategy:momentum", prices, out=tmp_path / "out")


def test_bars_without_volume_are_left_out(tmp_path: Path) -> None:
    bars = random_bars(500)
    bars[-20:-10, 4] = 0
    prices = write_prices(tmp_path / "prices.csv", bars)
    report = sparring.attack("strategy:momentum", prices, count=50, out=tmp_path / "out")
    assert any("10 signals were left out" in note for note in report.notes)
