"""Flags of `sparring attack` that only some kinds of data have, and the check that they fit the data at hand.

This module is imported by the command line before torch: it imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any

from tyro.conf import FlagCreatePairsOff, arg

from sparring.engine.errors import UsageError, did_you_mean

Columns = Annotated[tuple[str, ...], arg(metavar="COLUMN ...", help_behavior_hint="")]


@dataclass(frozen=True)
class BallAttackFlags:
    """Radius and norm of the perturbation of images and series."""

    eps: Annotated[
        float | None,
        arg(metavar="EPS", help_behavior_hint="(default: 0.3 for grey images of up to 28 pixels, 8/255, or 0.1)"),
    ] = None
    """Images and series: radius of the perturbation, in units of the pixel box (8/255 or a number) or in standard
    deviations."""
    norm: Annotated[str, arg(metavar="NORM")] = "Linf"
    """Images and series: norm of the perturbation: Linf, L2 or L1."""


@dataclass(frozen=True)
class ImageAttackFlags:
    """Flags for images."""

    version: Annotated[str | None, arg(metavar="NAME", help_behavior_hint="(default: chosen for the model)")] = None
    """Images: version of AutoAttack: standard, plus (longer), rand (for stochastic models), square (no gradients)."""
    box: Annotated[tuple[float, float], arg(metavar="LOW HIGH")] = (0.0, 1.0)
    """Images: pixel range that the model expects; normalisation belongs inside the model."""


@dataclass(frozen=True)
class AudioAttackFlags:
    """Flags for sounds."""

    target: Annotated[str | None, arg(metavar="WORD", help_behavior_hint="(default: every word in turn)")] = None
    """Sounds: class that the model should predict."""
    db: Annotated[float | None, arg(metavar="DB", help_behavior_hint="(default: -30; 0 with --masked)")] = None
    """Sounds: peak of the perturbation relative to the peak of the sound, in decibels."""
    masked: Annotated[bool, arg(help_behavior_hint=""), FlagCreatePairsOff] = False
    """Sounds: keep the perturbation below the masking threshold of the sound (psychoacoustic model 1)."""
    channel: Annotated[str, arg(metavar="NAME")] = "none"
    """Sounds: channel between file and model: none, 8bit, lowpass, both, or moving (both, random delay and gain)."""


@dataclass(frozen=True)
class TableAttackFlags:
    """Flags for tables."""

    move: Annotated[tuple[str, ...], arg(metavar="COLUMN ...", help_behavior_hint="(default: all)")] = ()
    """Tables: columns that an attacker can change. Integers stay integers; categories stay those of the data."""
    immutable: Columns = ()
    """Tables: columns that never change."""
    increasing: Columns = ()
    """Tables: columns that can only grow."""
    decreasing: Columns = ()
    """Tables: columns that can only shrink."""
    max_columns: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: no limit)")] = None
    """Tables: largest number of columns that may change in a row."""


@dataclass(frozen=True)
class SeriesAttackFlags:
    """Flags for series."""

    channels: Annotated[tuple[str, ...], arg(metavar="CHANNEL ...", help_behavior_hint="(default: all)")] = ()
    """Series: channels that an attacker can change."""
    steps: Annotated[tuple[int, int] | None, arg(metavar="FIRST LAST", help_behavior_hint="(default: all)")] = None
    """Series: first and last time step that an attacker can change, counted from 0."""


@dataclass(frozen=True)
class TradingAttackFlags:
    """Flags for strategies that trade by prices (`strategy:NAME`)."""

    participation: Annotated[float, arg(metavar="FRACTION")] = 0.01
    """Strategies: largest volume of the attacker's orders for one signal, as a fraction of the average volume of a
    bar."""
    bars: Annotated[int, arg(metavar="N")] = 1
    """Strategies: last bars with orders; those before the last are planned without knowledge of what comes."""
    tick: Annotated[float, arg(metavar="PRICE")] = 0.01
    """Strategies: smallest price change, in the units of the prices."""
    lot: Annotated[float, arg(metavar="VOLUME")] = 100.0
    """Strategies: smallest volume of an order, in the units of the volumes."""
    impact: Annotated[float, arg(metavar="Y")] = 1.0
    """Strategies: price change by an order of one average volume, in standard deviations of a bar's return."""
    fee: Annotated[float, arg(metavar="FRACTION")] = 1e-4
    """Strategies: half spread and fees of a trade, as a fraction of the price."""
    position: Annotated[float, arg(metavar="FRACTION")] = 0.01
    """Strategies: size of the strategy's position, as a fraction of the average volume of a bar."""


KINDS: Mapping[str, tuple[str, ...]] = {
    "ball": ("image", "series"),
    "image": ("image",),
    "audio": ("audio",),
    "table": ("table",),
    "series": ("series",),
    "trading": ("prices",),
}
"""Field of `KindFlags` -> kinds of data that these flags are for."""
PLURALS = {
    "image": "images",
    "audio": "audio",
    "table": "tables",
    "series": "series",
    "prices": "strategies (MODEL strategy:NAME)",
}


@dataclass(frozen=True)
class KindFlags:
    """All flags that belong to some kinds of data only."""

    ball: BallAttackFlags = field(default_factory=BallAttackFlags)
    image: ImageAttackFlags = field(default_factory=ImageAttackFlags)
    audio: AudioAttackFlags = field(default_factory=AudioAttackFlags)
    table: TableAttackFlags = field(default_factory=TableAttackFlags)
    series: SeriesAttackFlags = field(default_factory=SeriesAttackFlags)
    trading: TradingAttackFlags = field(default_factory=TradingAttackFlags)

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> KindFlags:
        """Return the flags with these values by name; raises UsageError on an unknown name."""
        flags, groups = cls(), {f.name: group.name for group in fields(cls) for f in fields(getattr(cls(), group.name))}
        for name, value in values.items():
            if name not in groups:
                raise UsageError(f"attack has no parameter '{name}': {did_you_mean(name, groups)}")
            group = getattr(flags, groups[name])
            flags = replace(flags, **{groups[name]: replace(group, **{name: value})})
        return flags

    def check_kind(self, kind: str) -> None:
        """Raise UsageError where a flag differs from its default and is not for data of this `kind`."""
        from sparring.engine.data_spec import KINDS as SPECS
        from sparring.engine.data_spec import kinds_of

        served = set(kinds_of(kind) if kind in SPECS else [kind])

        for group, kinds in KINDS.items():
            values, defaults = getattr(self, group), getattr(KindFlags(), group)
            changed = [f.name for f in fields(values) if getattr(values, f.name) != getattr(defaults, f.name)]
            if changed and not set(kinds) & served:
                flag = "--" + changed[0].replace("_", "-")
                owners = " and ".join(PLURALS[name] for name in kinds)
                raise UsageError(f"{flag} is for {owners}, and the data are of kind {kind}: leave it out")
