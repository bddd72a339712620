"""A share: its interval, its words, and the forms in which reports hold it."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from sparring.report.audio_attack_section import Whispered
from sparring.stats.intervals import wilson_interval
from sparring.stats.proportion import Proportion


def test_a_share_and_its_interval() -> None:
    low, high = wilson_interval(3, 4)
    assert Proportion.count(3, 4, 0.3) == Proportion(0.3, 3, 4, 0.75, low, high)
    assert Proportion.count(3, 4).eps == 0
    assert str(Proportion.count(1, 2)) == "50.0% (9.5% to 90.5%), 1 of 2"
    with pytest.raises(ValueError, match="of 1 or more, not 0 of 0"):
        Proportion.count(0, 0)


def test_reports_hold_it_in_their_two_forms() -> None:
    """Of attacked images with the radius; of sounds as hits."""
    one = Proportion.count(1, 2, 0.3)
    assert list(asdict(one)) == ["eps", "right", "of", "share", "low", "high"]
    assert one.to_json() == {"hits": 1, "of": 2, "low": one.low, "high": one.high}
    found = Whispered("run", "out", "source", -30.0, False, "none", 0, 2, one, {}, None, None, None, [])
    assert found.to_json()["success"] == one.to_json() and found.to_json()["db"] == -30.0
