"""`sparring doctor`: what ails a run, in words, with the figure behind each and the next flag to try."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
from torch import nn

from sparring.commands.training.monitor import downscale, draw_examples, encode
from sparring.commands.training.run_settings import open_run_data
from sparring.data.dataset import Dataset
from sparring.engine.errors import SparringError
from sparring.engine.run_folder import Run
from sparring.measure.diagnostics.augmentation_leaks import leaks
from sparring.measure.diagnostics.gan_diagnostics import Facts, Finding, diagnose
from sparring.measure.diagnostics.quick_metrics import twins
from sparring.models.capabilities import Sampler
from sparring.models.generator import GeneratorModel, load_generator
from sparring.models.load import check_capable

SAMPLES = 1000
"""Drawn afresh, and images at most that they are held against."""


def doctor(run: str | Path | Run, generator: nn.Module | None = None) -> list[Finding]:
    """Diagnose `run` from its metrics, its data and fresh samples: illnesses first, then how its course is.

    Where the data are gone, or the networks are one's own and no `generator` is given, the metrics alone tell, and a
    finding says so. Raises SparringError where there is no run.
    """
    run = run if isinstance(run, Run) else Run(run)
    settings = run.settings
    check_capable(run.path, Sampler)
    known = Facts(quote(str(run.path)), settings["recipe"]["settings"], own_nets=settings["custom_nets"])
    try:
        model, data = load_generator(run.path, generator), open_run_data(run)
    except SparringError as error:
        blind = Finding(
            "unseen", "notice", "No samples could be looked at: the metrics alone have to tell.", str(error)
        )
        return [*diagnose(run.metrics(), known), blind]
    return diagnose(run.metrics(), replace(known, conditional=model.conditional, **_look(model, data)))


def to_text(findings: list[Finding]) -> str:
    """Each finding in three lines at most: how bad it is and what it is, the figure, what to try."""
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{finding.severity:7} {finding.message}")
        lines += [f"        {part}" for part in (finding.evidence, finding.advice and f"try: {finding.advice}") if part]
    return "\n".join(lines)


def _look(model: GeneratorModel, data: Dataset) -> dict[str, Any]:
    """Twins among fresh samples, and those that are turned."""
    samples = downscale(encode(data, np.concatenate(list(model.samples(SAMPLES, seed=2)))))
    train = downscale(draw_examples(data, 2 * SAMPLES)[0])
    if data.report.splits["test"]:
        fresh = downscale(draw_examples(data.split("test"), SAMPLES)[0])
    else:
        train, fresh = train[: len(train) // 2], train[len(train) // 2 :]
    train = train[:SAMPLES]
    return {"twins": twins(samples[: len(train)], train), "leaks": leaks(samples, fresh, train)}
