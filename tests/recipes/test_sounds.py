"""r3 on recordings: defaults, and a run that is stopped ends with the bits of an uninterrupted one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from exact_resume import check_exact_resume
from test_conformance import CPU

from sparring.data.in_memory import InMemoryDataset
from sparring.data.loader import BatchLoader
from sparring.engine.data_spec import AudioSpec
from sparring.engine.loop import BatchSource, System
from sparring.recipes.generators.r3 import R3

SPEC = AudioSpec(8000, 2400, ("a", "b"), 12, 4, covered=2000)


def build() -> tuple[System, BatchSource]:
    rng = np.random.default_rng(0)
    rows = rng.integers(-9000, 9000, (12, 2400)).astype(np.int16)
    recipe = R3(width=4, latent_dim=6, batch_size=4).resolve(SPEC, CPU)
    torch.manual_seed(0)
    system = recipe.system(SPEC, recipe.nets(SPEC), 40)
    return system, BatchLoader(InMemoryDataset(rows, np.arange(12) % 3 - 1, SPEC, None), 4, seed=1)


def test_a_stopped_run_of_recordings_ends_with_the_same_bits(tmp_path: Path) -> None:
    check_exact_resume(build, 40, tmp_path)


def test_defaults_follow_the_number_of_recordings() -> None:
    few, many = (R3().resolve(AudioSpec(8000, 8000, (), count, covered=7500), CPU) for count in (500, 50_000))
    assert (few.augment, few.steepness) == ("sound", 0) and (many.augment, many.steepness) == ("none", 160)
    assert few.width and many.width and few.width < many.width
