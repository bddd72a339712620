from __future__ import annotations

import torch
from torch import nn

from sparring.nets.batchnorm_stats import estimate_batchnorm_stats


def test_statistics_are_plain_means_over_all_batches() -> None:
    net = nn.BatchNorm2d(3).eval()
    net.running_mean.fill_(9)  # type: ignore[union-attr]
    batches = [torch.randn(8, 3, 4, 4) * 2 + k for k in range(5)]
    estimate_batchnorm_stats(net, ((x,) for x in batches))
    torch.testing.assert_close(net.running_mean, torch.stack([x.mean((0, 2, 3)) for x in batches]).mean(0))
    torch.testing.assert_close(net.running_var, torch.stack([x.var((0, 2, 3)) for x in batches]).mean(0))


def test_nothing_else_of_the_net_is_changed() -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5), nn.BatchNorm1d(3)).eval()
    weights = {k: p.clone() for k, p in net.named_parameters()}
    seen: list[torch.Tensor] = []
    net[1].register_forward_hook(lambda module, given, out: seen.append(torch.equal(given[0], out)))
    estimate_batchnorm_stats(net, [(torch.randn(6, 4),)] * 2)
    assert seen == [True, True] and not any(m.training for m in net.modules()) and net[2].momentum == 0.1
    assert all(torch.equal(p, weights[k]) for k, p in net.named_parameters())


def test_samples_are_independent_of_their_batch() -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).eval()
    estimate_batchnorm_stats(net, [(torch.randn(6, 4),)])
    z = torch.randn(5, 4)
    torch.testing.assert_close(net(z)[:2], net(torch.cat([z[:2], 3 + z[2:]]))[:2])
