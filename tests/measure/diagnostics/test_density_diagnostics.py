"""Findings on density models, from networks that are ill on purpose."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sparring.measure.diagnostics.density_diagnostics import find_limits
from sparring.nets.pixel_distributions import Bernoulli
from sparring.nets.pixelcnn import PixelCNN


class LeakyPixelCNN(PixelCNN):
    """A PixelCNN that normalises its features over space, and so sees later pixels."""

    def features(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        h = super().features(x, condition)
        return h / h.std((2, 3), keepdim=True)


@pytest.mark.parametrize("kind", [PixelCNN, LeakyPixelCNN])
def test_a_leak_of_causality_is_reported(kind: type[PixelCNN]) -> None:
    torch.manual_seed(0)
    net = kind((1, 8, 8), Bernoulli(1), 8, 2)
    x, generator = torch.randn(4, 1, 8, 8).sign(), torch.Generator().manual_seed(0)
    lines = [{"nimg": 64 * k, "nll": 500.0, **net.diagnostics(x, generator)} for k in range(1, 5)]
    findings = find_limits(lines)
    assert [finding.kind for finding in findings] == (["causality_leak"] if kind is LeakyPixelCNN else [])
