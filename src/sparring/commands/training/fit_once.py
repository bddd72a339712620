"""Fit a generator at once, and save it as a trained run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sparring.commands.doctor import doctor
from sparring.commands.reporting.run_report import write_run
from sparring.commands.training.plan import Plan
from sparring.commands.training.run_settings import run_json
from sparring.commands.training.session import TrainingSession
from sparring.data.dataset import Dataset
from sparring.data.store import store_for
from sparring.engine import dist
from sparring.engine.errors import UsageError
from sparring.engine.run_folder import Run
from sparring.models.generator import GeneratorModel

MAX_ROWS = 100_000
"""Largest number of rows that a generator is fitted to."""
MAX_BYTES = 1 << 30
"""Largest size of these rows."""


def fit_once(session: TrainingSession, data: Dataset) -> Run:
    """Fit the recipe of a session to the training rows, save the model, and diagnose the run.

    Raises UsageError on a training time or number of examples: there is nothing to make longer.
    """
    run, settings, recipe = session.run, session.settings, session.settings.recipe
    dist.check_single_process()
    if (settings.minutes, settings.images) != (None, None):
        raise UsageError(f"{recipe.name} is fitted at once, in seconds: leave --minutes and --images out")
    if session.nets is not None:
        raise UsageError(f"{recipe.name} takes no custom networks: leave nets out")
    if session.resumed and (run.path / "generator.json").exists():
        session.progress.info(f"finished: {recipe.name} has been fitted, run {run.path}")
        return run
    idx = subset_of(data, settings.seed)
    if len(idx) < len(data):
        session.notes([f"it is fitted to {len(idx):,} of the {len(data):,} {data.report.unit}, drawn at random"])
    session.progress.info(f"fitting {recipe.name} to {len(idx):,} {data.report.unit}, run {run.path}")
    on_progress = session.progress.callback("fitting", "forests")
    fitted = recipe.fit(data.spec, data[idx], data.labels[idx], settings.seed, on_progress)
    session = replace(session, settings=replace(settings, recipe=recipe))
    run.write_settings(run_json(session.settings, data, Plan.of(len(idx), 1), session.hardware))
    for k, accuracy in enumerate(getattr(fitted["generator"], "accuracies", ())):
        run.log(k, {"forest_accuracy": float(accuracy)})
    GeneratorModel(fitted["generator"], data.spec, recipe, metadata=session.metadata(data)).save(
        run.path, nimg=len(idx)
    )
    with session.after_training("diagnosis"):
        write_run(run, doctor(run))
    return run


def subset_of(data: Dataset, seed: int) -> np.ndarray:
    """Return the rows to fit to: all, or as many as memory is planned for, in their order."""
    count = min(len(data), MAX_ROWS, max(MAX_BYTES // store_for(data.spec).row_bytes, 100))
    if count == len(data):
        return np.arange(count)
    return np.sort(np.random.default_rng([seed, 11]).permutation(len(data))[:count])
