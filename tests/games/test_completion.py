"""Masks and loss of networks that complete partly known images."""

import pytest
import torch

from sparring.engine.game import Batch
from sparring.games.completion import MASK_UNIFORMS, completion_loss, random_masks
from sparring.nets.pixel_distributions import Bernoulli
from sparring.nets.pixelcnn import PixelCNN


def test_half_of_the_masks_know_nothing_and_the_others_are_of_all_kinds() -> None:
    u = torch.rand(4000, MASK_UNIFORMS, generator=torch.Generator().manual_seed(0))
    known = random_masks(u, 6, 8)
    assert known.shape == (4000, 1, 6, 8) and known.dtype == torch.bool
    count = known.sum((1, 2, 3))
    assert 0.5 < (count == 0).float().mean() < 0.65
    assert known[:, 0, :3].all((1, 2)).logical_and(~known[:, 0, 3:].any(2).any(1)).any()  # the upper half
    assert known[:, 0, 0, 0].logical_and(known[:, 0, -1, -1]).logical_and(~known[:, 0, 3, 4]).any()  # a hole inside
    assert (known.float().mean((0, 1)) > 0.1).all()


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 3, 5), (3, 4, 4)])
def test_the_loss_is_that_of_the_hidden_pixels(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    net = PixelCNN(shape, Bernoulli(shape[0]), 8, 1, completion=True)
    x = torch.randn(16, *shape).sign()
    batch = Batch(x, torch.full((16,), -1), seed=3)
    loss = completion_loss(binary=False, conditional=False)(net, batch)
    assert isinstance(loss, torch.Tensor)
    known = random_masks(Batch(x, batch.y, seed=3).uniform(MASK_UNIFORMS), *shape[1:])
    log_p = torch.stack([net.log_prob_of_hole(x[k : k + 1], known[k : k + 1])[0] for k in range(16)])
    assert loss.item() == pytest.approx(-log_p.sum().item() / (~known).sum().item() / shape[0], rel=1e-5)
    loss.backward()  # type: ignore[no-untyped-call]
    assert net.context is not None
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in net.context.parameters())
