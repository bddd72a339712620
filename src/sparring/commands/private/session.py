"""A training on private rows: a key for its noise, digests by the key, and nothing else of the rows in the run."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sparring.commands.private.images import open_private_images
from sparring.commands.training.plan import UNPLANNED, Plan
from sparring.commands.training.run_settings import TrainingData
from sparring.commands.training.session import TrainingSession
from sparring.data.dataset import Dataset
from sparring.data.summary import check_readable
from sparring.engine.atomic_io import remove
from sparring.engine.data_spec import KINDS
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.loop import System
from sparring.engine.run_folder import SECRETS
from sparring.engine.seeds import mix
from sparring.games.private_sgd import PrivateSGD, add_noise
from sparring.nets.feature_head import split_or_wrap
from sparring.nets.scattering_classifier import ScatteringClassifier
from sparring.privacy.accountant import sgd_noise
from sparring.privacy.clipping import check_rows_are_independent, ghost_norms_agree
from sparring.privacy.ledger import Budget, Ledger, Release
from sparring.privacy.mechanisms import SubsampledGaussian
from sparring.privacy.poisson import PoissonBatches
from sparring.privacy.secret import SecretNoise
from sparring.recipes.classifier_recipe import joint_ema
from sparring.recipes.supervised.scattering import ScatteringRecipe, row_loss

PUBLIC = (
    "the number of training rows, the size and mode of the images, and the names of the classes",
    "all settings: none was chosen by the training rows",
    "the rows of the test split: they are used for the test alone, and are not protected",
)
"""What is treated as public knowledge."""


def check_kind(kind: str) -> None:
    """Raise UsageError on a kind of data whose form would have to be read from private rows."""
    if kind != "image":
        raise UsageError(
            f"--private classifies images, these are {KINDS[kind].plural}: columns, ranges and words of other data "
            "come from the rows themselves. For tables, `sparring train --private` generates rows to learn from"
        )


@dataclass(frozen=True)
class PrivateSession(TrainingSession):
    """A `TrainingSession` whose system is DP-SGD. `noise` is set by the budget when the length is known."""

    secret: SecretNoise | None = None
    budget: Budget | None = None

    def open_rows(self) -> tuple[Dataset, bool]:
        """Open the training rows, and return whether the source itself marks others for testing."""
        settings = self.settings
        data = open_private_images(settings.source, settings.read, self.progress)
        check_kind(data.spec.kind)
        check_readable(data.report, force=settings.read.force)
        return data, data.report.test_marked

    def keyed(self, data: Dataset, secret: SecretNoise) -> Dataset:
        """Return the rows under a digest that reveals nothing without the key, without names of what was skipped."""
        shown = copy.copy(data)
        shown.report = replace(
            data.report, fingerprint=secret.digest(data.fingerprint), skipped={}, notes=[], copies={}, roles=[]
        )
        return shown

    def network(self, data: TrainingData) -> nn.Module:
        """Return a fresh classifier; raise UsageError where a custom one mixes rows."""
        if self.nets is None:
            net = self.settings.recipe.nets(data.spec)["classifier"]
        else:
            net = split_or_wrap(
                self.nets(data.spec)["classifier"], torch.zeros(2, *data.spec.shape), len(data.spec.classes)
            )
            check_rows_are_independent(net, data.spec.shape)
        return self.hardware.to_device(net)

    def noise(self, loader: PoissonBatches, total: int) -> float:
        """Return the noise multiplier with which a run of `total` expected rows stays in the budget."""
        assert self.budget is not None
        if total == UNPLANNED:
            return 1.0  # of the probe of the speed, whose weights are thrown away
        steps = total // loader.batch_size
        noise = sgd_noise(self.budget.epsilon, self.budget.delta, loader.sampling_rate, steps)
        if not np.isfinite(noise):
            raise SparringError(
                f"no noise gives epsilon {self.budget.epsilon:g} in {steps:,} steps: take fewer --images"
            )
        return noise

    def ledger(self, loader: PoissonBatches, plan: Plan) -> Ledger:
        """Return the one release of the run: its steps."""
        assert self.budget is not None
        steps, recipe = plan.images // loader.batch_size, self.settings.recipe
        mechanism = SubsampledGaussian(loader.sampling_rate, self.noise(loader, plan.images), steps)
        what = f"gradients of {steps:,} steps, each row's clipped to {recipe.clip:g}"
        return Ledger(self.budget, public=PUBLIC).add(Release(what, mechanism, recipe.clip))

    def _build(self, data: TrainingData, loader: Any, total: int) -> System:
        """Return DP-SGD on the recipe's network, or on all weights of a custom one."""
        assert self.secret is not None
        recipe: ScatteringRecipe = self.settings.recipe
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mix(self.settings.seed))
            net = self.network(data)
        learner, fixed = learner_of(net)
        x, y = torch.rand(3, *data.spec.shape), torch.arange(3) % len(data.spec.classes)
        x = fixed(x) if fixed is not None else x
        game = PrivateSGD(net, learner, row_loss, recipe.clip, ghost=ghost_norms_agree(learner, row_loss, x, y))
        optimizer = recipe.optimizer(learner)
        add_noise(optimizer, game, self.noise(loader, total), loader.batch_size, self.secret)
        ema = joint_ema({"classifier": net}, total, recipe.ema_half_life)
        return System(game, {"classifier": optimizer}, ema, {"classifier": recipe.schedules()})

    def _extended(self, saved: Plan, loader: Any, build: Callable[[int], System]) -> Plan:
        """Return the plan as it was: the noise of a private run is for its length."""
        minutes, images = self.settings.minutes, self.settings.images
        if minutes not in (None, saved.minutes) or images not in (None, saved.images):
            raise UsageError(
                f"{self.run.path} is private, and its noise is for {saved.length_text()}: it cannot be made longer. "
                "Leave --minutes and --images out, or begin another run, which costs epsilon again"
            )
        return saved


def learner_of(net: Any) -> tuple[nn.Module, Any]:
    """Return the part of a network that learns, and the fixed function before it; None where all of it learns."""
    return (net.head, net.features) if isinstance(net, ScatteringClassifier) else (net, None)


def poisson_batches(session: PrivateSession, data: Dataset, among: NDArray[np.int64]) -> PoissonBatches:
    """Return the Poisson samples of the labelled rows; fixed features are computed once."""
    assert session.secret is not None
    _, fixed = learner_of(session.network(data).eval())
    return PoissonBatches(
        data, session.settings.recipe.batch_size, session.secret, among=among, fixed=fixed,
        device=session.hardware.device, on_progress=session.progress.callback("computing fixed features"),
    )  # fmt: skip


@contextmanager
def secret_of(session: PrivateSession) -> Iterator[SecretNoise]:
    """Yield the key of a resumed run, or a new one, which is removed where the run never begins."""
    run = session.run
    if session.resumed:
        yield SecretNoise.load(run.path)
        return
    try:
        yield SecretNoise.create(run.path)
    except BaseException:
        if not run.exists:
            remove(run.path / SECRETS)
            if run.path.is_dir() and not any(run.path.iterdir()):
                run.path.rmdir()
        raise
