from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import pad

from sparring.nets.speech_cnn import LogMel, SpeechCNN, mel, mel_matrix


def rand(*shape: int, seed: int = 0) -> Tensor:
    return 2 * torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) - 1


@pytest.fixture
def net() -> SpeechCNN:
    torch.manual_seed(0)
    return SpeechCNN(4, 8000, width=4).eval()


def test_mel_of_1000_hertz_is_1000() -> None:
    assert float(mel(torch.tensor(1000.0))) == pytest.approx(1000, abs=0.1)


@pytest.mark.parametrize(("bands", "rate"), [(32, 8000), (40, 16000)])
def test_mel_triangles_add_up_to_one_between_the_outermost_centres(bands: int, rate: int) -> None:
    matrix = mel_matrix(bands, rate // 50, rate)
    at, last = mel(torch.linspace(0, rate / 2, rate // 50)), float(mel(torch.tensor(rate / 2)))
    inside = (at >= last / (bands + 1)) & (at <= last * bands / (bands + 1))
    torch.testing.assert_close(matrix.sum(0)[inside], torch.ones(int(inside.sum())), atol=1e-5, rtol=0)
    assert (matrix >= 0).all() and (matrix.sum(0) <= 1 + 1e-5).all() and (matrix.sum(1) > 0).all()


def test_a_tone_is_loudest_in_its_own_band() -> None:
    front = LogMel(8000)
    for pitch in (400.0, 1000.0, 3000.0):
        picture = front(torch.sin(2 * torch.pi * pitch * torch.arange(4000) / 8000)[None])[0, 0]
        centres = mel(torch.tensor(4000.0)) / 33 * torch.arange(1, 33)
        nearest = int((centres - mel(torch.tensor(pitch))).abs().argmin())
        assert (picture.argmax(0) - nearest).abs().max() <= 1 and float(picture.max()) == pytest.approx(1, abs=1e-3)


def test_volume_does_not_matter_and_silence_is_finite(net: SpeechCNN) -> None:
    x = rand(2, 1, 3000)
    torch.testing.assert_close(net(x), net(x / 50), atol=1e-4, rtol=0)
    assert torch.isfinite(net(torch.zeros(1, 1, 3000))).all()


@pytest.mark.parametrize("more", [1, 100, 3333])
def test_trailing_silence_changes_nothing(net: SpeechCNN, more: int) -> None:
    x = rand(2, 1, 3000)
    torch.testing.assert_close(net(pad(x, (0, more))), net(x), atol=1e-5, rtol=0)


def test_leading_silence_of_whole_strides_changes_nothing(net: SpeechCNN) -> None:
    x = rand(2, 1, 3000)
    torch.testing.assert_close(net(pad(x, (8 * net.front.hop, 0))), net(x), atol=1e-5, rtol=0)


def test_the_gradient_reaches_every_sample(net: SpeechCNN) -> None:
    x = (rand(1, 3000) * 0.1)[:, None].requires_grad_()
    (gradient,) = torch.autograd.grad(LogMel(8000)(x[:, 0]).sum(), x)
    inside = gradient[0, 0, 1:2900]  # the window is 0 at its first sample, and no frame begins in the last
    assert torch.isfinite(gradient).all() and (inside != 0).float().mean() > 0.99
    (gradient,) = torch.autograd.grad(net(x)[0, 0], x)
    assert torch.isfinite(gradient).all() and gradient.abs().sum() > 0
