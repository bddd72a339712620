"""The error estimate of a restoration, against errors that are known."""

from __future__ import annotations

import pytest
import torch

from sparring.commands.restoring.error import error_estimate
from sparring.restoration.task import jpeg_task, mask_task, noise_task


def picture(generator: torch.Generator) -> torch.Tensor:
    return torch.rand(1, 3, 8, 8, generator=generator).repeat_interleave(16, 2).repeat_interleave(16, 3)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_error_in_noise_that_is_cut_off(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    clean = picture(generator)
    noisy = (clean + 0.1 * torch.randn(clean.shape, generator=generator)).clamp(0, 1)
    output = clean + 0.04 * torch.randn(clean.shape, generator=generator)
    error = error_estimate(noise_task(noisy, 0.1, 0), output)
    assert error is not None and error.low <= 0.04 * 255 <= error.high
    assert error.rms == pytest.approx(0.04 * 255, rel=0.15) and error.baseline == pytest.approx(25.5)


def test_the_error_in_self_made_holes() -> None:
    generator = torch.Generator().manual_seed(0)
    clean, known = picture(generator), torch.ones(1, 1, 128, 128)
    known[..., 40:44, 5:120] = 0
    task = mask_task(clean, known, 0)
    error = error_estimate(task, clean + 0.02)
    assert error is not None and error.rms == pytest.approx(5.1, rel=1e-3)
    assert error.low == pytest.approx(error.high, rel=1e-3) and error.baseline > 0
    assert error.pixels == int(task.tested.sum())


def test_there_is_none_for_jpeg_and_for_few_pixels() -> None:
    x = torch.rand(1, 1, 16, 16)
    assert error_estimate(jpeg_task(x), x) is None
    known = torch.ones(1, 1, 16, 16)
    known[..., 8, 8] = 0
    assert error_estimate(mask_task(x, known, 0), x) is None
