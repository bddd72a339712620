"""The network of the Fréchet Inception Distance, as a definition that takes the published weights as they are.

Inception v3 (Szegedy et al. 2015, arXiv:1512.00567) as it stands in TensorFlow's graph of 2015-12-05, which Heusel et
al. 2017 (arXiv:1706.08500) took for the FID. That graph departs from the paper: average pools leave the padding out of
the mean, the pool of the last block is a maximum, batch normalisation has an eps of 0.001, and there are 1008 classes.
The names of the modules are those in the published file of weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SIDE = 299
"""Pixels: the height and the width that the network was trained on."""
FEATURES = 2048

Kernel = tuple[int, int, int]
"""The channels, height and width of a convolution."""
Branches = dict[str, list[Kernel | list[Kernel]]]
"""Branches of a block by name: convolutions one after another, or side by side where they stand in a list."""


def fine(pool: int) -> Branches:
    """Blocks on the grid of 35 x 35."""
    return {
        "branch1x1": [(64, 1, 1)],
        "branch5x5": [(48, 1, 1), (64, 5, 5)],
        "branch3x3dbl": [(64, 1, 1), (96, 3, 3), (96, 3, 3)],
        "branch_pool": [(pool, 1, 1)],
    }


FINE_TO_MIDDLE: Branches = {
    "branch3x3": [(384, 3, 3)],
    "branch3x3dbl": [(64, 1, 1), (96, 3, 3), (96, 3, 3)],
    "branch_pool": [],
}


def middle(inner: int) -> Branches:
    """Blocks on the grid of 17 x 17: 7 x 7 convolutions taken apart into rows and columns."""
    return {
        "branch1x1": [(192, 1, 1)],
        "branch7x7": [(inner, 1, 1), (inner, 1, 7), (192, 7, 1)],
        "branch7x7dbl": [(inner, 1, 1), (inner, 7, 1), (inner, 1, 7), (inner, 7, 1), (192, 1, 7)],
        "branch_pool": [(192, 1, 1)],
    }


MIDDLE_TO_COARSE: Branches = {
    "branch3x3": [(192, 1, 1), (320, 3, 3)],
    "branch7x7x3": [(192, 1, 1), (192, 1, 7), (192, 7, 1), (192, 3, 3)],
    "branch_pool": [],
}
COARSE: Branches = {
    "branch1x1": [(320, 1, 1)],
    "branch3x3": [(384, 1, 1), [(384, 1, 3), (384, 3, 1)]],
    "branch3x3dbl": [(448, 1, 1), (384, 3, 3), [(384, 1, 3), (384, 3, 1)]],
    "branch_pool": [(192, 1, 1)],
}
"""Blocks on the grid of 8 x 8: branches that spread into a row and a column at their end."""


class Convolution(nn.Module):
    """A convolution, batch normalisation and ReLU: `[B, in, H, W]` -> `[B, out, H', W']`, of the same size if padded."""

    def __init__(self, inputs: int, kernel: Kernel, stride: int = 1, *, padded: bool = True) -> None:
        super().__init__()
        channels, height, width = kernel
        padding = (height // 2, width // 2) if padded else 0
        self.conv = nn.Conv2d(inputs, channels, (height, width), stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """What is seen, never negative."""
        return torch.relu_(self.bn(self.conv(x)))


class Mixed(nn.Module):
    """Branches side by side, their channels put together: `[B, in, H, W]` -> `[B, out, H, W]`, or half of H and W.

    "branch_pool" begins with the pool. In a block that halves, the other branches end without padding, at stride 2.
    """

    def __init__(self, inputs: int, branches: Branches, pool: nn.Module, *, halves: bool = False) -> None:
        super().__init__()
        self.pool = pool
        self.branches: dict[str, list[list[str]]] = {}
        for branch, steps in branches.items():
            self.branches[branch] = []
            channels = inputs
            for number, step in enumerate(steps, 1):
                kernels = step if isinstance(step, list) else [step]
                name = f"{branch}_{number}" if len(steps) > 1 else branch
                names = [name + letter for letter in "ab"] if len(kernels) > 1 else [name]
                last = halves and number == len(steps)
                for one, kernel in zip(names, kernels, strict=True):
                    self.add_module(one, Convolution(channels, kernel, 2 if last else 1, padded=not last))
                self.branches[branch].append(names)
                channels = sum(kernel[0] for kernel in kernels)

    def forward(self, x: Tensor) -> Tensor:
        """The branches' outputs, in their order."""
        outputs = []
        for branch, steps in self.branches.items():
            hs = [self.pool(x) if branch == "branch_pool" else x]
            for names in steps:
                h = hs[0] if len(hs) == 1 else torch.cat(hs, 1)
                hs = [self.get_submodule(name)(h) for name in names]
            outputs += hs
        return torch.cat(outputs, 1)


class Inception(nn.Module):
    """Pictures `[B, 3, 299, 299]` in [-1, 1] as `prepare` gives them -> features `[B, 2048]`, none negative.

    In `eval` mode, as everybody's figures are. `fc` is here because the published weights have it; features go without.
    """

    def __init__(self) -> None:
        super().__init__()
        mean = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        self.Conv2d_1a_3x3 = Convolution(3, (32, 3, 3), 2, padded=False)
        self.Conv2d_2a_3x3 = Convolution(32, (32, 3, 3), padded=False)
        self.Conv2d_2b_3x3 = Convolution(32, (64, 3, 3))
        self.pool_2 = nn.MaxPool2d(3, 2)
        self.Conv2d_3b_1x1 = Convolution(64, (80, 1, 1))
        self.Conv2d_4a_3x3 = Convolution(80, (192, 3, 3), padded=False)
        self.pool_4 = nn.MaxPool2d(3, 2)
        self.Mixed_5b = Mixed(192, fine(32), mean)
        self.Mixed_5c = Mixed(256, fine(64), mean)
        self.Mixed_5d = Mixed(288, fine(64), mean)
        self.Mixed_6a = Mixed(288, FINE_TO_MIDDLE, nn.MaxPool2d(3, 2), halves=True)
        self.Mixed_6b = Mixed(768, middle(128), mean)
        self.Mixed_6c = Mixed(768, middle(160), mean)
        self.Mixed_6d = Mixed(768, middle(160), mean)
        self.Mixed_6e = Mixed(768, middle(192), mean)
        self.Mixed_7a = Mixed(768, MIDDLE_TO_COARSE, nn.MaxPool2d(3, 2), halves=True)
        self.Mixed_7b = Mixed(1280, COARSE, mean)
        self.Mixed_7c = Mixed(2048, COARSE, nn.MaxPool2d(3, 1, 1))  # a slip in the graph, but all figures have it
        self.fc = nn.Linear(FEATURES, 1008)

    def forward(self, x: Tensor) -> Tensor:
        """The mean over the last grid."""
        *layers, _ = self.children()
        for layer in layers:
            x = layer(x)
        return x.mean((2, 3))


def prepare(pixels: Tensor) -> Tensor:
    """Pixels `[B, 3, H, W]` in 0..255 as float32 -> what `Inception` takes, sized and scaled as in the graph itself."""
    return (resize_tf1(pixels, SIDE, SIDE) - 128) / 128


def resize_tf1(x: Tensor, height: int, width: int) -> Tensor:
    """Floats `[B, C, H, W]` -> `[B, C, height, width]`, bilinear as in TensorFlow 1, without `align_corners`.

    It puts the corners of pixels on each other, not their centres, and averages nothing where it makes smaller: half a
    pixel off, and the reason why the protocol, not only the network, belongs to the name of a score (Parmar et al.
    2022, arXiv:2104.11222). The arithmetic is in TensorFlow's order, so that the numbers are the same.
    """
    return _stretch(_stretch(x, 3, width), 2, height)


def _stretch(x: Tensor, dim: int, size: int) -> Tensor:
    """One side of `x`, each new place being between an old one and the next, or on the last."""
    old = x.shape[dim]
    if old == size:
        return x
    place = torch.arange(size, dtype=torch.float32, device=x.device) * (old / size)
    first = place.long()
    weight = (place - first).to(x.dtype).view(-1, *[1] * (x.ndim - 1 - dim))
    low = x.index_select(dim, first)
    return low + (x.index_select(dim, (first + 1).clamp_max(old - 1)) - low) * weight
