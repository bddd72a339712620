"""Train one candidate of an adaptation: an ordinary run in RUN/candidates/NAME, resumed like others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sparring.commands.adapting.candidates import TrainingLength
from sparring.commands.adapting.domains import Domains
from sparring.commands.reporting.progress import Progress
from sparring.commands.training.calibrate import calibrated
from sparring.commands.training.callbacks import averaged, classifier_checkpoint, log_metrics
from sparring.commands.training.labels import labels_digest
from sparring.commands.training.plan import Plan, PostTraining
from sparring.commands.training.request import TrainRequest
from sparring.commands.training.run_settings import check_same_data
from sparring.commands.training.session import TrainingSession
from sparring.data.loader import BatchLoader
from sparring.engine.device import Hardware
from sparring.engine.loop import Callback, System
from sparring.engine.run_folder import Run
from sparring.models.classifier import Classifier
from sparring.recipes.features.adaptation_base import AdaptationRecipe

LOGGED = "classifier", "accuracy", "critic_accuracy", "confident"


@dataclass(frozen=True)
class Candidate:
    """A trained candidate."""

    name: str
    run: Run
    classifier: Classifier
    domains: Domains
    """Domains as it was trained on them."""


def train_candidate(
    outer: TrainRequest,
    run: Run,
    recipe: AdaptationRecipe,
    length: TrainingLength,
    domains: Domains,
    progress: Progress,
) -> Candidate:
    """Train, or continue, the candidate `recipe` in `run`; calibrate it on the held-out source rows and save it.

    A run that exists keeps its settings; `length` may make it longer. Raises Stopped after a signal: all is saved then.
    """
    request = replace(
        outer, recipe=None if run.exists else recipe, out=run.path, minutes=length.minutes, images=length.images
    )
    session = TrainingSession.start("classify", request, progress)
    data: Any = domains.joined
    if session.resumed:
        check_same_data(run, data)
    session = session.resolve(data)
    resolved = session.settings.recipe
    loader = candidate_loader(resolved, domains, session.settings.seed, session.hardware)

    def callbacks(system: System, plan: Plan) -> Sequence[Callback]:
        source = domains.source
        return [log_metrics(session, plan, LOGGED), classifier_checkpoint(session, plan, system, data, source)]

    def then(system: System) -> PostTraining:
        return PostTraining("calibration and scores", 0.0)

    system = session.play(data, loader, callbacks, then, labels=labels_digest(data))
    metadata = session.metadata(data)
    classifier = calibrated(averaged(system), data, resolved, metadata, session.hardware, domains.source_held_out)
    classifier.save(run.path)
    return Candidate(recipe.name, run, classifier, domains)


def candidate_loader(recipe: AdaptationRecipe, domains: Domains, seed: int, hardware: Hardware) -> BatchLoader:
    """Return batches of target rows with labelled source rows beside them; for source only, of source rows alone."""
    if not recipe.uses_target:
        return BatchLoader(
            domains.joined, recipe.batch_size, seed=seed, among=domains.source_idx, device=hardware.device
        )
    return BatchLoader(
        domains.joined, recipe.batch_size, seed=seed, labelled=recipe.labelled_batch_size, among=domains.target_idx,
        known=domains.source_idx, class_shares=recipe.class_shares, device=hardware.device,
    )  # fmt: skip
