"""Stylised facts of series against closed forms, and the scores made of them."""

from __future__ import annotations

import numpy as np
import pytest

from sparring.engine.data_spec import SeriesSpec
from sparring.engine.series_code import ChannelCode
from sparring.measure.kinds.kind_measures import Comparison, compare, unlabelled
from sparring.measure.kinds.series_facts import (
    Fact,
    autocorrelation,
    cross_correlation,
    kurtosis,
    lags_of,
    leverage,
    spectrum,
    tail_index,
)
from sparring.measure.kinds.series_measures import boosted, distances, values
from sparring.measure.kinds.series_moves import from_moves, join_windows, to_moves
from sparring.measure.kinds.series_two_sample import two_sample_auc

STEPS = 64


def noise(count: int = 4000, channels: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, channels, STEPS))


def ar1(phi: float, count: int = 4000) -> np.ndarray:
    shocks = noise(count)
    x = np.empty_like(shocks)
    x[..., 0] = shocks[..., 0] / np.sqrt(1 - phi**2)
    for t in range(1, STEPS):
        x[..., t] = phi * x[..., t - 1] + shocks[..., t]
    return x


def test_the_autocorrelation_of_a_first_order_process_falls_geometrically() -> None:
    fact = autocorrelation(lambda x: x, STEPS)
    lags = np.array(lags_of(STEPS))
    assert len(lags) == 16
    np.testing.assert_allclose(fact(5 + ar1(0.8)), 0.8**lags, atol=0.03)
    np.testing.assert_allclose(autocorrelation(np.abs, STEPS)(noise()), 0, atol=0.01)


def test_autocorrelations_of_several_channels_are_those_of_each() -> None:
    x, fact = np.concatenate([ar1(0.5), noise()], 1), autocorrelation(lambda x: x, STEPS)
    both = fact(x).reshape(-1, 2)
    np.testing.assert_allclose(both[:, 0], fact(x[:, :1]))
    np.testing.assert_allclose(both[:, 1], fact(x[:, 1:]))


def test_leverage_is_negative_where_falls_are_followed_by_large_moves() -> None:
    z = noise()
    x = z.copy()
    x[..., 1:] *= np.exp(-0.5 * z[..., :-1])
    first = leverage(STEPS)(x)
    assert first[0] < -0.2 and abs(first[5:]).max() < 0.02
    assert abs(leverage(STEPS)(z)).max() < 0.02


def test_kurtosis_of_known_distributions() -> None:
    rng = np.random.default_rng(0)
    x = np.stack([rng.normal(3, 2, (4000, STEPS)), rng.uniform(size=(4000, STEPS)), rng.laplace(size=(4000, STEPS))], 1)
    np.testing.assert_allclose(kurtosis()(x), [3, 1.8, 6], rtol=0.03)


def test_the_tail_index_of_a_pareto_distribution() -> None:
    x = (1 + np.random.default_rng(0).pareto(3.0, (4000, 1, STEPS))) * np.where(noise() > 0, 1, -1)
    assert tail_index(x)(x) == pytest.approx(3.0, rel=0.05)


def test_correlations_between_channels() -> None:
    x = noise(channels=3)
    x[:, 1] = 0.6 * x[:, 0] + 0.8 * x[:, 1]
    np.testing.assert_allclose(cross_correlation(3)(x), [0.6, 0, 0], atol=0.01)


def test_the_spectrum_of_noise_is_flat_and_that_of_a_wave_a_peak() -> None:
    np.testing.assert_allclose(spectrum(1)(noise())[:-1], 0, atol=0.1)
    wave = np.sin(2 * np.pi * 5 * np.arange(STEPS) / STEPS) * np.ones((10, 1, 1))
    assert spectrum(1)(wave).argmax() == 4


def test_facts_of_resampled_windows_are_those_of_repeated_ones() -> None:
    x = ar1(0.5, 20)
    weights = np.array([2, 0] * 10) / 20
    facts: list[Fact] = [autocorrelation(np.abs, STEPS), leverage(STEPS), kurtosis(), spectrum(1)]
    for fact in facts:
        drawn = np.repeat(x[::2], 2, axis=0)
        np.testing.assert_allclose(fact.value(weights @ fact.sums(x)), fact(drawn))


def test_moves_and_windows_are_inverse() -> None:
    x = np.exp(noise(5, 2) / 10)
    moves = to_moves(x, (True, False))
    np.testing.assert_allclose(from_moves(moves, x[:, :, 0], (True, False)), x, rtol=1e-5)


@pytest.mark.parametrize("hop", [1, 3, 10])
def test_overlapping_windows_are_joined_to_the_series_that_they_were_cut_from(hop: int) -> None:
    long = noise(8).reshape(2, -1)
    first = np.stack([long[:, k : k + 10] for k in range(0, 50, hop)])
    other = np.stack([long[:, k : k + 10] for k in range(100, 120, hop)])
    parts = join_windows(np.concatenate([first, other]))
    if hop < 10:
        assert len(parts) == 2
        np.testing.assert_array_equal(parts[0], long[:, : parts[0].shape[1]])
        np.testing.assert_array_equal(parts[1], long[:, 100 : 100 + parts[1].shape[1]])
    else:
        assert len(parts) == len(first) + len(other)


def test_boosted_trees_tell_clusters_of_volatility_from_their_absence() -> None:
    pytest.importorskip("sklearn")
    x, y = noise(300, seed=1), noise(300, seed=2)
    same = two_sample_auc(x, y)
    assert same is not None and same.low < 0.5 < same.high
    size = np.exp(np.repeat(np.random.default_rng(0).normal(size=(300, 1, 8)), 8, axis=2))
    other = two_sample_auc(x * size / np.sqrt((size**2).mean()), y)
    assert other is not None and other.low > 0.8


def test_scores_of_series_name_what_is_wrong() -> None:
    spec = SeriesSpec(("p",), STEPS + 1, codes=(ChannelCode(True, 0.0, 1.0),))

    def prices(moves: np.ndarray) -> np.ndarray:
        return from_moves(moves / 100, np.full((len(moves), 1), 100.0), (True,))

    real, same = unlabelled(prices(ar1(0.5, 300))), unlabelled(prices(ar1(0.5, 600)[300:]))
    other = unlabelled(prices(noise(300, seed=3)))
    good, bad = (Comparison(spec, samples, real, real) for samples in (same, other))
    assert distances(bad)["acf[x]"].low > distances(good)["acf[x]"].value
    kurt = values(good)["kurtosis"]
    assert kurt.low < 3 < kurt.high
    pytest.importorskip("sklearn")
    assert boosted(bad)["two-sample AUC"].low > 0.6
    scores = {score.name: score for score in compare(good)}
    assert {"real halves", "copies", "iid bootstrap", "block bootstrap", "VAR(1)", "GARCH-t"} == set(
        scores["acf[x]"].beside
    )
    assert scores["acf[x]"].beside["VAR(1)"] < scores["acf[x]"].beside["iid bootstrap"]
