"""Adversarial random forests: leaves, marginals, dependence, evidence, exact seeds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from mixed_table import SPEC
from sklearn.ensemble import GradientBoostingClassifier

from sparring.commands.sampling.conditions import parse_condition, parse_conditions, with_conditions
from sparring.data.tables.codes import cells_of
from sparring.engine.data_spec import Column, TableSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.table_form import RARE, CellForm, FileColumn
from sparring.models.generator import GeneratorModel
from sparring.models.load_generator import load_generator
from sparring.nets.leaf_tables import LeafTables
from sparring.nets.tree_odds import TreeOdds
from sparring.recipes.fitted import FittedRecipe
from sparring.recipes.generators.arf import ARF
from sparring.recipes.generators.forests import fit_judge


def rows(count: int = 3000) -> np.ndarray:
    """Return rows: x around 10 times the word, a gap in a tenth, n from 0 to 9 and 50 % of zeros."""
    rng = np.random.default_rng(0)
    word = rng.choice(3, count, p=[0.5, 0.3, 0.2])
    x = np.round(10 * word + rng.normal(size=count), 2)
    x[rng.random(count) < 0.1] = np.nan
    n = np.where(rng.random(count) < 0.5, 0, rng.integers(0, 10, count))
    return np.column_stack([x, np.eye(3)[word], n, 10 * (word + 1)]).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> GeneratorModel:
    recipe = ARF(trees=5, leaf_rows=10)
    net = recipe.fit(SPEC, rows(), np.full(3000, -1), 0, lambda done, total: None)["generator"]
    return GeneratorModel(net, SPEC, recipe, metadata={"custom_nets": False})


def cells(model: GeneratorModel, count: int = 4000) -> np.ndarray:
    return cells_of(SPEC, np.concatenate(list(model.samples(count, seed=1))))


def test_it_meets_the_protocol(model: GeneratorModel) -> None:
    assert isinstance(model.recipe, FittedRecipe) and isinstance(model.generator, LeafTables)
    with pytest.raises(UsageError, match="fitted at once"):
        model.recipe.system(SPEC, {}, 1)
    assert float(model.generator.accuracies[0]) > 0.6


def test_marginals_gaps_and_dependence(model: GeneratorModel) -> None:
    real, fake = cells_of(SPEC, rows()), cells(model)
    assert np.isnan(fake[:, 0]).mean() == pytest.approx(np.isnan(real[:, 0]).mean(), abs=0.02)
    for k in range(3):
        assert (fake[:, 1] == k).mean() == pytest.approx((real[:, 1] == k).mean(), abs=0.03)
        assert np.nanmean(fake[fake[:, 1] == k, 0]) == pytest.approx(10 * k, abs=1)
    assert (fake[:, 2] == 0).mean() == pytest.approx((real[:, 2] == 0).mean(), abs=0.03)
    assert set(fake[:, 2]) <= set(range(10)) and np.array_equal(fake[:, 3], 10 * (fake[:, 1] + 1))
    two_digits = np.round(fake[:, 0].astype(np.float64), 2)
    assert np.allclose(fake[:, 0], two_digits, atol=1e-4, equal_nan=True)


def test_the_same_seed_gives_the_same_bits() -> None:
    first, second = (
        ARF(trees=3).fit(SPEC, rows(500), np.full(500, -1), 4, lambda done, total: None)["generator"] for _ in range(2)
    )
    assert all(
        torch.equal(a.nan_to_num(-9), b.nan_to_num(-9)) for a, b in zip(first.buffers(), second.buffers(), strict=True)
    )


def test_sample_k_depends_on_seed_and_k_alone(model: GeneratorModel) -> None:
    few, many = (np.concatenate(list(model.samples(n, seed=3))) for n in (5, 70))
    assert np.array_equal(few, many[:5], equal_nan=True)


def test_it_is_saved_without_a_pickle(model: GeneratorModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    again = load_generator(tmp_path)
    assert np.array_equal(*(np.concatenate(list(m.samples(40))) for m in (model, again)), equal_nan=True)


def test_no_code_ends_at_an_extreme(model: GeneratorModel) -> None:
    net, x = model.generator, np.sort(rows()[:, 0][~np.isnan(rows()[:, 0])])
    assert isinstance(net, LeafTables)
    of_x = slice(int(net.first[0]), int(net.first[1]))
    assert np.nanmin(net.low[of_x]) >= x[4] and np.nanmax(net.high[of_x]) <= x[-5]


def test_leaves_hold_enough_rows(model: GeneratorModel) -> None:
    assert isinstance(model.generator, LeafTables) and float(model.generator.leaf_masses.min()) >= 10


@pytest.mark.parametrize("text", ["word=b", "code=20", "code>15,code<25", "word!=a,word!=c"])
def test_words_and_rebuilt_columns_as_conditions(model: GeneratorModel, text: str) -> None:
    fake = cells(with_conditions(model, parse_conditions(text, SPEC, "--given"), "--given"), 300)
    assert (fake[:, 1] == 1).all() and (fake[:, 3] == 20).all()
    assert np.nanmean(fake[:, 0]) == pytest.approx(10, abs=0.5)


def test_numbers_as_conditions(model: GeneratorModel) -> None:
    def given(text: str) -> np.ndarray:
        return cells(with_conditions(model, parse_conditions(text, SPEC, "--given"), "--given"), 300)

    assert (given("n=7")[:, 2] == 7).all()
    x = given("x >= 5, x < 12.5")[:, 0]
    assert x.min() >= 5 and x.max() < 12.5
    assert (given("x=9.87")[:, 1] == 1).mean() > 0.95 and np.allclose(given("x=9.87")[:, 0], 9.87)
    assert np.isnan(given("x=NA")[:, 0]).all() and not np.isnan(given("x!=NA")[:, 0]).any()


def test_evidence_is_exact() -> None:
    """Two leaves of two columns: posterior by hand."""
    net = LeafTables([(0,), (1,)], 2)
    net.leaf_masses = torch.tensor([30.0, 10.0], dtype=torch.float64)
    net.offsets = torch.tensor([0, 2, 4, 6, 8])
    net.codes = torch.tensor([0, 1, 0, 1, 0, 1, 0, 1], dtype=torch.int16)
    net.masses = torch.tensor([27.0, 3, 15, 15, 1, 9, 2, 8])
    net.first = torch.tensor([0, 2, 4])
    net.low = net.high = torch.tensor([0.0, 1, 0, 1], dtype=torch.float64)
    net.scale = torch.ones(2, dtype=torch.float64)
    given = net.restricted(torch.tensor([0.0, 1, 1, 1], dtype=torch.float64), net.low, net.high)
    posterior = given.leaf_masses / given.leaf_masses.sum()
    expected = torch.tensor([30 * 0.1, 10 * 0.9], dtype=torch.float64)
    assert torch.allclose(posterior, expected / expected.sum())
    fake = given(torch.randn(20_000, net.latent_dim, generator=torch.Generator().manual_seed(0)))
    assert (fake[:, 0] == 1).all()
    assert float(fake[:, 1].mean()) == pytest.approx(float(posterior[0] * 0.5 + posterior[1] * 0.8), abs=0.01)


def test_leaves_hold_20_rows_or_5_percent() -> None:
    for count, expected in ((50, 5), (200, 10), (100_000, 20)):
        assert ARF().resolve(replace(SPEC, count=count), Hardware.find("cpu")).leaf_rows == expected
    assert ARF(leaf_rows=3).resolve(SPEC, Hardware.find("cpu")).leaf_rows == 3


def test_wrong_conditions_name_the_way_out(model: GeneratorModel) -> None:
    for text, message in {
        "wrd=a": "no column 'wrd'.*'word'", "word": "no condition", "word<b": "holds words", "x=abc": "not a number",
        "word=d": "--given word=d",
    }.items():  # fmt: skip
        with pytest.raises(UsageError, match=message):
            with_conditions(model, parse_conditions(text, SPEC, "--given"), "--given")
    with pytest.raises(UsageError, match="no training row is near"):
        with_conditions(model, [parse_condition("n > 99", SPEC, "--constraint")], "--constraint")
    with pytest.raises(SparringError, match="10 rows or more"):
        ARF().fit(SPEC, rows(9), np.full(9, -1), 0, lambda done, total: None)


def test_the_last_forest_equals_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.normal(0.5, 1, (400, 3)).astype(np.float32), rng.normal(size=(400, 3)).astype(np.float32)
    fit_judge(real, fake, 7, judge := TreeOdds())
    same = GradientBoostingClassifier(
        n_estimators=100, max_depth=6, min_samples_leaf=20, subsample=0.3, n_iter_no_change=10, max_features=1,
        random_state=7,
    ).fit(np.concatenate([real, fake]), np.repeat([1, 0], 400))  # fmt: skip
    assert np.allclose(judge(torch.from_numpy(real)).numpy(), same.decision_function(real), atol=1e-4)
    again = TreeOdds()
    again.load_state_dict(judge.state_dict())
    assert torch.equal(again(torch.from_numpy(fake)), judge(torch.from_numpy(fake)))


def test_candidates_are_selected_by_the_odds() -> None:
    """Two words of equal mass, one with odds 3: it is selected more often the more candidates there are."""
    net = LeafTables([(0, 1)], 2, candidates=8)
    net.offsets, net.codes, net.masses = torch.tensor([0, 2]), torch.tensor([0, 1]).short(), torch.ones(2)
    net.first, net.ranks = torch.tensor([0, 2]), torch.tensor([0.0, 1.0])
    net.low = net.high = torch.tensor([0.0, 1.0], dtype=torch.float64)
    judge = net.judge
    judge.feature, judge.threshold = torch.zeros(1, 3).long(), torch.tensor([[0.5, 0, 0]])
    judge.left, judge.right = torch.tensor([[1, 1, 2]]), torch.tensor([[2, 1, 2]])
    judge.value, judge.depth = torch.tensor([[0.0, 0.0, float(np.log(3))]]), torch.tensor(1)
    rows = net(torch.randn(20_000, net.latent_dim, generator=torch.Generator().manual_seed(0)))
    assert (rows.sum(1) == 1).all()
    ones = np.random.default_rng(0).binomial(8, 0.5, 200_000)  # of 8 candidates
    expected = float((3 * ones / (3 * ones + 8 - ones)).mean())
    assert float(rows[:, 1].mean()) == pytest.approx(expected, abs=0.012)


def test_rare_words_leave_their_rows_to_other_words() -> None:
    column = Column("w", (0, 1, 2), ("a", RARE, ""), False, 0.0, 1.0, None, CellForm(gap=""))
    spec = TableSpec((column, *SPEC.columns[2:3]), "", written=(FileColumn("w", "learnt"), FileColumn("n", "learnt")))
    spec = replace(spec, columns=(column, replace(spec.columns[1], indices=(3,))))
    rng = np.random.default_rng(0)
    table = np.column_stack([np.eye(3)[rng.choice(3, 600, p=[0.3, 0.1, 0.6])], rng.integers(5, size=600)])
    recipe = ARF(trees=3)
    net = recipe.fit(spec, table.astype(np.float32), np.full(600, -1), 0, lambda done, total: None)["generator"]
    fake = np.concatenate(list(GeneratorModel(net, spec, recipe).samples(3000)))
    assert not fake[:, 1].any() and fake[:, 2].mean() == pytest.approx(table[:, 2].mean(), abs=0.03)


def test_the_last_forest_brings_a_lost_dependence_back() -> None:
    """A product of two numbers that coarse leaves lose."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 4000))
    columns = tuple(Column(name, (k,), (), False, 0.0, 0.0, None, CellForm(2)) for k, name in enumerate("abc"))
    spec = TableSpec(columns, "", written=tuple(FileColumn(c.name, "learnt") for c in columns))
    table = np.column_stack([a, b, a * b + 0.1 * rng.normal(size=4000)]).round(2).astype(np.float32)

    def error(candidates: int) -> float:
        recipe = ARF(trees=5, leaf_rows=200, candidates=candidates)
        net = recipe.fit(spec, table, np.full(4000, -1), 0, lambda done, total: None)["generator"]
        x = np.concatenate(list(GeneratorModel(net, spec, recipe).samples(2000, seed=1)))
        return float(np.abs(x[:, 2] - x[:, 0] * x[:, 1]).mean())

    assert error(8) < 0.85 * error(1)
