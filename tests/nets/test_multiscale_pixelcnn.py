import pytest
import torch
from pixel_steps import all_images, labels_of, noise_of, stepwise_log_prob

from sparring.nets.multiscale_pixelcnn import MultiscalePixelCNN, subsampled_sizes
from sparring.nets.pixel_distributions import Bernoulli, LogisticMixture
from sparring.nets.pixelcnn import PixelCNN

NETS = {
    "28x28": ((1, 28, 28), Bernoulli(1), 2, 0),
    "odd": ((1, 9, 5), Bernoulli(1), 2, 0),
    "colour, labels": ((3, 5, 6), LogisticMixture(3, 3), 1, 2),
    "1x1": ((1, 1, 1), Bernoulli(1), 2, 0),
    "blocks": ((1, 12, 7), Bernoulli(1), 1, 0),
    "one row": ((1, 1, 7), Bernoulli(1), 2, 0),
}


def build(shape, distribution, scales, classes, dtype=torch.float64):
    torch.manual_seed(0)
    size = subsampled_sizes(*shape[1:], scales)[-1]
    block = 2 if size == (6, 4) else 1
    joint = Bernoulli(4) if block == 2 else distribution
    base = PixelCNN((shape[0], *size), joint, 8, 2, classes=classes, block=block)
    net = MultiscalePixelCNN(base, shape, distribution, scales, width=8, blocks=2).to(dtype)
    net.label = base.label
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(2)
    return net


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize(("dtype", "gap"), [(torch.float64, 1e-10), (torch.float32, 1e-3)])
def test_sampler_steps_and_parallel_pass_agree(name, dtype, gap):
    net = build(*NETS[name], dtype=dtype)
    y = labels_of(net, 4)
    x = net(noise_of(net, 4), y)
    assert x.shape == (4, *net.shape) and x.dtype == dtype
    assert (stepwise_log_prob(net, x, y) - net.log_prob(x, y)).abs().max() < gap


@pytest.mark.parametrize("shape", [(1, 2, 2), (1, 3, 3), (1, 1, 5), (2, 2, 2), (1, 1, 1)])
@pytest.mark.parametrize("scales", [0, 1, 2])
def test_probabilities_of_all_images_sum_to_one(shape, scales):
    net = build(shape, Bernoulli(shape[0]), scales, 0)
    assert net.log_prob(all_images(shape)).exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_samples_have_the_stated_probabilities():
    net = build((1, 2, 2), Bernoulli(1), 1, 0)
    n = 20_000
    x = net(noise_of(net, n))
    images = all_images((1, 2, 2))
    p = net.log_prob(images).exp()
    counts = (x[:, None] == images[None]).flatten(2).all(2).sum(0)
    assert ((counts / n - p).abs() / (p * (1 - p) / n).sqrt()).max() < 5


def test_no_step_sees_its_own_or_a_later_quarter():
    net = build((1, 9, 5), Bernoulli(1), 2, 0)
    x = net(noise_of(net, 3)).requires_grad_()
    known = torch.zeros(9, 5, dtype=torch.bool)
    known[::4, ::4] = True
    for step, stride, offset in net.plan():
        (gradient,) = torch.autograd.grad(net.outputs(step, x, None, stride, offset).sum(), x)
        assert not gradient[:, 0, ~known].any() and gradient.any()
        net.quarter(known[None, None], stride, offset)[:] = True
    assert known.all()


def test_a_sample_depends_on_its_own_noise_alone():
    net = build(*NETS["odd"])
    z = noise_of(net, 6)
    assert torch.equal(net(z)[2:4], net(z[2:4]))


def test_features_and_the_meta_device():
    net = build(*NETS["28x28"])
    x = net(noise_of(net, 3))
    assert net.encode(x).shape == (3, 8)
    assert net.diagnostics(x, torch.Generator().manual_seed(0)) == {"causality_leak": 0.0}
    assert net.protocol()["order"] == "raster at 7x7, then quarters"
    assert net.to("meta").log_prob(x.to("meta")).shape == (3,)
