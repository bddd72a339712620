"""A generator of rows of more columns than rows through the command's functions: train, sample, evaluate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sparring.commands.sample import sample
from sparring.commands.train import train
from sparring.engine.errors import UsageError
from sparring.models.load import load
from sparring.recipes.generators.r3 import R3

TINY = {"width": 8, "latent_dim": 4, "batch_size": 8}


def write_arrays(path: Path, count: int = 60, columns: int = 80) -> Path:
    rng = np.random.default_rng(0)
    y = np.arange(count) % 2
    x = rng.normal(size=(count, 3)) @ rng.normal(size=(3, columns)) + rng.normal(size=(count, columns)) + y[:, None]
    lines = [",".join([f"{value:.4f}" for value in row] + ["ab"[k]]) for row, k in zip(100 * x, y, strict=True)]
    path.write_text("\n".join([",".join([*(f"g{k}" for k in range(columns)), "kind"]), *lines]) + "\n")
    return path


def test_arrays_of_genes_are_generated_by_class(tmp_path: Path) -> None:
    source = write_arrays(tmp_path / "genes.csv")
    run = train(source, R3(**TINY), images=80, out=tmp_path / "run", label="kind")
    model = load(run.path)
    assert model.conditional
    low, high = (np.concatenate(list(model.samples(200, label=k))) for k in (0, 1))
    assert low.shape == (200, 80) and 50 < (high - low).mean() < 150
    header, *lines = sample(run.path, 30).read_text().splitlines()  # type: ignore[union-attr]
    assert header.endswith(",g79,kind") and {line[-1] for line in lines} == {"a", "b"}
    again = train(tmp_path / "run" / "samples-0.csv", R3(**TINY), images=16, out=tmp_path / "again", label="kind")
    assert load(again.path).conditional


def test_tables_of_more_rows_than_columns_are_refused(tmp_path: Path) -> None:
    source = write_arrays(tmp_path / "genes.csv", columns=5)
    with pytest.raises(
        UsageError, match=r"more columns than rows; this one has 48 rows and 5 columns: take --recipe arf or tabular_r3"
    ):
        train(source, R3(**TINY), images=80, out=tmp_path / "run", label="kind")
