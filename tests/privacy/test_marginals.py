"""Marginals: the projection, raking, reconciling, and trees against known distributions."""

import numpy as np
import pytest

from sparring.privacy import marginals
from sparring.privacy.ledger import Budget, Ledger
from sparring.privacy.secret import SecretNoise

SECRET = SecretNoise(b"s" * 32)


def chain(count, seed=0):
    """Return rows of four columns: b copies a, c copies b in nine of ten rows, d is independent."""
    rng = np.random.default_rng(seed)
    a = rng.choice(3, count, p=[0.6, 0.3, 0.1])
    c = np.where(rng.random(count) < 0.9, a, rng.integers(0, 3, count))
    return np.stack([a, a, c, rng.integers(0, 2, count)], 1)


def test_projection_is_the_nearest_point_of_the_simplex():
    projected = marginals.project_to_simplex(np.array([[5.0, -1.0], [3.0, 0.5]]), 6.0)
    np.testing.assert_allclose(projected, [[4.0, 0.0], [2.0, 0.0]])
    x = np.random.default_rng(0).normal(size=20)
    assert marginals.project_to_simplex(x, 1.0).sum() == pytest.approx(1)
    np.testing.assert_allclose(marginals.project_to_simplex(np.array([0.25, 0.75]), 1.0), [0.25, 0.75])


def test_raking_reaches_both_margins():
    joint = marginals.rake(np.array([[3.0, 1.0], [0.0, 2.0]]), np.array([2.0, 4.0]), np.array([1.0, 5.0]))
    np.testing.assert_allclose(joint.sum(1), [2, 4], rtol=1e-6)
    np.testing.assert_allclose(joint.sum(0), [1, 5], rtol=1e-6)


def test_reconciled_margins_are_weighted_by_inverse_variance():
    pair = np.array([[10.0, 0.0], [0.0, 30.0]])
    ones = [np.array([14.0, 26.0]), np.array([10.0, 30.0])]
    (first, second) = marginals.reconcile(ones, [np.full(2, 2.0), np.full(2, 2.0)], {(0, 1): pair}, 1.0, 40.0)
    np.testing.assert_allclose(first, [12.0, 28.0])  # a sum of two cells of variance 1 weighs as much
    np.testing.assert_allclose(second, [10.0, 30.0])


def test_rare_categories_share_a_code():
    assert marginals.merge_rare(np.array([100.0, 2.0, 50.0, -3.0]), 10.0).tolist() == [0, 2, 1, 2]
    assert marginals.merge_rare(np.array([100.0, 50.0]), 10.0).tolist() == [0, 1]


def test_the_tree_follows_dependence_and_its_tables_the_data():
    codes = chain(20_000)
    tree, releases = marginals.release_tree(codes, (3, 3, 3, 2), 20_000.0, 1e4, SECRET, 0, pairs=True)
    joined = {frozenset((child, parent)) for child, parent in enumerate(tree.parents) if parent >= 0}
    assert frozenset((0, 1)) in joined and len(joined) == 3
    assert frozenset((0, 2)) in joined or frozenset((1, 2)) in joined
    np.testing.assert_allclose(tree.tables[0], [[0.6, 0.3, 0.1]], atol=0.02)
    np.testing.assert_allclose(tree.tables[1], np.eye(3), atol=0.02)
    for table in tree.tables:
        np.testing.assert_allclose(table.sum(1), 1)
    assert len(releases) == 3


@pytest.mark.parametrize("pairs", [True, False])
def test_the_releases_cost_rho_in_all(pairs):
    rho = 0.03
    _, releases = marginals.release_tree(chain(500), (3, 3, 3, 2), 500.0, rho, SECRET, 0, pairs=pairs)
    assert sum(release.mechanism.rho for release in releases) == pytest.approx(rho)
    assert Ledger(Budget(1.0, 1e-5)).add(*releases).epsilon() <= 1.0


def test_class_counts_are_noisy_and_positive():
    counts, release = marginals.release_classes(np.array([0] * 50), 3, 0.5, SECRET)
    assert counts[0] == pytest.approx(50, abs=5) and (counts >= 1).all() and counts[0] != 50
    assert release.mechanism.rho == pytest.approx(0.5)


def test_a_single_column_and_an_empty_class():
    tree, releases = marginals.release_tree(np.zeros((0, 1), np.int64), (4,), 1.0, 1.0, SECRET, 0, pairs=True)
    assert tree.order == (0,) and tree.tables[0].shape == (1, 4) and len(releases) == 1
    tree, _ = marginals.release_tree(np.zeros((0, 3), np.int64), (4, 2, 5), 1.0, 1.0, SECRET, 0, pairs=True)
    assert all(np.isfinite(table).all() for table in tree.tables)
