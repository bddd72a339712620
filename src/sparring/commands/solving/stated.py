"""Bring together what a text says and what flags say: the parts of a task that need no look at the data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sparring.commands.solving.lexicon import KINDS, OTHER, PREDICT
from sparring.commands.solving.mentions import PICTURES
from sparring.commands.solving.parts import USES
from sparring.commands.solving.reading import Reading
from sparring.commands.solving.task import Ask, Decision, Unclear, refuse
from sparring.data.files.archive import suffix
from sparring.engine.errors import UsageError, did_you_mean
from sparring.engine.run_folder import Run

NEEDS_MODEL = {"attack": "attacked", "certify": "certified"}
"""Kinds of task that need a model, and what happens to it."""
QUANTITY_FLAGS = {"minutes": "--minutes", "labels": "--labels", "eps": "--eps", "private": "--private", "count": "-n"}
FLAG_OF_KIND = "--task"
DEFAULTS = {"minutes": 10.0, "count": 64.0}
VALID: dict[str, Callable[[float], bool]] = {
    "minutes": lambda value: 0 < value < 1e6, "labels": lambda value: math.isfinite(value) and value == int(value) >= 1,
    "eps": lambda value: 0 < value < math.inf, "private": lambda value: 0 < value < math.inf,
    "count": lambda value: math.isfinite(value) and value == int(value) >= 1,
}  # fmt: skip
"""Quantity -> whether a value is possible."""
RANGES = {"minutes": "above 0", "labels": "1, 2, ...", "eps": "above 0", "private": "above 0", "count": "1, 2, ..."}


@dataclass(frozen=True)
class Overrides:
    """Flags that override what a text says; None: not given."""

    task: str | None = None
    source: str | None = None
    label: str | None = None
    model: str | None = None
    mask: str | None = None
    predict: str | None = None
    minutes: float | None = None
    labels: int | None = None
    eps: float | None = None
    private: float | None = None
    count: int | None = None

    def __post_init__(self) -> None:
        if self.task is not None and self.task not in KINDS:
            raise UsageError(f"unknown --task '{self.task}': {did_you_mean(self.task, KINDS)}")


@dataclass(frozen=True)
class Stated:
    """What is known before any data are opened."""

    kind: Decision[str] | None
    """None where the data choose: the text names data and nothing else."""
    source: Decision[str]
    model: Decision[str | None]
    mask: Decision[str | None]
    labels_file: Decision[str | None]
    predict: Decision[str | None]
    drop: Decision[str | None]
    quantities: Mapping[str, Decision[float | None]]
    """minutes, labels, eps, private and count."""
    reading: Reading


def state(reading: Reading, flags: Overrides, ask: Ask = refuse) -> Stated:
    """Return what text and flags say; raise Unclear, or ask, where that is no single task with its data."""
    kind = _kind(reading, flags, ask)
    _check_numbers(reading, flags)
    name = kind.value if kind else ""
    model = _one(reading, "model", flags.model, "--model")
    samples = reading.mentioned("samples")
    sources = _sources(reading, name)
    if name == "evaluate" and model.value is None:
        candidates = samples or sources[:-1]
        model = Decision(next(iter(candidates), None), "the samples that the text names", "text", "--model")
        sources = [source for source in sources if source not in candidates]
    has_own = name in USES["model"] and not sources and flags.source is None
    known = _training_data(model.value) if has_own else None
    source = known or _source(sources, flags, ask, reading)
    if name in NEEDS_MODEL and model.value is None:
        answer = ask(f"which model is to be {NEEDS_MODEL[name]}? Name its run folder, or give --model", [])
        model = Decision(answer, "the answer to a question", "flag", "--model")
    return Stated(
        kind=kind, source=source, model=model, mask=_one(reading, "mask", flags.mask, "--mask"),
        labels_file=_one(reading, "labels", None, "--source"),
        predict=_one(reading, "predict", flags.predict, "--predict"), drop=Decision(None, "none", "default", ""),
        quantities=_quantities(reading, flags),
        reading=reading,
    )  # fmt: skip


def _kind(reading: Reading, flags: Overrides, ask: Ask) -> Decision[str] | None:
    if flags.task is not None:
        return Decision(flags.task, f"--task {flags.task}", "flag", FLAG_OF_KIND, ", ".join(reading.kinds))
    if reading.contradicted is not None:
        answer = ask(f"'{reading.contradicted}' is both wanted and excluded: choose by --task", list(KINDS))
        return Decision(answer, "the answer to a question", "flag", FLAG_OF_KIND)
    if OTHER in reading.kinds:
        words = reading.kinds[OTHER]
        answer = ask(f"'{words}' is nothing that sparring does: choose what it is to do by --task", list(KINDS))
        return Decision(answer, "the answer to a question", "flag", FLAG_OF_KIND)
    if len(reading.kinds) == 1:
        ((kind, words),) = reading.kinds.items()
        return Decision(kind, f"'{words}'", "text", FLAG_OF_KIND)
    if reading.kinds:
        known = [
            kind for named in reading.kinds for kind in (("classify", "regress") if named == PREDICT else (named,))
        ]
        answer = ask("the text names more than one task: choose one by --task, or give each a call of its own", known)
        return Decision(answer, "the answer to a question", "flag", FLAG_OF_KIND)
    if reading.is_bare:
        return None
    answer = ask("the text names no task that is known: say it in other words, or choose one by --task", list(KINDS))
    return Decision(answer, "the answer to a question", "flag", FLAG_OF_KIND)


def _check_numbers(reading: Reading, flags: Overrides) -> None:
    """Raise Unclear for a number without a meaning, unless flags say what is meant."""
    if reading.unread_numbers and all(vars(flags)[name] is None for name in QUANTITY_FLAGS):
        listed = ", ".join(QUANTITY_FLAGS.values())
        raise Unclear(f"what does {reading.unread_numbers[0]} mean? Give it by its flag ({listed}), or leave it out")


def _sources(reading: Reading, kind: str) -> list[str]:
    """Return what may be the data, the likeliest last."""
    sources = [*reading.mentioned("source"), *reading.mentioned("data")]
    pictures = [source for source in sources if suffix(source).removeprefix(".") in PICTURES]
    return pictures[:1] if kind == "restore" and len(pictures) == 1 else sources


def _source(sources: list[str], flags: Overrides, ask: Ask, reading: Reading) -> Decision[str]:
    if flags.source is not None:
        return Decision(flags.source, f"--source {flags.source}", "flag", "--source", ", ".join(sources))
    if len(sources) == 1:
        words = next(mention.words for mention in reading.mentions if mention.text == sources[0])
        return Decision(sources[0], f"'{words}'", "text", "--source")
    if sources:
        answer = ask("the text names more than one source of data: choose one by --source", sources)
    else:
        answer = ask("the text names no data: name a folder, a file, a URL or a known data set, or give --source", [])
    return Decision(answer, "the answer to a question", "flag", "--source")


def _training_data(model: str | None) -> Decision[str] | None:
    """Return the data that a model was trained on, by its run.json; None where that does not tell."""
    run = Run(model) if model is not None else None
    if run is None or not run.exists or (data := run.settings.get("data")) is None:
        return None
    return Decision(data["source"], f"the data that {model} was trained on", "data", "--source")


def _one(reading: Reading, role: str, given: str | None, flag: str) -> Decision[str | None]:
    """Return the mention of a role, or the flag in its place."""
    mentioned = reading.mentioned(role)
    if given is not None:
        return Decision(given, f"{flag} {given}", "flag", flag, ", ".join(mentioned))
    if mentioned:
        return Decision(mentioned[0], f"'{mentioned[0]}'", "text", flag)
    return Decision(None, "not named", "default", flag)


def _quantities(reading: Reading, flags: Overrides) -> dict[str, Decision[float | None]]:
    decisions = {}
    for name, flag in QUANTITY_FLAGS.items():
        default, is_valid = DEFAULTS.get(name), VALID[name]
        given, stated = getattr(flags, name), reading.quantities.get(name)
        if given is not None:
            decision: Decision[float | None] = Decision(given, f"{flag} {given:g}", "flag", flag)
        elif stated is not None:
            decision = Decision(stated.value, f"'{stated.words}'", "text", flag)
        else:
            decision = Decision(default, "nothing is said", "default", flag)
        if decision.value is not None and not is_valid(decision.value):
            raise UsageError(f"{flag} cannot be {decision.value:g} ({decision.evidence}): it is {RANGES[name]}")
        decisions[name] = decision
    return decisions


def is_picture(path: str) -> bool:
    """Return True for the name of one picture."""
    return Path(path).suffix.lower().removeprefix(".") in PICTURES
