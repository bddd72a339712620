"""One attack suite for each kind of data."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from sparring.commands.attacking.suites.audio import SOUNDS
from sparring.commands.attacking.suites.base import Suite
from sparring.commands.attacking.suites.image import IMAGES
from sparring.commands.attacking.suites.series import SERIES
from sparring.commands.attacking.suites.table import TABLES
from sparring.commands.attacking.suites.trading import TRADING
from sparring.data.prices import PricesSpec
from sparring.engine.data_spec import AudioSpec, ImageSpec, SeriesSpec, TableSpec
from sparring.engine.errors import UsageError


@singledispatch
def attack_suite(spec: Any) -> Suite:
    """Return the suite that attacks models of data with this spec."""
    raise UsageError(f"there is no attack for {type(spec).__name__}: register a suite with attack_suite.register")


attack_suite.register(ImageSpec, lambda spec: IMAGES)
attack_suite.register(AudioSpec, lambda spec: SOUNDS)
attack_suite.register(TableSpec, lambda spec: TABLES)
attack_suite.register(SeriesSpec, lambda spec: SERIES)
attack_suite.register(PricesSpec, lambda spec: TRADING)
