"""What is new in a run folder since an image number: metrics and pictures, in the order of the training."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sparring.engine.run_folder import Run

POLL_SECONDS = 2.0


@dataclass(frozen=True)
class Update:
    """What a run wrote at one image number."""

    nimg: int
    """Examples that the networks had seen."""
    values: Mapping[str, float] = field(default_factory=dict)
    images: Mapping[str, Path] = field(default_factory=dict)
    """Name -> picture file."""


def new_updates(run: Run, after: int) -> list[Update]:
    """Return what the run folder holds beyond image number `after`."""
    values = {int(line["nimg"]): {k: v for k, v in line.items() if k != "nimg"} for line in run.metrics()}
    frames = {int(path.stem): path for path in run.frames()}
    return [
        Update(nimg, values.get(nimg, {}), {"samples": frames[nimg]} if nimg in frames else {})
        for nimg in sorted(values.keys() | frames.keys())
        if nimg > after
    ]


def updates(run: Run, after: int, *, sleep: Callable[[float], None] = time.sleep) -> Iterator[Update]:
    """Yield what the run writes beyond image number `after`, and wait for more until its plan is complete.

    The newest line may still gain values, so it is yielded when a later one is there, or at the second look.
    """
    total, pending = int(run.settings["plan"]["images"]), -1
    while True:
        fresh = new_updates(run, after)
        ready = fresh if fresh and fresh[-1].nimg == pending else fresh[:-1]
        yield from ready
        after = ready[-1].nimg if ready else after
        if after >= total:
            return
        pending = fresh[-1].nimg if fresh else -1
        sleep(POLL_SECONDS)
