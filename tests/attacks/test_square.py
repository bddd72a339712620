from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sparring.attacks.norms import length
from sparring.attacks.square import _exchange, _hump, _image_shape, _repaint, _Sampler, _side, square, square_fraction
from sparring.attacks.threat_model import Threat
from sparring.engine.errors import UsageError


def test_schedule_is_that_of_the_paper() -> None:
    """Andriushchenko et al. 2020, section 4.1: p is halved after 10, 50, 200, 1000 ... steps of 10,000."""
    after = {0: 1, 10: 1, 11: 2, 51: 4, 201: 8, 501: 16, 1001: 32, 2001: 64, 4001: 128, 5000: 128, 6001: 256, 8001: 512}
    assert {step: 0.8 / square_fraction(step, 0.8) for step in after} == pytest.approx(after)
    assert _side((3, 32, 32), 0.8) == (29, 29)
    assert _side((1, 1, 1000), 0.05) == (1, 50)
    assert _side((1, 8, 8), 1e-6) == (1, 1) and _side((1, 8, 8), 1e-6, min_side=3) == (3, 3)


def test_humps_have_norm_one_and_peak_in_the_centre() -> None:
    for norm in ("L2", "L1"):
        hump = _hump(5, 7, norm)
        assert float(length(norm, hump[None])) == pytest.approx(1)  # type: ignore[arg-type]
        assert hump.argmax() == 2 * 7 + 3
    torch.testing.assert_close(_hump(3, 3, "L2")[1, 1] / _hump(3, 3, "L2")[0, 0], torch.tensor(5.0).double())


@pytest.mark.parametrize("shape", [(4, 3, 12, 12), (4, 1, 60), (4, 30)], ids=["image", "waveform", "table"])
@pytest.mark.parametrize(("norm", "eps"), [("L2", 1.0), ("L1", 4.0)])
def test_exchange_uses_the_whole_ball_and_changes_two_windows(shape: tuple[int, ...], norm: str, eps: float) -> None:
    x = torch.full(shape, 0.5)
    region = Threat(norm, eps, low=-9, high=9).around(x)  # type: ignore[arg-type]
    sampler = _Sampler(0, _image_shape(x), x)
    x_adv = x + eps / length(norm, torch.ones_like(x))[0]  # type: ignore[arg-type]
    points = _exchange(region, x_adv, 0.05, sampler)
    torch.testing.assert_close(length(norm, points - x), torch.full((4,), eps), rtol=1e-4, atol=1e-4)  # type: ignore[arg-type]
    assert ((points != x_adv).flatten(1).sum(1) > 0).all()


def test_repaint_sets_a_square_to_one_bound() -> None:
    x = torch.full((2, 3, 8, 8), 0.5)
    region = Threat("Linf", 0.1).around(x)
    points = _repaint(region, x, 0.25, _Sampler(3, (3, 8, 8), x))
    moved = (points - x).abs()
    torch.testing.assert_close(moved.amax((1, 2, 3)), torch.full((2,), 0.1))
    assert torch.equal((moved > 0).sum((2, 3)), torch.full((2, 3), 16))


def test_unchanged_proposals_are_not_evaluated() -> None:
    looks: list[int] = []

    def model(x: Tensor) -> Tensor:
        looks.append(len(x))
        return torch.stack([x.sum((1, 2, 3)) * 0 + 1, x.mean((1, 2, 3)) - 9], 1)

    result = square(model, torch.rand(3, 1, 6, 6), torch.zeros(3, dtype=torch.int64), Threat("Linf", 0.1), steps=1000)
    assert not result.success.any()
    assert sum(looks) == int(result.queries.sum()) < 3 * 700


def test_p_is_a_fraction() -> None:
    with pytest.raises(UsageError, match="p is a fraction"):
        square(lambda x: x, torch.rand(2, 3), torch.zeros(2, dtype=torch.int64), Threat("Linf", 0.1), p=0)
