"""What was asked of a training, against what its run already is: the same, or an error that names each difference."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sparring.commands.training.plan import Plan
from sparring.data.dataset import Dataset
from sparring.engine import dist
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.run_folder import Run
from sparring.engine.version import __version__
from sparring.recipes import check_command, default_recipe, recipe_class
from sparring.recipes.recipe import GeneratorRecipe, Recipe, from_settings, to_settings


@dataclass(frozen=True)
class TrainRequest:
    """What was asked for beside the recipe; None: as in the run, or by default."""

    minutes: float | None = None
    images: int | None = None
    seed: int | None = None
    size: tuple[int, int] | None = None
    mode: str | None = None
    label_fraction: float | None = None
    labels: int | None = None
    labels_file: str | None = None

    def __post_init__(self) -> None:
        for name in ("minutes", "images", "seed", "label_fraction", "labels"):
            if not isinstance(value := getattr(self, name), Real | None):
                raise UsageError(f"--{name.replace('_', '-')} must be a number, not {value!r}")
        if self.minutes is not None and self.images is not None:
            raise UsageError("--minutes and --images exclude each other: give one of them")
        if self.minutes is not None and not 0 < self.minutes < 1e6:
            raise UsageError(f"--minutes must be above 0, not {self.minutes}")
        if self.images is not None and not 1 <= self.images < 1 << 50:
            raise UsageError(f"--images must be 1 or more, not {self.images}")
        if self.seed is not None and not 0 <= self.seed < 1 << 63:
            raise UsageError(f"--seed must be 0 or more, and below 2^63, not {self.seed}")
        if self.label_fraction is not None and not 0 <= self.label_fraction <= 1:
            raise UsageError(f"--label-fraction must be from 0 to 1, not {self.label_fraction}")
        if self.labels is not None and self.labels_file is not None:
            raise UsageError("--labels and --labels-file exclude each other: give one of them")
        if self.labels is not None and self.labels < 1:
            raise UsageError(f"--labels must be 1 or more, not {self.labels}")

    def filled(self) -> TrainRequest:
        """With defaults in place of what a new run leaves open."""
        return replace(self, seed=self.seed or 0)

    def taken_over(self, run: Run) -> TrainRequest:
        """What `run` was asked for; raises UsageError naming all that was asked now and differs."""
        settings = run.settings
        had = {**asdict(TrainRequest()), **settings["asked"], "size": tuple(settings["asked"]["size"] or ()) or None}
        is_now = {
            **had,
            "size": (settings["data"]["height"], settings["data"]["width"]),
            "mode": settings["data"]["mode"],
        }
        _refuse(
            run, {k: (had[k], v) for k, v in asdict(self).items() if v is not None and v not in (had[k], is_now[k])}
        )
        return TrainRequest(**had)


def recipe_asked(asked: Recipe | str | None, data: Dataset, hardware: Hardware) -> GeneratorRecipe:
    """The recipe of a new run that trains a generator, with nothing left to choose."""
    fresh: Any = asked if isinstance(asked, Recipe) else recipe_class(asked or default_recipe("train"))()
    check_generates(fresh)
    resolved: GeneratorRecipe = fresh.resolve(data.spec, hardware)
    return resolved


def check_generates(recipe: Recipe) -> None:
    """Raise UsageError on a recipe that trains a classifier, which `sparring train` does not play."""
    check_command(recipe.name, "train")


def recipe_of(run: Run) -> Any:
    """The recipe of a run with its settings."""
    told = run.settings["recipe"]
    return from_settings(recipe_class(told["name"]), told["settings"])


def saved_recipe(out: str | Path | None) -> Recipe | None:
    """The recipe of the run at `out`, or None where there is no run."""
    return recipe_of(Run(out)) if out is not None and Run(out).exists else None


def as_trained(run: Run, data: Dataset) -> Dataset:
    """The data with the labels that the run was given."""
    fraction = run.settings["asked"].get("label_fraction")
    return as_told(recipe_of(run), data if fraction is None else data.with_labels(fraction))


def as_told(recipe: GeneratorRecipe, data: Dataset) -> Dataset:
    """The data as this recipe takes them: unlabelled where their labels are vectors, and it knows classes alone."""
    return data.without_vectors() if data.spec.condition_stats and not recipe.condition_stats(data.spec) else data


def check_same(run: Run, asked: Recipe | str | None, data: Dataset, own_nets: bool) -> None:
    """Raise UsageError, naming each difference, where `asked` or the data are not what the run was begun with."""
    had, settings = recipe_of(run), run.settings
    name = asked if isinstance(asked, str) or asked is None else asked.name
    if name not in (None, had.name):
        _refuse(run, {"recipe": (had.name, name)})
    if newer := sorted(to_settings(had).keys() - settings["recipe"]["settings"].keys()):
        raise UsageError(
            f"{run.path} was begun by Sparring {settings['versions']['sparring']}, whose {had.name} had no '{newer[0]}': it can "
            "be sampled and evaluated, but not gone on with; choose another --out"
        )
    if isinstance(asked, Recipe):
        old, new = to_settings(had), to_settings(asked)
        _refuse(run, {k: (old[k], new[k]) for k in old if new[k] is not None and new[k] != old[k]})
    if settings["data"]["fingerprint"] != data.fingerprint:
        had_data, now = settings["data"], data.spec
        raise UsageError(
            f"{run.path} was begun with other data: {had_data['source']}, {had_data['count']:,} images of "
            f"{had_data['height']}x{had_data['width']}; now it is {now.count:,} images of {now.height}x{now.width}, "
            "or they have changed. Choose another --out"
        )
    if settings["own_nets"] != own_nets:
        whose = "networks of your own" if settings["own_nets"] else "the recipe's networks"
        raise UsageError(f"{run.path} was begun with {whose}: give the same, or choose another --out")


def settings_of(
    source: str | Path,
    data: Dataset,
    recipe: Recipe,
    asked: TrainRequest,
    plan: Plan,
    hardware: Hardware,
    own_nets: bool,
) -> dict[str, Any]:
    """All of run.json."""
    return {
        "recipe": {"name": recipe.name, "settings": to_settings(recipe)},
        "own_nets": own_nets,
        "asked": asdict(asked),
        "data": {
            **asdict(data.spec),
            "source": str(source),
            "fingerprint": data.fingerprint,
            "mode": data.report.mode,
            "held_out": data.report.splits["test"],
        },
        "plan": asdict(plan),
        "hardware": hardware.describe(),
        "processes": dist.world_size(),
        "versions": {
            "sparring": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "command": sys.argv,
    }


def _refuse(run: Run, differing: Mapping[str, tuple[Any, Any]]) -> None:
    if differing:
        told = "; ".join(f"{k} is {_told(old)} there, {_told(new)} was asked" for k, (old, new) in differing.items())
        raise UsageError(f"{run.path} was begun with other settings: {told}. Leave them out, or choose another --out")


def _told(value: Any) -> str:
    if value in (None, ""):
        return "not given"
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)
