"""A training from its request to its last image: run folder, settings, data, plan, play."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch

from sparring.commands.reporting.progress import Progress, of_process
from sparring.commands.training.interrupt import Stopped, diverging, explain_interrupt, signals
from sparring.commands.training.plan import Plan, PostTraining, check_memory
from sparring.commands.training.request import Nets, OnCheckpoint, TrainRequest
from sparring.commands.training.run_settings import (
    Fingerprinted,
    RunSettings,
    TrainingData,
    check_same_data,
    command_to_continue,
    new_settings,
    resumed_settings,
    run_json,
)
from sparring.data.dataset import Dataset
from sparring.data.loader import BatchLoader
from sparring.data.open import open_source
from sparring.data.summary import check_readable, summary
from sparring.engine import dist
from sparring.engine.device import Hardware
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.loop import BatchSource, Callback, System, play
from sparring.engine.run_folder import Run
from sparring.engine.seeds import mix
from sparring.engine.version import __version__
from sparring.measure.diagnostics.training_length import (
    CLASSIFIER,
    DENSITY,
    GENERATOR,
    REGRESSOR,
    Enough,
    few_examples_note,
)
from sparring.recipes import accepts, is_private, recipe_class
from sparring.recipes.classifier_recipe import ClassifierRecipe, build_system
from sparring.recipes.density.base import DensityRecipe
from sparring.recipes.recipe import FitsParts, Recipe
from sparring.recipes.supervised.quantiles import QuantileRecipe

DEFAULT_MINUTES = 10.0
"""Training time where neither minutes nor images are given."""


@dataclass(frozen=True)
class TrainingSession:
    """A training, new or resumed. A command calls `start`, `open_data`, `resolve` and `play`, in this order."""

    run: Run
    resumed: bool
    """True where the run existed before."""
    settings: RunSettings
    hardware: Hardware
    nets: Nets | None
    """Networks in place of the recipe's."""
    progress: Progress
    on_checkpoint: OnCheckpoint | None = None
    """Function that is called after each checkpoint."""

    @classmethod
    def start(cls, command: str, request: TrainRequest, progress: Progress | None = None) -> Self:
        """Resolve `request` against the run folder; raise UsageError where they do not fit each other."""
        progress = of_process(progress)
        if dist.world_size() > 1 and request.out is None:
            raise UsageError("several processes need --out, so that all of them use the same run folder")
        hardware = Hardware.find(request.device, request.precision)
        if request.out is not None and (run := Run(request.out)).exists:
            resumed = resumed_settings(command, request, run)
            return cls(run, True, resumed, hardware, request.nets, progress, request.on_checkpoint)
        settings = new_settings(command, request)
        run = Run(request.out if request.out is not None else new_run_folder(request.source, settings.recipe.name))
        run.check_writable()
        return cls(run, False, settings, hardware, request.nets, progress, request.on_checkpoint)

    def notes(self, notes: Iterable[str]) -> None:
        """Print remarks."""
        for note in notes:
            self.progress.info(f"note: {note}")

    def open_data(self) -> Dataset:
        """Open the training examples; process 0 does so first, so that the cache is built once."""
        settings = self.settings
        with dist.first_process_first():
            data = open_source(settings.source, settings.read, on_progress=self.progress.callback("reading"))
        if settings.read.kind is None:
            self.notes([f"read as {data.spec.plural}: {data.report.evidence}"])
        self.progress.info(summary(data.report))
        self.notes([*data.report.emptied, *data.notes])
        check_readable(data.report, force=settings.read.force)
        unit = data.report.unit
        if not len(data):
            raise SparringError(f"{settings.source} holds test {unit} alone: name the source of the training {unit}")
        if len(data) < 2:
            raise SparringError(
                f"{settings.source} has one usable example: training needs two or more; hundreds are better"
            )
        if self.resumed:
            check_same_data(self.run, data)
        return data if settings.label_fraction is None else data.with_labels(settings.label_fraction)

    def resolve(self, data: Dataset) -> Self:
        """Return the session with a fully resolved recipe; raise UsageError on data of another kind."""
        recipe = self.settings.recipe
        if not accepts(recipe.kinds, data.spec.kind):
            recipe_class(recipe.name, self.settings.command, data.spec.kind)
            raise UsageError(f"{recipe.name} is not for {data.spec.kind} data: choose another --recipe")
        return replace(self, settings=replace(self.settings, recipe=recipe.resolve(data.spec, self.hardware)))

    def metadata(self, data: TrainingData) -> dict[str, Any]:
        """Return what a saved model records about its training."""
        return model_metadata(self.settings.custom_nets, self.settings.seed, data)

    def play(
        self,
        data: TrainingData,
        loader: BatchSource,
        callbacks: Callable[[System, Plan], Sequence[Callback]],
        then: Callable[[System], PostTraining],
        **more: Any,
    ) -> System:
        """Play the recipe from where the run is to the end of its plan; return the system.

        `callbacks` are made for the system and the plan, `then` is the work that follows; `more` is written to
        run.json. Raises Stopped after a signal: all is saved then.
        """
        with explain_interrupt(f"stopped before the training began: {self._way_on()}"):
            plan, system = self._prepare(data, loader, then, more)
            start = self._restore(system, data, plan)
            due = [*callbacks(system, plan), *self._after_checkpoints(plan)]
        self.progress.begin("training", plan.images, start, data.report.unit)
        try:
            with signals() as stop, diverging(system, self.run):
                done = play(system, loader, total=plan.images, start=start, seed=self.settings.seed,
                            hardware=self.hardware, callbacks=due, should_stop=lambda: bool(stop))  # fmt: skip
        finally:
            self.progress.end()
        if dist.rank() == 0:
            self.run.write_film()
        dist.barrier()  # torchrun ends the others once one has left, and process 0 writes
        if done < plan.images:
            raise Stopped(f"stopped at image {done:,} of {plan.images:,}; all is saved. Continue with: {self.command}")
        return system

    def _after_checkpoints(self, plan: Plan) -> list[Callback]:
        """Return the callback of `on_checkpoint`; it comes last, when the checkpoint is there."""
        if (call := self.on_checkpoint) is None:
            return []
        return [Callback(plan.save_every, lambda nimg, means: call(self.run, nimg))]

    def after_training(self, what: str) -> AbstractContextManager[None]:
        """Return a context in which Ctrl-C, during `what` follows the training, says what is kept."""
        return explain_interrupt(
            f"stopped during the {what}: the trained weights are kept in {self.run.path}. "
            f"Go on with the {what} by: {self.command}"
        )

    @property
    def command(self) -> str:
        """Command that continues the run."""
        settings = self.settings
        hardware, processes = self.hardware.describe(), dist.world_size()
        return command_to_continue(settings.command, settings.source, self.run.path, hardware, processes)

    def _way_on(self) -> str:
        if self.run.checkpoints():
            return f"the run is as it was. Continue with: {self.command}"
        return "nothing was written, and the same command starts again"

    def _prepare(
        self, data: TrainingData, loader: BatchSource, then: Callable[[System], PostTraining], more: dict[str, Any]
    ) -> tuple[Plan, System]:
        """Return the plan and the system that it is for, and print what to expect of it."""

        def build(total: int) -> System:
            return self._build(data, loader, total)

        memory = check_memory(self.settings.recipe, data.spec, self.hardware) if self.nets is None else None
        plan = self._plan(data, loader, build, more)
        system, unit = build(plan.images), data.report.unit
        self.progress.info(plan.to_text(self.hardware, memory, unit, then(system)))
        if enough := _enough(self.settings.recipe):
            self.progress.info(f"length: {plan.outlook(len(data), enough)}")
        self.notes(filter(None, [few_examples_note(len(data), unit)]))
        return plan, system

    def _build(self, data: TrainingData, loader: BatchSource, total: int) -> System:
        """Return the system of fresh networks, drawn by the seed, for a run of `total` examples."""
        recipe, nets = self.settings.recipe, self.nets or self.settings.recipe.nets
        if isinstance(recipe, ClassifierRecipe):
            assert isinstance(loader, BatchLoader)
            return build_system(recipe, nets, loader, total, self.settings.seed, self.hardware)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mix(self.settings.seed))
            fresh = nets(data.spec)
            if isinstance(recipe, FitsParts) and isinstance(loader, BatchLoader):
                recipe.fit_parts(fresh, loader.data)
            modules = {name: self.hardware.to_device(net) for name, net in fresh.items()}
            system: System = recipe.system(data.spec, modules, total)
            return system

    def _plan(
        self, data: TrainingData, loader: BatchSource, build: Callable[[int], System], more: dict[str, Any]
    ) -> Plan:
        """Return the plan of the run; write run.json for a new one, and for one that is made longer."""
        run, hardware = self.run, self.hardware
        if self.resumed:
            saved = run.settings
            plan = self._extended(Plan(**saved["plan"]), loader, build)
            content = {**saved, "request": self.settings.requested(), "plan": asdict(plan)}
            content["earlier_plans"] = [*saved.get("earlier_plans", []), saved["plan"]]
            changed = asdict(plan) != saved["plan"]
        else:
            plan, changed = self._new_plan(loader, build), True
            content = {**run_json(self.settings, data, plan, hardware), **more}
        if changed and dist.rank() == 0:
            run.write_settings(content)
        dist.barrier()
        if self.resumed and (first := run.settings["hardware"]) != hardware.describe():
            self.notes(
                [f"the run was begun on {first}, and continues on {hardware.describe()}: results will not be "
                 "bit-identical to those of an uninterrupted run"]
            )  # fmt: skip
        return plan

    def _extended(self, saved: Plan, loader: BatchSource, build: Callable[[int], System]) -> Plan:
        """Return a longer plan where more minutes or images are requested than `saved` is for, else `saved`.

        Raises UsageError where fewer are requested.
        """
        minutes, images, size = self.settings.minutes, self.settings.images, loader.batch_size
        if minutes in (None, saved.minutes) and images is None:
            return saved
        longer = Plan.of(images, size) if images is not None else saved
        if minutes is not None and minutes > (saved.minutes or 0):
            self.progress.info("measuring the speed ...")
            more = Plan.in_minutes(minutes - (saved.minutes or 0), build, loader, self.hardware)
            before = saved.images if saved.minutes else 0
            longer = Plan.of(before + more.images, size, minutes, more.images_per_second)
        if longer.images == saved.images and minutes is None:
            return saved
        if longer.images <= saved.images:
            raise UsageError(
                f"{self.run.path} is planned for {saved.length_text()}: a run can be made longer, not shorter. Leave "
                "--minutes and --images out, give more, or choose another --out"
            )
        self.notes(
            [f"the run was planned for {saved.length_text()}: its schedules are planned anew, from its weights, for "
             f"{longer.length_text()} in all. The learning rate rises to where it is in such a run, and falls again"]
        )  # fmt: skip
        return longer

    def _new_plan(self, loader: BatchSource, build: Callable[[int], System]) -> Plan:
        """Return a plan for the images that were requested, or for those that the minutes allow at a probed speed."""
        settings = self.settings
        if settings.images is not None:
            return Plan.of(settings.images, loader.batch_size)
        minutes = settings.minutes if settings.minutes is not None else DEFAULT_MINUTES
        self.progress.info("measuring the speed ...")
        return Plan.in_minutes(minutes, build, loader, self.hardware)

    def _restore(self, system: System, data: TrainingData, plan: Plan) -> int:
        """Load the latest checkpoint into `system`; return the image to continue from, 0 in a new run."""
        run = self.run
        start = run.load_latest(system)
        if start is None and any(line["nimg"] > 0 for line in run.metrics()):
            raise SparringError(
                f"{run.path} has metrics but no checkpoint: continuing would overwrite them. Choose another --out"
            )
        for warning in run.warnings:
            self.progress.info(f"warning: {warning}")
        what = f"{self.settings.recipe.name} on {len(data):,} {data.report.unit}, run {run.path}"
        if start and start >= plan.images:
            self.progress.info(
                f"finished: {what} has been trained for {plan.length_text()}. More --minutes or --images, with the "
                "same --out, train it for longer"
            )
        else:
            self.progress.info(f"{'continuing' if start else 'training'} {what}")
        return start or 0


def _enough(recipe: Recipe) -> Enough | None:
    """Return the length from which a training shows what it can; None where it does not go through the data."""
    if is_private(recipe.name):
        return None
    if isinstance(recipe, QuantileRecipe):
        return REGRESSOR
    if isinstance(recipe, ClassifierRecipe):
        return CLASSIFIER
    return DENSITY if isinstance(recipe, DensityRecipe) else GENERATOR


def model_metadata(custom_nets: bool, seed: int, data: Fingerprinted) -> dict[str, Any]:
    """Return what a saved model records about its training."""
    return {"custom_nets": custom_nets, "seed": seed, "data": data.fingerprint, "sparring": __version__}


def new_run_folder(source: str | Path, name: str) -> Path:
    """Return `runs/<source>-<name>`, with a number where that exists."""
    folder = run_folder(source, name)
    paths = (Path(f"{folder}-{k}" if k > 1 else folder) for k in itertools.count(1))
    return next(path for path in paths if not path.exists())


def run_folder(source: str | Path, name: str) -> Path:
    """Return `runs/<source>-<name>`, with plain letters in place of others."""
    last = Path(str(source).partition("#")[0].rstrip("/\\")).name.split(".")[0]
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", last).strip("-") or "data"
    return Path(f"runs/{stem}-{name}")
