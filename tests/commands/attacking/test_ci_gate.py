from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from sparring.commands.attacking.ci_gate import CiGate, Told
from sparring.engine.errors import UsageError


def interval(told: Told) -> tuple[float, float]:
    return told["low"], told["high"]


def written(folder: Path, told: object) -> Path:
    path = folder / "report.json"
    path.write_text(json.dumps(told))
    return path


def test_nothing_asked_is_always_met() -> None:
    required = CiGate.read(None, None, "attack", interval)
    required.check_comparable({"eps": 0.3})
    assert required.failures("the share", 0.0) == []


def test_a_share_is_met_by_itself_and_not_by_less() -> None:
    required = CiGate.read(0.85, None, "attack", interval)
    assert required.failures("the share", 0.85) == []
    assert required.failures("the share", 0.8499) == ["the share is 84.99%, below the 85.00% of --fail-below"]


def test_an_earlier_interval_is_met_from_its_lower_end_on(tmp_path: Path) -> None:
    required = CiGate.read(0.5, written(tmp_path, {"low": 0.6, "high": 0.8}), "attack", interval)
    assert required.failures("the share", 0.6) == []
    assert required.failures("it", 0.55) == ["it is 55.00%, below the baseline's interval from 60.00% to 80.00%"]
    assert len(required.failures("it", 0.4)) == 2


def test_only_what_was_made_alike_is_compared(tmp_path: Path) -> None:
    required = CiGate.read(
        None, written(tmp_path, {"low": 0.6, "high": 0.8, "eps": 0.3, "most": None}), "attack", interval
    )
    required.check_comparable({"eps": 0.3 * (1 + 1e-9), "most": None})
    with pytest.raises(UsageError, match=r"report.json is of another eps: 0.3 there, 0.2 here"):
        required.check_comparable({"eps": 0.2})
    with pytest.raises(UsageError, match="of another most: None there, 2 here"):
        required.check_comparable({"most": 2})


@pytest.mark.parametrize("told", [{"low": 0.6}, [1, 2], {"low": "much", "high": 1}, None])
def test_what_is_no_report_is_told(told: object, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is no report\.json of `sparring attack-table`"):
        CiGate.read(None, written(tmp_path, told), "attack-table", interval)


@pytest.mark.parametrize("share", [-0.1, 85, math.nan])
def test_a_share_is_from_0_to_1(share: float) -> None:
    with pytest.raises(UsageError, match="--fail-below is a share from 0 to 1"):
        CiGate.read(share, None, "attack", interval)
