from __future__ import annotations

import math

import pytest
import torch

from sparring.games.obfuscation import confusion
from sparring.nets.mel_codec import MelCodec
from sparring.nets.obfuscator import Obfuscator, SoundObfuscator, TableObfuscator, sampled_one_hot

EQUAL = torch.full((4,), 0.25)


def test_confusion_is_0_for_equal_probabilities_and_closed_form_for_others() -> None:
    assert confusion(torch.zeros(4, 3), EQUAL) == pytest.approx(0, abs=1e-6)
    p = torch.tensor([0.8, 0.2])
    expected = -0.5 * (math.log(0.8) + math.log(0.2)) / math.log(2) - 1
    assert confusion(p.log().expand(4, 2), EQUAL) == pytest.approx(expected, rel=1e-5)


def test_confusion_has_a_gradient_where_the_adversary_is_sure() -> None:
    logits = torch.tensor([[40.0, -40.0]], requires_grad=True)
    confusion(logits, torch.ones(1)).backward()
    assert logits.grad is not None
    assert logits.grad[0, 0] == pytest.approx(0.5 / math.log(2), rel=1e-4)


def test_rows_of_unknown_group_do_not_count() -> None:
    logits = torch.tensor([[0.0, 0.0], [9.0, -9.0]])
    assert confusion(logits, torch.tensor([1.0, 0.0])) == pytest.approx(0, abs=1e-6)


def obfuscator(noise: float = 0.5) -> Obfuscator:
    return Obfuscator(torch.nn.Linear(5, 4), torch.nn.Linear(4, 5), 4, noise)


def test_bits_are_the_capacity_of_the_gaussian_channel() -> None:
    assert obfuscator(1.0).bits == pytest.approx(2.0)
    assert obfuscator(0.5).bits == pytest.approx(2 * math.log2(5))


def test_codes_have_a_mean_square_of_1_at_most_before_the_noise() -> None:
    net, x = obfuscator(), 1e6 * torch.randn(9, 5)
    assert float(net.encode(x, torch.zeros(9, 4)).detach().square().mean(1).max()) <= 1 + 1e-6
    net.eval()
    noise = torch.randn(9, 4)
    assert torch.allclose(net.encode(x, noise) - net.encode(x, 0 * noise), 0.5 * noise, atol=1e-6)
    assert float(net.encode(1e6 * x, 0 * noise).detach().square().mean(1).max()) <= 1 + 1e-6  # unlike all before


def test_an_encoder_with_large_outputs_keeps_different_codes_and_a_gradient() -> None:
    net = obfuscator()
    with torch.no_grad():
        net.encoder.bias.fill_(1e3)  # type: ignore[operator, union-attr]
    codes = net.encode(torch.randn(64, 5), torch.zeros(64, 4))
    assert float(codes.detach().std(0).min()) > 0.3
    (codes[:, 0] * torch.randn(64)).mean().backward()
    assert float(net.encoder.weight.grad.abs().max()) > 1e-3  # type: ignore[operator, union-attr]


def test_the_distortion_of_the_mean_of_all_examples_is_1() -> None:
    x = torch.randn(500, 5) * torch.tensor([1.0, 2, 3, 4, 5]) + 7
    net = obfuscator()
    net.fit(x)
    assert float(net.distortion(x.mean(0).expand_as(x), x)) == pytest.approx(1, rel=1e-4)
    assert float(net.distortion(x, x)) == 0


def test_draws_are_one_hot_with_the_frequencies_of_the_softmax_and_a_gradient() -> None:
    logits = torch.tensor([2.0, 0.0, -1.0]).repeat(20_000, 1).requires_grad_()
    draws = sampled_one_hot(logits, torch.randn(20_000, 3, generator=torch.Generator().manual_seed(0)))
    assert bool(((draws == draws.round()) & (draws.sum(1, keepdim=True) == 1)).all())
    assert torch.allclose(draws.mean(0), logits[0].softmax(0), atol=0.015)
    draws[:, 0].sum().backward()
    assert logits.grad is not None and float(logits.grad.abs().sum()) > 0


def test_rows_of_a_table_keep_their_form_and_each_column_counts_the_same() -> None:
    x = torch.cat([1000 * torch.randn(400, 1) + 5, torch.eye(3)[torch.randint(3, (400,))]], 1)
    net = TableObfuscator(torch.nn.Linear(4, 6), torch.nn.Linear(6, 4), 6, 1.0, [(0,), (1, 2, 3)])
    net.fit(x)
    hidden = net(x, torch.randn(400, net.noise_size))
    assert hidden.shape == x.shape
    assert bool((hidden[:, 1:].sum(1) == 1).all())
    only_number = torch.cat([x[:, :1].mean().expand(400, 1), x[:, 1:]], 1)
    assert float(net.distortion(only_number, x)) == pytest.approx(0.5, rel=1e-3)


def test_sounds_are_replaced_as_pictures_and_released_as_waveforms() -> None:
    codec = MelCodec(8000, 4000, 4000)
    size = math.prod(codec.shape)
    encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(size, 4))
    decoder = torch.nn.Sequential(torch.nn.Linear(4, size), torch.nn.Unflatten(1, codec.shape), torch.nn.Tanh())
    net = SoundObfuscator(encoder, decoder, 4, 1.0, codec)
    x = torch.randn(2, 1, 4000).clamp(-1, 1)
    hidden = net(x, torch.randn(2, 4))
    assert hidden.shape == net.view(x).shape
    assert net.release(hidden.detach()).shape == x.shape
