"""`sparring doctor`: problems of a training run, with the evidence for each and the next flag to try."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
from torch import nn

from sparring.commands.training.monitor import downscale, draw_examples
from sparring.commands.training.run_settings import open_run_data
from sparring.data.dataset import Dataset
from sparring.engine.errors import SparringError
from sparring.engine.run_folder import Run
from sparring.measure.diagnostics.augmentation_leaks import augmentation_leaks
from sparring.measure.diagnostics.gan_diagnostics import Finding, RunFacts, diagnose
from sparring.measure.diagnostics.quick_metrics import near_duplicates
from sparring.models.capabilities import Sampler
from sparring.models.generator import GeneratorModel, load_generator
from sparring.models.load import check_capable

SAMPLES = 1000
"""Number of fresh samples, and largest number of real images that they are compared with."""


def doctor(run: str | Path | Run, generator: nn.Module | None = None) -> list[Finding]:
    """Diagnose `run` from its metrics, its data and fresh samples: problems first, then the trend.

    Without the data, or with custom networks and no `generator`, only the metrics are used, and a finding reports it.
    Raises SparringError if there is no run.
    """
    run = run if isinstance(run, Run) else Run(run)
    settings = run.settings
    check_capable(run.path, Sampler)
    facts = RunFacts(quote(str(run.path)), settings["recipe"]["settings"], custom_nets=settings["custom_nets"])
    try:
        model, data = load_generator(run.path, generator), open_run_data(run)
    except SparringError as error:
        unseen = Finding(
            "unseen", "notice", "No samples could be checked: the diagnosis uses the logged metrics only.", str(error)
        )
        return [*diagnose(run.metrics(), facts), unseen]
    return diagnose(run.metrics(), replace(facts, conditional=model.conditional, **_check_samples(model, data)))


def to_text(findings: list[Finding]) -> str:
    """Return up to three lines for each finding: severity and message, evidence, advice."""
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{finding.severity:7} {finding.message}")
        lines += [f"        {part}" for part in (finding.evidence, finding.advice and f"try: {finding.advice}") if part]
    return "\n".join(lines)


def _check_samples(model: GeneratorModel, data: Dataset) -> dict[str, Any]:
    """Return the near-duplicates among fresh samples, and the augmentation leaks."""
    samples = downscale(data.spec.encode(np.concatenate(list(model.samples(SAMPLES, seed=2)))))
    train = downscale(draw_examples(data, 2 * SAMPLES)[0])
    if data.report.splits["test"]:
        held_out = downscale(draw_examples(data.split("test"), SAMPLES)[0])
    else:
        train, held_out = train[: len(train) // 2], train[len(train) // 2 :]
    train = train[:SAMPLES]
    return {
        "near_duplicates": near_duplicates(samples[: len(train)], train),
        "leaks": augmentation_leaks(samples, held_out, train),
    }
