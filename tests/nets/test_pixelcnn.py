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
    assert torch.equal(net(z, y), naive)
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


@pytest.mark.parametrize("shape", [(1, 2, 2), (1, 1, 3), (2, 1, 2), (3, 1, 1), (1, 4, 2)])
@pytest.mark.parametrize("kernel", [1, 3])
def test_probabilities_of_all_images_sum_to_one(shape, kernel):
    torch.manual_seed(0)
    net = PixelCNN(shape, Bernoulli(shape[0]), 8, 2, kernel=kernel, classes=2).double()
    x = all_images(shape)
    for k in range(2):
        total = net.log_prob(x, torch.full((len(x),), k)).exp().sum()
        assert total.item() == pytest.approx(1, abs=1e-12)


def test_probabilities_of_all_grey_values_sum_to_one():
    torch.manual_seed(0)
    net = PixelCNN((1, 1, 2), LogisticMixture(1, 3, levels=16), 8, 1).double()
    values = net.distribution.values
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
def test_no_output_sees_its_own_or_a_later_pixel(name):
    net = build(name)
    x = net(noise_of(net, 4), labels_of(net, 4)).requires_grad_()
    outputs = net.outputs(x, net.condition(labels_of(net, 4)))
    _, height, width = net.shape
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


def masks(height, width):
    everything = torch.ones(height, width, dtype=torch.bool)
    half = everything.clone()
    half[height // 2 :] = False
    hole = everything.clone()
    hole[1:3, 1:4] = False
    return {"all": everything, "none": ~everything, "upper half": half, "hole": hole, "all but a hole": ~hole}


@pytest.mark.parametrize("name", ["binary", "completion, labels"])
def test_completion_keeps_known_pixels_and_sums_to_one(name):
    torch.manual_seed(0)
    completion = "completion" in name
    net = PixelCNN((1, 3, 2), Bernoulli(1), 8, 2, completion=completion).double()
    images = all_images((1, 3, 2))
    for bits in (0, 1, 3, 7, 15, 31, 63, 2, 20, 33, 62):
        known = torch.tensor([bits >> k & 1 for k in range(6)], dtype=torch.bool).view(3, 2)
        z = noise_of(net, 64)
        fills, _ = net.complete(images[17:18].expand(64, -1, -1, -1), known, z)
        assert torch.equal(fills[:, :, known], images[17:18].expand(64, -1, -1, -1)[:, :, known])
        assert net.completes_exactly(known) == (completion or bits in (0, 1, 3, 7, 15, 31, 63))
        if completion or bits in (0, 1, 3, 7, 15, 31):
            matching = (images[:, :, known] == images[17, :, known]).all((1, 2))
            refilled, log_q = net.complete(images[17:18], known, z[:1])
            candidates = images[matching]
            condition = net.condition(None, known_image(net, candidates, known))
            total = (net.pixel_log_prob(candidates, condition) * ~known).sum((1, 2)).exp().sum()
            assert total.item() == pytest.approx(1, abs=1e-12)
            if not completion:  # the joint's own conditional
                joint = net.log_prob(refilled) - torch.logsumexp(net.log_prob(candidates), 0)
                assert log_q.item() == pytest.approx(joint.item(), abs=1e-10)


def known_image(net, x, known):
    from sparring.nets.context_net import mask_image

    return mask_image(x, known) if net.context is not None else None


def test_a_completion_net_sees_known_pixels_on_all_sides():
    net = build("completion, labels")
    x = net(noise_of(net, 1), torch.tensor([0])).detach()
    known = masks(5, 7)["hole"]
    y, z = torch.zeros(50, dtype=torch.long), noise_of(net, 50)
    below = x.clone()
    below[:, :, 4] *= -1
    _, log_p = net.complete(x.expand(50, -1, -1, -1), known, z, y)
    _, other = net.complete(below.expand(50, -1, -1, -1), known, z, y)
    assert not torch.allclose(log_p, other)


def test_bad_input_is_named():
    net = build("binary")
    with pytest.raises(UsageError, match="pixels must be -1 or 1"):
        net.log_prob(torch.zeros(1, 1, 7, 6))
    with pytest.raises(UsageError, match="labels do not fit"):
        net.log_prob(torch.ones(1, 1, 7, 6, dtype=torch.float64), torch.zeros(1, dtype=torch.long))
    with pytest.raises(UsageError, match="labels do not fit"):
        labelled = build("completion, labels")
        labelled(noise_of(labelled, 1))


def test_sizes_other_than_the_samples_have_a_density():
    net = build("binary")
    assert net.log_prob(torch.ones(2, 1, 11, 13, dtype=torch.float64)).shape == (2,)
    assert net.encode(torch.ones(2, 1, 11, 13, dtype=torch.float64)).shape == (2, 8)
    assert net.to("meta").log_prob(torch.zeros(2, 1, 7, 6, device="meta", dtype=torch.float64)).shape == (2,)
