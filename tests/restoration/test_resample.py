"""Resampling: partition of unity, the exact adjoint, and Pillow's own kernels as reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from sparring.restoration.resample import cubic, enlarge, lanczos2, padded, reduce, resample, resampling_matrix


@pytest.mark.parametrize("kernel", [cubic, lanczos2])
@pytest.mark.parametrize(("inputs", "outputs"), [(32, 8), (30, 15), (7, 28), (5, 5), (1, 4), (13, 3)])
def test_a_constant_stays_constant(kernel: object, inputs: int, outputs: int) -> None:
    matrix = resampling_matrix(inputs, outputs, kernel)  # type: ignore[arg-type]
    torch.testing.assert_close(matrix.sum(1), torch.ones(outputs))


def test_kernels_interpolate() -> None:
    at = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0, 2.5], dtype=torch.float64)
    for kernel in (cubic, lanczos2):
        torch.testing.assert_close(
            kernel(at), torch.tensor([0.0, 0, 1, 0, 0, 0], dtype=torch.float64), atol=1e-12, rtol=0
        )


def test_the_gradient_of_a_reduction_is_its_adjoint() -> None:
    x = torch.randn(1, 2, 16, 12, requires_grad=True)
    y = torch.randn(1, 2, 4, 3)
    (reduce(x, 4) * y).sum().backward()
    rows, columns = resampling_matrix(16, 4, lanczos2), resampling_matrix(12, 3, lanczos2)
    torch.testing.assert_close(x.grad, rows.T @ y @ columns)


def test_a_reduction_keeps_a_slope_inside() -> None:
    x = torch.arange(64.0).expand(1, 1, 64, 64)
    torch.testing.assert_close(reduce(x, 4)[0, 0, 4, 2:-2], torch.arange(2, 14.0) * 4 + 1.5, atol=1e-3, rtol=0)


@pytest.mark.parametrize(("size", "other"), [((24, 16), (96, 64)), ((96, 64), (24, 16)), ((20, 30), (10, 15))])
def test_bicubic_is_that_of_pillow(size: tuple[int, int], other: tuple[int, int]) -> None:
    x = np.random.default_rng(0).random(size, np.float32)
    expected = np.asarray(Image.fromarray(x).resize(other[::-1], Image.Resampling.BICUBIC))
    ours = resample(torch.from_numpy(x)[None, None], *other, cubic)
    np.testing.assert_allclose(ours[0, 0].numpy(), expected, atol=1e-5)


def test_sizes() -> None:
    assert enlarge(torch.rand(1, 3, 5, 7), 4).shape == (1, 3, 20, 28)
    assert [padded(size, 8) for size in (1, 8, 9)] == [8, 8, 16]
