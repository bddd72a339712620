"""`sparring doctor`: problems of a training run, with the evidence for each and the next flag to try."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sparring.commands.private.diagnosis import diagnose_private, diagnose_private_classifier
from sparring.commands.private.options import is_private_run
from sparring.commands.training.monitor import downscale, draw_examples, metric_input
from sparring.commands.training.run_settings import command_to_continue, open_run_data, recipe_of, spec_of
from sparring.data.dataset import Dataset
from sparring.engine.errors import SparringError
from sparring.engine.run_folder import Run
from sparring.measure.classifier.calibration import ClassificationReport
from sparring.measure.diagnostics.augmentation_leaks import augmentation_leaks
from sparring.measure.diagnostics.classifier_diagnostics import ClassifierFacts, diagnose_classifier
from sparring.measure.diagnostics.density_diagnostics import DensityFacts, diagnose_density
from sparring.measure.diagnostics.finding import Finding
from sparring.measure.diagnostics.fitted_diagnostics import diagnose_fitted
from sparring.measure.diagnostics.gan_diagnostics import LabelFit, RunFacts, diagnose
from sparring.measure.diagnostics.obfuscator_diagnostics import ObfuscatorFacts, diagnose_obfuscator
from sparring.measure.diagnostics.quick_metrics import near_duplicates
from sparring.measure.diagnostics.regressor_diagnostics import RegressorFacts, diagnose_regressor
from sparring.measure.diagnostics.training_length import TrainingLength
from sparring.measure.regression.report import RegressionReport
from sparring.models.density import unit_of
from sparring.models.generator import GeneratorModel
from sparring.models.load_generator import load_generator
from sparring.models.saved import main_player
from sparring.recipes.density.base import DensityRecipe
from sparring.recipes.fitted import FittedRecipe
from sparring.stats.proportion import Proportion

MIN_LABELS = 200
"""Smallest number of labels of which the fit to the images is checked."""
SAMPLES = 1000
"""Number of fresh samples, and largest number of real images that they are compared with."""


def doctor(run: str | Path | Run, generator: nn.Module | None = None) -> list[Finding]:
    """Diagnose `run` from its metrics, its data and fresh samples, or its test: problems first, then the trend.

    Of a generator without the data, or with custom networks and no `generator`, only the metrics are used, and a
    finding reports it. Raises SparringError if there is no run.
    """
    run = run if isinstance(run, Run) else Run(run)
    if is_private_run(run.path) and main_player(run.path) == "generator":
        return diagnose_private(run)
    settings = run.settings
    command = command_to_continue(
        settings["command"], settings["data"]["source"], run.path, settings["hardware"], settings["processes"]
    )
    if main_player(run.path) == "classifier":
        findings = diagnose_classifier(run.metrics(), _classifier_facts(run, command))
        return diagnose_private_classifier(findings) if is_private_run(run.path) else findings
    if isinstance(recipe_of(run), FittedRecipe):
        return diagnose_fitted(run.metrics())
    if main_player(run.path) == "regressor":
        return diagnose_regressor(run.metrics(), _regressor_facts(run, command))
    if main_player(run.path) == "obfuscator":
        given = settings["recipe"]["settings"]
        audit = run.read_json("obfuscation")
        return diagnose_obfuscator(run.metrics(), ObfuscatorFacts(command, _length(run), given, audit))
    if isinstance(recipe := recipe_of(run), DensityRecipe):
        unit = unit_of(spec_of(run), binary=recipe.sees_binary).name
        return diagnose_density(run.metrics(), DensityFacts(command, _length(run), unit))
    facts = RunFacts(
        quote(str(run.path)), settings["recipe"]["settings"], custom_nets=settings["custom_nets"], command=command,
        examples=settings["data"]["spec"]["count"], planned=settings["plan"]["images"],
        by_minutes=settings["plan"]["minutes"] is not None,
    )  # fmt: skip
    try:
        model, data = load_generator(run.path, generator), open_run_data(run)
    except SparringError as error:
        unseen = Finding(
            "unseen", "notice", "No samples could be checked: the diagnosis uses the logged metrics only.", str(error)
        )
        return [*diagnose(run.metrics(), facts), unseen]
    return diagnose(run.metrics(), replace(facts, conditional=model.conditional, **_check_samples(model, data)))


def _length(run: Run) -> TrainingLength:
    settings, metrics = run.settings, run.metrics()
    return TrainingLength(
        int(metrics[-1]["nimg"]) if metrics else 0, settings["data"]["spec"]["count"],
        settings["recipe"]["settings"]["batch_size"], settings["plan"]["images"],
    )  # fmt: skip


def _classifier_facts(run: Run, command: str) -> ClassifierFacts:
    hardening = run.read_json("hardening")
    fields = hardening["clean"] if hardening else run.read_json("classification")
    return ClassifierFacts(command, _length(run), ClassificationReport.from_json(fields) if fields else None)


def _regressor_facts(run: Run, command: str) -> RegressorFacts:
    fields = run.read_json("regression")
    return RegressorFacts(command, _length(run), RegressionReport.from_json(fields) if fields else None)


def to_text(findings: list[Finding]) -> str:
    """Return up to three lines for each finding: severity and message, evidence, advice."""
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{finding.severity:7} {finding.message}")
        lines += [f"        {part}" for part in (finding.evidence, finding.advice and f"try: {finding.advice}") if part]
    return "\n".join(lines)


def _check_samples(model: GeneratorModel, data: Dataset) -> dict[str, Any]:
    """Return the near-duplicates among fresh samples, and the augmentation leaks."""
    samples = downscale(metric_input(data.spec, np.concatenate(list(model.samples(SAMPLES, seed=2)))))
    train = downscale(draw_examples(data, 2 * SAMPLES)[0])
    if data.report.splits["test"]:
        held_out = downscale(draw_examples(data.split("test"), SAMPLES)[0])
    else:
        train, held_out = train[: len(train) // 2], train[len(train) // 2 :]
    train = train[:SAMPLES]
    return {
        "near_duplicates": near_duplicates(samples[: len(train)], train),
        "leaks": augmentation_leaks(samples, held_out, train),
        "blank": (_blank(samples), _blank(train)),
        "label_fit": _label_fit(data) if model.conditional and not model.vectors else None,
    }


def _blank(images: Tensor) -> float:
    """Return the fraction of images `[N, C, H, W]` whose values are all equal, but for rounding; 0 of other data."""
    if images.dim() != 4:
        return 0.0
    flat = images.flatten(1)
    return float((flat.amax(1) - flat.amin(1) < 2 / 255).float().mean())


def _label_fit(data: Dataset) -> LabelFit | None:
    """Return how often the nearest other training image has the same label; None where few have labels."""
    x, y = draw_examples(data, 2 * SAMPLES)
    x, y = downscale(x[y >= 0]).flatten(1), y[y >= 0]
    if len(y) < MIN_LABELS:
        return None
    nearest = torch.cdist(x, x).fill_diagonal_(torch.inf).argmin(1)
    share = torch.bincount(y).double() / len(y)
    return LabelFit(Proportion.count(int((y[nearest] == y).sum()), len(y)), float(share.square().sum()), len(y))
