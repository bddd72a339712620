"""The usual ways in which models of other tools expect their inputs and order their outputs, for each kind of data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sparring.engine.data_spec import PCM_LEVELS, SeriesSpec
from sparring.measure.classifier.alternatives import Alternative, with_inputs, with_outputs

Change = Callable[[Tensor], Tensor]
Groups = Sequence[Sequence[Alternative]]
"""Alternatives, of each group of which a model expects one at most."""
NORMALISATIONS = (
    ((0.5,), (0.5,), ""),
    ((0.5,), (0.25,), ""),
    ((0.5,), (1.0,), ""),
    ((0.0,), (0.5,), ""),
    ((0.1307,), (0.3081,), ", MNIST's"),
    ((0.2860,), (0.3530,), ", Fashion-MNIST's"),
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), ", ImageNet's"),
    ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616), ", CIFAR-10's"),
    ((0.4815, 0.4578, 0.4082), (0.2686, 0.2613, 0.2758), ", CLIP's"),
)
"""Mean and standard deviation of each channel, of pixels in [0, 1], and whose they are."""
IMAGENET_BYTES = (123.68, 116.78, 103.94)
"""ImageNet's mean of each channel, of pixels from 0 to 255."""
REORDER = "let it return its outputs in the order of the data's classes"
MAX_NAMES = 12
"""Class names in a message."""
SIDES = (28, 32, 64, 96, 128, 224, 256, 299)
"""Sides of square images that models often expect."""


def image_alternatives(x: Tensor, box: tuple[float, float]) -> Groups:
    """Return the ranges, orders of axes and sizes that a model of images x `[B, C, H, W]` in `box` may expect."""
    low, high = box

    def pixels(x: Tensor) -> Tensor:
        return (x - low) / (high - low)

    def normalised(mean: Sequence[float], std: Sequence[float], owner: str) -> Alternative:
        name = f"pixels (x - m) / s of m = {_numbers(mean)} and s = {_numbers(std)}{owner}"
        return with_inputs(name, lambda x: (pixels(x) - _channels(mean, x)) / _channels(std, x))

    unit, color = pixels(x).transpose(0, 1).flatten(1), x.shape[1] == 3
    ranges = [normalised(*each) for each in NORMALISATIONS if len(each[0]) in (1, x.shape[1])]
    ranges += [
        with_inputs("pixels from 0 to 255", lambda x: pixels(x) * 255),
        with_inputs("pixels from 0 to 1", pixels),
        with_inputs("pixels 1 - x, black for white", lambda x: low + high - x),
        with_inputs("pixels standardised image by image", lambda x: _standardised(pixels(x))),
        normalised(unit.mean(1).tolist(), unit.std(1).clamp(min=1e-6).tolist(), ", those of the images themselves"),
    ]
    axes = [
        with_inputs("rows and columns exchanged, x.transpose(2, 3)", lambda x: x.transpose(2, 3)),
    ]
    if color:
        ranges.append(
            with_inputs(
                "pixels from 0 to 255 less ImageNet's mean", lambda x: pixels(x) * 255 - _channels(IMAGENET_BYTES, x)
            )
        )
        axes.append(with_inputs("channels in the order BGR, x.flip(1)", lambda x: x.flip(1)))
    if x.shape[1] > 1:
        axes.append(with_inputs("channels last, x.permute(0, 2, 3, 1)", lambda x: x.permute(0, 2, 3, 1)))
    sizes = [
        with_inputs(f"images of {side}x{side}", partial(_resized, side=side), f"give --size {side}x{side}")
        for side in SIDES
        if (side, side) != tuple(x.shape[2:])
    ]
    return ranges, axes, sizes


def image_forms(x: Tensor) -> list[Alternative]:
    """Return other shapes of images x `[B, C, H, W]` that a model may accept where it fails on these."""
    modes: dict[str, Change] = {
        "": lambda x: x,
        " --mode RGB": lambda x: x[:, :1].repeat(1, 3, 1, 1),
        " --mode L": lambda x: x.mean(1, keepdim=True),
    }
    layouts: dict[str, Change] = {
        "x.permute(0, 2, 3, 1)": lambda x: x.permute(0, 2, 3, 1),
        "x.flatten(1)": lambda x: x.flatten(1),
        "x[:, 0]": lambda x: x[:, 0],
    }

    def form(mode: str, side: int | None) -> Alternative:
        def change(x: Tensor) -> Tensor:
            return _resized(modes[mode](x), side)

        flags = mode + (f" --size {side}x{side}" if side else "")
        return with_inputs(f"images {_shape(change(x[:1]))}", change, f"give{flags}")

    others = [
        with_inputs(f"images {_shape(change(x[:1]))}", change, f"let it begin with {words}")
        for words, change in layouts.items()
    ]
    resized = [form(mode, side) for side, mode in product((None, *SIDES), modes) if mode or side]
    return [*others, *resized]


def audio_alternatives() -> Groups:
    """Return the ranges and shapes that a model of sounds `[B, 1, T]` in [-1, 1] may expect."""
    return (
        [
            with_inputs("samples from -32768 to 32767", lambda x: x * PCM_LEVELS),
            with_inputs("sounds scaled to a peak of 1", lambda x: x / x.abs().amax(-1, keepdim=True).clamp(min=1e-6)),
            with_inputs("sounds standardised one by one", _standardised),
        ],
    )


def audio_forms(x: Tensor) -> list[Alternative]:
    """Return other shapes of sounds x `[B, 1, T]` that a model may accept where it fails on these."""
    return [
        with_inputs(f"sounds {_shape(x[:1, 0])}", lambda x: x[:, 0], "let it begin with x[:, 0]"),
        with_inputs(
            f"sounds {_shape(x[:1].transpose(1, 2))}",
            lambda x: x.transpose(1, 2),
            "let it begin with x.transpose(1, 2)",
        ),
    ]


def series_alternatives(spec: SeriesSpec) -> Groups:
    """Return the units and shapes that a model of standardised series `[B, C, T]` may expect."""

    def units(x: Tensor) -> Tensor:
        mean, std = (torch.tensor(values).to(x)[:, None] for values in (spec.mean, spec.std))
        return x * std + mean

    return (
        [
            with_inputs("series in the units of the source", units),
            with_inputs("series standardised one by one", _standardised),
        ],
    )


def series_forms(x: Tensor) -> list[Alternative]:
    """Return other shapes of series x `[B, C, T]` that a model may accept where it fails on these."""
    return [
        with_inputs(
            f"series {_shape(x[:1].transpose(1, 2))}",
            lambda x: x.transpose(1, 2),
            "let it begin with x.transpose(1, 2)",
        ),
        with_inputs(f"series {_shape(x[:1].flatten(1))}", lambda x: x.flatten(1), "let it begin with x.flatten(1)"),
        with_inputs(f"series {_shape(x[:1, 0])}", lambda x: x[:, 0], "let it begin with x[:, 0]"),
    ]


def table_alternatives(x: Tensor) -> Groups:
    """Return the scales that a model of rows x `[B, F]` in the units of the file may expect."""
    mean, std, low, high = x.mean(0), x.std(0).clamp(min=1e-6), x.amin(0), x.amax(0)
    return (
        [
            with_inputs("columns standardised by mean and deviation", lambda x: (x - mean) / std),
            with_inputs("columns scaled to [0, 1]", lambda x: (x - low) / (high - low).clamp(min=1e-6)),
        ],
    )


def class_orders(classes: Sequence[str], fitted: Sequence[int] | None) -> list[Alternative]:
    """Return other orders of a model's outputs: by characters, shifted by one, and `fitted` to its answers."""
    count = len(classes)
    plain = sorted(classes)
    orders = {
        "classes in the order of sorted()": [plain.index(name) for name in classes],
        "classes in the order of sorted(), in lower case": _ranks([name.lower() for name in classes]),
        "classes counted from 1": [(k + 1) % count for k in range(count)],
        "classes counted from -1": [(k - 1) % count for k in range(count)],
    }
    if fitted is not None:
        orders["classes in the order that its answers show"] = list(fitted)
    names = {tuple(order): name for name, order in reversed(orders.items())}  # of equal orders the first name
    names.pop(tuple(range(count)), None)
    return [
        with_outputs(f"{name} ({_listed([classes[order.index(k)] for k in range(count)])})", order, REORDER)
        for order, name in reversed(names.items())
    ]


def _ranks(words: Sequence[str]) -> list[int]:
    places = sorted(range(len(words)), key=lambda k: words[k])
    return [places.index(k) for k in range(len(words))]


def _channels(values: Sequence[float], x: Tensor) -> Tensor:
    """Return a value for each channel, or one for all, in the shape that fits images `x`."""
    return torch.tensor(values).to(x)[:, None, None]


def _standardised(x: Tensor) -> Tensor:
    """Return x `[B, ...]` with mean 0 and standard deviation 1 of each row."""
    flat = x.flatten(1)
    return ((flat - flat.mean(1, keepdim=True)) / flat.std(1, keepdim=True).clamp(min=1e-6)).view_as(x)


def _resized(x: Tensor, side: int | None) -> Tensor:
    if side is None:
        return x
    return interpolate(x, size=(side, side), mode="bilinear", antialias=True, align_corners=False)


def _shape(x: Tensor) -> str:
    """Return the shape of a batch as words: [B, 3, 32, 32]."""
    return f"[B, {', '.join(map(str, x.shape[1:]))}]"


def _numbers(values: Sequence[float]) -> str:
    numbers = [f"{value:.4g}" for value in values]
    return numbers[0] if len(numbers) == 1 else f"({', '.join(numbers)})"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:MAX_NAMES]) + (", ..." if len(names) > MAX_NAMES else "")
