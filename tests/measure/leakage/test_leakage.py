"""Fresh adversaries: planted leaks are read, shuffled groups are not, certificates bound the truth."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from sparring.measure.leakage import adversaries
from sparring.measure.leakage.adversaries import (
    FAMILIES,
    Adversary,
    group_weights,
    logistic,
    neighbours,
    network,
    prepare,
)
from sparring.measure.leakage.attack import attack, halves
from sparring.measure.leakage.audit import Audited, audit
from sparring.measure.leakage.certificate import certificate, codes_of, slack
from sparring.measure.leakage.result import FEATURES, RAW, SHUFFLED

NAMES = ("a", "b")
LINEAR = {"logistic regression": FAMILIES["logistic regression"]}


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adversaries, "SEEDS", 1)


def xor(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)
    return x, ((x[:, 0] > 0) ^ (x[:, 1] > 0)).astype(np.int64)


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "logistic regression"])
def test_each_nonlinear_family_reads_an_exclusive_or(family: str) -> None:
    x, groups = xor(800, 0)
    name, fit = list(FAMILIES[family].settings.items())[-1 if family == "boosted trees" else 0]
    fit = network(1) if family == "network" else fit
    leak = attack(x, groups, NAMES, attacked=FEATURES, families={family: Adversary({name: fit})})
    assert leak.auc.low > 0.7 and leak.balanced_accuracy.low > 0.6 and leak.bits.low > 0.05
    assert leak.gap is not None and leak.gap.low == pytest.approx(2 * leak.balanced_accuracy.low - 1)
    assert leak.train_rows + leak.test_rows == 800
    assert leak.test_rows == sum(each.total for each in leak.recalls.values())


def test_trees_of_many_columns_grow_on_those_that_differ_among_the_groups() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 3, 400)
    x = rng.normal(0, 5, (400, 1000)).astype(np.float32)
    x[:, 700] += 20 * groups  # 4 deviations
    scores = adversaries.boosting(8)(x[:300], groups[:300], 0)(x[300:])
    assert (scores.argmax(1) == groups[300:]).mean() > 0.9


def test_a_linear_adversary_does_not_and_the_best_family_is_reported() -> None:
    x, groups = xor(600, 1)
    families = {**LINEAR, "network": Adversary({"": network(1)})}
    leak = attack(x, groups, NAMES, attacked=FEATURES, families=families)
    assert leak.adversary == "network"
    assert leak.families["logistic regression"] < 0.6 < leak.families["network"]


def test_parity_of_bits_in_finite_codes_is_read_and_certified_as_unbounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparring.measure.leakage.attack.available", lambda: LINEAR)  # reads codes given one-hot
    bits = np.random.default_rng(2).integers(0, 2, (1600, 6))
    report = audit(Audited(bits.astype(np.float32), bits.sum(1) % 2, NAMES))
    leak = report.of(FEATURES)
    assert leak is not None and leak.auc.low > 0.99
    assert report.certificates[0].codes == 64 and report.certificates[0].bound == 1


def test_logistic_regression_agrees_with_scikit_learn() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(3)
    x = rng.normal(size=(300, 5)).astype(np.float32)
    groups = np.digitize(x[:, 0] + rng.normal(size=300), [-0.5, 0.5])
    theirs = linear_model.LogisticRegression(C=1 / (0.01 * 300), tol=1e-8).fit(x, groups, group_weights(groups))
    ours = logistic(0.01)(x, groups, 0)
    np.testing.assert_allclose(np.exp(ours(x)), theirs.predict_proba(x), atol=2e-3)


def test_intervals_cover_and_shuffled_groups_are_not_read() -> None:
    """One adversary, fixed by what it learnt: its figures on fresh rows against those on very many."""
    rng, covered = np.random.default_rng(4), []
    for k in range(40):
        groups = rng.integers(0, 2, 200)
        x = rng.normal(size=(200, 3)).astype(np.float32)
        leak = attack(x, groups, NAMES, attacked=FEATURES, families=LINEAR, seed=k)
        covered.append((leak.auc.low <= 0.5, leak.balanced_accuracy.low <= 0.5 <= leak.balanced_accuracy.high))
    for hits in np.sum(covered, 0):
        assert hits >= 34  # binomial with 95 %: fewer in 0.5 % of all cases


def test_an_adversary_that_memorises_its_rows_is_at_chance() -> None:
    rng = np.random.default_rng(8)
    groups, x = rng.integers(0, 2, 400), rng.normal(size=(400, 3)).astype(np.float32)
    leak = attack(x, groups, NAMES, attacked=FEATURES, families={"nearest": Adversary({"": neighbours(1)})})
    assert leak.auc.low == 0.5 and leak.balanced_accuracy.value < 0.65 and leak.families["nearest"] < 0.6


def test_more_than_two_groups() -> None:
    rng = np.random.default_rng(5)
    groups = rng.integers(0, 3, 900)
    x = rng.normal(size=(900, 4)).astype(np.float32)
    x[:, 1] += groups == 1
    leak = attack(x, groups, ("a", "b", "c"), attacked=FEATURES, families=LINEAR)
    assert leak.auc.low > 0.5 and 1 / 3 < leak.balanced_accuracy.value < 0.6
    assert leak.gap is None and list(leak.recalls) == ["a", "b", "c"]


def test_audit_attacks_raw_data_shuffled_groups_and_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparring.measure.leakage.attack.available", lambda: LINEAR)
    rng = np.random.default_rng(6)
    groups, labels = rng.integers(0, 2, 600), rng.integers(0, 3, 600)
    labels[labels == 2] = np.where(groups[labels == 2] == 0, 2, 0)  # class 2 lacks group b
    raw = rng.normal(size=(600, 3)).astype(np.float32) + groups[:, None]
    code = rng.integers(0, 4, 600)[:, None].astype(np.float32)
    report = audit(Audited(code, groups, NAMES, raw, labels, ("x", "y", "z")))
    assert [(leak.attacked, leak.label) for leak in report.leaks] == [
        (FEATURES, None), (RAW, None), (SHUFFLED, None), (FEATURES, "x"), (RAW, "x"), (FEATURES, "y"), (RAW, "y"),
    ]  # fmt: skip
    raw_leak, leak = report.of(RAW), report.of(FEATURES)
    assert raw_leak is not None and leak is not None and raw_leak.auc.low > 0.8 > 0.6 > leak.auc.high
    assert [each.label for each in report.certificates] == [None, "x", "y"]
    assert any("class z: left out, only 0 of its rows are of the group b" in each for each in report.warnings)
    assert report.to_json()["leaks"][0]["auc"]["value"] == pytest.approx(leak.auc.value, abs=1e-6)


# certificate


@pytest.mark.parametrize("codes", [4, 32])
def test_certificate_bounds_the_true_distance(codes: int) -> None:
    rng = np.random.default_rng(codes)
    p, q = rng.dirichlet(np.ones(codes), 2)
    truth, groups = np.abs(p - q).sum() / 2, np.repeat([0, 1], [150, 250])
    bounds = []
    for _ in range(300):
        drawn = np.concatenate([rng.choice(codes, 150, p=p), rng.choice(codes, 250, p=q)])
        bounds.append(certificate(drawn, groups, NAMES, None, 1).bound)
    assert np.mean(np.array(bounds) >= truth) >= 0.95


def test_slack_is_mcdiarmids_on_the_test_rows_of_adult() -> None:
    assert slack((5_421, 10_860), 0.05) == pytest.approx(0.0204, abs=1e-4)


def test_certificate_of_three_groups_is_that_of_the_worst_pair() -> None:
    groups = np.repeat([0, 1, 2], 1000)
    codes = np.concatenate([np.arange(1000) % 2, np.arange(1000) % 2, np.zeros(1000, int)])
    worst = certificate(codes, groups, ("a", "b", "c"), None, 1)
    assert worst.distance == pytest.approx(0.5) and "c" in worst.pair
    assert worst.bound == pytest.approx(0.5 + slack((1000, 1000), 0.05 / 3))


def test_codes_are_detected() -> None:
    rng = np.random.default_rng(7)
    assert codes_of(rng.normal(size=(1000, 2)).astype(np.float32)) is None
    codes = codes_of(rng.integers(0, 3, (1000, 2)).astype(np.float32))
    assert codes is not None and codes.max() == 8
    assert codes_of(np.arange(100, dtype=np.float32)[:, None] // 2) is None  # two rows a code say nothing


# parts


def test_halves_share_no_row_and_keep_the_proportions() -> None:
    groups = np.repeat([0, 1], [100, 40])
    train, test = halves(groups, np.random.default_rng(0))
    assert sorted([*train, *test]) == list(range(140))
    assert np.bincount(groups[train]).tolist() == [50, 20]


def test_standardisation_leaves_constant_columns_out_and_cuts_outliers() -> None:
    x = np.stack([np.full(50, 3.0), np.arange(50.0)], 1).astype(np.float32)
    scale = prepare(x)
    assert scale(x).shape == (50, 1) and scale(np.array([[9, 1e9]], np.float32)) == 10
    assert prepare(x[:, :1])(x[:, :1]).tolist() == [[0.0]] * 50


def test_too_few_rows_of_a_group() -> None:
    with pytest.raises(ValueError, match="20 rows or more"):
        attack(np.zeros((30, 1), np.float32), np.repeat([0, 1], [25, 5]), NAMES, attacked=FEATURES)


def test_a_network_of_whole_examples_reads_their_order_and_repeats() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 2, 400)
    x = rng.normal(0, 0.1, (400, 1, 8, 8)).astype(np.float32)
    x[np.arange(400), 0, 2 + 4 * groups, 3] += 2

    def build(count: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, count))

    fit = adversaries.network_of(build, (1, 8, 8))
    rows = x.reshape(400, -1)
    scores = [fit(rows[:300], groups[:300], seed)(rows[300:]) for seed in (0, 0)]
    assert (scores[0].argmax(1) == groups[300:]).mean() > 0.95
    assert np.array_equal(*scores)
