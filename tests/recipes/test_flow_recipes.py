"""What the recipes flow and flowgan have beyond all density recipes: tables, settings by kind, exact resume."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exact_resume import check_exact_resume

import sparring
from sparring.engine.data_spec import Column, ImageSpec, TableSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.game import Batch
from sparring.engine.loop import System
from sparring.models.capabilities import Density
from sparring.nets.flow import ImageFlow
from sparring.nets.table_flow import START_ROUNDS, TableFlow
from sparring.recipes.density.flow import FlowRecipe
from sparring.recipes.density.flowgan import FlowGANRecipe

CPU = Hardware(torch.device("cpu"), bf16=False)
IMAGES = ImageSpec(6, 5, 1, (), 100)
TABLE = TableSpec((Column("a", (0, 1), ("x", "y"), False, 0, 1), Column("b", (2,), (), True, 0, 9)), "", (), 100)
TINY: dict[str, Any] = {"hidden": 8, "batch_size": 4}


class Rows:
    """Random rows of a table, or images."""

    batch_size = 4

    def __init__(self, spec: ImageSpec | TableSpec) -> None:
        self.shape = spec.shape

    def batches(self, nimg: int, turn: int) -> list[Batch]:
        generator = torch.Generator().manual_seed(nimg + turn)
        x = torch.randint(0, 10, (4, *self.shape), generator=generator).float()
        if len(self.shape) == 1:
            x[:, 0], x[:, 1] = x[:, 0] % 2, 1 - x[:, 0] % 2
        else:
            x = x / 127.5 - 1
        return [Batch(x, torch.full((4,), -1), nimg // 4, nimg * 2 + turn)]


@pytest.mark.parametrize(
    ("recipe", "spec"),
    [
        (FlowRecipe(**TINY), TABLE),
        (FlowRecipe(**TINY), IMAGES),
        (FlowGANRecipe(**TINY, width=4, likelihood_alone=0.3), IMAGES),
    ],
    ids=["table", "flow", "flowgan"],
)
@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
def test_a_stopped_training_ends_as_an_uninterrupted_one(
    recipe: FlowRecipe, spec: Any, late: bool, tmp_path: Path
) -> None:
    """Before and after the layers have started with data, and before and in the game."""
    resolved, total = recipe.resolve(spec, CPU), 4 * (START_ROUNDS + 10 if spec is TABLE else 12)
    stop = total - 16 if late else 8

    def build() -> tuple[System, Rows]:
        torch.manual_seed(0)
        return resolved.system(spec, resolved.nets(spec), total), Rows(spec)

    check_exact_resume(build, total, tmp_path, rounds=stop // 4)


def test_each_kind_of_data_has_its_network_and_its_settings() -> None:
    image, table = FlowRecipe().resolve(IMAGES, CPU), FlowRecipe().resolve(TABLE, CPU)
    assert isinstance(image.nets(IMAGES)["generator"], ImageFlow) and image.hidden == 128
    assert isinstance(table.nets(TABLE)["generator"], TableFlow) and table.hidden == 256
    with pytest.raises(UsageError, match="--bins is for tables: leave it out"):
        FlowRecipe(bins=8).resolve(IMAGES, CPU)
    for settings in ({"alpha": 0.05}, {"levels": 2}, {"binary": True}, {"steps": 2}, {"dequantisation": "uniform"}):
        with pytest.raises(UsageError, match=f"--{next(iter(settings))} is for images: leave it out"):
            FlowRecipe(**settings).resolve(TABLE, CPU)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="unknown --dequantisation 'unifrom': did you mean 'uniform'"):
        FlowRecipe(dequantisation="unifrom")
    with pytest.raises(UsageError, match="--bins must be at most 500, not 1000"):
        FlowRecipe(bins=1000)
    with pytest.raises(UsageError, match="needs float64, which mps does not have: add --device cpu"):
        FlowRecipe().resolve(TABLE, Hardware(torch.device("mps"), bf16=False))
    with pytest.raises(UsageError, match="--likelihood must be at least 0"):
        FlowGANRecipe(likelihood=-1)


def test_uniform_noise_is_a_choice() -> None:
    recipe = FlowRecipe(dequantisation="uniform", alpha=0.05, **TINY).resolve(IMAGES, CPU)
    net: Any = recipe.nets(IMAGES)["generator"]
    assert net.protocol() == {"dequantisation": "uniform", "draws": 1, "alpha": 0.05}


def test_a_weight_of_zero_plays_from_the_first_round() -> None:
    recipe = FlowGANRecipe(likelihood=0, **TINY).resolve(IMAGES, CPU)
    game = recipe.system(IMAGES, recipe.nets(IMAGES), 100).game
    _, stats = game.loss("generator", Rows(IMAGES).batches(0, 0)[0], 0.0)
    assert stats.keys() == {"adversarial"}


def test_a_table_from_a_file_to_samples(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    colours, sizes = rng.choice(["red", "green", "blue"], 300), rng.integers(0, 50, 300)
    lines = [
        f"{colour},{size},{value:.3f}" for colour, size, value in zip(colours, sizes, rng.random(300), strict=True)
    ]
    (tmp_path / "table.csv").write_text("\n".join(["colour,size,value", *lines]) + "\n")
    run = sparring.train(tmp_path / "table.csv", FlowRecipe(hidden=16), images=640, out=tmp_path / "run")
    model: Any = sparring.load(run.path)
    assert isinstance(model, Density)
    rows = np.concatenate(list(model.samples(100, 0)))
    values = [model.spec.to_dict(row) for row in rows]
    assert {row["colour"] for row in values} <= {"red", "green", "blue"}
    assert all(0 <= row["size"] <= 49 and row["size"] == int(row["size"]) for row in values)
    assert torch.isfinite(model.log_density(model.spec.encode(rows))).all()
