"""A generator of series through the command line's functions: train, resume, sample at any length, evaluate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sparring.commands.sample import sample
from sparring.commands.train import train
from sparring.engine.errors import UsageError
from sparring.models.load import load
from sparring.recipes.generators.r3 import R3
from sparring.report.series_grid import PANEL

TINY = {"width": 6, "latent_dim": 4, "batch_size": 8}


def write_prices(path: Path, steps: int = 600) -> Path:
    rng = np.random.default_rng(0)
    price = 100 * np.exp((0.01 * rng.standard_t(4, (steps, 2))).cumsum(0))
    lines = [f"2024-01-01T{k // 60:02}:{k % 60:02},{a},{b}" for k, (a, b) in enumerate(price[: 24 * 60])]
    path.write_text("\n".join(["time,one,two", *lines]) + "\n")
    return path


def test_prices_are_generated_at_any_length(tmp_path: Path) -> None:
    source = write_prices(tmp_path / "prices.csv")
    run = train(source, R3(**TINY), images=160, out=tmp_path / "run", window=16)
    assert run.settings["request"]["read"]["hop"] == 1 and len(run.frames()) > 1
    assert all(code["returns"] for code in run.settings["data"]["spec"]["codes"])
    path = sample(run.path, 3, steps=50)
    assert isinstance(path, Path)
    lines = path.read_text().splitlines()
    assert lines[0] == "window,step,one,two" and len(lines) == 151 and lines[-1].startswith("2,49,")
    assert all(float(cell) > 0 for line in lines[1:] for cell in line.split(",")[2:])
    with np.load(sample(run.path, 5, out=tmp_path / "a.npz")) as file:  # type: ignore[arg-type]
        assert file["arr_0"].shape == (5, 2, 16)
    with Image.open(sample(run.path, 5, out=tmp_path / "a.png")) as image:  # type: ignore[arg-type]
        assert image.size == (3 * PANEL[0], 2 * PANEL[1])
        assert len(np.unique(np.asarray(image)[-PANEL[1] :, -PANEL[0] :])) == 1  # five plots of six
    with pytest.raises(UsageError, match="--steps must be from 1 to"):
        sample(run.path, 3, steps=0)


def test_the_same_seed_gives_the_same_bits(tmp_path: Path) -> None:
    source = write_prices(tmp_path / "prices.csv", 300)
    runs = [train(source, R3(**TINY), images=80, out=tmp_path / name, window=16) for name in "ab"]
    np.testing.assert_array_equal(*(np.concatenate(list(load(run.path).samples(4))) for run in runs))


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"mirror": True}, "--mirror is for images"), ({"hints": "smooth"}, "--hints is for images"),
        ({"blocks": 1}, "--blocks is for images, recordings and pairs"),
    ],
)  # fmt: skip
def test_settings_of_images_are_refused(setting: dict[str, object], words: str, tmp_path: Path) -> None:
    source = write_prices(tmp_path / "prices.csv", 200)
    with pytest.raises(UsageError, match=f"{words}, these are series"):
        train(source, R3(**TINY, **setting), images=16, out=tmp_path / "run", window=16)  # type: ignore[arg-type]


def test_labelled_arrays_condition_the_generator(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    x = np.where(y, 5.0, -5.0)[:, None, None] + rng.normal(size=(60, 1, 12))
    np.savez(tmp_path / "a.npz", x=x, y=y)
    run = train(tmp_path / "a.npz", R3(**TINY), images=16, out=tmp_path / "run", kind="series")
    model = load(run.path)
    assert model.conditional and model.label("1") == 1
    assert not np.array_equal(*(next(iter(model.samples(3, label=k))) for k in (0, 1)))
    with Image.open(sample(run.path, 6, out=tmp_path / "a.png")) as image:  # type: ignore[arg-type]
        assert image.width == 2 * PANEL[0]  # a column for each class
    lines = sample(run.path, 2, label="1").read_text().splitlines()  # type: ignore[union-attr]
    assert lines[0].endswith(",class") and all(line.endswith(",1") for line in lines[1:])
