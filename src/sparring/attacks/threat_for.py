"""Default threat models, one for each kind of data: pixel eps, decibels, changed columns, series, orders."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import singledispatch
from typing import Any

import torch
from torch import Tensor

from sparring.attacks.norms import Norm, length
from sparring.attacks.tabular_constraints import TabularConstraints
from sparring.attacks.threat_model import Threat
from sparring.attacks.tradable_changes import Market, orders_threat
from sparring.data.prices import PricesSpec
from sparring.engine.data_spec import AudioSpec, Column, ImageSpec, SeriesSpec, TableSpec
from sparring.engine.errors import UsageError, did_you_mean

EPS = {"Linf": (0.3, 8 / 255), "L2": (1.5, 0.5)}
"""Norm -> the usual radius for MNIST-like images, and for all others (CIFAR-10's); pixels in [0, 1]."""
MNIST_PIXELS = 28
"""Largest side of a grey image that counts as MNIST-like."""
DECIBELS = -30.0
"""Peak of the perturbation relative to the peak of the sound."""
SERIES_EPS = 0.1
"""Radius for series, in standard deviations of each channel."""
PARTICIPATION = 0.01
"""Volume of all orders against one signal, in average volumes of a bar."""


@singledispatch
def threat_for(spec: Any, x: Tensor, budget: float | None = None, **limits: Any) -> Threat:
    """Return the default threat model for inputs `x` `[B, ...]` of a data set with this `spec`.

    `budget` bounds the change and has a default per kind. Images: the radius eps in pixels of the box (`norm`, `box`,
    `mask`). Sounds: decibels relative to each peak (`mask`). Tables: the number of changed entries (`constraints`).
    Series: the radius eps in standard deviations (`norm`, `mask`). Prices with orders: the participation (`market`).
    """
    raise UsageError(f"there is no threat model for {type(spec).__name__}: register one with threat_for.register")


@threat_for.register
def _image(
    spec: ImageSpec,
    x: Tensor,
    budget: float | None = None,
    *,
    norm: Norm = "Linf",
    box: tuple[float, float] = (0.0, 1.0),
    mask: Tensor | None = None,
) -> Threat:
    low, high = box
    eps = default_eps(norm, spec) * (high - low) if budget is None else budget
    return Threat(norm, eps, low, high, mask)


@threat_for.register
def _audio(spec: AudioSpec, x: Tensor, budget: float | None = None, *, mask: Tensor | None = None) -> Threat:
    return decibel_threat(x, DECIBELS if budget is None else budget, mask=mask)


@threat_for.register
def _series(
    spec: SeriesSpec, x: Tensor, budget: float | None = None, *, norm: Norm = "Linf", mask: Tensor | None = None
) -> Threat:
    return Threat(norm, SERIES_EPS if budget is None else budget, -torch.inf, torch.inf, mask)


@threat_for.register
def _prices(spec: PricesSpec, x: Tensor, budget: float | None = None, *, market: Market | None = None) -> Threat:
    return orders_threat(x, market or Market(), PARTICIPATION if budget is None else budget)


@threat_for.register
def _table(
    spec: TableSpec, x: Tensor, budget: float | None = None, *, constraints: TabularConstraints | None = None
) -> Threat:
    """Return L0 within the span of each column over the training rows and `x`; no limit of entries by default."""
    spans = [(c.low, c.high if c.low < c.high else c.low + 1) for c in spec.columns for _ in c.indices]
    low, high = torch.tensor(spans).to(x).unbind(1)
    low, high = torch.minimum(low, x.amin(0)), torch.maximum(high, x.amax(0))
    entries = float(x.shape[1]) if budget is None else budget
    return Threat("L0", entries, low, high, columns=constraints_for(spec) if constraints is None else constraints)


def default_eps(norm: str, spec: ImageSpec) -> float:
    """Return the usual radius for images of this spec, pixels in [0, 1].

    Linf 0.3 and L2 1.5 were published for MNIST, whose strokes are almost black and white. They hold only for grey
    images of up to 28 pixels a side. All others, grey photographs too, get CIFAR-10's 8/255 and 0.5: a change of 0.3
    can draw another picture over them. Raises UsageError for norms without a usual radius.
    """
    if norm not in EPS:
        raise UsageError(f"no eps is usual in {norm}: give --eps")
    return EPS[norm][0 if is_mnist_like(spec) else 1]


def is_mnist_like(spec: ImageSpec) -> bool:
    """Return whether images of this spec are grey and at most 28 pixels a side."""
    return spec.channels <= 2 and max(spec.height, spec.width) <= MNIST_PIXELS


def decibel_threat(x: Tensor, db: float, *, low: float = -1.0, high: float = 1.0, mask: Tensor | None = None) -> Threat:
    """Return the Linf ball whose radius is `db` decibels relative to the peak of each waveform of `x` `[B, 1, T]`.

    Carlini and Wagner 2018, "Audio adversarial examples", section 2: dB_x(delta) = 20 log10 max|delta| - 20 log10
    max|x|. A silent row may not change at all. Raises UsageError unless -1000 < db <= 0.
    """
    if not -1000 < db <= 0:
        raise UsageError(f"--db must be 0 or less (a change as loud as the sound is 0 dB), not {db:g}")
    return Threat("Linf", length("Linf", x) * 10 ** (db / 20), low, high, mask)


def constraints_for(
    spec: TableSpec,
    *,
    movable: Iterable[str] | None = None,
    immutable: Iterable[str] = (),
    increasing: Iterable[str] = (),
    decreasing: Iterable[str] = (),
) -> TabularConstraints:
    """Return the constraints on the columns of a table, by column name.

    Integers stay integers and categories stay one-hot. With `movable`, only these columns and the monotone ones may
    change; otherwise all but the `immutable` ones. Constant columns never change. Raises UsageError on an unknown name,
    on a monotone category, or on a column with two exclusive constraints.
    """
    names = {"movable": movable or (), "immutable": immutable, "increasing": increasing, "decreasing": decreasing}
    named = {rule: {column.name for column in _named(spec, each)} for rule, each in names.items()}
    _check_exclusive(named)
    move = {c.name for c in spec.columns} if movable is None else set().union(*named.values())
    fixed = named["immutable"] | {c.name for c in spec.columns if c.is_constant or c.name not in move}
    moving = [column for column in spec.columns if column.name not in fixed]
    monotone = {rule: _numeric(spec, named[rule], rule) for rule in ("increasing", "decreasing")}
    return TabularConstraints(
        immutable=tuple(index for column in spec.columns if column.name in fixed for index in column.indices),
        integer=tuple(column.indices[0] for column in moving if column.is_integer),
        one_hot=tuple(column.indices for column in moving if column.categories),
        **{rule: tuple(c.indices[0] for c in columns if not c.is_constant) for rule, columns in monotone.items()},
    )


def _named(spec: TableSpec, names: Iterable[str]) -> list[Column]:
    if isinstance(names, str):
        raise UsageError(f"column names are a sequence, ('{names}',), and not '{names}'")
    names, columns = list(names), {column.name: column for column in spec.columns}
    if unknown := next((name for name in names if name not in columns), None):
        raise UsageError(f"there is no column '{unknown}': {did_you_mean(unknown, columns)}")
    return [columns[name] for name in names]


def _numeric(spec: TableSpec, names: Collection[str], rule: str) -> list[Column]:
    columns = [column for column in spec.columns if column.name in names]
    if category := next((column for column in columns if column.categories), None):
        examples = ", ".join(category.categories[:3])
        raise UsageError(f"'{category.name}' cannot be {rule}: it holds categories ({examples}, ...)")
    return columns


def _check_exclusive(named: dict[str, set[str]]) -> None:
    for first, second in (
        ("immutable", "movable"),
        ("immutable", "increasing"),
        ("immutable", "decreasing"),
        ("increasing", "decreasing"),
    ):
        if both := sorted(named[first] & named[second]):
            raise UsageError(f"'{both[0]}' is {first} and {second}: it can only be one of them")
