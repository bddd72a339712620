"""What a caller asks of a training, as given: checked for itself, and against nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import Any

from torch import nn

from sparring.data.reader_api import ReadOptions
from sparring.engine.errors import UsageError
from sparring.engine.run_folder import Run
from sparring.engine.seeds import check_seed
from sparring.recipes.recipe import Recipe

Nets = Callable[[Any], Mapping[str, nn.Module]]
"""The data's spec -> networks by player, in place of the recipe's."""

OnCheckpoint = Callable[[Run, int], None]
"""(run, nimg of its newest checkpoint) -> None."""


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """Arguments of a command that trains; None: the setting of the run at `out`, or the default."""

    source: str | Path
    """A folder, an archive, a file, a URL or a known name."""
    recipe: Recipe | str | None = None
    """A recipe, or its name; None: the default for the kind of data."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the recipe to replace, by name."""
    minutes: float | None = None
    """Training time, 10 by default; a probe of the speed turns it into a number of examples."""
    images: int | None = None
    """Number of training examples to draw, instead of `minutes`."""
    seed: int | None = None
    """Random seed, 0 by default."""
    label_fraction: float | None = None
    """Proportion of each class's labels that training sees."""
    labels: int | None = None
    """Number of labels that training sees, balanced over classes where possible; None: all."""
    labels_file: str | Path | None = None
    """CSV file of name,label with the only labels that training sees."""
    adapt_to: str | Path | None = None
    """Unlabelled data of another domain, to which a classifier is adapted."""
    read: ReadOptions = field(default_factory=ReadOptions)
    out: str | Path | None = None
    """Run folder; an existing run is continued, bit for bit. None: a new one below runs/."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    precision: str = "auto"
    """auto, bf16 or fp32."""
    nets: Nets | None = None
    """Custom networks: the data's spec -> networks in place of the recipe's, by player."""
    on_checkpoint: OnCheckpoint | None = None
    """Function that is called after each checkpoint; it may raise, and a later call goes on from there."""

    def __post_init__(self) -> None:
        _check_numbers(seed=self.seed, label_fraction=self.label_fraction, labels=self.labels)
        check_budget(self.minutes, self.images)
        if self.seed is not None:
            check_seed(self.seed)
        if self.label_fraction is not None and not 0 <= self.label_fraction <= 1:
            raise UsageError(f"--label-fraction must be from 0 to 1, not {self.label_fraction}")
        if self.labels is not None and self.labels_file is not None:
            raise UsageError("--labels and --labels-file exclude each other: give one of them")
        if self.labels is not None and self.labels < 1:
            raise UsageError(f"--labels must be 1 or more, not {self.labels}")


def check_budget(minutes: float | None, images: int | None) -> None:
    """Raise UsageError where a training time or a number of examples is out of range, or both are given."""
    _check_numbers(minutes=minutes, images=images)
    if minutes is not None and images is not None:
        raise UsageError("--minutes and --images exclude each other: give one of them")
    if minutes is not None and not 0 < minutes < 1e6:
        raise UsageError(f"--minutes must be above 0, not {minutes}")
    if images is not None and not 1 <= images < 1 << 50:
        raise UsageError(f"--images must be 1 or more, not {images}")


def _check_numbers(**values: object) -> None:
    for name, value in values.items():
        if not isinstance(value, Real | None):
            raise UsageError(f"--{name.replace('_', '-')} must be a number, not {value!r}")
