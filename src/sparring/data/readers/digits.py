"""The handwritten digits that come with scikit-learn: 1,797 real images of 8x8, no download (Alpaydin, Kaynak 1998)."""

from __future__ import annotations

import numpy as np

from sparring.data.readers.array_dataset import ImageArrays, Part
from sparring.engine.errors import SparringError

HELD_OUT = 297
"""Number of test digits, the last ones: by other writers than those before."""


def read_digits() -> ImageArrays:
    """Return the digits, 1,500 to train and 297 held out. Needs scikit-learn (`pip install sparring[demo]`)."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise SparringError("the digits come with scikit-learn: pip install 'sparring[demo]'") from error
    bunch = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = [str(label) for label in bunch.target]
    return ImageArrays(
        "scikit-learn's digits",
        [
            Part("train", "train", images[:-HELD_OUT], labels[:-HELD_OUT]),
            Part("test", "test", images[-HELD_OUT:], labels[-HELD_OUT:]),
        ],
    )
