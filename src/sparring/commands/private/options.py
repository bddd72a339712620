"""Options of private training, epsilon, delta and a public schema; which runs are private."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sparring.commands.training.request import TrainRequest
from sparring.commands.training.run_settings import saved_recipe
from sparring.data.open import guess_kind
from sparring.engine.errors import UsageError
from sparring.engine.run_folder import Run
from sparring.privacy.ledger import Budget, Ledger
from sparring.recipes import RECIPES, is_private, private_recipe, recipe_class

LEDGER = "privacy"
"""Name of the JSON file of a run that holds its ledger."""
SHAREABLE = (
    "run.json", "metrics.jsonl", f"{LEDGER}.json", "report.html", "classification.json", "classifier.json",
    "classifier.safetensors", "generator.json", "generator.safetensors", "samples", "film.webp", "checkpoints",
)  # fmt: skip
"""Files and folders of a private run that may be shared; any other one may hold private rows."""


@dataclass(frozen=True)
class PrivateOptions:
    """The privacy that is requested; None: that of the run at `out`, or the default."""

    epsilon: float | None = None
    delta: float | None = None
    schema: str | Path | None = None
    """Public schema of a table."""

    @property
    def given(self) -> bool:
        """True where any of them is set."""
        return (self.epsilon, self.delta, self.schema) != (None, None, None)

    def budget(self, rows: int) -> Budget:
        """Return the budget for a number of rows; raise UsageError where it is out of range."""
        self.check()
        assert self.epsilon is not None
        return Budget.of(self.epsilon, self.delta, rows)

    def check(self) -> None:
        """Raise UsageError where there is no epsilon."""
        if self.epsilon is None:
            raise UsageError(
                "a private recipe, --delta and --schema belong to --private EPSILON: add it, 1 is a common choice"
            )

    def check_same(self, run: Run) -> None:
        """Raise UsageError where another epsilon or delta is requested than that of a run that is continued."""
        if not is_private_run(run.path):  # stopped before its release
            return self.check()
        saved = ledger_of(run).budget
        for name, had, wanted in (("private", saved.epsilon, self.epsilon), ("delta", saved.delta, self.delta)):
            if wanted not in (None, had):
                raise UsageError(
                    f"{run.path} was begun with --{name} {had:g}, and its rows were released at that: leave --{name} "
                    "out, or choose another --out, which costs epsilon again"
                )


def is_private_training(request: TrainRequest, options: PrivateOptions) -> bool:
    """Return whether privacy is requested, or the recipe, or the run at `out`, is a private one."""
    recipe: Any = request.recipe if request.recipe is not None else saved_recipe(request.out)
    return options.given or is_private(recipe if isinstance(recipe, str | None) else recipe.name)


def private_request(request: TrainRequest) -> TrainRequest:
    """Return the request with a private recipe.

    Raises UsageError where another recipe is named, or a setting that has no private form.
    """
    if request.nets is not None or request.label_fraction is not None:
        raise UsageError("a private training takes neither custom networks nor --label-fraction: leave them out")
    recipe: Any = saved_recipe(request.out) or request.recipe
    if recipe is None:
        return replace(request, recipe=private_recipe(guess_kind(request.source, request.read)))
    name = recipe if isinstance(recipe, str) else recipe.name
    if not is_private(name):
        known = " or ".join(f"{each} ({RECIPES[each].kinds[0]}s)" for each in filter(is_private, RECIPES))
        raise UsageError(f"{name} is not private: with --private take --recipe {known}, or leave --recipe out")
    if saved_recipe(request.out) is None:
        recipe_class(name, "train", guess_kind(request.source, request.read))  # raises where the data are no such kind
    return request


def write_ledger(run: Run, ledger: Ledger) -> None:
    """Write the ledger, and what may be shared, into the run folder."""
    run.write_json(LEDGER, {**ledger.to_json(), "shared": list(SHAREABLE)})


def shareable_files(run: Run) -> list[str]:
    """Return what the run folder holds that may be shared, and the page that lists it."""
    return [name for name in SHAREABLE if (run.path / name).exists() or run.path / name == run.report_path]


def ledger_of(run: Run) -> Ledger:
    """Return the ledger of a private run; raise UsageError where it has none."""
    if (saved := run.read_json(LEDGER)) is None:
        raise UsageError(
            f"{run.path} has no {LEDGER}.json: its release was not finished. Begin again with another --out"
        )
    return Ledger.from_json(saved)


def is_private_run(path: str | Path) -> bool:
    """Return whether there is a private run at `path`."""
    return (Path(path) / f"{LEDGER}.json").exists()
