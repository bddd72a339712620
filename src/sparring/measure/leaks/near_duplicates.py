"""Find test examples with an equal or nearly equal training example."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import from_numpy
from torch.nn.functional import adaptive_avg_pool2d

MAX_BITS = 3
"""Largest number of different bits, of 64, of the hashes of nearly equal images."""
MAX_DISTANCE = 0.12
"""Largest distance of nearly equal images, in units of the deviation of the pixels of one."""
THUMBNAIL = 32
"""Largest side of the images whose pixels are compared."""
MIN_DEVIATION = 2.0
"""Smallest deviation of the pixels of an image that is compared: flat images are alike without being copies."""


def equal_rows(test: NDArray[Any], training: NDArray[Any]) -> NDArray[np.int64]:
    """Return the training row that is equal to each test row, int64 `[N]`; -1 for none."""
    known = {row.tobytes(): k for k, row in enumerate(training)}
    return np.array([known.get(row.tobytes(), -1) for row in test], np.int64)


def near_images(test: NDArray[np.uint8], training: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the training image that is nearly equal to each test image, int64 `[N]`; -1 for none.

    Images are uint8 `[N, H, W, C]`. Candidates have nearly the same difference hash; then thumbnails are compared.
    """
    hashes, table = _hashes(test), _hashes(training)
    size = min(test.shape[1], THUMBNAIL), min(test.shape[2], THUMBNAIL)
    result = np.full(len(test), -1, np.int64)
    for k, bits in enumerate(hashes):
        near = np.flatnonzero(np.bitwise_count(table ^ bits) <= MAX_BITS)
        if not len(near):
            continue
        image = _thumbnails(test[k : k + 1], *size)
        if (deviation := float(image.std())) < MIN_DEVIATION:
            continue
        distances = np.sqrt(((_thumbnails(training[near], *size) - image) ** 2).mean((1, 2, 3))) / deviation
        best = int(distances.argmin())
        result[k] = near[best] if distances[best] <= MAX_DISTANCE else -1
    return result


def _thumbnails(images: NDArray[np.uint8], height: int, width: int) -> NDArray[np.float32]:
    """Return images averaged to another size, float32 `[N, C, height, width]`."""
    chunks = [
        adaptive_avg_pool2d(from_numpy(images[k : k + 1000]).permute(0, 3, 1, 2).float(), (height, width)).numpy()
        for k in range(0, len(images), 1000)
    ]
    return np.concatenate(chunks)


def _hashes(images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the difference hash of each image: 64 bits, set where a pixel of the 8x9 grey image is above the next."""
    grey = _thumbnails(images, 8, 9).mean(1)
    bits = (grey[:, :, 1:] > grey[:, :, :-1]).reshape(len(images), 64)
    return np.packbits(bits, axis=1).view(np.uint64)[:, 0]
