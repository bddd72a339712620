"""Spectral normalisation: weights divided by their largest singular value (Miyato et al. 2018).

Own code, since `torch.nn.utils.parametrizations.spectral_norm` uses a stored v in eval mode. This one stores u alone,
so that a network in eval mode is a function of its weights and an average of u vectors can be used.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils import parametrize


class SpectralNorm(nn.Module):
    """Parametrization W -> W / sigma(W) of a weight `[out, ...]`, read as a matrix `[out, rest]`.

    Each use makes one power iteration from the stored left vector u (Algorithm 1); the gradient is that of Eq. 9. u is
    updated in training mode only and may have any length, as an average of vectors does. u has no gradient, so that a
    network can be used again before the backward pass.
    """

    u: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("u", normalize(torch.randn_like(weight.detach().flatten(1)[:, 0]), dim=0))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight with spectral norm 1, computed in its own precision even under autocast."""
        if weight.is_meta:  # the meta device has shapes only
            return weight
        with torch.autocast(weight.device.type, enabled=False):
            # the order of columns is irrelevant; that of channels_last needs no copy
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
    """Register SpectralNorm on the weight of every convolution, linear layer and embedding among `modules`."""
    for module in list(modules):
        if isinstance(module, nn.Conv2d | nn.Linear | nn.Embedding):
            parametrize.register_parametrization(module, "weight", SpectralNorm(module.weight))
