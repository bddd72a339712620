"""`sparring classify --private EPSILON`: DP-SGD on the ordinary loop, and a report that may be shared.

Shared files depend on the training rows by their noisy gradients alone: no calibration, no examples to label
next, no losses, no doubtful labels. The test is on the rows of the test split, which are not protected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from sparring.commands.private.options import shareable_files, write_ledger
from sparring.commands.private.session import PrivateSession, check_kind, poisson_batches, secret_of
from sparring.commands.reporting.classifier_report import report_of
from sparring.commands.reporting.progress import Progress
from sparring.commands.reporting.run_report import page_of_run
from sparring.commands.training.calibrate import run_test
from sparring.commands.training.callbacks import averaged, classifier_checkpoint
from sparring.commands.training.labels import labels_digest, select_labels
from sparring.commands.training.plan import Plan, PostTraining
from sparring.commands.training.post_training import after_classify
from sparring.commands.training.request import TrainRequest
from sparring.data.dataset import Dataset
from sparring.data.open import guess_kind
from sparring.engine import dist
from sparring.engine.atomic_io import write
from sparring.engine.errors import UsageError
from sparring.engine.loop import Callback, System
from sparring.engine.run_folder import Run
from sparring.measure.classifier.calibration import ClassificationReport
from sparring.models.classifier import Classifier
from sparring.nets.feature_head import logits_of
from sparring.nets.lda import LDA
from sparring.nets.memory import Memory
from sparring.nets.ood_features import ood_features
from sparring.privacy.ledger import Budget, Ledger
from sparring.recipes import PRIVATE_DEFAULTS, usage
from sparring.recipes.supervised.scattering import ScatteringRecipe
from sparring.report.page import page_html
from sparring.report.privacy_section import privacy_sections

SETTINGS = "private"
"""Entry of run.json that holds the budget of a private run."""
PUBLIC_EXAMPLES = 64
"""Number of noise images in the memory of the saved classifier, in place of training images."""
NOTES = (
    "probabilities are not calibrated, and no answer is 'none of these': both would need training rows",
    "the test rows are not protected: the errors are theirs",
)


def is_private_classification(request: TrainRequest) -> bool:
    """Return whether the run at `out` was begun with --private."""
    return request.out is not None and (run := Run(request.out)).exists and SETTINGS in run.settings


def classify_privately(
    request: TrainRequest, epsilon: float | None, delta: float | None, progress: Progress | None
) -> ClassificationReport:
    """Train a classifier whose weights are (epsilon, delta)-differentially private in the training rows; test it.

    Raises UsageError where the budget is out of range, settings read private rows, or the run was begun with another
    budget. Raises SparringError where its key is missing or was drawn on another machine.
    """
    dist.check_single_process()
    if request.labels is not None or request.labels_file is not None:
        raise UsageError("--private learns from all labels: leave --labels and --labels-file out")
    if epsilon is not None:
        Budget.of(epsilon, delta, 1 if delta is None else 2)  # wrong numbers are refused before any data are read
    if not is_private_classification(request):
        check_kind(guess_kind(request.source, request.read))
        request = replace(request, recipe=request.recipe or PRIVATE_DEFAULTS["classify", "image"])
    session = PrivateSession.start("classify", request, progress)
    if not isinstance(session.settings.recipe, ScatteringRecipe):
        raise UsageError(
            f"--private has the recipe scattering alone, not {session.settings.recipe.name}; custom networks are "
            f"trained by its settings (nets=...). {usage('scattering')}"
        )
    source, has_test = session.open_rows()
    data, _ = select_labels(source, session.settings)
    among = np.flatnonzero(data.labels >= 0)
    budget = _budget(session, epsilon, delta, len(among))
    with secret_of(session) as secret:
        session = replace(session, secret=secret, budget=budget)
        source, data = session.keyed(source, secret), session.keyed(data, secret)
        session = _with_length(session.resolve(data), len(among))
        _check_same_rows(session, data)
        session.notes(budget.notes())
        loader = poisson_batches(session, data, among)
        return _train(session, source if has_test else None, data, loader)


def _budget(session: PrivateSession, epsilon: float | None, delta: float | None, rows: int) -> Budget:
    """Return the budget that is given, or that of a resumed run; raise UsageError where they differ."""
    if not session.resumed:
        assert epsilon is not None
        return Budget.of(epsilon, delta, rows)
    saved = session.run.settings.get(SETTINGS)
    if saved is None:
        raise UsageError(f"{session.run.path} was begun without --private: choose another --out")
    budget = Budget(saved["epsilon"], saved["delta"])
    if epsilon not in (None, budget.epsilon) or delta not in (None, budget.delta):
        raise UsageError(
            f"{session.run.path} was begun with epsilon {budget.epsilon:g} and delta {budget.delta:g}: leave --private "
            "and --delta out, or choose another --out"
        )
    return budget


def _with_length(session: PrivateSession, rows: int) -> PrivateSession:
    """Return the session with a length, where none is given."""
    settings = session.settings
    if session.resumed or settings.minutes is not None or settings.images is not None:
        return session
    return replace(session, settings=replace(settings, images=settings.recipe.private_epochs * rows))


def _check_same_rows(session: PrivateSession, data: Dataset) -> None:
    saved = session.run.settings if session.resumed else None
    if saved is not None and saved["data"]["fingerprint"] != data.fingerprint:
        raise UsageError(f"{session.run.path} was begun with other rows, or they have changed: choose another --out")


def _train(session: PrivateSession, source: Dataset | None, data: Dataset, loader: Any) -> ClassificationReport:
    """Train, save, and test on the test split of `source`; None: there are no rows for the test."""
    ledgers: list[Ledger] = []
    assert session.budget is not None and session.secret is not None

    def callbacks(system: System, plan: Plan) -> Sequence[Callback]:
        ledgers.append(ledger := session.ledger(loader, plan))
        write_ledger(session.run, ledger)
        session.progress.info(f"privacy: {ledger.releases[0].mechanism.describe()}: epsilon {ledger.epsilon():.4g}")
        if source is not None:
            return [_progress(session, plan), classifier_checkpoint(session, plan, system, data, source)]
        return [_progress(session, plan), Callback(plan.save_every, lambda nimg, means: session.run.save(system, nimg))]

    def then(system: System) -> PostTraining:
        return after_classify(averaged(system), source or data, session.settings.recipe, session.hardware)

    digest = session.secret.digest(labels_digest(data))
    system = session.play(data, loader, callbacks, then, labels=digest, **{SETTINGS: asdict(session.budget)})
    with session.after_training("test"):
        return _test(session, averaged(system), source, data, ledgers[-1])


def _progress(session: PrivateSession, plan: Plan) -> Callback:
    """Show how far the training is: its losses are private."""

    def show(nimg: int, means: Mapping[str, float]) -> None:
        session.progress.update(nimg)

    return Callback(plan.log_every, show)


def _test(
    session: PrivateSession, net: nn.Module, source: Dataset | None, data: Dataset, ledger: Ledger
) -> ClassificationReport:
    """Save the classifier, test it on the test split alone and write the report."""
    classifier = uncalibrated(net, data, session.settings.recipe, session.metadata(data))
    classifier.save(session.run.path)
    has_test = source is not None and bool((source.split("test").labels >= 0).any())
    test = run_test(classifier, source, data, session.progress) if source is not None and has_test else None
    report = replace(report_of(session.run, classifier, data, test, NOTES), to_label="")
    session.run.write_json("classification", asdict(report))
    sections = privacy_sections(ledger, shareable_files(session.run))
    write(session.run.report_path, page_html(page_of_run(session.run, (), sections=sections)))
    return report


def uncalibrated(net: nn.Module, data: Dataset, recipe: Any, metadata: Mapping[str, Any]) -> Classifier:
    """Return the classifier of `net` without anything from the training rows; its memory holds noise."""
    net, generator = net.eval().cpu(), torch.Generator().manual_seed(0)
    x = torch.rand(PUBLIC_EXAMPLES, *data.spec.shape, generator=generator) * 2 - 1
    with torch.no_grad():
        features, embeddings = ood_features(net, x)
        predicted = logits_of(net, features).argmax(1)
    memory = Memory(LDA.fit(features, predicted), reference=embeddings)
    return Classifier(net, data.spec, recipe, data.spec.classes, 1.0, -1.0, memory, metadata)
