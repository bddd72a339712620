"""Path lengths: the closed form of a linear generator, jumps, and the arcs between latents."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sparring.measure.effects.latents import Latents, slerp
from sparring.measure.effects.path_length import LINEAR, path_length

MANY, DIM = 1000, 256


def latents(seed: int, count: int = MANY) -> Latents:
    z = torch.randn(count, DIM, generator=torch.Generator().manual_seed(seed))
    return Latents(z, torch.full((count,), -1))


def linear(at: Latents) -> Tensor:
    weight = torch.randn(DIM, 64, generator=torch.Generator().manual_seed(7))
    return at.z @ weight


def test_a_linear_generator_has_the_closed_form() -> None:
    length = path_length(linear, latents(0), latents(1))
    assert length.low <= LINEAR <= length.high
    assert length.value == pytest.approx(LINEAR, rel=0.05)


def test_a_generator_that_jumps_is_longer() -> None:
    steep = path_length(lambda at: torch.sigmoid(4 * linear(at)), latents(0), latents(1))
    flat = path_length(lambda at: torch.sigmoid(0.01 * linear(at)), latents(0), latents(1))
    assert flat.value == pytest.approx(LINEAR, rel=0.1)
    assert steep.low > 2 * flat.high


def test_the_labels_are_those_of_the_start() -> None:
    starts, read = Latents(latents(0, 20).z, torch.arange(20)), []

    def recorded(at: Latents) -> Tensor:
        read.append(at.y)
        return linear(at)

    path_length(recorded, starts, latents(1, 20))
    assert len(read) == 4
    assert all(torch.equal(y, starts.y) for y in read)


def test_equal_samples_have_no_path_length() -> None:
    with pytest.raises(ValueError, match="equal"):
        path_length(lambda at: torch.ones(len(at), 3), latents(0, 20), latents(1, 20))


def test_slerp_of_unit_vectors_keeps_the_length_and_divides_the_angle() -> None:
    a, b = torch.tensor([1.0, 0, 0]), torch.tensor([0.6, 0.8, 0])
    points = [slerp(a, b, k / 4) for k in range(5)]
    assert all(abs(float(p.norm()) - 1) < 1e-6 for p in points)
    angles = [float(torch.acos((p @ q).clamp(-1, 1))) for p, q in zip(points, points[1:], strict=False)]
    assert max(angles) - min(angles) < 1e-3
    assert torch.allclose(slerp(a, -a, 0.25), torch.tensor([0.5, 0, 0]))  # no arc is given: a line
    assert torch.allclose(slerp(a, a, 0.3), a)
