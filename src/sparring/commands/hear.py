"""`sparring hear`: recordings of words -> a folder with a recogniser, tested."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from sparring.attacks.channel import CHANNELS
from sparring.commands.reporting.progress import Progress
from sparring.commands.training.request import check_budget, check_seed
from sparring.commands.training.session import output_folder
from sparring.data.audio import Sounds, open_sounds
from sparring.data.nonspeech import NONSPEECH, nonspeech
from sparring.engine.atomic_io import write
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.run_folder import Run
from sparring.models.speech import NOTHING, Recogniser, train_recogniser
from sparring.stats.proportion import Proportion

MINUTES = 3.0
MADE = 100
"""Sounds without speech of each kind that it is tested on."""


@dataclass(frozen=True)
class Recognition:
    """What a recogniser gets right, and where it lies; `--json` prints it."""

    run: str
    words: tuple[str, ...]
    rate: int
    """Samples a second."""
    minutes: float
    """Of training, on the clock."""
    heard: int
    """Recordings it was trained on, each time one was drawn."""
    seed: int
    right: dict[str, Proportion]
    """Channel -> test recordings whose word it hears."""
    fooled: dict[str, Proportion]
    """Kind of sound without speech -> those in which it hears a word."""
    notes: list[str] = field(default_factory=list)
    """Recordings that were left out, and why."""

    def to_json(self) -> dict[str, Any]:
        """As recognition.json holds it."""
        shares = {"right": self.right, "fooled": self.fooled}
        told = {name: {of: share.to_json() for of, share in each.items()} for name, each in shares.items()}
        return {**asdict(self), **told}


def hear(
    source: str | Path,
    *,
    minutes: float | None = None,
    sounds: int | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    progress: Progress | None = None,
) -> Recognition:
    """Train a recogniser of the words in SOURCE (see `data.audio.open_sounds`) and test it.

    Ends after about `minutes` (3), or `sounds` drawn recordings. Raises SparringError, with the way out, on all that can go
    wrong.
    """
    progress = progress or Progress()
    if minutes is not None and sounds is not None:
        raise UsageError("--minutes and --sounds exclude each other: give one of them")
    if sounds is not None and sounds < 1:
        raise UsageError(f"--sounds must be 1 or more, not {sounds}")
    check_budget(minutes, None)
    check_seed(seed)
    hardware = Hardware.find(device, precision)
    data = open_sounds(source)
    notes = noted(data)
    for note in notes:
        progress.info(f"note: {note}")
    run = Run(out or output_folder(source, "hear"))
    run.check_writable()
    begin = time.monotonic()
    on_progress = progress.callback("training", "sounds")
    trained, heard = train_recogniser(
        data.split("train"),
        count=sounds,
        minutes=minutes or MINUTES,
        seed=seed,
        hardware=hardware,
        on_progress=on_progress,
    )
    took = (time.monotonic() - begin) / 60
    trained.save(run.path)
    test = data.split("test")
    right = {channel: _right(trained, test, channel) for channel in CHANNELS} if len(test) else {}
    found = Recognition(
        str(run.path), trained.words, trained.rate, round(took, 2), heard, seed, right, _fooled(trained), notes
    )
    write(run.path / "recognition.json", json.dumps(found.to_json(), indent=2) + "\n")
    return found


def noted(data: Sounds) -> list[str]:
    """Why recordings were left out, a line each."""
    return [f"left out: {one.name} {one.reason}" for one in data.skipped]


def _right(trained: Recogniser, test: Sounds, channel: str) -> Proportion:
    heard = trained.hear(test.each(), channel)
    said = [test.words[label] for label in test.labels]
    return Proportion.count(sum(h.word == word for h, word in zip(heard, said, strict=True)), len(test))


def _fooled(trained: Recogniser) -> dict[str, Proportion]:
    rng = torch.Generator().manual_seed(0)
    found = {}
    for kind in NONSPEECH:
        made = nonspeech(kind, MADE, trained.rate, trained.rate, rng)
        found[kind] = Proportion.count(sum(h.word != NOTHING for h in trained.hear(list(made.numpy()))), MADE)
    return found


def to_text(found: Recognition) -> str:
    """The lines that are printed."""
    lines = [f"run      {found.run}", f"words    {', '.join(found.words[:-1])}"]
    lines += [f"right    {share} test recordings, channel {channel}" for channel, share in found.right.items()]
    if not found.right:
        lines.append("right    unknown: there are too few recordings of each word to keep one in ten for testing")
    lines += [f"nothing  {share} of {kind} are taken for a word" for kind, share in found.fooled.items()]
    return "\n".join([*lines, f"attack   sparring attack {found.run} SOUNDS"])
