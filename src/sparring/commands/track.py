"""`sparring track`: metrics and samples of a run, sent to an experiment tracker by a process of its own."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparring.commands.tracking.trackers import TRACKERS, Log, RunFacts, Tracker, open_tracker
from sparring.commands.tracking.updates import new_updates, updates
from sparring.commands.training.interrupt import explain_interrupt
from sparring.engine.atomic_io import write
from sparring.engine.errors import SparringError, UsageError, did_you_mean
from sparring.engine.run_folder import FORMAT, Run, read_json

NOTE_SECONDS = 5.0
"""Seconds between two notes of how far a tracker is: after a kill, as much is sent again."""


@dataclass(frozen=True)
class Tracked:
    """What was sent."""

    run: str
    to: str
    updates: int
    """Number of image numbers of which something was sent."""
    nimg: int
    """Image number of the newest of them, -1 if nothing was ever sent."""
    place: str
    """Where to look: a command or an address."""


def track(run: str | Path, to: str | Log = "tensorboard", *, project: str = "sparring", once: bool = False) -> Tracked:
    """Send the metrics and pictures of `run` to a tracker, until its training is complete; `once`: what is there.

    `to` is the name of a tracker, or a callable `(values, images, nimg)`, which gets everything from the beginning.
    What a named tracker got before is not sent again. Raises UsageError where there is no run, or the tracker is
    unknown or not installed, SparringError where the tracker fails, Stopped after Ctrl-C.
    """
    folder = Run(run)
    settings = folder.settings
    if callable(to):
        return _send(folder, Tracker(to, lambda: None, "", ""), "", -1, once=once)
    if to not in TRACKERS:
        raise UsageError(f"unknown tracker '{to}': {did_you_mean(to, TRACKERS)}")
    state = folder.path / "track" / f"{to}.json"
    before: dict[str, Any] = read_json(state, "tracker") if state.exists() else {"nimg": -1, "id": ""}
    facts = RunFacts(
        folder.path.resolve().name, folder.path.resolve() / "track" / to, flat_settings(settings), project, before["id"]
    )
    tracker = open_tracker(to, facts)
    return _send(folder, tracker, to, int(before["nimg"]), once=once)


def _send(run: Run, tracker: Tracker, name: str, after: int, *, once: bool) -> Tracked:
    """Send what is new beyond image number `after`, and note in the run folder how far it went."""
    count, noted = 0, time.monotonic()
    with explain_interrupt(f"stopped: what was sent is noted in {run.path / 'track'}; the same command goes on"):
        try:
            for update in new_updates(run, after) if once else updates(run, after):
                tracker.log(update.values, update.images, update.nimg)
                after, count = update.nimg, count + 1
                if time.monotonic() - noted > NOTE_SECONDS:
                    _note(run, name, after, tracker.id)
                    noted = time.monotonic()
        except (SparringError, KeyboardInterrupt):
            raise
        except Exception as error:  # a tracker may raise anything
            sent = f"the last update that was sent is of image {after:,}" if after >= 0 else "nothing was sent"
            raise SparringError(
                f"{name or 'the tracker'} failed, {sent}: {error}. The training is not touched; the same command goes "
                "on from there"
            ) from error
        finally:
            _note(run, name, after, tracker.id)
            tracker.close()
    return Tracked(str(run.path), name, count, after, tracker.place)


def _note(run: Run, name: str, nimg: int, run_id: str) -> None:
    if name and nimg >= 0:
        write(run.path / "track" / f"{name}.json", json.dumps({"format": FORMAT, "nimg": nimg, "id": run_id}) + "\n")


def flat_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the recipe's settings and the request of a run.json, flat: "recipe.lr" -> 0.001."""
    recipe = settings["recipe"]
    flat = {"command": settings["command"], "recipe": recipe["name"], "data": settings["data"]["source"]}
    flat |= {f"recipe.{name}": value for name, value in recipe["settings"].items()}
    return flat | {f"plan.{name}": value for name, value in settings["plan"].items()}


def to_text(result: Tracked) -> str:
    """Format the result for the terminal."""
    sent = f"sent     {result.updates:,} updates of {result.run} to {result.to}"
    return f"{sent}, up to image {result.nimg:,}\nlook     {result.place}" if result.nimg >= 0 else sent
