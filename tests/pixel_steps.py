"""What the tests of PixelCNNs share: noise, all binary images, and log P by the sampler's own distributions."""

import math

import torch


def labels_of(net, n):
    return torch.arange(n) % net.label.num_embeddings if net.label is not None else None


def noise_of(net, n, dtype=torch.float64):
    return torch.randn(n, net.latent_dim, generator=torch.Generator().manual_seed(1), dtype=dtype)


def all_images(shape):
    pixels = math.prod(shape)
    return torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * pixels).view(-1, *shape)


def stepwise_log_prob(net, x, y):
    """Log P of images by the sampler's own distributions."""
    index = ((x + 1) / 2 * (net.distribution.levels - 1)).round().long()
    coded, total = torch.zeros_like(index), torch.zeros(len(x), dtype=torch.float64)
    steps = net.conditionals(len(x), y)
    step = next(steps)
    while step is not None:
        place, p = step
        coded[place] += 1
        total += p.gather(-1, index[place][..., None]).log().flatten(1).sum(1)
        try:
            step = steps.send(index[place])
        except StopIteration:
            step = None
    assert (coded == 1).all()
    return total
