"""The invertible code of series: log-returns, levels, tails by a hyperbolic sine."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from sparring.engine.data_spec import SeriesSpec, spec_from_json, spec_to_json
from sparring.engine.errors import SparringError
from sparring.engine.series_code import ChannelCode, decode, encode, fit_code, fit_codes, lighten, weight_tails

RNG = np.random.default_rng(0)


def walks(count: int = 200, steps: int = 65, df: float = 4.0) -> np.ndarray:
    """Prices whose log-returns follow Student's t distribution."""
    moves = 0.01 * RNG.standard_t(df, (count, steps))
    return np.exp(RNG.normal(5, 0.3, (count, 1)) + moves.cumsum(1))


@pytest.mark.parametrize("tail", [0.0, 0.2, 1.5])
def test_tails_come_back(tail: float) -> None:
    y = torch.linspace(-4, 4, 101, dtype=torch.float64)
    torch.testing.assert_close(weight_tails(lighten(y, tail), tail, 5.0), y)


def test_prices_are_coded_as_log_returns_and_come_back() -> None:
    x = walks()
    code = fit_code(x, "auto")
    assert code.returns and 0.3 < code.tail < 1.5
    rows = torch.from_numpy(x[:, None])
    z = encode([code], rows)
    assert 3 < code.limit <= 4.5
    usual = (z[:, 0, 1:].abs() < code.limit).all(1)
    assert usual.double().mean() > 0.98
    torch.testing.assert_close(decode([code], z)[usual].double(), rows[usual], rtol=1e-4, atol=0)
    moves = z[:, 0, 1:].double()
    assert float(moves.std()) == pytest.approx(1, abs=0.01)
    assert float((moves**4).mean() / (moves**2).mean() ** 2) == pytest.approx(3, abs=0.1)
    assert float(z[:, 0, 0].std()) == pytest.approx(1, abs=0.02)


def test_a_known_tail_is_found() -> None:
    z = RNG.normal(size=(100, 400))
    code = fit_code(2 + 3 * np.sinh(0.7 * z) / 0.7, "levels")
    assert not code.returns
    assert (code.mean, code.std, code.tail) == pytest.approx((2, 3, 0.7), abs=0.05)


@pytest.mark.parametrize(
    ("x", "returns"),
    [
        (walks(), True),
        (-walks(), False),  # not positive
        (np.exp(RNG.normal(size=(50, 64))), False),  # noise
        (60 + 10 * np.sin(np.arange(64) / 4 + RNG.uniform(0, 6, (50, 1))), False),  # smooth
        (np.full((20, 64), 3.0), False),  # constant
        (walks(steps=1), False),
    ],
)
def test_what_moves_like_a_random_walk(x: np.ndarray, returns: bool) -> None:
    assert fit_code(x, "auto").returns == returns
    assert not fit_code(x, "levels").returns


def test_log_returns_of_what_is_not_positive_are_refused() -> None:
    with pytest.raises(SparringError, match=r"needs values above 0.*--code auto or levels"):
        fit_code(np.array([[0.0, 1.0]]), "returns")
    with pytest.raises(SparringError, match=r"not positive.*--code levels"):
        encode([ChannelCode(True, 0, 1)], torch.zeros(1, 1, 3))


def test_a_spec_with_codes_survives_json_and_any_length() -> None:
    spec = SeriesSpec(("p", "q"), 65, code="auto", codes=(fit_code(walks(), "auto"), ChannelCode(False, 1.0, 2.0)))
    again = spec_from_json(json.loads(json.dumps(spec_to_json(spec))))
    assert again == spec
    assert spec.decode(torch.randn(2, 2, 400)).shape == (2, 2, 400)
    assert np.isfinite(spec.decode(torch.full((1, 2, 5000), 1e6))).all()


def bars(count: int = 200, steps: int = 64) -> np.ndarray:
    """Return open, high, low and close of days, and their volume, `[N, 5, T]`."""
    close = walks(count, steps + 1)
    opens, close = close[:, :-1], close[:, 1:]
    reach = 1 + 0.004 * RNG.exponential(size=(2, count, steps))
    high, low = np.maximum(opens, close) * reach[0], np.minimum(opens, close) / reach[1]
    return np.stack([opens, high, low, close, 1e6 * np.exp(RNG.normal(size=(count, steps)))], 1)


def test_channels_that_stay_near_another_are_coded_as_quotients_in_their_order() -> None:
    x = bars()
    codes = fit_codes(x, "auto")
    assert [code.base for code in codes] == [None, 0, 0, 0, None]
    assert [sorted(code.above) for code in codes] == [[2], [0, 2, 3], [], [2], []]
    spec = SeriesSpec(tuple("ohlcv"), 64, codes=codes)
    again = spec_from_json(json.loads(json.dumps(spec_to_json(spec))))
    assert again == spec
    rows = torch.from_numpy(x)
    z = encode(codes, rows)
    usual = (z[:, :, 1:].abs() < torch.tensor([code.limit for code in codes])[:, None]).all(2).all(1)
    assert usual.double().mean() > 0.9
    torch.testing.assert_close(decode(codes, z)[usual].double(), rows[usual], rtol=1e-4, atol=0)
    made = decode(codes, torch.randn(100, 5, 200, generator=torch.Generator().manual_seed(0)))
    opens, high, low, close, _ = made.unbind(1)
    assert (high >= torch.maximum(opens, close)).all() and (low <= torch.minimum(opens, close)).all()
    assert float((high / low).log().abs().max()) < 1  # no drift over 200 steps


def test_order_is_kept_along_a_chain_of_channels() -> None:
    low = RNG.uniform(1, 6, (50, 16))
    middle = np.maximum(low, RNG.uniform(5, 11, (50, 16)))
    high = np.maximum(middle, RNG.uniform(10, 12, (50, 16)))  # never as low as the largest `low`
    codes = fit_codes(np.stack([high, middle, low], 1), "levels")
    assert [code.above for code in codes] == [(1, 2), (2,), ()]
    made = decode(codes, 3 * torch.randn(500, 3, 16, generator=torch.Generator().manual_seed(0)))
    assert (made[:, 0] >= made[:, 1]).all() and (made[:, 1] >= made[:, 2]).all()


def test_unrelated_prices_are_coded_by_themselves() -> None:
    x = np.stack([walks(), walks()], 1)
    assert [(code.base, code.above) for code in fit_codes(x, "auto")] == [(None, ()), (None, ())]


def test_a_quotient_of_a_value_that_is_not_positive_is_refused() -> None:
    x = bars()
    codes = fit_codes(x, "auto")
    x[0, 1, 5] = 0
    with pytest.raises(SparringError, match="not positive: read it by --code levels"):
        encode(codes, torch.from_numpy(x))
