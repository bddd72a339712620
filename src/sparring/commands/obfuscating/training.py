"""Play the game of an obfuscator to its end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sparring.commands.obfuscating.parts import Parts
from sparring.commands.training.callbacks import log_metrics
from sparring.commands.training.plan import Plan, PostTraining
from sparring.commands.training.session import TrainingSession
from sparring.data.loader import BatchLoader
from sparring.engine.checkpoint import check_finite
from sparring.engine.loop import Callback, System
from sparring.models.obfuscator import ObfuscatorModel
from sparring.recipes.features.noisy_code import PLAYER
from sparring.report.pictures import picture

SHOWN = 16
"""Examples in a frame."""
COLUMNS = 8


def play_obfuscator(session: TrainingSession, parts: Parts) -> ObfuscatorModel:
    """Train the obfuscator of a session on the examples to learn from; return its average, in eval mode."""
    settings = session.settings
    loader = BatchLoader(
        parts.data, settings.recipe.batch_size, seed=settings.seed, labelled=0, among=parts.learning_idx,
        device=session.hardware.device,
    )  # fmt: skip

    def callbacks(system: System, plan: Plan) -> list[Callback]:
        model = averaged(session, system, parts)
        return [
            log_metrics(session, plan, ("leak", "accuracy", "distortion")),
            Callback(plan.show_every, _Frames(session, model, parts)),
            _checkpoint(session, plan, system, model),
        ]

    then = PostTraining("an audit by fresh adversaries", 0.05 * len(parts.audited.rows))
    system = session.play(parts.data, loader, callbacks, lambda system: then)
    return averaged(session, system, parts)


def averaged(session: TrainingSession, system: System, parts: Parts) -> ObfuscatorModel:
    """Return the averaged obfuscator as a model."""
    nets: Any = system.ema.net
    data = parts.data
    return ObfuscatorModel(nets[PLAYER], data.spec, session.settings.recipe, session.metadata(data))


class _Frames:
    """Write the replacements of the first audited examples as a frame, and at image 0 the examples beside it."""

    def __init__(self, session: TrainingSession, model: ObfuscatorModel, parts: Parts) -> None:
        self._run, self._model, self._rows = session.run, model, parts.audited.rows[:SHOWN]

    def __call__(self, nimg: int, means: Mapping[str, float]) -> None:
        spec = self._model.spec
        if frame := picture(spec, self._model.obfuscate(self._rows, seed=0), COLUMNS):
            self._run.save_frame(nimg, frame)
        if nimg == 0 and (real := picture(spec, self._rows, COLUMNS)):
            self._run.save_real(real)


def _checkpoint(session: TrainingSession, plan: Plan, system: System, model: ObfuscatorModel) -> Callback:
    """Save the model and a checkpoint."""
    run = session.run
    begin, before = time.monotonic(), max((line.get("minutes", 0.0) for line in run.metrics()), default=0.0)

    def save(nimg: int, means: Mapping[str, float]) -> None:
        check_finite(system.game.players.items(), nimg)
        if not any(line["nimg"] == nimg and "minutes" in line for line in run.metrics()):  # the end of a finished run
            run.log(nimg, {"minutes": round(before + (time.monotonic() - begin) / 60, 3)})
        model.save(run.path)
        run.save(system, nimg)

    return Callback(plan.save_every, save)
