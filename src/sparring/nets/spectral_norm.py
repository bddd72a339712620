"""Spectral normalisation: every matrix of a network divided by its largest singular value (Miyato et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils import parametrize


class SpectralNorm(nn.Module):
    """W -> W / sigma(W), a parametrization of a weight `[out, ...]` that is read as a matrix `[out, rest]`.

    One power iteration on every use, from the stored left vector u (Algorithm 1); the gradient is that of Eq. 9. u is
    kept in training alone, so that a net in eval mode is a function of its weights, and u may be of any length: an
    average of such vectors serves too. No gradient hangs on u itself: a net may be used again before the backward pass.
    """

    u: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("u", normalize(torch.randn_like(weight.detach().flatten(1)[:, 0]), dim=0))

    def forward(self, weight: Tensor) -> Tensor:
        """The weight with a spectral norm of 1, in its own precision whatever the precision around it."""
        if weight.is_meta:  # shapes are tried out there: nothing to compute
            return weight
        with torch.autocast(weight.device.type, enabled=False):
            # the order of the columns does not matter: that in which channels_last lies needs no copy
            matrix = (weight.movedim(1, -1) if weight.dim() > 2 else weight).flatten(1)
            with torch.no_grad():
                v = normalize(matrix.t() @ self.u, dim=0)
            image: Tensor = matrix @ v
            sigma: Tensor = torch.linalg.vector_norm(image).clamp(min=1e-12)
            if self.training:
                with torch.no_grad():
                    self.u.copy_(image / sigma)
            out: Tensor = weight / sigma
        return out


def spectral_norm(modules: Iterable[nn.Module]) -> None:
    """Put SpectralNorm on the weight of every convolution, linear layer and embedding among `modules`."""
    for module in list(modules):
        if isinstance(module, nn.Conv2d | nn.Linear | nn.Embedding):
            parametrize.register_parametrization(module, "weight", SpectralNorm(module.weight))
