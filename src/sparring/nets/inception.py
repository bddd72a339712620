"""Inception v3 as the Fréchet Inception Distance uses it. It loads the published FID weights.

The network (Szegedy et al. 2015, arXiv:1512.00567) follows TensorFlow's graph of 2015-12-05, which Heusel et al. 2017
(arXiv:1706.08500) used for the FID. That graph differs from the paper: average pools exclude the padding, the last
block has a max pool, batch normalisation has an eps of 0.001, and there are 1008 classes. Module names are those of the
published weights. It is own code, since torchvision has another graph and no CPU build for our torch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SIDE_PIXELS = 299
"""Height and width of the network's input."""
FEATURES = 2048
"""Number of features per image."""

Kernel = tuple[int, int, int]
"""Output channels, height and width of a convolution."""
Branches = dict[str, list[Kernel | list[Kernel]]]
"""Branches of a block by name. A branch is a sequence of convolutions; an inner list holds parallel ones."""


def block_35x35(pool: int) -> Branches:
    """Return the branches of a block of 35 x 35; `pool` is the channel count of the pooling branch."""
    return {
        "branch1x1": [(64, 1, 1)],
        "branch5x5": [(48, 1, 1), (64, 5, 5)],
        "branch3x3dbl": [(64, 1, 1), (96, 3, 3), (96, 3, 3)],
        "branch_pool": [(pool, 1, 1)],
    }


REDUCTION_35_TO_17: Branches = {
    "branch3x3": [(384, 3, 3)],
    "branch3x3dbl": [(64, 1, 1), (96, 3, 3), (96, 3, 3)],
    "branch_pool": [],
}


def block_17x17(inner: int) -> Branches:
    """Return the branches of a block of 17 x 17, with 7 x 7 convolutions factorised into 1 x 7 and 7 x 1."""
    return {
        "branch1x1": [(192, 1, 1)],
        "branch7x7": [(inner, 1, 1), (inner, 1, 7), (192, 7, 1)],
        "branch7x7dbl": [(inner, 1, 1), (inner, 7, 1), (inner, 1, 7), (inner, 7, 1), (192, 1, 7)],
        "branch_pool": [(192, 1, 1)],
    }


REDUCTION_17_TO_8: Branches = {
    "branch3x3": [(192, 1, 1), (320, 3, 3)],
    "branch7x7x3": [(192, 1, 1), (192, 1, 7), (192, 7, 1), (192, 3, 3)],
    "branch_pool": [],
}
BLOCK_8X8: Branches = {
    "branch1x1": [(320, 1, 1)],
    "branch3x3": [(384, 1, 1), [(384, 1, 3), (384, 3, 1)]],
    "branch3x3dbl": [(448, 1, 1), (384, 3, 3), [(384, 1, 3), (384, 3, 1)]],
    "branch_pool": [(192, 1, 1)],
}
"""Branches of a block of 8 x 8, some of which end in parallel 1 x 3 and 3 x 1 convolutions."""


class Convolution(nn.Module):
    """Convolution, batch normalisation and ReLU: `[B, in, H, W]` -> `[B, out, H', W']`, the same size if `padded`."""

    def __init__(self, inputs: int, kernel: Kernel, stride: int = 1, *, padded: bool = True) -> None:
        super().__init__()
        channels, height, width = kernel
        padding = (height // 2, width // 2) if padded else 0
        self.conv = nn.Conv2d(inputs, channels, (height, width), stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, in, H, W]` to nonnegative `[B, out, H', W']`."""
        return torch.relu_(self.bn(self.conv(x)))


class Mixed(nn.Module):
    """Parallel branches, concatenated: `[B, in, H, W]` -> `[B, out, H, W]`, or half of H and W with `halves`.

    "branch_pool" starts with `pool`. With `halves` the other branches end with stride 2 and no padding.
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
                for module, kernel in zip(names, kernels, strict=True):
                    self.add_module(module, Convolution(channels, kernel, 2 if last else 1, padded=not last))
                self.branches[branch].append(names)
                channels = sum(kernel[0] for kernel in kernels)

    def forward(self, x: Tensor) -> Tensor:
        """Concatenate the outputs of the branches."""
        outputs = []
        for branch, steps in self.branches.items():
            hs = [self.pool(x) if branch == "branch_pool" else x]
            for names in steps:
                h = hs[0] if len(hs) == 1 else torch.cat(hs, 1)
                hs = [self.get_submodule(name)(h) for name in names]
            outputs += hs
        return torch.cat(outputs, 1)


class Inception(nn.Module):
    """Images `[B, 3, 299, 299]` in [-1, 1] from `prepare` -> nonnegative features `[B, 2048]`. Use it in eval mode.

    `fc` exists because the published weights contain it; features do not use it.
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
        self.Mixed_5b = Mixed(192, block_35x35(32), mean)
        self.Mixed_5c = Mixed(256, block_35x35(64), mean)
        self.Mixed_5d = Mixed(288, block_35x35(64), mean)
        self.Mixed_6a = Mixed(288, REDUCTION_35_TO_17, nn.MaxPool2d(3, 2), halves=True)
        self.Mixed_6b = Mixed(768, block_17x17(128), mean)
        self.Mixed_6c = Mixed(768, block_17x17(160), mean)
        self.Mixed_6d = Mixed(768, block_17x17(160), mean)
        self.Mixed_6e = Mixed(768, block_17x17(192), mean)
        self.Mixed_7a = Mixed(768, REDUCTION_17_TO_8, nn.MaxPool2d(3, 2), halves=True)
        self.Mixed_7b = Mixed(1280, BLOCK_8X8, mean)
        self.Mixed_7c = Mixed(2048, BLOCK_8X8, nn.MaxPool2d(3, 1, 1))  # the graph has this max pool by mistake
        self.fc = nn.Linear(FEATURES, 1008)

    def forward(self, x: Tensor) -> Tensor:
        """Map images to features, the mean over the 8 x 8 positions."""
        *layers, _ = self.children()
        for layer in layers:
            x = layer(x)
        return x.mean((2, 3))


def prepare(pixels: Tensor) -> Tensor:
    """Resize and scale pixels `[B, 3, H, W]`, float32 in [0, 255], to inputs of `Inception`, as the graph does."""
    return (resize_tf1(pixels, SIDE_PIXELS, SIDE_PIXELS) - 128) / 128


def resize_tf1(x: Tensor, height: int, width: int) -> Tensor:
    """Resize floats `[B, C, H, W]` to `[B, C, height, width]`, bilinearly as TensorFlow 1 without `align_corners`.

    It aligns corners of pixels instead of centres and does not antialias, so the result is off by half a pixel. That is
    why a score needs its protocol and not only its network (Parmar et al. 2022, arXiv:2104.11222). Operations are in
    TensorFlow's order, so that the numbers are equal.
    """
    return _resize_dim(_resize_dim(x, 3, width), 2, height)


def _resize_dim(x: Tensor, dim: int, size: int) -> Tensor:
    """Resize dimension `dim` of `x` by linear interpolation."""
    old = x.shape[dim]
    if old == size:
        return x
    position = torch.arange(size, dtype=torch.float32, device=x.device) * (old / size)
    first = position.long()
    weight = (position - first).to(x.dtype).view(-1, *[1] * (x.ndim - 1 - dim))
    low = x.index_select(dim, first)
    return low + (x.index_select(dim, (first + 1).clamp_max(old - 1)) - low) * weight
