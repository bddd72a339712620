"""`sparring tune`: search a recipe's settings for the best validation score, and test whether the gain is real."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Unpack

from sparring.commands.reporting.progress import Progress
from sparring.commands.training.request import TrainRequest, check_budget
from sparring.commands.training.run_settings import requested_recipe
from sparring.commands.training.session import new_run_folder
from sparring.commands.tuning.folder import TuningFolder, command_line, digest
from sparring.commands.tuning.page import tuning_page
from sparring.commands.tuning.result import TuningResult
from sparring.commands.tuning.search import SAMPLERS, Search, optuna_library, space_of
from sparring.commands.tuning.trial import Trainer, command_of, score_name
from sparring.commands.tuning.worker import Worker
from sparring.data.open import guess_kind
from sparring.data.read_keywords import ReadKeywords, read_options
from sparring.engine import dist
from sparring.engine.atomic_io import write
from sparring.engine.errors import UsageError, did_you_mean
from sparring.recipes import DEFAULTS, RECIPES, default_recipe, recipe_class, recipes_for
from sparring.recipes.recipe import Range, Recipe, to_settings, tunable_fields

TUNED = ("train", "classify", "regress")
"""Commands whose recipes can be tuned."""
DEFAULT_MINUTES, DEFAULT_TRIALS, DEFAULT_REPEATS = 30.0, 20, 3


def tune(
    source: str | Path,
    recipe: Recipe | str | None = None,
    *,
    trials: int = DEFAULT_TRIALS,
    fields: tuple[str, ...] = (),
    storage: str | None = None,
    repeats: int = DEFAULT_REPEATS,
    sampler: str = "gp",
    minutes: float | None = None,
    images: int | None = None,
    out: str | Path | None = None,
    seed: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    progress: Progress | None = None,
    **read: Unpack[ReadKeywords],
) -> TuningResult:
    """Search the `fields` of a recipe, or all that it can tune, for the lowest validation score on `source`.

    Each of `trials` is an ordinary run on part of the training examples, scored on the others. The first has the
    recipe's own settings. Then a Gaussian process suggests (`sampler` "gp"), or chance does ("random"). `minutes` are
    for all of it; or `images` are those of one trial. `repeats` fresh seeds show whether the gain is beyond noise.
    Several processes share an `out` on one machine, or a `storage` on several. The same call continues a stopped one.

    Raises:
        UsageError: The recipe states no ranges, a field or storage is wrong, or the tuning at `out` is another one.
        SparringError: The data cannot be used, or the recipe's own settings fail.
        Stopped: a stop signal came; all is saved.

    """
    dist.check_single_process()
    _check(trials, repeats, sampler, minutes, images, storage)
    optuna_library()
    progress, options = progress or Progress(), read_options(read)
    kind = guess_kind(source, options) if recipe is None else ""
    whole = _recipe(recipe or tuned_recipe(kind, options.label))
    options = replace(options, validation=command_of(whole) != "regress")  # regressors set their own examples aside
    request = TrainRequest(
        source=source, images=images, seed=seed or 0, read=options, device=device, precision=precision
    )
    path = Path(out) if out is not None else new_run_folder(source, f"{whole.name}-tune")
    folder, trainer, space = TuningFolder(path), Trainer(request, whole), space_of(whole, fields)
    minutes_each = (DEFAULT_MINUTES if minutes is None else minutes) / (trials + 2 * repeats)
    settings = _settings(folder, trainer, space, sampler, minutes_each, progress)
    trainer = replace(trainer, request=replace(request, images=settings["images"]))
    search = Search(
        f"sparring-{digest(settings)}", space, storage or str(path / "tuning.journal"),
        sampler=sampler, seed=seed or 0, defaults={name: getattr(whole, name) for name in space},
    )  # fmt: skip
    deadline = float("inf") if images is not None else time.monotonic() + 60 * minutes_each * trials
    progress.info(
        f"tuning {', '.join(space)} of {whole.name} in {trials} trials of {settings['images']:,} training examples, "
        f"in {path}"
    )
    worker = Worker(folder, search, trainer, trials, deadline, progress)
    worker.work()
    result = _result(worker, repeats)
    write(path / "report.html", tuning_page(result))
    folder.write({"settings": settings, "result": result.to_json()})
    return result


def _settings(
    folder: TuningFolder, trainer: Trainer, space: dict[str, Range], sampler: str, minutes: float, progress: Progress
) -> dict[str, Any]:
    """Return what all processes of a tuning share, from its folder or new: the examples of a trial fit the minutes."""
    request, recipe = trainer.request, trainer.recipe
    wanted = {
        "source": str(request.source), "recipe": recipe.name, "settings": to_settings(recipe),
        "space": {name: asdict(of) for name, of in space.items()}, "seed": request.seed, "sampler": sampler,
        "read": asdict(request.read), "images": request.images,
    }  # fmt: skip

    def length() -> dict[str, Any]:
        progress.info("measuring the speed ..." if request.images is None else "checking the data ...")
        planned = trainer.examples(minutes, folder.path / ".probe")
        return {"images": planned if request.images is None else request.images}

    return folder.settings(wanted, length)


def _result(worker: Worker, repeats: int) -> TuningResult:
    """Compare the best settings with the recipe's own, and return all that is known."""
    trainer, search = worker.trainer, worker.search
    request, recipe, best = trainer.request, trainer.recipe, worker.best()
    assert request.images is not None
    verdict = worker.verdict(best, repeats)
    tuned = replace(recipe, **({} if best.is_default else best.params))
    command = command_line(command_of(recipe), str(request.source), tuned, request.read, request.images)
    return TuningResult(
        worker.folder.path, str(request.source), recipe.name, score_name(recipe), request.images, search.space,
        search.sampler, search.results(), best, command, verdict, search.importance(),
    )  # fmt: skip


def to_text(result: TuningResult) -> str:
    """Return the lines that the command prints."""
    return result.to_text()


def tuned_recipe(kind: str, label: str | None) -> str:
    """Return the name of the recipe that is tuned where none is named: a generator, or with a `label` a classifier.

    Raises UsageError where the defaults for this kind of data state no ranges.
    """
    commands = ("classify", "train") if label is not None else ("train", "classify")
    names = [default_recipe(command, kind) for command in commands if (command, kind) in DEFAULTS]
    if name := next((name for name in names if tunable_fields(recipe_class(name))), None):
        return name
    tunable = [name for name in recipes_for(kind=kind) if tunable_fields(recipe_class(name))]
    raise UsageError(
        f"no default recipe for {kind} data can be tuned: name one, --recipe {', '.join(tunable) or 'NAME'}"
    )


def _recipe(recipe: Recipe | str) -> Any:
    """Return the recipe to tune; raise UsageError where there is none of its name, or it cannot be tuned."""
    known = recipe if isinstance(recipe, str) else recipe.name
    if known not in RECIPES:
        raise UsageError(f"unknown recipe '{known}': {did_you_mean(known, RECIPES)}")
    command = RECIPES[known].command
    if command not in TUNED:
        raise UsageError(f"{known} is trained by `sparring {command}`: recipes of {', '.join(TUNED)} can be tuned")
    return requested_recipe(command, recipe, "")


def _check(
    trials: int, repeats: int, sampler: str, minutes: float | None, images: int | None, storage: str | None
) -> None:
    """Raise UsageError where a number or a name is out of range."""
    check_budget(minutes, images)
    if trials < 1:
        raise UsageError(f"--trials must be 1 or more, not {trials}")
    if repeats < 0 or repeats == 1:
        raise UsageError(f"--repeats must be 0 (no verdict), or 2 or more fresh seeds, not {repeats}")
    if sampler not in SAMPLERS:
        raise UsageError(f"unknown --sampler '{sampler}': {did_you_mean(sampler, SAMPLERS)}")
    if storage is not None and not storage:
        raise UsageError("--storage is empty: give a file, or the URL of a database")
    if storage is not None and images is None:
        raise UsageError("--storage is for several machines, whose trials need one length: give --images N")
