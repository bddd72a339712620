"""Make a classifier of the plain one and a threshold for each group, where new rows hold the group."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from sparring.commands.fairness.protected_data import ProtectedData
from sparring.commands.training.calibrate import calibrated, calibration_subset
from sparring.engine.device import Hardware
from sparring.measure.fairness.thresholds import Rule
from sparring.models.classifier import Classifier
from sparring.recipes.features.fair_base import FairRecipe
from sparring.recipes.features.thresholds import Thresholds

STEEPEST = 20.0
"""Largest shift of a logit: at that of a group that always gets the same answer."""


def group_column(spec: Any) -> str | None:
    """Return the column of a table that holds the groups, if classifiers see it; None where they do not."""
    return next(
        (c.name for c in getattr(spec, "columns", ()) if spec.groups and set(spec.groups) <= set(c.categories)), None
    )


def with_thresholds(
    plain: Classifier, rules: Sequence[Rule], column: str, data: ProtectedData, hardware: Hardware
) -> Classifier:
    """Return the plain classifier with the threshold of each rule, calibrated anew.

    A threshold t of the calibrated probability is a shift of -T log(t / (1 - t)) of the logit, at temperature T.
    """
    base: Any = plain.recipe
    shared = {f.name: getattr(base, f.name) for f in fields(FairRecipe)}
    recipe: Any = Thresholds(**shared, column=column)
    narrowed = data.narrow(data.train)
    spec = replace(plain.spec, groups=data.names)
    net: Any = recipe.nets(spec)["classifier"]
    net.classifier.load_state_dict(copy.deepcopy(plain.net.state_dict()))
    for k, rule in enumerate(rules):
        t = min(max(rule.upper, 1e-9), 1 - 1e-9)
        shift = -plain.temperature * math.log(t / (1 - t))
        net.head.shifts[k] = min(max(shift, -STEEPEST), STEEPEST)
    net = hardware.to_device(net)
    return calibrated(net, narrowed, recipe, plain.metadata, hardware, calibration_subset(narrowed.labels))
