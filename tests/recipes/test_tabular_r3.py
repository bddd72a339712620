"""R3's game on tables: codes and their inverse, marginals at the start, straight-through gradients, dependences."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mixed_table import SPEC as MIXED
from numpy.typing import NDArray

import sparring
from sparring.commands.sample import sample
from sparring.commands.sampling.conditions import bound_of, parse_condition
from sparring.commands.train import train
from sparring.data.tables.codes import cells_of, learn_codes
from sparring.engine.data_spec import Column, TableSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.table_form import RARE, CellForm, FileColumn
from sparring.models.load import load
from sparring.nets.table_gan import COMMON, TEMPERATURE, TableDiscriminator, TableGenerator
from sparring.recipes.generators.tabular_r3 import TabularR3, fit_code
from sparring.recipes.recipe import GANRecipe

SPEC = replace(MIXED, count=3000)
TINY = {"width": 16, "layers": 1, "latent_dim": 4, "batch_size": 32, "candidates": 1}


def table(count: int = 3000) -> NDArray[np.float32]:
    """Return rows: x around 10 times the word, a gap in a tenth, n zero in half of the rows, else from 1 to 300."""
    rng = np.random.default_rng(0)
    word = rng.choice(3, count, p=[0.5, 0.3, 0.2])
    x = np.round(10 * word + rng.normal(size=count), 2)
    x[rng.random(count) < 0.1] = np.nan
    n = np.where(rng.random(count) < 0.5, 0, rng.integers(1, 301, count))
    return np.column_stack([x, np.eye(3)[word], n, 10 * (word + 1)]).astype(np.float32)


@pytest.fixture(scope="module")
def nets() -> tuple[TableGenerator, TableDiscriminator]:
    torch.manual_seed(0)
    made = TabularR3(**TINY).nets(SPEC)
    generator, discriminator = made["generator"], made["discriminator"]
    assert isinstance(generator, TableGenerator) and isinstance(discriminator, TableDiscriminator)
    for net in (generator, discriminator):
        fit_code(net.code, SPEC, table())
    return generator, discriminator


def test_it_meets_the_protocol_and_checks_its_settings() -> None:
    assert isinstance(TabularR3(), GANRecipe)
    with pytest.raises(UsageError, match="--width must be above 0"):
        TabularR3(width=0)
    with pytest.raises(UsageError, match="--beta2 must be at least 0 and below 1"):
        TabularR3(beta2=1.0)
    with pytest.raises(UsageError, match="tabular_r3 generates tables that are read whole"):
        TabularR3().resolve(replace(MIXED, written=()), Hardware.find("cpu"))


def test_coded_rows_come_back(nets: tuple[TableGenerator, TableDiscriminator]) -> None:
    code, rows = nets[0].code, table()
    x = torch.from_numpy(rows)
    seen = code(x)
    choices = seen[:, : code.choices]
    number, missing = code._codes(x[:, code.numbers].T.double())
    back = code.rows(choices, code._centre(number).T).numpy()
    np.testing.assert_array_equal(back[:, 1:4], rows[:, 1:4])
    np.testing.assert_array_equal(np.isnan(back[:, 0]), np.isnan(rows[:, 0]))
    np.testing.assert_array_equal(missing[0].numpy(), np.isnan(rows[:, 0]))
    np.testing.assert_array_equal(back[:, 4] == 0, rows[:, 4] == 0)  # half of the rows: a choice of its own
    inner = (rows[:, 4] > 10) & (rows[:, 4] < 290)
    assert np.abs(back[inner, 4] - rows[inner, 4]).max() <= 3
    assert np.nanquantile(np.abs(back[:, 0] - rows[:, 0]), 0.95) < 0.2
    np.testing.assert_array_equal(np.float32(np.round(back[:, 0], 2)), back[:, 0])


def test_training_begins_with_the_marginal_distributions(nets: tuple[TableGenerator, TableDiscriminator]) -> None:
    generator = nets[0].eval()
    with torch.no_grad():
        made = SPEC.decode(generator(torch.randn(20_000, generator.latent_dim, generator=torch.Generator())))
    real = table()
    np.testing.assert_allclose(made[:, 1:4].mean(0), real[:, 1:4].mean(0), atol=0.05)
    np.testing.assert_allclose(np.isnan(made[:, 0]).mean(), np.isnan(real[:, 0]).mean(), atol=0.03)
    np.testing.assert_allclose((made[:, 4] == 0).mean(), (real[:, 4] == 0).mean(), atol=0.05)
    np.testing.assert_allclose(
        np.nanquantile(made[:, 0], [0.2, 0.5, 0.9]), np.nanquantile(real[:, 0], [0.2, 0.5, 0.9]), atol=1.0
    )
    assert np.nanmin(made[:, 0]) >= np.nanmin(real[:, 0]) and made[:, 4].max() <= 300
    np.testing.assert_array_equal(made[:, 5], 10 * (made[:, 1:4].argmax(1) + 1))  # the dependence


def test_choices_are_hard_with_the_gradient_of_a_softmax(nets: tuple[TableGenerator, TableDiscriminator]) -> None:
    code = nets[0].code
    logits = torch.randn(5, code.choices, dtype=torch.float64, requires_grad=True)
    chosen, weights = code.choose(logits), torch.randn(5, code.choices, dtype=torch.float64)
    assert set(chosen.detach().round(decimals=9).unique().tolist()) == {0.0, 1.0}
    sizes = [3, 2 + COMMON, 2 + COMMON]
    (gradient,) = torch.autograd.grad((chosen * weights).sum(), logits)
    soft = torch.cat([(part / TEMPERATURE).softmax(1) for part in logits.split(sizes, 1)], 1)
    (expected,) = torch.autograd.grad((soft * weights).sum(), logits)
    torch.testing.assert_close(gradient, expected)


def test_positions_snap_to_codes_with_the_gradient_of_the_identity(
    nets: tuple[TableGenerator, TableDiscriminator],
) -> None:
    code = nets[0].code
    position = torch.linspace(-0.999, 0.999, 500)[:, None].repeat(1, 2).requires_grad_()
    snapped = code.snap(position)
    assert len(snapped[:, 0].detach().unique()) < 400 and (snapped - position).abs().max() < 0.2
    (gradient,) = torch.autograd.grad(snapped.sum(), position)
    torch.testing.assert_close(gradient, torch.ones_like(position))


def test_the_discriminator_sees_both_sides_alike(nets: tuple[TableGenerator, TableDiscriminator]) -> None:
    generator, discriminator = nets
    x = torch.from_numpy(table(50))
    torch.testing.assert_close(discriminator(x), discriminator(discriminator.represent(x)))
    z = torch.randn(50, generator.latent_dim)
    seen, rows = generator.train()(z), generator.eval()(z)
    again = discriminator.represent(rows)
    choices = slice(generator.code.choices)
    assert (again[:, choices] == seen[:, choices].round()).float().mean() > 0.99
    assert (again - seen).abs().mean() < 0.05


COLUMN = st.sampled_from(["word", "rare", "few", "continuous", "integer", "gaps", "common"])


@settings(max_examples=40, deadline=None)
@given(st.lists(COLUMN, min_size=1, max_size=4), st.integers(2, 60), st.integers(0, 5))
def test_any_table_is_coded_and_generated(kinds: list[str], count: int, seed: int) -> None:
    columns, rows = [], []
    rng, first = np.random.default_rng(seed), 0
    for k, kind in enumerate(kinds):
        column, values = column_of(kind, f"c{k}", first, rng, count)
        columns.append(column)
        rows.append(values)
        first += values.shape[1]
    written = tuple(FileColumn(column.name, "learnt") for column in columns)
    spec, x = TableSpec(tuple(columns), "", count=count, written=written), np.concatenate(rows, 1).astype(np.float32)
    nets = TabularR3(**{**TINY, "candidates": 2}).nets(spec)
    TabularR3(**TINY).fit_parts(nets, Rows(spec, x))  # type: ignore[arg-type]
    generator, discriminator = nets["generator"], nets["discriminator"]
    assert isinstance(generator, TableGenerator) and isinstance(discriminator, TableDiscriminator)
    code, real = generator.code, torch.from_numpy(x)
    cells = cells_of(spec, x)
    numbers = [j for j, column in enumerate(columns) if not column.categories]
    encoded, missing = code._codes(real[:, code.numbers].T.double())
    for n, (j, each) in enumerate(zip(numbers, [learn_codes(spec, cells)[j] for j in numbers], strict=True)):
        there = ~missing[n].numpy()
        np.testing.assert_array_equal(encoded[n].numpy()[there], each.encode(cells[there, j]))
    features = discriminator.represent(real)
    assert features.isfinite().all() and discriminator(real).isfinite().all()
    torch.testing.assert_close(discriminator.represent(real[1:]), features[1:])  # whatever else is in the batch
    made = generator.eval()(torch.randn(50, generator.latent_dim))
    assert set(made[:, [i for w in code.words for i in w]].unique().tolist()) <= {0.0, 1.0}
    features = generator.train()(torch.randn(50, generator.row_noise))
    assert features.shape == (50, code.size) and features.isfinite().all()
    for column in columns:
        if RARE in column.categories:
            assert not made[:, column.indices[-1]].any()


@dataclass
class Rows:
    """Rows with their spec, as a data set is indexed."""

    spec: TableSpec
    rows: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, idx: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.rows[idx]


def column_of(
    kind: str, name: str, first: int, rng: np.random.Generator, count: int
) -> tuple[Column, NDArray[np.floating]]:
    """Return a column of this kind and its values `[N, ...]`."""
    if kind in ("word", "rare"):
        words = ("a", "b", RARE) if kind == "rare" else ("a", "b", "c")
        share = [0.4, 0.4, 0.2]
        column = Column(name, (first, first + 1, first + 2), words, False, 0.0, 1.0, None, CellForm())
        word = rng.choice(3, count, p=share)
        word[0] = 0
        return column, np.eye(3)[word]
    decimals = None if kind == "continuous" else 2 if kind in ("few", "gaps") else 0
    values = {
        "few": np.round(rng.normal(size=count), 2), "continuous": rng.normal(size=count) * 1e6,
        "integer": rng.integers(0, 1000, count), "gaps": np.round(rng.normal(size=count), 2),
        "common": rng.choice([1, 2, 7], count),
    }[kind].astype(np.float64)  # fmt: skip
    if kind == "gaps":
        values[rng.random(count) < 0.7] = np.nan
    form = CellForm(decimals, gap="" if kind == "gaps" else None)
    return Column(name, (first,), (), decimals == 0, 0.0, 1.0, None, form), values[:, None]


def test_the_last_adversary_corrects_what_the_game_has_left() -> None:
    recipe = TabularR3(**{**TINY, "candidates": 5})
    torch.manual_seed(0)
    generator = recipe.nets(SPEC)["generator"].eval()
    assert isinstance(generator, TableGenerator)
    fit_code(generator.code, SPEC, table())
    z = torch.randn(2000, generator.latent_dim, generator=torch.Generator().manual_seed(1))

    def dependence() -> float:
        with torch.no_grad():
            cells = cells_of(SPEC, SPEC.decode(generator(z)))
        there = ~np.isnan(cells[:, 0])
        return float(np.corrcoef(cells[there, 0], cells[there, 1])[0, 1])

    before = dependence()
    recipe.fit_last(generator, table(), seed=0)  # type: ignore[arg-type]
    assert abs(before) < 0.1 and dependence() > 0.6


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        ("x<19.99", [True, False, False, False]), ("x<=19.99", [True, True, False, False]),
        ("x>19.99", [False, False, True, False]), ("x>=19.99", [False, True, True, False]),
        ("x=19.99", [False, True, False, False]), ("x!=19.99", [True, False, True, True]),
        ("x=NA", [False, False, False, True]), ("x!=NA", [True, True, True, False]),
        ("word=a", [True, True, False, False]), ("word!=a", [False, False, True, True]),
        ("code=20", [False, False, True, False]),
    ],
)  # fmt: skip
def test_generated_rows_are_compared_as_they_are_written(condition: str, met: list[bool]) -> None:
    x = [19.98, 19.99, 20.0, np.nan]
    rows = np.column_stack([x, np.eye(3)[[0, 0, 1, 2]], np.zeros(4), [10, 10, 20, 30]]).astype(np.float32)
    bound = bound_of(parse_condition(condition, SPEC, "--given"), SPEC, "--given")
    assert bound.meets(cells_of(SPEC, rows)).tolist() == met


@pytest.mark.slow
def test_dependences_are_learnt_and_a_run_is_exact(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(1), tmp_path / "t.csv"
    kind = rng.integers(0, 3, 1500)
    lines = [f"{'abc'[k]},{10 * k + rng.normal():.2f},{'' if rng.random() < 0.2 else k * 5}" for k in kind]
    path.write_text("\n".join(["kind,size,count", *lines]) + "\n")
    recipe = TabularR3(width=64)
    runs = [train(path, recipe, images=150_000, out=tmp_path / name, label="kind") for name in "ab"]
    first, second = (np.concatenate(list(load(run.path).samples(500))) for run in runs)
    np.testing.assert_array_equal(first, second)
    cells = cells_of(load(runs[0].path).spec, first)
    assert abs(np.corrcoef(cells[:, 0], cells[:, 1])[0, 1]) > 0.9
    assert runs[0].best and runs[0].best["score"] == "sliced_wasserstein"  # in spite of gaps
    model, lines = (runs[0].path / "generator.safetensors").read_bytes(), len(runs[0].metrics())
    again = train(path, recipe, images=150_000, out=runs[0].path, label="kind")  # a finished run
    assert (again.path / "generator.safetensors").read_bytes() == model and len(again.metrics()) == lines
    made_path = sample(runs[0].path, 50, label="a", constraint=["size<=0.5", "count!=NA"])
    assert isinstance(made_path, Path)
    made = [line.split(",") for line in made_path.read_text().splitlines()[1:]]
    assert len(made) == 50 and all(kind == "a" and float(size) <= 0.5 and count for kind, size, count in made)
    with pytest.raises(
        UsageError, match="--given kind=a, size=999: 0 of 20,000 generated rows meet it: widen it, or take"
    ):
        sample(runs[0].path, 5, given="kind=a,size=999")
    assert sparring.evaluate(runs[0].path, n=500) is not None
