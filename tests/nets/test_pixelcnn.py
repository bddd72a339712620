import pytest
import torch
from pixel_steps import all_images, labels_of, noise_of, stepwise_log_prob

from sparring.engine.errors import UsageError
from sparring.nets.pixel_distributions import Bernoulli, LogisticMixture
from sparring.nets.pixelcnn import PixelCNN
from sparring.nets.pixelcnn_samplers import (
    sample_fixed_point,
    sample_naive,
    sample_row_wise,
)

NETS = {
    "binary": lambda: PixelCNN((1, 7, 6), Bernoulli(1), 8, 3),
    "binary, colour, labels, wide kernel": lambda: PixelCNN((3, 4, 9), Bernoulli(3), 8, 2, kernel=5, classes=3),
    "8 bits, colour": lambda: PixelCNN((3, 5, 4), LogisticMixture(3, 4), 8, 3),
    "completion, labels": lambda: PixelCNN((1, 5, 7), Bernoulli(1), 8, 2, classes=2, completion=True),
    "1x1": lambda: PixelCNN((1, 1, 1), LogisticMixture(1, 2), 4, 1),
    "blocks": lambda: PixelCNN((1, 8, 6), Bernoulli(4), 8, 2, block=2),
    "colour blocks, completion": lambda: PixelCNN((2, 4, 6), LogisticMixture(8, 2), 8, 2, completion=True, block=2),
    "kernel 1": lambda: PixelCNN((2, 3, 5), Bernoulli(2), 8, 2, kernel=1),
}


def build(name, seed=0, dtype=torch.float64):
    torch.manual_seed(seed)
    net = NETS[name]().to(dtype)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(2)  # so that pixels depend on each other
    return net


@pytest.mark.parametrize("name", NETS)
def test_all_samplers_give_the_same_pixels(name):
    net = build(name)
    y, z = labels_of(net, 9), noise_of(net, 9)
    u, condition = net.uniforms(z), net.condition(y)
    naive = sample_naive(net, u, condition)
    assert torch.equal(net.to_grid(net(z, y)), naive)
    assert torch.equal(sample_row_wise(net, u, condition), naive)
    fixed, passes = sample_fixed_point(net, u, condition)
    assert torch.equal(fixed, naive) and passes <= naive[0, 0].numel() + 1
    assert len(naive.unique()) > 1 or naive[0].numel() == 1


def test_a_sample_depends_on_its_own_noise_alone():
    net = build("binary")
    z = noise_of(net, 6)
    assert torch.equal(net(z)[2:4], net(z[2:4]))


@pytest.mark.parametrize(("dtype", "gap"), [(torch.float64, 1e-10), (torch.float32, 1e-3)])
@pytest.mark.parametrize("name", NETS)
def test_stepwise_probabilities_are_those_of_the_parallel_pass(name, dtype, gap):
    net = build(name, dtype=dtype)
    y = labels_of(net, 5)
    x = net(noise_of(net, 5), y)
    assert x.dtype == dtype
    assert (stepwise_log_prob(net, x, y) - net.log_prob(x, y)).abs().max() < gap


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_stepwise_probabilities_repeat_to_the_bit(dtype):
    net = build("8 bits, colour", dtype=dtype)
    x = net(noise_of(net, 3))
    assert torch.equal(stepwise_log_prob(net, x, None), stepwise_log_prob(net, x, None))


@pytest.mark.parametrize(
    ("shape", "block"), [((1, 2, 2), 1), ((1, 1, 3), 1), ((2, 1, 2), 1), ((3, 1, 1), 1), ((1, 4, 2), 1), ((1, 4, 2), 2)]
)
@pytest.mark.parametrize("kernel", [1, 3])
def test_probabilities_of_all_images_sum_to_one(shape, block, kernel):
    torch.manual_seed(0)
    net = PixelCNN(shape, Bernoulli(shape[0] * block**2), 8, 2, kernel=kernel, classes=2, block=block).double()
    x = all_images(shape)
    for k in range(2):
        total = net.log_prob(x, torch.full((len(x),), k)).exp().sum()
        assert total.item() == pytest.approx(1, abs=1e-12)


def test_probabilities_of_all_grey_values_sum_to_one():
    torch.manual_seed(0)
    net = PixelCNN((1, 1, 2), LogisticMixture(1, 3, levels=16), 8, 1).double()
    values = torch.linspace(-1, 1, 16, dtype=torch.float64)
    x = torch.cartesian_prod(values, values).view(-1, 1, 1, 2)
    assert net.log_prob(x).exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_surprise_of_samples_is_the_entropy():
    net = build("binary")
    small = PixelCNN((1, 2, 3), Bernoulli(1), 8, 2).double()
    small.load_state_dict(net.state_dict(), strict=False)
    x = all_images((1, 2, 3))
    log_p = small.log_prob(x).detach()
    entropy = -(log_p.exp() * log_p).sum()
    spread = (log_p.exp() * (log_p + entropy) ** 2).sum().sqrt()
    n = 4000
    surprise = -small.log_prob(small(noise_of(small, n))).detach().mean()
    assert abs(surprise - entropy) < 4 * spread / n**0.5


@pytest.mark.parametrize("name", NETS)
def test_no_output_sees_its_own_or_a_later_place(name):
    net = build(name)
    y = labels_of(net, 4)
    x = net.to_grid(net(noise_of(net, 4), y)).requires_grad_()
    outputs = net.outputs(x, net.condition(y))
    height, width = net.grid
    for place in range(height * width):
        (gradient,) = torch.autograd.grad(outputs[:, place // width, place % width].sum(), x, retain_graph=True)
        reach = gradient.abs().sum((0, 1)).flatten() > 0
        assert not reach[place:].any()
        if name == "binary" and place < 20:  # its receptive field covers the rows above: no blind spot
            assert reach[:place].all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_diagnosis_finds_a_leak_and_only_a_leak(dtype):
    net = build("binary", dtype=dtype)
    x = net(noise_of(net, 8))
    generator = torch.Generator().manual_seed(0)
    assert all(net.diagnostics(x, generator)["causality_leak"] == 0 for _ in range(10))
    features = net.features
    net.features = lambda x, condition=None: features(x, condition) + 1e-3 * x.mean((1, 2, 3), keepdim=True)
    assert max(net.diagnostics(x, generator)["causality_leak"] for _ in range(10)) > 1e-6


@pytest.mark.parametrize(("shape", "block"), [((1, 3, 2), 1), ((1, 2, 4), 2)])
@pytest.mark.parametrize("completion", [False, True])
@pytest.mark.parametrize("bits", [0, 1, 3, 7, 2, 20, 33, 62])
def test_completion_keeps_known_pixels_and_sums_to_one(shape, block, completion, bits):
    torch.manual_seed(0)
    net = PixelCNN(shape, Bernoulli(block**2), 8, 2, completion=completion, block=block).double()
    images = all_images(shape)
    known = torch.tensor([bits >> k & 1 for k in range(images[0].numel())], dtype=torch.bool).view(shape[1:])
    x = images[17:18].expand(64, -1, -1, -1)
    fills, log_q = net.complete(x, known, noise_of(net, 64))
    assert torch.equal(fills[:, :, known], x[:, :, known])
    if block == 1:
        assert net.completes_exactly(known) == (completion or bits in (0, 1, 3, 7))
    candidates = images[(images[:, 0, known] == images[17, 0, known]).all(1)]
    log_p = net.log_prob_of_hole(candidates, known[None, None]).detach()
    if net.completes_exactly(known):
        assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-12)
        if not completion:  # the joint's own conditional
            joint = net.log_prob(fills) - torch.logsumexp(net.log_prob(candidates), 0)
            assert torch.allclose(log_q, joint)
    same = (fills[:, None] == candidates[None]).flatten(2).all(2)
    assert (same.sum(1) == 1).all() and torch.allclose(log_p[same.float().argmax(1)], log_q)


def test_fills_have_the_stated_probabilities():
    torch.manual_seed(0)
    net = PixelCNN((1, 2, 2), LogisticMixture(4, 2, levels=3), 8, 1, completion=True, block=2).double()
    known = torch.tensor([[False, True], [False, True]])
    n, x = 5000, torch.tensor([[[[0.0, 1.0], [0.0, -1.0]]]], dtype=torch.float64)
    fills, log_p = net.complete(x.expand(n, -1, -1, -1), known, noise_of(net, n))
    kinds, index, counts = fills.flatten(1).unique(dim=0, return_inverse=True, return_counts=True)
    p = torch.zeros(len(kinds), dtype=torch.float64).scatter(0, index, log_p.exp())
    assert p.sum() <= 1 + 1e-12
    assert ((counts / n - p).abs() / (p * (1 - p) / n + 1 / n**2).sqrt()).max() < 5


def test_a_completion_net_sees_known_pixels_on_all_sides():
    net = build("completion, labels")
    x = net(noise_of(net, 1), torch.tensor([0])).detach()
    known = torch.ones(1, 1, 5, 7, dtype=torch.bool)
    known[:, :, 1:3, 1:4] = False
    below = x.clone()
    below[:, :, 4] *= -1
    y = torch.tensor([0])
    assert not torch.allclose(net.log_prob_of_hole(x, known, y), net.log_prob_of_hole(below, known, y))


def test_bad_input_is_named():
    net = build("binary")
    with pytest.raises(UsageError, match="pixels must be -1 or 1"):
        net.log_prob(torch.zeros(1, 1, 7, 6))
    with pytest.raises(UsageError, match="labels do not fit"):
        net.log_prob(torch.ones(1, 1, 7, 6, dtype=torch.float64), torch.zeros(1, dtype=torch.long))
    with pytest.raises(UsageError, match="labels do not fit"):
        labelled = build("completion, labels")
        labelled(noise_of(labelled, 1))
    with pytest.raises(UsageError, match=r"images of shape \(1, 5, 5\) do not fit .* in blocks of 2"):
        build("blocks").log_prob(torch.ones(1, 1, 5, 5, dtype=torch.float64))
    with pytest.raises(UsageError, match=r"images of shape \(3, 7, 6\) do not fit"):
        net.log_prob(torch.ones(1, 3, 7, 6, dtype=torch.float64))


def test_sizes_other_than_the_samples_have_a_density():
    net = build("binary")
    assert net.log_prob(torch.ones(2, 1, 11, 13, dtype=torch.float64)).shape == (2,)
    assert net.encode(torch.ones(2, 1, 11, 13, dtype=torch.float64)).shape == (2, 8)
    assert net.to("meta").log_prob(torch.zeros(2, 1, 7, 6, device="meta", dtype=torch.float64)).shape == (2,)
