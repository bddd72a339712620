"""What a recipe needs to know of the data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Spec:
    """Size and labels of a set of images."""

    height: int
    width: int
    channels: int
    classes: tuple[str, ...]
    """Names of the classes; label k means `classes[k]`."""
    count: int
    """Images to train on."""
    unlabelled: int = 0
    """Of them without a label, where others have one."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        return self.channels, self.height, self.width
