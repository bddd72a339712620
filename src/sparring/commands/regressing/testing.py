"""Calibrate the intervals of a trained regressor, save it and test it."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from sparring.commands.regressing.parts import Parts
from sparring.commands.regressing.trees import compared, grow_trees, standardised
from sparring.commands.training.session import TrainingSession
from sparring.data.dataset import Dataset
from sparring.measure.boosting.comparison import NETWORK, TREES
from sparring.measure.regression.conformal import conformal_correction
from sparring.measure.regression.report import NumberTest, RegressionReport, measure_number
from sparring.models.classifier import chunks_of
from sparring.models.regressor import Regressor, number_names, quantiles_of


def calibrate_and_test(
    session: TrainingSession, net: nn.Module, data: Dataset, parts: Parts, notes: list[str]
) -> RegressionReport:
    """Choose between network and boosted trees, calibrate the intervals, save the regressor and return its test."""
    settings, run = session.settings, session.run
    recipe, custom = settings.recipe, settings.custom_nets
    trees = grow_trees(data, parts, recipe, settings.seed, session.progress)
    comparison = compared(net, trees, data, parts, recipe, replaces=not custom) if trees is not None else None
    answered_by = comparison.winner if comparison else NETWORK
    best = trees if trees is not None and answered_by == TREES else net
    regressor = Regressor(best, data.spec, recipe, torch.zeros(0), answered_by, session.metadata(data))
    regressor.correction = _correction(best, data, parts, recipe.coverage)
    regressor.save(run.path)
    return RegressionReport(
        run=str(run.path), recipe=recipe.name, seed=settings.seed,
        examples=sum(map(len, (parts.learning, parts.validation, parts.calibration))),
        minutes=max((line.get("minutes", 0.0) for line in run.metrics()), default=0.0),
        validation_examples=len(parts.validation), calibration_examples=len(parts.calibration),
        coverage=recipe.coverage, notes=notes, numbers=_tested(regressor, data, parts),
        tested_on=f"{len(parts.test):,} test {data.report.unit}", trees=comparison,
    )  # fmt: skip


def _correction(net: nn.Module, data: Dataset, parts: Parts, coverage: float) -> torch.Tensor:
    """Return the conformal correction of the intervals, from the calibration examples."""
    chunks = [quantiles_of(net, data.spec.encode(data[chunk])) for chunk in chunks_of(parts.calibration)]
    low, _, high = torch.cat(chunks).unbind(2)
    return conformal_correction(low, high, standardised(data, parts.calibration), coverage)


def _tested(regressor: Regressor, data: Dataset, parts: Parts) -> list[NumberTest]:
    """Return the test of each number, beside the numbers that were learnt from."""
    test = parts.test
    chunks = [regressor.predict_interval(test[chunk]) for chunk in chunks_of(np.arange(len(test)))]
    value, low, high = (torch.cat(part).unbind(1) for part in zip(*chunks, strict=True))
    y = torch.from_numpy(test.conditions(np.arange(len(test)))).unbind(1)
    train = torch.from_numpy(data.conditions(parts.learning)).unbind(1)
    return [
        measure_number(name, (value[k], low[k], high[k]), y[k], train[k], regressor.recipe.coverage)
        for k, name in enumerate(number_names(data.spec))
    ]
