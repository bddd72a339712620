"""The augmentation of sounds moves, amplifies and tilts; silence stays silent."""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.data.augment.sounds import MAX_GAIN, MAX_TILT, SoundAugment
from sparring.engine.game import Batch


class Drawn(Batch):
    """A batch whose uniform noise is given."""

    def uniform(self, *shape: int) -> Tensor:
        return self.y


def batch(*u: float) -> Batch:
    return Drawn(torch.zeros(1), torch.tensor([u]))


def picture() -> Tensor:
    return torch.rand(1, 1, 8, 32, generator=torch.Generator().manual_seed(0)) * 1.6 - 1


def test_the_middle_of_the_noise_changes_nothing() -> None:
    assert torch.allclose(SoundAugment()(picture(), batch(0.5, 0.5, 0.5)), picture())


def test_a_delay_lets_silence_in() -> None:
    x = picture()
    later = SoundAugment()(x, batch(0.999, 0.5, 0.5))
    assert bool((later[..., :2] == -1).all()) and torch.allclose(later[..., 2:], x[..., :-2])
    earlier = SoundAugment()(x, batch(0.0, 0.5, 0.5))
    assert bool((earlier[..., -2:] == -1).all()) and torch.allclose(earlier[..., :-2], x[..., 2:])


def test_gain_and_tilt_scale_the_level_above_silence() -> None:
    x = picture()
    assert torch.allclose(SoundAugment()(x, batch(0.5, 1.0, 0.5)) + 1, (x + 1) * (1 + MAX_GAIN))
    tilted = (SoundAugment()(x, batch(0.5, 0.5, 1.0)) + 1) / (x + 1)
    assert torch.allclose(tilted[0, 0, :, 0], 1 + MAX_TILT * torch.linspace(-1, 1, 8), atol=1e-5)


def test_silence_stays_silent_and_gradients_flow_twice() -> None:
    noise = Batch(torch.zeros(5), torch.zeros(5), seed=3)
    silent = torch.full((5, 1, 8, 32), -1.0)
    assert torch.equal(SoundAugment()(silent, noise), silent)
    x = torch.rand(2, 1, 4, 16, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(
        lambda x: SoundAugment()(x, Batch(torch.zeros(2), torch.zeros(2), seed=3)).square(), x
    )
