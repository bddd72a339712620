"""Callbacks that watch an adversarial training: whether it learns anything, and whether its robustness collapses."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from sparring.commands.training.plan import Plan
from sparring.commands.training.session import TrainingSession
from sparring.engine.loop import Callback, System
from sparring.games.overfitting_guard import OverfittingGuard
from sparring.games.restart_guard import RestartGuard

RESTART_CHECKS, GUARD_CHECKS = 10, 30
"""Checks in a run whether anything was learnt, and whether robust accuracy has collapsed."""
MIN_CHECK_DISTANCE = 20_000
"""Images between two checks at least: a check of robust accuracy costs about 1,000 images of `fast`."""


def guard_callbacks(
    session: TrainingSession, plan: Plan, system: System, images: tuple[Tensor, Tensor]
) -> list[Callback]:
    """Check now and then whether the classifier learns, and its robust accuracy where the recipe has a guard.

    `images` are training images as network input `[N, C, H, W]`, with their labels `[N]`.
    """
    callbacks = []
    restart, guard = system.game.players["restart"], system.game.players.get("guard")
    assert isinstance(restart, RestartGuard)
    restart.set_images(*images)
    callbacks.append(_restart_callback(session, plan, system, restart))
    if isinstance(guard, OverfittingGuard):
        guard.set_images(*images)
        callbacks.append(_rollback_callback(session, plan, system, guard))
    return callbacks


def _restart_callback(session: TrainingSession, plan: Plan, system: System, guard: RestartGuard) -> Callback:
    """Restart the training where it has learnt nothing; log it."""
    every = _distance(plan, RESTART_CHECKS)

    def check(nimg: int, means: Mapping[str, float]) -> None:
        if nimg % every:
            return  # also where the run is being stopped: a check now would change its course
        accuracy, restarted = guard.check(system, nimg / plan.images)
        if restarted:
            session.run.log(nimg, {"restart": 1})
            session.progress.info(
                f"image {nimg:,}: nothing was learnt, {accuracy.value:.0%} of {accuracy.total} training images are "
                "correct without an attack: restart from the initial weights, with a slower growth of eps and half "
                "the learning rate"
            )

    return Callback(every, check)


def _rollback_callback(session: TrainingSession, plan: Plan, system: System, guard: OverfittingGuard) -> Callback:
    """Go back to the best weights where robust accuracy collapses; log both."""
    every = _distance(plan, GUARD_CHECKS)

    def check(nimg: int, means: Mapping[str, float]) -> None:
        if nimg % every and nimg != plan.images:
            return  # the run is being stopped: a check now would change its course
        robust, rolled_back = guard.check(system)
        session.run.log(nimg, {"guarded": robust, **({"rollback": 1} if rolled_back else {})})
        if rolled_back:
            session.progress.info(
                f"image {nimg:,}: accuracy under PGD fell to {robust:.0%} from {guard.best_accuracy:.0%} (catastrophic "
                "overfitting): back to the best weights, with one more step in the attack"
            )

    return Callback(every, check)


def _distance(plan: Plan, checks: int) -> int:
    """Return the images from one of `checks` checks to the next, in whole batches."""
    return max(plan.images // checks, MIN_CHECK_DISTANCE) // plan.batch_size * plan.batch_size or plan.batch_size
