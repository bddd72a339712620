"""Work on the trials of a search until all are done: new ones, and those that a killed process left."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import Timeout

from sparring.commands.reporting.progress import Progress
from sparring.commands.training.interrupt import Stopped
from sparring.commands.tuning.folder import TuningFolder
from sparring.commands.tuning.search import Params, Search, TrialResult
from sparring.commands.tuning.trial import StoppedEarly, Trainer, score_at, score_name, untrained_score
from sparring.commands.tuning.verdict import Verdict, compare
from sparring.engine.errors import Diverged, SparringError
from sparring.engine.run_folder import Run

WORST = 1e9
"""Score of a diverged trial where no other is known."""


@dataclass(frozen=True)
class Worker:
    """One process of a tuning."""

    folder: TuningFolder
    search: Search
    trainer: Trainer
    trials: int
    """Number of trials in all, over all processes."""
    deadline: float
    """Time (`time.monotonic`) after which no trial is begun."""
    progress: Progress

    def work(self) -> None:
        """Run trials until there are enough; take up those of killed processes, and wait for those of living ones."""
        while (trial := self._next()) is not None:
            self._run(trial)
        for number in list(self.search.orphans(self.folder.owner)):
            with self.folder.lock(str(number)):  # until the process that holds it is done with it, or gone
                if (left := self.search.resumed(number)) is not None:
                    self._train(left)

    def best(self) -> TrialResult:
        """Return the trial with the lowest score of those that ran to the end."""
        complete = [t for t in self.search.results() if t.state == "complete" and t.score is not None]
        if not complete:
            raise SparringError(f"no trial in {self.folder.path} was trained to its end: give more --minutes")
        return min(complete, key=lambda t: (t.score, t.number))

    def verdict(self, best: TrialResult, repeats: int) -> Verdict | None:
        """Compare the best settings with the defaults on fresh seeds; None without repeats, or if they are the same."""
        if not repeats or best.is_default:
            return None
        candidates = {"defaults": dict[str, float](), f"best-{best.number:03d}": best.params}
        runs = [(name, seed) for seed in self._seeds(repeats) for name in candidates]
        for wait in (False, True):  # what no process works on, then what others began
            for name, seed in runs:
                self._repeat(name, candidates[name], seed, wait=wait)
        scores = {
            name: [self._untrained(run) if score is None else score for run, score in self._repeats(name, repeats)]
            for name in candidates
        }
        defaults, tuned = scores.values()
        return compare(defaults, tuned)

    def _repeats(self, name: str, repeats: int) -> list[tuple[Path, float | None]]:
        """Return the runs of the repeats of these settings with their scores; None where it diverged."""
        return [(self.folder.repeat(name, seed), self._repeated(name, seed)) for seed in self._seeds(repeats)]

    def _seeds(self, repeats: int) -> range:
        first = (self.trainer.request.seed or 0) + 1
        return range(first, first + repeats)

    def _next(self) -> Any:
        """Return a trial to run: one that was left, or a new one; None where there are enough."""
        for number in list(self.search.orphans(self.folder.owner)):
            lock = self.folder.lock(str(number))
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            if (left := self.search.resumed(number)) is not None:
                return _Locked(left, lock)
            lock.release()
        with self.folder.lock("tuning"):
            if len(self.search.results()) >= self.trials or time.monotonic() > self.deadline:
                return None
            if (trial := self.search.suggest()) is None:
                return None
            lock = self.folder.lock(str(trial.number))
            lock.acquire()
            self.search.claim(trial, self.folder.owner)
            return _Locked(trial, lock)

    def _run(self, locked: _Locked) -> None:
        try:
            self._train(locked.trial)
        finally:
            locked.lock.release()

    def _train(self, trial: Any) -> None:
        """Train one trial, report its scores, and stop it early where it is behind."""
        params = self.search.params(trial)

        def on_score(checkpoint: int, examples: int, score: float) -> None:
            self.search.report(trial, checkpoint, examples, score)
            if self.search.is_behind(trial):
                raise StoppedEarly

        try:
            changes = {} if self.search.is_default(trial) else params
            score = self.trainer.train(self.folder.trial(trial.number), changes, on_score)
            self.search.finish(trial, score, "complete")
        except StoppedEarly:
            self.search.finish(trial, self._last_score(trial), "stopped")
        except Diverged:
            self.search.finish(trial, self._untrained(self.folder.trial(trial.number)), "diverged")
        except Stopped as error:
            raise Stopped(f"stopped in trial {trial.number}; all is saved. Repeat the command to continue") from error
        except SparringError as error:
            if self.search.is_default(trial):  # as any other trial would
                raise
            self.progress.info(f"trial {trial.number} failed: {error}")
            self.search.fail(trial)
        self._log(trial.number)

    def _last_score(self, trial: Any) -> float:
        return next(t.score for t in self.search.results() if t.number == trial.number and t.score is not None)

    def _untrained(self, path: Path) -> float:
        """Return the score of a diverged run: that of the untrained networks, or else the worst of all trials."""
        score = untrained_score(Run(path), score_name(self.trainer.recipe))
        scores = [t.score for t in self.search.results() if t.score is not None]
        return max(scores, default=WORST) if score is None else score

    def _log(self, number: int) -> None:
        results = self.search.results()
        this = next(t for t in results if t.number == number)
        complete = [t.score for t in results if t.state == "complete" and t.score is not None]
        name, score = score_name(self.trainer.recipe), "none" if this.score is None else f"{this.score:.4g}"
        best = f"; best {min(complete):.4g}" if complete else ""
        self.progress.info(
            f"trial {number} of {self.trials} {this.state}: {name} {score}{best}  ({settings_text(this.params)})"
        )

    def _repeated(self, name: str, seed: int) -> float | None:
        """Return the score of a finished repeat; None where it is not finished."""
        run = Run(self.folder.repeat(name, seed))
        try:
            return score_at(run, score_name(self.trainer.recipe), run.settings["plan"]["images"])
        except SparringError:
            return None

    def _repeat(self, name: str, params: Params, seed: int, *, wait: bool) -> None:
        with _locked(self.folder.lock(f"{name}-{seed}"), wait=wait) as is_free:
            if is_free and self._repeated(name, seed) is None:
                try:
                    score = self.trainer.train(self.folder.repeat(name, seed), params, seed=seed)
                    self.progress.info(f"{name}, seed {seed}: {score_name(self.trainer.recipe)} {score:.4g}")
                except Diverged:
                    self.progress.info(f"{name}, seed {seed}: diverged")


@dataclass(frozen=True)
class _Locked:
    """A trial and the lock that this process holds on it."""

    trial: Any
    lock: Any


@contextmanager
def _locked(lock: Any, *, wait: bool) -> Iterator[bool]:
    """Hold a lock; yield False where another process holds it and `wait` is not set."""
    try:
        lock.acquire(blocking=wait)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def settings_text(params: Mapping[str, float]) -> str:
    """Return settings as text: `lr 0.001, beta1 0.5`."""
    return ", ".join(f"{name} {value:g}" for name, value in params.items())
