"""From a request to a task: read the files, check memory, cut out the part that changes, estimate the noise."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparring.commands.restoring.picture import (
    MIN_SIDE_PIXELS,
    SourcePicture,
    digest_of,
    picture_shape,
    read_mask,
    read_picture,
)
from sparring.commands.restoring.request import RestoreRequest
from sparring.engine.device import Hardware, memory_available
from sparring.engine.errors import SparringError, UsageError
from sparring.restoration.architecture import Architecture, architecture_for
from sparring.restoration.noise import estimate_noise
from sparring.restoration.task import Task, jpeg_task, mask_task, noise_task, scale_task

BASE_BYTES = 500_000_000
"""Memory of Python, torch and its libraries."""
BYTES_PER_PIXEL = 2000
"""Memory of the activations and gradients of the networks, for each pixel of the restored picture."""
MARGIN_PIXELS = 64
"""Known pixels around the holes that the network learns from, where the picture is larger."""
MIN_NOISE_LEVELS = 0.5
"""Estimated noise, in grey levels, below which there is none to remove."""
COARSE_SIDE_PIXELS = 128
"""Smallest side of a picture that is fitted at half its size first."""

Region = tuple[slice, slice]


@dataclass(frozen=True)
class Job:
    """A task with all that is needed to fit it and to put its result back."""

    picture: SourcePicture
    task: Task
    architecture: Architecture
    region: Region
    """Part of the picture that the task is of; all of it but for small holes in a large picture."""
    digests: dict[str, str]
    """Hashes of the files."""
    memory: int
    """Estimated memory in bytes."""
    notes: list[str] = field(default_factory=list)

    @property
    def coarse(self) -> float:
        """Return the steps at half the size as a multiple of those at full size; 0 for a small picture."""
        return self.architecture.coarse if min(self.task.size) >= COARSE_SIDE_PIXELS else 0.0

    def paste(self, restored: Tensor) -> Tensor:
        """Return the whole picture `[1, C, H, W]` with the restored region in it."""
        if restored.shape[2:] != self.task.observed.shape[2:]:
            return restored
        whole = self.picture.pixels.clone()
        whole[..., self.region[0], self.region[1]] = restored
        return whole

    def shown(self) -> Tensor:
        """Return the picture as it came, with grey holes."""
        if self.task.kind != "mask":
            return self.picture.pixels
        known = self.task.known()
        return self.paste(self.task.observed * known + 0.5 * (1 - known))


def prepare(request: RestoreRequest, hardware: Hardware) -> Job:
    """Return the job of a request; raise UsageError or SparringError where its files do not allow it."""
    shape = picture_shape(request.picture)
    factor = request.scale or 1
    if request.kind != "mask":
        check_memory(request.picture, shape.height * factor, shape.width * factor, hardware, factor)
    source = read_picture(request.picture)
    notes, digests = list(source.notes), {"picture": source.digest}
    everything = slice(0, shape.height), slice(0, shape.width)
    region: Region = everything
    if request.mask is not None:
        height, width = source.pixels.shape[2:]
        mask, remarks = read_mask(request.mask, source.path, (height, width))
        known = torch.from_numpy(mask)[None, None].float()
        notes += [f"{float((1 - known).mean()):.1%} of the pixels are filled", *remarks]
        digests["mask"] = digest_of(request.mask)
        region = region_of(known)
        if region != everything:
            notes.append(f"only the part around the holes is fitted: {_extent(region[1])}x{_extent(region[0])} pixels")
        known, pixels = (values[..., region[0], region[1]] for values in (known, source.pixels))
        task = mask_task(pixels, known, request.seed)
    elif request.kind == "noise":
        task = noise_task(source.pixels, _sigma(request, source) / 255, request.seed)
    elif request.scale is not None:
        task = scale_task(source.pixels, request.scale)
    else:
        task = jpeg_task(source.pixels)
    memory = check_memory(request.picture, *task.size, hardware, factor)
    return Job(source, task, architecture_for(task), region, digests, memory, notes)


def region_of(known: Tensor) -> Region:
    """Return the rows and columns of the holes of `known` `[1, 1, H, W]`, with a margin, as slices."""
    slices = []
    for across, size in ((3, known.shape[2]), (2, known.shape[3])):
        holes = (known[0] == 0).any(across - 1).flatten().nonzero().flatten()
        low, high = max(int(holes[0]) - MARGIN_PIXELS, 0), min(int(holes[-1]) + 1 + MARGIN_PIXELS, size)
        slices.append(slice(low, high))
    return slices[0], slices[1]


def _extent(part: slice) -> int:
    return int(part.stop - part.start)


def _sigma(request: RestoreRequest, source: SourcePicture) -> float:
    """Return the noise in grey levels that was given, or an estimate; raise UsageError where there is none."""
    if request.sigma is not None:
        return request.sigma
    estimated = estimate_noise(source.pixels) * 255
    if estimated < MIN_NOISE_LEVELS:
        raise UsageError(
            f"{source.path} has no white noise that can be measured ({estimated:.2f} grey levels): there is nothing to "
            "remove; or give its standard deviation, as in --noise 10"
        )
    source.notes.append(f"the noise is estimated at {estimated:.1f} grey levels, from the finest wavelets")
    return estimated


def needed_memory(height: int, width: int) -> int:
    """Return the estimated memory of a fit in bytes."""
    return BASE_BYTES + height * width * BYTES_PER_PIXEL


def check_memory(path: Path, height: int, width: int, hardware: Hardware, factor: int = 1) -> int:
    """Return the estimated memory; raise SparringError, with the size that fits, where less is free."""
    needed = needed_memory(height, width)
    free: Any = torch.cuda.mem_get_info()[0] if hardware.device.type == "cuda" else memory_available()
    if free is None or needed < free * 0.9:
        return needed
    fits = max(free * 0.8 - BASE_BYTES, 0) / BYTES_PER_PIXEL
    ratio = (fits / (height * width)) ** 0.5
    rows, columns = (max(int(side * ratio / factor), MIN_SIDE_PIXELS) for side in (height, width))
    enlarged = f", enlarged to {width}x{height}" if factor > 1 else ""
    raise SparringError(
        f"{path} has {height * width / factor**2 / 1e6:.1f} megapixels{enlarged}: restoring it needs about "
        f"{needed / 1e9:.0f} GB of memory, and {free / 1e9:.1f} GB are free. {columns}x{rows} fits: "
        "scale it down or cut a part out"
    )
