"""Settings of a run: resolved once from the request and the run folder, and written to run.json."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Any, Protocol

import numpy as np
import torch

from sparring.commands.training.plan import Plan
from sparring.commands.training.request import TrainRequest
from sparring.data.dataset import Dataset, SourceReport
from sparring.data.open import guess_kind, open_source
from sparring.data.reader_api import ReadOptions
from sparring.engine import dist
from sparring.engine.data_spec import DataSpec, spec_from_json, spec_to_json
from sparring.engine.device import Hardware, flags_for
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.run_folder import Run
from sparring.engine.version import __version__
from sparring.recipes import accepts, check_command, default_recipe, recipe_class, recipes_for
from sparring.recipes.recipe import GeneratorRecipe, Recipe, from_settings, to_settings


class Fingerprinted(Protocol):
    """Data with a digest of what they are."""

    @property
    def fingerprint(self) -> str:
        """Digest of what they are and how they were read."""
        ...


class TrainingData(Fingerprinted, Protocol):
    """What a run records of its data: a `Dataset`, or what is public of private rows."""

    @property
    def report(self) -> SourceReport:
        """What the source holds."""
        ...

    @property
    def spec(self) -> Any:
        """Their `DataSpec`."""
        ...

    def __len__(self) -> int:
        """How many examples there are."""
        ...


BUDGET = ("minutes", "images")
"""Settings of the length of a run, which can be made longer (`session.TrainingSession`)."""


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """All that decides what a run trains, besides the data and the hardware."""

    command: str
    """`train`, `classify` or `harden`."""
    source: str
    recipe: Any
    """A `Recipe`; fields of None are selected when the data are known (`Recipe.resolve`)."""
    seed: int
    minutes: float | None
    images: int | None
    label_fraction: float | None
    labels: int | None
    labels_file: str | None
    read: ReadOptions
    custom_nets: bool
    adapt_to: str | None = None

    def requested(self) -> dict[str, Any]:
        """Return the `request` of run.json: the requested settings besides the recipe."""
        names = ("minutes", "images", "seed", "label_fraction", "labels", "labels_file", "adapt_to")
        return {**{name: getattr(self, name) for name in names}, "read": asdict(self.read)}


def new_settings(command: str, request: TrainRequest) -> RunSettings:
    """Return the settings of a new run; raise UsageError where the recipe is none of the command."""
    kind = guess_kind(request.source, request.read) if request.recipe is None else ""
    recipe = requested_recipe(command, request.recipe, kind)
    return RunSettings(
        command=command,
        source=str(request.source),
        recipe=replace(recipe, **request.changes) if request.changes else recipe,
        seed=request.seed or 0,
        minutes=request.minutes,
        images=request.images,
        label_fraction=request.label_fraction,
        labels=request.labels,
        labels_file=str(request.labels_file) if request.labels_file else None,
        read=_training_read(command, recipe, request),
        custom_nets=request.nets is not None,
        adapt_to=str(request.adapt_to) if request.adapt_to else None,
    )


def _training_read(command: str, recipe: Recipe, request: TrainRequest) -> ReadOptions:
    """Return how the data are read: a generator's table whole, its series in overlapping windows, by a code."""
    read = request.read
    if getattr(recipe, "reads_whole", False):
        return replace(read, whole=guess_kind(request.source, read) == "table")
    if command != "train" or not accepts(recipe.kinds, "series") or guess_kind(request.source, read) != "series":
        return read
    return replace(read, hop=1 if read.hop is None else read.hop, code=read.code or "auto")


def resumed_settings(command: str, request: TrainRequest, run: Run) -> RunSettings:
    """Return the settings of `run`, with the minutes or images of `request`, which may be more than it was begun with.

    Raises UsageError, naming each difference, where `request` asks for other settings.
    """
    saved = saved_settings(run)
    if saved.command != command:
        raise UsageError(
            f"{run.path} is a run of `sparring {saved.command}` ({saved.recipe.name}), not of `sparring {command}`: "
            "choose another --out"
        )
    _check_recipe(run, saved.recipe, request)
    spec = run.settings["data"]["spec"]
    actual = {"size": (spec.get("height"), spec.get("width")), "mode": spec.get("mode")}
    had = {**saved.requested(), **saved.requested()["read"]}
    wanted = {name: getattr(request, name) for name in had if hasattr(request, name)} | asdict(request.read)
    wanted |= {name: str(value) for name in ("labels_file", "adapt_to") if (value := getattr(request, name))}
    for name in ("read", *BUDGET):
        wanted.pop(name, None)
    _refuse(
        run,
        {
            name: (had[name], value)
            for name, value in wanted.items()
            if value not in (None, False, (), had[name], actual.get(name))
        },
    )
    if saved.custom_nets != (request.nets is not None):
        whose = "networks of your own" if saved.custom_nets else "the recipe's networks"
        raise UsageError(f"{run.path} was begun with {whose}: give the same, or choose another --out")
    budget = {name: getattr(request, name) for name in BUDGET}
    return replace(saved, source=str(request.source), **(budget if any(budget.values()) else {}))


def saved_settings(run: Run) -> RunSettings:
    """Return the settings that run.json holds."""
    settings = run.settings
    try:
        request = dict(settings["request"])
        read: dict[str, Any] = request.pop("read")
        read = {name: tuple(value) if isinstance(value, list) else value for name, value in read.items()}
        return RunSettings(
            command=settings["command"],
            source=settings["data"]["source"],
            recipe=recipe_of(run),
            read=ReadOptions(**read),
            custom_nets=settings["custom_nets"],
            **request,
        )
    except (KeyError, TypeError) as error:
        raise SparringError(
            f"{run.path} was written by another version of Sparring (run.json: {error}): train anew into another --out"
        ) from error


def recipe_of(run: Run) -> Any:
    """Return the recipe of a run with its settings."""
    saved = run.settings["recipe"]
    return from_settings(recipe_class(saved["name"]), saved["settings"])


def saved_recipe(out: str | Path | None) -> Recipe | None:
    """Return the recipe of the run at `out`; None where there is no run."""
    return recipe_of(Run(out)) if out is not None and Run(out).exists else None


def requested_recipe(command: str, recipe: Recipe | str | None, kind: str) -> Any:
    """Return a recipe as given, by name, or the default for a kind of data.

    Raises UsageError where it is none of the command.
    """
    selected: Any = recipe if recipe is not None else default_recipe(command, kind)
    if isinstance(selected, str):
        selected = recipe_class(selected, command)()
    if not isinstance(selected, Recipe):
        known = ", ".join(recipes_for(command))
        raise UsageError(f"a recipe is a name ({known}) or a recipe object, not {selected!r}")
    check_command(selected.name, command)
    return selected


def _check_recipe(run: Run, saved: Any, request: TrainRequest) -> None:
    """Raise UsageError where the run was begun with another recipe, other settings of it, or by an older version."""
    recipe = request.recipe
    name = recipe if isinstance(recipe, str | None) else recipe.name
    if name not in (None, saved.name):
        _refuse(run, {"recipe": (saved.name, name)})
    had = to_settings(saved)
    if newer := sorted(had.keys() - run.settings["recipe"]["settings"].keys()):
        raise UsageError(
            f"{run.path} was begun by Sparring {run.settings['versions']['sparring']}, whose {saved.name} had no "
            f"'{newer[0]}': it can be sampled and evaluated, but not continued; choose another --out"
        )
    wanted = {**(to_settings(recipe) if isinstance(recipe, Recipe) else {}), **request.changes}
    _refuse(run, {k: (had[k], value) for k, value in wanted.items() if value is not None and value != had[k]})


def _refuse(run: Run, different: Mapping[str, tuple[Any, Any]]) -> None:
    """Raise UsageError where anything is `different`: name -> (value of the run, value requested)."""
    if different:
        listed = "; ".join(
            f"{k} is {_text(old)} there, {_text(new)} was requested" for k, (old, new) in different.items()
        )
        raise UsageError(
            f"{run.path} was begun with other settings: {listed}. Leave these flags out, or choose another --out"
        )


def _text(value: Any) -> str:
    if value in (None, ""):
        return "not given"
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def command_to_continue(command: str, source: str, run: Path, hardware: str, processes: int = 1) -> str:
    """Return the command line that continues a run on the `hardware` of run.json; the run knows its other flags."""
    start = f"torchrun --nproc-per-node {processes} -m sparring" if processes > 1 else "sparring"
    return f"{start} {command} {quote(source)} --out {quote(str(run))}{flags_for(hardware, processes)}"


# the data of a run


def check_same_data(run: Run, data: Dataset) -> None:
    """Raise UsageError where `data` are not what the run was begun with."""
    saved = run.settings["data"]
    if saved["fingerprint"] != data.fingerprint:
        had, now = spec_of(run), data.spec
        raise UsageError(
            f"{run.path} was begun with other data: {saved['source']}, {_described(had)}; now it is {_described(now)}, "
            "or they have changed. Choose another --out"
        )


def _described(spec: DataSpec) -> str:
    return f"{spec.count:,} examples of {'x'.join(map(str, spec.shape))}"


def spec_of(run: Run) -> DataSpec:
    """Return the spec of a run's training data."""
    return spec_from_json(run.settings["data"]["spec"])


def open_run_data(run: Run, on_progress: Callable[[int, int], None] = lambda done, total: None) -> Dataset:
    """Open the data of a run as its training saw them; raise SparringError where they are gone or others."""
    settings = saved_settings(run)
    data = open_source(settings.source, settings.read, on_progress=on_progress)
    if data.fingerprint != run.settings["data"]["fingerprint"]:
        raise SparringError(f"{settings.source} is not what {run.path} was trained on: it has changed since")
    return as_trained(run, data)


def is_own(run: Run, data: str | Path | None) -> bool:
    """Return whether `data` is the source that the run was trained on, as None is."""
    if data is None:
        return True
    source = run.settings["data"]["source"] if run.exists else None
    return source is not None and (str(data) == source or Path(data).resolve() == Path(source).resolve())


def as_trained(run: Run, data: Dataset) -> Dataset:
    """Return `data` with the labels that the run was given."""
    settings = saved_settings(run)
    return for_recipe(
        settings.recipe, data.with_labels(settings.label_fraction) if settings.label_fraction is not None else data
    )


def for_recipe(recipe: GeneratorRecipe, data: Dataset) -> Dataset:
    """Return `data` without their labels where these are vectors, and the recipe takes classes alone."""
    return data.without_vectors() if data.spec.condition_stats and not recipe.condition_stats(data.spec) else data


# run.json


def run_json(settings: RunSettings, data: TrainingData, plan: Plan, hardware: Hardware) -> dict[str, Any]:
    """Return what run.json holds."""
    return {
        "command": settings.command,
        "recipe": {"name": settings.recipe.name, "settings": to_settings(settings.recipe)},
        "custom_nets": settings.custom_nets,
        "request": settings.requested(),
        "data": {
            "source": settings.source,
            "fingerprint": data.fingerprint,
            "held_out": data.report.splits["test"],
            "spec": spec_to_json(data.spec),
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
        "argv": sys.argv,
    }
