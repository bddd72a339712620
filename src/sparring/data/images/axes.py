"""The order of the axes of an array of images, by its shape: one rule, and what is said where shapes fit several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from numpy.typing import NDArray

from sparring.engine.errors import SparringError

USUAL_CHANNELS = 1, 3, 4
MOST_CHANNELS = 16
"""Channels above which another order of the axes is likelier."""
LONGEST = 8
"""Times that a side of an image is longer than the other, above which another order of the axes is likelier."""
SMALLEST_SIDE = 8
"""Pixels of the sides of flattened images that a message may propose."""


class Order(NamedTuple):
    """One order of the axes of `[N, H, W, C]`."""

    name: str
    axes: tuple[int, int, int, int]
    """Positions of N, H, W and C in the shape."""

    def sizes(self, shape: Sequence[int]) -> tuple[int, int, int, int]:
        """Return N, H, W and C."""
        count, height, width, channels = (shape[axis] for axis in self.axes)
        return count, height, width, channels

    def fits(self, shape: Sequence[int]) -> bool:
        """Return True where sides and channels are such as images have."""
        _, height, width, channels = self.sizes(shape)
        return channels <= MOST_CHANNELS and max(height, width) <= LONGEST * min(height, width)


LAST = Order("[N, H, W, C]", (0, 1, 2, 3))
FIRST = Order("[N, C, H, W]", (0, 2, 3, 1))
COUNT_LAST = Order("[H, W, C, N]", (3, 0, 1, 2))


def as_images(array: NDArray[Any], name: str, count: int | None = None) -> tuple[NDArray[Any], list[str]]:
    """Return numbers as `[N, H, W, C]`, and a note where the order of the axes was a guess.

    `count` is the number of labels, if there are any. Raises SparringError on what are no images.
    """
    if array.dtype.kind not in "uifb":
        raise SparringError(f"{name} holds {array.dtype}, not numbers: save images as uint8 [N, H, W, C]")
    if array.ndim not in (3, 4) or 0 in array.shape[1:]:
        raise SparringError(f"{name} has shape {list(array.shape)}: images are [N, H, W] or [N, H, W, C]{_flat(array)}")
    if array.ndim == 3:
        return _of_three(array, name, count)
    order = choose_order(array.shape, count)
    n, height, width, channels = order.sizes(array.shape)
    clear = order is not COUNT_LAST and channels in USUAL_CHANNELS and order.fits(array.shape)
    others = [other for other in (LAST, FIRST) if other is not order and other.fits(array.shape)]
    if clear and not (others and others[0].sizes(array.shape)[3] in USUAL_CHANNELS):
        return array.transpose(order.axes), []
    note = (
        f"{name} of shape {list(array.shape)} is taken as {order.name}: {n:,} images of {height}x{width}, {channels} "
        f"channel{'s' * (channels > 1)}; transpose it where that is wrong"
    )
    return array.transpose(order.axes), [note]


def choose_order(shape: Sequence[int], count: int | None = None) -> Order:
    """Return the likeliest order of four axes."""
    if count is not None and count == shape[3] != shape[0]:
        return COUNT_LAST
    fitting = [order for order in (LAST, FIRST) if order.fits(shape)]
    if not fitting and COUNT_LAST.fits(shape) and shape[2] in USUAL_CHANNELS and count != shape[0]:
        return COUNT_LAST
    common = [order for order in fitting if order.sizes(shape)[3] in USUAL_CHANNELS]
    orders = common or fitting or [LAST, FIRST]
    _, channels, height, width = shape
    if FIRST in orders and (orders == [FIRST] or (height == width != channels and width != 1)):
        return FIRST
    return LAST if LAST in orders else FIRST


def flat_images(length: int) -> str:
    """Return what images of this many numbers may be, as `3 x 32 x 32`; nothing where no square fits."""
    for channels in (1, 3):
        side = math.isqrt(length // channels)
        if side >= SMALLEST_SIDE and channels * side * side == length:
            return f"{channels} x {side} x {side}" if channels > 1 else f"{side} x {side}"
    return ""


def _of_three(array: NDArray[Any], name: str, count: int | None) -> tuple[NDArray[Any], list[str]]:
    """Return `[N, H, W]` with one channel, or one picture `[H, W, C]` as a set of one."""
    first, second, last = array.shape
    one = last in USUAL_CHANNELS[1:] and second > 2 * last and max(first, second) <= LONGEST * min(first, second)
    if one and count != first:
        return array[None], [f"{name} of shape {list(array.shape)} is taken as one image of {first}x{second}"]
    note = f"{name} of shape {list(array.shape)} is taken as [N, H, W]: {first:,} grey images of {second}x{last}"
    if first in USUAL_CHANNELS[1:] and count != first:
        return array[..., None], [f"{note}; one image of {first} channels is [1, C, H, W]"]
    stretched = max(second, last) > LONGEST * min(second, last)
    return array[..., None], [note] if stretched else []


def _flat(array: NDArray[Any]) -> str:
    if array.ndim != 2 or not (sides := flat_images(array.shape[1])):
        return ""
    return f"; {array.shape[1]} = {sides}: reshape(-1, {sides.replace(' x ', ', ')})"
