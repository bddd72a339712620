"""Trials of `sparring tune`: ordinary runs of the loop, judged by the validation score that they log themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sparring.commands.regressing import training as regressor_training
from sparring.commands.reporting.progress import Progress
from sparring.commands.train import play_generator, start_generator
from sparring.commands.training.labels import LabelledTraining
from sparring.commands.training.request import TrainRequest
from sparring.commands.training.train_classifier import play_classifier
from sparring.engine.atomic_io import remove
from sparring.engine.errors import SparringError
from sparring.engine.run_folder import Run
from sparring.measure.diagnostics import density_diagnostics, gan_diagnostics
from sparring.recipes import RECIPES
from sparring.recipes.density.base import DensityRecipe

ERROR = "error"
"""Score of a classifier: the fraction of wrong answers."""

OnScore = Callable[[int, int, float], None]
"""(number of the checkpoint, training examples, score) -> None; it may raise to stop the trial."""


class StoppedEarly(Exception):
    """A trial was stopped by successive halving; its run can be continued."""


class _Probed(Exception):
    """The plan of a run is known."""


def score_name(recipe: Any) -> str:
    """Return the name of the score that runs of a recipe log at each checkpoint; lower is better."""
    if (command := command_of(recipe)) != "train":
        return ERROR if command == "classify" else regressor_training.SCORE
    return density_diagnostics.SCORE if isinstance(recipe, DensityRecipe) else gan_diagnostics.SCORE


def command_of(recipe: Any) -> str:
    """Return the command that trains a recipe."""
    return RECIPES[recipe.name].command


@dataclass(frozen=True)
class Trainer:
    """What all trials of a search share."""

    request: TrainRequest
    """Source, length, seed, device and how the source is read; validation examples are held out of training."""
    recipe: Any
    """The recipe with the fields that are not tuned."""

    def train(
        self, out: Path, params: dict[str, float], on_score: OnScore | None = None, seed: int | None = None
    ) -> float:
        """Train, or continue, the run at `out` with these settings; return its last validation score.

        Raises what `on_score` raises, Diverged, and Stopped after a signal; the run can be continued.
        """
        score = score_name(self.recipe)

        def after(run: Run, nimg: int) -> None:
            every = run.settings["plan"]["save_every"]
            if on_score is not None and nimg:
                on_score(-(-nimg // every), nimg, score_at(run, score, nimg))

        request = replace(
            self.request, recipe=replace(self.recipe, **params), out=out, on_checkpoint=after,
            seed=self.request.seed if seed is None else seed,
        )  # fmt: skip
        self._play(request)
        run = Run(out)
        return score_at(run, score, run.settings["plan"]["images"])

    def examples(self, minutes: float, folder: Path) -> int:
        """Return the training examples that a run plans, by the number requested or by the speed and `minutes`.

        The run is begun at `folder` and deleted, so that data and settings that cannot be used fail before any trial.
        """
        planned: list[int] = []

        def stop(run: Run, nimg: int) -> None:
            planned.append(run.settings["plan"]["images"])
            raise _Probed

        remove(folder)
        request = replace(
            self.request, recipe=self.recipe, out=folder, minutes=minutes if self.request.images is None else None,
            on_checkpoint=stop,
        )  # fmt: skip
        try:
            self._play(request)
        except _Probed:
            pass
        finally:
            remove(folder)
        return planned[0]

    def _play(self, request: TrainRequest) -> None:
        quiet = Progress(quiet=True)
        match command_of(self.recipe):
            case "classify":
                play_classifier(LabelledTraining.start("classify", request, quiet, lambda data, recipe: []))
            case "regress":
                regressor_training.play_regressor(*regressor_training.start_regressor(request, quiet))
            case _:
                play_generator(*start_generator(request, quiet))


def score_at(run: Run, name: str, nimg: int) -> float:
    """Return the score that a run logged at an image; raise SparringError where there is none."""
    for line in run.metrics():
        if line["nimg"] == nimg and name in line:
            return line[name]
    raise SparringError(
        f"{run.path} has no validation score '{name}': tuning needs labelled examples to hold out, or more of them"
    )


def untrained_score(run: Run, name: str) -> float | None:
    """Return the score at image 0, which counts for a diverged trial; None where it was not logged."""
    return next((line[name] for line in run.metrics() if line["nimg"] == 0 and name in line), None)
