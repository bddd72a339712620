"""What a recipe needs to know of the data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ImageSpec:
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
    condition_stats: tuple[tuple[float, float], ...] = ()
    """Of each number that is told with an image, where there are such: mean and deviation over the training images."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(self.classes))  # JSON knows lists alone
        object.__setattr__(
            self, "condition_stats", tuple((mean, deviation) for mean, deviation in self.condition_stats)
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        return self.channels, self.height, self.width
