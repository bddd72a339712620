"""Play the game of a classifier to its end, calibrate what was learnt and save it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sparring.commands.training.calibrate import calibrated, calibration_subset, save_classifier
from sparring.commands.training.callbacks import averaged, classifier_checkpoint, log_metrics, sample_callbacks
from sparring.commands.training.labels import LabelledTraining, classifier_loader, labels_digest
from sparring.commands.training.plan import Plan, PostTraining
from sparring.commands.training.post_training import after_classify
from sparring.engine.loop import Callback, System
from sparring.models.classifier import Classifier
from sparring.recipes.classifier_recipe import ClassifierRecipe


def train_classifier(training: LabelledTraining) -> Classifier:
    """Train, calibrate and save a classifier in its run; return it. Raises as `TrainingSession.play` does."""
    net, calibration_idx = play_classifier(training)
    with training.session.after_training("calibration"):
        return calibrate_and_save(training, net, calibration_idx)


def play_classifier(training: LabelledTraining) -> tuple[nn.Module, NDArray[np.int64]]:
    """Train the classifier of a session; return the averaged network and the labels that are kept for calibration."""
    session, data = training.session, training.data
    resolved: ClassifierRecipe = session.settings.recipe
    calibration_idx = calibration_subset(data.labels)
    loader = classifier_loader(data, resolved, session.settings.seed, session.hardware, calibration_idx)
    metadata = session.metadata(data)

    def callbacks(system: System, plan: Plan) -> list[Callback]:
        return [
            log_metrics(session, plan, ("classifier", "accuracy", "confident")),
            *sample_callbacks(session, plan, system, data, metadata),
            classifier_checkpoint(session, plan, system, data, training.source),
        ]

    def then(system: System) -> PostTraining:
        return after_classify(averaged(system), training.source, resolved, session.hardware)

    system = session.play(data, loader, callbacks, then, labels=labels_digest(data))
    return averaged(system), calibration_idx


def calibrate_and_save(training: LabelledTraining, net: nn.Module, calibration_idx: NDArray[np.int64]) -> Classifier:
    """Calibrate the averaged `net` on its training data, and save it in the run."""
    session, data = training.session, training.data
    classifier = calibrated(
        net, data, session.settings.recipe, session.metadata(data), session.hardware, calibration_idx, session.progress
    )
    save_classifier(session, classifier)
    return classifier
