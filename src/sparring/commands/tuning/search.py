"""The search of `sparring tune`: suggestions by optuna, in a storage that several processes share."""

from __future__ import annotations

import importlib
import random
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from sparring.engine.errors import SparringError, UsageError, did_you_mean
from sparring.engine.seeds import mix
from sparring.recipes import RECIPES, recipe_class
from sparring.recipes.recipe import Range, tunable_fields

SAMPLERS = ("gp", "random")
"""How settings are suggested: by a Gaussian process, or at random."""
ATTEMPTS = 20
"""Suggestions in a row that were tried before, after which the space counts as exhausted."""
MEETINGS = ("UNIQUE constraint", "duplicate key", "already exists", "database is locked")
"""Parts of the errors of a database in which two processes create the same tables at once."""
DIGITS = 4
"""Significant digits of a suggested number: a command line shows it as it is."""

Params = dict[str, float]
"""Values by field."""


@dataclass(frozen=True)
class TrialResult:
    """One trial of a search."""

    number: int
    params: Params
    state: str
    """running, complete, stopped (by halving) or failed."""
    score: float | None
    """The last score, lower is better; None where there is none yet."""
    examples: int
    """Training examples of that score."""
    is_default: bool = False
    """Whether it has the recipe's own settings; one trial has."""


def space_of(recipe: Any, fields: Sequence[str]) -> dict[str, Range]:
    """Return the ranges of the `fields` of a recipe, or of all that can be tuned.

    Raises UsageError where a field is unknown, cannot be tuned, or is set to a value outside its range.
    """
    known = tunable_fields(recipe)
    if not known:
        others = sorted(name for name in RECIPES if tunable_fields(recipe_class(name)))
        raise UsageError(f"{recipe.name} states no range of any field: tune one of {', '.join(others)}")
    names = [name.replace("-", "_").lstrip("_") for name in fields] or list(known)
    for name in names:
        if name not in known:
            raise UsageError(f"{recipe.name} cannot tune '{name}': {did_you_mean(name, known)}")
    space = {name: known[name] for name in known if name in names}
    for name, of in space.items():
        if not of.low <= getattr(recipe, name) <= of.high:
            raise UsageError(
                f"--{name.replace('_', '-')} {getattr(recipe, name):g} is outside of the range in which it is tuned, "
                f"{of.low:g} to {of.high:g}: change it, or name other --fields"
            )
    return space


class Search:
    """A study of optuna: its storage, its suggestions and its results. All processes of one storage see the same."""

    def __init__(
        self, name: str, space: Mapping[str, Range], storage: str, *, sampler: str, seed: int, defaults: Params
    ) -> None:
        self.space, self.sampler, self.seed = dict(space), sampler, seed
        self.defaults = {name: rounded(value) for name, value in defaults.items()}
        self._optuna = optuna_library()
        with explaining(storage):
            self._study: Any = self._open(name, storage)

    def suggest(self) -> Any:
        """Return a new trial whose settings no other process has taken, or None where no others are left.

        The first has the recipe's own settings. A suggestion depends on the seed and on the earlier trials alone. A
        process writes the settings before it looks for others, so that of two that take the same at once, one or both
        withdraw. (The queue of optuna would not do: on SQLite two processes can take the same trial from it.)
        """
        for attempt in range(ATTEMPTS):
            time.sleep(attempt and random.uniform(0, 0.02))  # two that withdrew do not meet again
            self._study.sampler = self._sampler(attempt)
            trial = self._study.ask()
            params = {name: self._value(trial, name, of) for name, of in self.space.items()}
            if params not in self._taken(but=trial.number):
                return trial
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
        return None

    def is_default(self, trial: Any) -> bool:
        """Return whether a trial has the recipe's own settings."""
        return self.params(trial) == self.defaults

    def params(self, trial: Any) -> Params:
        """Return the settings of a trial, as they are used."""
        return {name: rounded(trial.params[name]) for name in self.space}

    def report(self, trial: Any, checkpoint: int, examples: int, score: float) -> None:
        """Store the score at the checkpoint of this number; a resumed trial repeats none."""
        trial.set_user_attr("examples", examples)
        trial.set_user_attr("score", score)
        if checkpoint not in self._frozen(trial.number).intermediate_values:
            trial.report(score, checkpoint)

    def is_behind(self, trial: Any) -> bool:
        """Return whether successive halving stops the trial: it is in the worse half of those at its checkpoint."""
        return not self.is_default(trial) and bool(trial.should_prune())

    def finish(self, trial: Any, score: float, state: str) -> None:
        """Store the result of a trial. A stopped one counts by its last score, from which the model learns, too."""
        trial.set_user_attr("state", state)
        self._study.tell(trial, score)

    def fail(self, trial: Any) -> None:
        """Mark a trial as failed: its settings are not tried again."""
        trial.set_user_attr("state", "failed")
        self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)

    def claim(self, trial: Any, owner: str) -> None:
        """Store who runs a trial."""
        trial.set_user_attr("owner", owner)

    def orphans(self, owner: str) -> Iterator[int]:
        """Yield the numbers of the running trials that `owner` began: of this process, or of one that was killed."""
        running = self._optuna.trial.TrialState.RUNNING
        yield from (t.number for t in self._trials() if t.state == running and t.user_attrs.get("owner") == owner)

    def resumed(self, number: int) -> Any:
        """Return a trial that was begun and is not finished; None where it was finished meanwhile."""
        frozen = self._frozen(number)
        if frozen.state.is_finished():
            return None
        self._study.sampler = self._optuna.samplers.RandomSampler()
        return self._optuna.trial.Trial(self._study, frozen._trial_id)

    def results(self) -> list[TrialResult]:
        """Return all trials that run or ran, in order."""
        return [
            TrialResult(
                t.number, self.params(t), t.user_attrs.get("state", "running"), t.user_attrs.get("score"),
                t.user_attrs.get("examples", 0), self.is_default(t),
            )
            for t in self._trials() if "owner" in t.user_attrs
        ]  # fmt: skip

    def importance(self) -> dict[str, float]:
        """Return the fraction of the scores' variance that each field explains (fANOVA); empty for few trials."""
        try:
            evaluator = self._optuna.importance.FanovaImportanceEvaluator(seed=0)
            return dict(self._optuna.importance.get_param_importances(self._study, evaluator=evaluator))
        except (ValueError, RuntimeError, ImportError):  # too few trials, or equal scores
            return {}

    def _trials(self) -> list[Any]:
        trials: list[Any] = self._study.get_trials(deepcopy=False)
        return trials

    def _frozen(self, number: int) -> Any:
        return next(t for t in self._trials() if t.number == number)

    def _taken(self, but: int | None = None) -> list[Params]:
        """Return the settings of all trials that were not withdrawn, except the one of this number."""
        fail = self._optuna.trial.TrialState.FAIL
        return [
            self.params(t)
            for t in self._trials()
            if t.number != but and self.space.keys() <= t.params.keys() and (t.state != fail or "state" in t.user_attrs)
        ]

    def _value(self, trial: Any, name: str, of: Range) -> float:
        suggest = trial.suggest_int if of.is_whole else trial.suggest_float
        return rounded(suggest(name, of.low, of.high, log=of.log))

    def _sampler(self, attempt: int) -> Any:
        """Return the sampler of the next trial: the defaults first; after settings that were taken, a random one."""
        samplers = self._optuna.samplers
        seed = mix(self.seed, len(self._trials()), attempt) % (1 << 32)
        by_chance = samplers.RandomSampler(seed=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are marked as experimental
            if self.defaults not in self._taken():
                return samplers.PartialFixedSampler(self.defaults, by_chance)
            if self.sampler == "random" or attempt:
                return by_chance
            return samplers.GPSampler(
                seed=seed, independent_sampler=by_chance, n_startup_trials=startup_trials(len(self.space)),
                warn_independent_sampling=False,
            )  # fmt: skip

    def _open(self, name: str, storage: str) -> Any:
        """Return the study of this name; begin it where there is none. Another process may create the same tables."""
        for attempt in range(ATTEMPTS):
            try:
                return self._optuna.create_study(
                    study_name=name, storage=self._storage(storage), load_if_exists=True,
                    pruner=self._optuna.pruners.SuccessiveHalvingPruner(min_resource=2, reduction_factor=2),
                )  # fmt: skip
            except Exception as error:
                if attempt + 1 == ATTEMPTS or not any(text in str(error) for text in MEETINGS):
                    raise
                time.sleep(random.uniform(0.1, 0.5))
        return None

    def _storage(self, storage: str) -> Any:
        if "://" in storage:
            sqlalchemy = importlib.import_module("sqlalchemy")
            # a server's connections do not stay open between two uses; a database in memory lives by its connection
            options = {} if storage.startswith("sqlite:") else {"poolclass": sqlalchemy.NullPool}
            return self._optuna.storages.RDBStorage(storage, engine_kwargs=options)
        journal = self._optuna.storages.journal
        Path(storage).parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{storage}.lock")  # unlike the library's own, it ends with its process
        return self._optuna.storages.JournalStorage(journal.JournalFileBackend(storage, lock_obj=lock))


def startup_trials(fields: int) -> int:
    """Return the number of trials, the defaults among them, before the model suggests: one more than the fields."""
    return fields + 1


def rounded(value: float) -> float:
    """Return a number with four significant digits; whole numbers as they are."""
    return value if isinstance(value, int) else float(f"{value:.{DIGITS}g}")


def optuna_library() -> Any:
    """Return the module `optuna`, quiet; raise UsageError where it, or what its GP needs, is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            optuna = importlib.import_module("optuna")
            importlib.import_module("scipy")
    except ImportError as error:
        raise UsageError("`sparring tune` needs the library optuna: pip install 'sparring[tune]'") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


@contextmanager
def explaining(storage: str) -> Iterator[None]:
    """Turn the errors of a storage into messages that name it."""
    try:
        yield
    except (SparringError, KeyboardInterrupt):
        raise
    except ImportError as error:
        raise UsageError(f"--storage {storage} needs a module that is not installed: {_first_line(error)}") from error
    except Exception as error:  # of SQLAlchemy, of the driver or of the file system
        raise UsageError(
            f"--storage {storage} cannot be opened ({_first_line(error)}): give a file, or a URL such as "
            "sqlite:///tuning.db or postgresql://user@host/name"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
