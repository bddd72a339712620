from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from sparring.commands.attacking.ci_gate import CiGate, ReportJson
from sparring.engine.errors import UsageError


def interval(report: ReportJson) -> tuple[float, float]:
    return report["low"], report["high"]


def written(folder: Path, report: object) -> Path:
    path = folder / "report.json"
    path.write_text(json.dumps(report))
    return path


def test_without_conditions_everything_passes() -> None:
    gate = CiGate.read(None, None, "attack", interval)
    gate.check_comparable({"eps": 0.3})
    assert gate.failures("the proportion", 0.0) == []


def test_a_proportion_passes_its_own_value_and_fails_below() -> None:
    gate = CiGate.read(0.85, None, "attack", interval)
    assert gate.failures("the proportion", 0.85) == []
    assert gate.failures("the proportion", 0.8499) == ["the proportion is 84.99%, below the 85.00% of --fail-below"]


def test_an_earlier_interval_passes_from_its_lower_end_on(tmp_path: Path) -> None:
    gate = CiGate.read(0.5, written(tmp_path, {"low": 0.6, "high": 0.8}), "attack", interval)
    assert gate.failures("the proportion", 0.6) == []
    assert gate.failures("it", 0.55) == ["it is 55.00%, below the baseline's interval from 60.00% to 80.00%"]
    assert len(gate.failures("it", 0.4)) == 2


def test_only_reports_with_the_same_settings_are_compared(tmp_path: Path) -> None:
    report = {"low": 0.6, "high": 0.8, "settings": {"eps": 0.3, "max_columns": None, "move": ["hours"]}}
    gate = CiGate.read(None, written(tmp_path, report), "attack", interval)
    gate.check_comparable({"eps": 0.3 * (1 + 1e-9), "max_columns": None, "move": ("hours",)})
    with pytest.raises(UsageError, match=r"report.json was made with eps 0.3, and this report with 0.2"):
        gate.check_comparable({"eps": 0.2})
    with pytest.raises(UsageError, match="with max_columns None, and this report with 2"):
        gate.check_comparable({"max_columns": 2})


@pytest.mark.parametrize("report", [{"low": 0.6}, [1, 2], {"low": "much", "high": 1}, None])
def test_other_files_are_refused(report: object, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not a report\.json of `sparring attack`"):
        CiGate.read(None, written(tmp_path, report), "attack", interval)


@pytest.mark.parametrize("fraction", [-0.1, 85, math.nan])
def test_a_fraction_is_from_0_to_1(fraction: float) -> None:
    with pytest.raises(UsageError, match="--fail-below is a fraction from 0 to 1"):
        CiGate.read(fraction, None, "attack", interval)
