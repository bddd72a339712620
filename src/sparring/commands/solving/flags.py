"""Flags of `sparring solve` that override what the text says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, arg

Text = Annotated[str | None, arg(metavar="X", help_behavior_hint="(default: from the text)")]


@dataclass(frozen=True)
class TaskFlags:
    """Parts of the task, in place of what the text says."""

    task: Annotated[str | None, arg(metavar="KIND", help_behavior_hint="(default: from the text)")] = None
    """Kind of task: generate, classify, 'few labels', regress, density, outliers, restore, harden, attack, certify or
    evaluate."""
    source: Annotated[str | None, arg(metavar="SOURCE", help_behavior_hint="(default: from the text)")] = None
    """The data."""
    label: Annotated[str | None, arg(metavar="COLUMN", help_behavior_hint="(default: from the text or the data)")] = (
        None
    )
    """Column to predict of a table."""
    model: Annotated[str | None, arg(metavar="MODEL", help_behavior_hint="(default: from the text)")] = None
    """Model to attack or certify, or samples to evaluate."""
    mask: Annotated[str | None, arg(metavar="M", help_behavior_hint="(default: from the text)")] = None
    """Mask of a picture to restore."""
    predict: Annotated[str | None, arg(metavar="NEW", help_behavior_hint="(default: the test part)")] = None
    """New examples to predict."""
    minutes: Annotated[float | None, arg(metavar="M", help_behavior_hint="(default: from the text, or 10)")] = None
    """Training time."""
    labels: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: from the text, or all)")] = None
    """Number of labels that training sees."""
    eps: Annotated[float | None, arg(metavar="EPS", help_behavior_hint="(default: from the text)")] = None
    """Largest change of an attack."""
    private: Annotated[float | None, arg(metavar="EPSILON", help_behavior_hint="(default: from the text)")] = None
    """Epsilon of differential privacy."""
    count: Annotated[int | None, arg(aliases=("-n",), metavar="N", help_behavior_hint="(default: 64)")] = None
    """Number of new samples."""


@dataclass(frozen=True)
class SolveFlags:
    """Understand a task that is given in words, check it against the data, and carry it out by the other commands."""

    text: Annotated[str, arg(metavar="TEXT", help_behavior_hint="")]
    """What is to be done, with its data: a sentence, or a path, an address or a known name alone."""
    plan: Annotated[bool, arg(help_behavior_hint=""), FlagCreatePairsOff] = False
    """Print what was understood and the commands, and stop."""
    llm_model: Annotated[str | None, arg(metavar="NAME", help_behavior_hint="(default: none)")] = None
    """Language model that helps to read the text, of the OpenAI-compatible server at OPENAI_BASE_URL."""
    out: Annotated[str | None, arg(metavar="RUN", help_behavior_hint="(default: a new one below runs/)")] = None
    """Run folder; a run that was stopped is continued."""
    json: Annotated[bool, arg(help_behavior_hint=""), FlagCreatePairsOff] = False
    """Print one JSON object to stdout at the end."""
    parts: TaskFlags = TaskFlags()
