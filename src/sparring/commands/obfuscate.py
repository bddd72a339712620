"""`sparring obfuscate`: train a network that replaces examples by others that do not reveal a group, and audit it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Unpack

from sparring.commands.obfuscating.audit import audit
from sparring.commands.obfuscating.page import write_page
from sparring.commands.obfuscating.parts import parts_of
from sparring.commands.obfuscating.result import Obfuscation, to_text
from sparring.commands.obfuscating.training import play_obfuscator
from sparring.commands.reporting.progress import Progress
from sparring.commands.training.request import TrainRequest
from sparring.commands.training.session import TrainingSession
from sparring.data.read_keywords import ReadKeywords, read_options
from sparring.engine import dist
from sparring.engine.errors import UsageError
from sparring.engine.run_folder import Run
from sparring.recipes.recipe import Recipe

__all__ = ["obfuscate", "to_text"]


def obfuscate(
    source: str | Path,
    recipe: Recipe | str | None = None,
    *,
    protect: str | None = None,
    protect_from: str | None = None,
    minutes: float | None = None,
    images: int | None = None,
    out: str | Path | None = None,
    seed: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    progress: Progress | None = None,
    **read: Unpack[ReadKeywords],
) -> Obfuscation:
    """Train an obfuscator that hides the groups of `protect` in the examples of `source`, and audit it.

    `protect` is a column, `protect_from` a pattern of the names of files. The classes of examples stay predictable for
    a network. The audit trains fresh adversaries on examples that the obfuscator has not been trained on: the test
    split and, where that is small, up to a third of the training examples. `sparring.encode` then replaces new ones.

    The arguments are the fields of `TrainRequest`; `read` holds fields of `ReadOptions`.

    Raises:
        UsageError: No group is named, groups are too small, or settings differ from those of the run at `out`.
        SparringError: The data cannot be used, memory is too small, or a loss diverges (Diverged).
        Stopped: a stop signal came; all is saved.

    """
    if protect is None and protect_from is None and (out is None or not Run(out).exists):
        raise UsageError("nothing to hide: name the column of the groups (--protect COLUMN), or --protect-from PATTERN")
    request = TrainRequest(
        source=source, recipe=recipe, minutes=minutes, images=images, out=out, seed=seed, device=device,
        precision=precision, read=replace(read_options(read), protect=protect, protect_from=protect_from),
    )  # fmt: skip
    dist.check_single_process()
    session = TrainingSession.start("obfuscate", request, progress)
    protected = str(session.settings.read.protect or session.settings.read.protect_from)
    parts = parts_of(session.open_data(), protected)
    session = session.resolve(parts.data)
    session.notes(parts.notes)
    model = play_obfuscator(session, parts)
    with session.after_training("audit"):
        model.save(session.run.path)
        settings, run = session.settings, session.run
        report = Obfuscation(
            run=str(run.path), recipe=settings.recipe.name, seed=settings.seed, protect=protected,
            groups=parts.counts(), audit=audit(model, parts.audited, settings.seed, session.progress),
            bits=model.net.bits, minutes=max((line.get("minutes", 0.0) for line in run.metrics()), default=0.0),
            notes=parts.notes,
        )  # fmt: skip
        run.write_json("obfuscation", report.to_json())
        write_page(report, model, parts.audited)
        return report
