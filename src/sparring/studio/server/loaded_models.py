"""Loaded models: the ones that were used last, and the one thread that computes with them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import torch

from sparring.models.hub import PLAYERS
from sparring.models.load import load_capable

CAPACITY = 6
"""Models that stay in memory."""
C = TypeVar("C")
T = TypeVar("T")


class LoadedModels:
    """A cache of saved models. A model that was written anew is loaded anew.

    One thread computes, without others of torch's. On busy cores two wait for each other: a frame of a walk cost
    68 ms of CPU in place of 8, and took 465 ms in place of 103 (median of six alternating rounds, 2 cores under a load
    of 17). And the trainings keep the other cores.
    """

    def __init__(self) -> None:
        self._models: OrderedDict[tuple[object, ...], Any] = OrderedDict()
        self._lock = Lock()
        self._worker = ThreadPoolExecutor(1, "models", initializer=torch.set_num_threads, initargs=(1,))

    def load(self, path: Path, capability: type[C], **options: Any) -> C:
        """Return the first model of a run that has the capability; `options` are those of `models.load.load`.

        It is shared: change nothing of it. Raises UsageError where the run has none, SparringError where it is damaged.
        """
        key = (path, capability, *sorted(options.items()), *(_modified(path / f"{player}.json") for player in PLAYERS))
        with self._lock:
            if key not in self._models:
                self._models[key] = load_capable(path, capability, **options)
            self._models.move_to_end(key)
            if len(self._models) > CAPACITY:
                self._models.popitem(last=False)
            model: C = self._models[key]
            return model

    async def compute(self, function: Callable[..., T], *args: Any) -> T:
        """Return `function(*args)`, computed in the one thread, after what was requested before."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, function, *args)

    def close(self) -> None:
        """Drop what waits to be computed."""
        self._worker.shutdown(wait=False, cancel_futures=True)


def _modified(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
