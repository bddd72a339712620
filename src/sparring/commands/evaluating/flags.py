"""Flags of `sparring evaluate` for an audit of features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import arg


@dataclass(frozen=True)
class LeakageFlags:
    """Audit of features: how well fresh adversaries predict protected groups."""

    protect: Annotated[str | None, arg(metavar="GROUPS", help_behavior_hint="")] = None
    """Groups to predict from features (.npy, .npz, .csv): a .npy file, FILE.csv:COLUMN, or a key of the .npz file."""
    beside: Annotated[str | None, arg(metavar="RAW", help_behavior_hint="")] = None
    """Raw data of the same rows, attacked for comparison too."""
    within: Annotated[str | None, arg(metavar="CLASSES", help_behavior_hint="")] = None
    """Classes of the rows, in the forms of --protect; each class is also attacked separately."""


@dataclass(frozen=True)
class FeatureNetFlags:
    """The network in whose features samples are compared."""

    features: Annotated[str, arg(metavar="NET")] = "trained"
    """Feature net: trained (on these data, offline), inception (that of the FID), raw (pixels), or a TorchScript
    file."""
    weights: Annotated[str | None, arg(metavar="PATH", help_behavior_hint="(default: downloaded once)")] = None
    """File with the weights of the Inception network."""
