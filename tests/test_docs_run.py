"""Commands of the pages, run in their order on small sources of the same names; trainings are shortened."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import ROOT, commands, shortened
from PIL import Image

import sparring

pytestmark = pytest.mark.slow

TRAININGS = {"train", "classify"}
PAGES_RUN = (
    "README.md",
    "docs/generate.md",
    "docs/few-labels.md",
    "docs/data.md",
    "docs/measure.md",
    "docs/coming-from.md",
)
NOT_RUN = {
    "attack": "a minute each; tests/commands/test_attack.py",
    "certify": "a minute each; tests/commands/test_certify.py",
    "explain": "trains a recogniser; tests/commands/test_explain.py",
    "evaluate": "trains a feature network; tests/commands/test_evaluate.py",
    "harden": "trains and attacks; tests/commands/test_harden.py",
    "regress": "trains; tests/commands/test_regress.py",
    "pack": "needs a density model; tests/commands/test_pack.py",
    "studio": "serves until it is stopped; tests/studio",
    "track": "follows a run; tests/commands/test_track.py",
}
"""Commands that are only parsed, and where they are tested."""
ELSEWHERE = {
    "SOURCE", "people.csv", "scans/", "adult.csv", "adult/", "sensors.npz", "spoken-digits/", "mnist", "faces/",
    "tiles/", "sprites/", "images.zip", "runs/mnist-pixelcnn", "runs/adult-tabular_mlp", "run",
    "who earns more than 50K? adult.csv",
}  # fmt: skip
"""Sources and runs that are not made here; the tests of these kinds of data make theirs."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """photos/, new/, some.csv and two runs, as the pages name them."""
    folder, rng = tmp_path_factory.mktemp("made"), np.random.default_rng(0)
    for k in range(120):
        pixels = rng.integers(0, 120, (12, 12, 3)) + 120 * (k % 2)
        for path in (f"photos/{('cat', 'dog')[k % 2]}/{k}.png", f"new/{k}.png"):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / path)
    rows = [f"{('cat', 'dog')[k % 2]}/{k}.png,{('cat', 'dog')[k % 2]}" for k in range(20)]
    (folder / "some.csv").write_text("\n".join(["name,label", *rows]))
    sparring.train(folder / "photos", images=64, device="cpu", out=folder / "runs/photos-r3")
    sparring.classify(folder / "photos", images=64, device="cpu", out=folder / "runs/photos-consistent")
    return folder


@pytest.mark.parametrize("page", PAGES_RUN)
def test_commands_of_the_page_run(page: str, made: Path, tmp_path: Path, quick: Callable[..., Any]) -> None:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    ran = 0
    for command in commands(ROOT / page):
        name, *args = shlex.split(command, comments=True)
        if name in NOT_RUN or ELSEWHERE & set(args[:1]) or "--help" in args:
            continue
        args = shortened([*args, "--out", f"runs/{ran}"]) if name in TRAININGS else args
        done = quick(name, *args)
        assert done.returncode == 0, f"sparring {command}\n{done.stderr}"
        ran += 1
    assert ran
