"""Train a generator of private rows: release what is needed once, with noise, and train on that alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from sparring.commands.private.diagnosis import diagnose_private
from sparring.commands.private.options import PrivateOptions, is_private_run, ledger_of, private_request, write_ledger
from sparring.commands.private.release import (
    PrivateData,
    codes_digest,
    moment_notes,
    open_images,
    read_table,
    release_marginals,
    release_moments,
)
from sparring.commands.reporting.progress import Progress
from sparring.commands.reporting.run_report import write_run
from sparring.commands.training.callbacks import frame_saver, log_metrics, save_checkpoints
from sparring.commands.training.plan import Plan, PostTraining
from sparring.commands.training.request import TrainRequest
from sparring.commands.training.run_settings import run_json, saved_recipe, spec_of
from sparring.commands.training.session import TrainingSession
from sparring.engine import dist
from sparring.engine.errors import UsageError
from sparring.engine.loop import Callback, System
from sparring.engine.run_folder import Run
from sparring.engine.seeds import mix
from sparring.games.moments import ClassBatches, MomentCritic
from sparring.measure.diagnostics.private_diagnostics import SCORE
from sparring.models.generator import GeneratorModel
from sparring.nets.marginal_trees import MarginalTrees
from sparring.privacy.secret import SecretNoise
from sparring.recipes.generators.mst import MST

MEASURED_SAMPLES = 1000
"""Samples of which the distance to the noisy moments is measured at a checkpoint."""
CHUNK_SAMPLES = 250


def train_private(request: TrainRequest, options: PrivateOptions, progress: Progress | None) -> Run:
    """Train a private generator, or continue a run; return the run.

    Raises UsageError where settings do not fit, SparringError where the data cannot be used or the noise is gone.
    """
    dist.check_single_process()
    if saved_recipe(request.out) is None:
        options.check()
    session = TrainingSession.start("train", private_request(request), progress)
    if session.resumed:
        options.check_same(session.run)
        SecretNoise.load(session.run.path)  # raises where the run may not go on
    if isinstance(session.settings.recipe, MST):
        return _train_table(session, options)
    return _train_images(session, options)


def _train_table(session: TrainingSession, options: PrivateOptions) -> Run:
    """Release the marginals of a table: there is nothing to train."""
    run, settings = session.run, session.settings
    if session.resumed and is_private_run(run.path):
        session.progress.info(f"finished: the marginals of {run.path} have been released, and are not trained further")
        return run
    schema, recipe, codes = read_table(settings.source, settings.read, options.schema, settings.recipe)
    if (settings.minutes, settings.images) != (None, None):
        raise UsageError("mst releases a table at once, and trains nothing: leave --minutes and --images out")
    budget = options.budget(len(codes))
    session.notes(budget.notes())
    digest = codes_digest(schema, codes)
    secret = SecretNoise.open(run.path)
    bound = secret.bound_to(digest, repr(budget), repr(recipe))
    spec = schema.spec(len(codes))
    data = PrivateData.of(settings.source, spec, secret.digest(digest), "rows")
    net = recipe.nets(spec)["generator"]
    assert isinstance(net, MarginalTrees)
    ledger = release_marginals(codes, schema, recipe, net, budget, bound)
    session = replace(session, settings=replace(settings, recipe=recipe))
    run.write_settings(run_json(session.settings, data, Plan.of(1, 1), session.hardware))
    GeneratorModel(net, spec, recipe, metadata=session.metadata(data)).save(run.path, nimg=0)
    write_ledger(run, ledger)
    _report(session)
    return run


def _train_images(session: TrainingSession, options: PrivateOptions) -> Run:
    """Release the moments of images, and play the game on them."""
    run, settings = session.run, session.settings
    released, ledger = dict[str, nn.Module](), None
    if session.resumed and run.checkpoints():  # the moments are in the checkpoint: the rows are not read again
        spec = spec_of(run)
        data = PrivateData.of(settings.source, spec, run.settings["data"]["fingerprint"], "images")
        recipe = settings.recipe
    else:
        images = open_images(settings.source, settings.read, session.progress)
        spec, digest = images.spec, images.fingerprint
        recipe = settings.recipe.resolve(spec, session.hardware)
        budget = ledger_of(run).budget if is_private_run(run.path) else options.budget(len(images))
        session.notes(budget.notes())
        secret = SecretNoise.open(run.path)
        data = PrivateData.of(settings.source, spec, secret.digest(digest), "images")
        released |= _seeded(recipe, spec, settings.seed)
        critic = released["critic"]
        assert isinstance(critic, MomentCritic)
        bound = secret.bound_to(digest, repr(budget), repr(recipe))
        ledger = release_moments(images, critic, budget, bound, session.progress)
        session.notes(moment_notes(critic))
    session = replace(
        session, settings=replace(settings, recipe=recipe), nets=lambda spec: _with_moments(recipe.nets(spec), released)
    )
    loader = ClassBatches(
        recipe.batch_size, max(recipe.classes(spec), 1), settings.seed, session.hardware.device
    )  # fmt: skip
    before = run.metrics()

    def callbacks(system: System, plan: Plan) -> list[Callback]:
        if ledger is not None:  # run.json is there by now
            write_ledger(run, ledger)
        return _callbacks(session, system, plan, data)

    session.play(data, loader, callbacks, lambda system: PostTraining("reporting", 0.0))
    if not run.report_path.exists() or run.metrics() != before:
        _report(session)
    return run


def _seeded(recipe: Any, spec: Any, seed: int) -> dict[str, nn.Module]:
    """Return the recipe's networks, drawn by the seed without a change of the global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix(seed))
        nets: dict[str, nn.Module] = recipe.nets(spec)
        return nets


def _with_moments(nets: dict[str, nn.Module], released: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """Return fresh networks whose critic holds the released moments; a checkpoint brings its own."""
    if released:
        nets["critic"].load_state_dict(released["critic"].state_dict())
    return nets


def _callbacks(session: TrainingSession, system: System, plan: Plan, data: PrivateData) -> list[Callback]:
    """Log, write frames, and save with the distance to the noisy moments: real rows are never read."""
    critic: Any = system.game.players["critic"]
    recipe = session.settings.recipe
    counts = tuple(int(count) for count in critic.class_counts.tolist()) if recipe.classes(data.spec) else ()
    model = GeneratorModel(system.ema.net, data.spec, recipe, counts, metadata=session.metadata(data))

    def measure(nimg: int) -> dict[str, float]:
        z, y = model.draw_inputs(range(MEASURED_SAMPLES), seed=1)
        y = torch.arange(len(y)) % len(critic.moments)
        with torch.no_grad():
            chunks = zip(torch.split(z, CHUNK_SAMPLES), torch.split(y, CHUNK_SAMPLES), strict=True)
            x = torch.cat([model.generate(*chunk) for chunk in chunks])
            return {SCORE: float(critic.differences(x, y.to(x.device)).sum(1).mean())}

    return [
        log_metrics(session, plan, [SCORE]),
        Callback(plan.show_every, frame_saver(session.run, model, None)),
        save_checkpoints(session, plan, system, model, measure, SCORE),
    ]


def _report(session: TrainingSession) -> None:
    with session.after_training("report"):
        write_run(session.run, diagnose_private(session.run))
