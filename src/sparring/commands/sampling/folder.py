"""Write samples as files: a folder with one for each, or one file under a free name."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from functools import singledispatch
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sparring.data.fit_spec import sound_lengths
from sparring.engine.atomic_io import explain_os_errors, write
from sparring.engine.data_spec import AudioSpec, DataSpec, PairSpec
from sparring.engine.errors import UsageError
from sparring.engine.image_io import png, to_image
from sparring.engine.sound_io import is_marked_wav, wav
from sparring.models.generator import Label

WORD = re.compile(r"[^\W_]+")
"""Class that can begin the name of a file, before `_`."""


@singledispatch
def file_of(spec: DataSpec, row: NDArray[Any], number: int, word: str, about: str) -> tuple[str, bytes]:
    """Return name and content of the file of one sample, marked as generated; `word` is its class, if it has one."""
    return f"{number:06d}.png", png(to_image(row), about)


@file_of.register
def _(spec: AudioSpec, row: NDArray[Any], number: int, word: str, about: str) -> tuple[str, bytes]:
    """Return a wav file without the silence at the end, named WORD_NUMBER.wav, which readers take for its word."""
    name = f"{word}_{number:06d}.wav" if WORD.fullmatch(word) else f"{number:06d}.wav"
    return name, wav(row[: max(int(sound_lengths(row[None])[0]), 1)], spec.rate, about)


def words_of(model: Any, n: int, seed: int, label: Label | None) -> Iterator[str]:
    """Yield the class of each sample; empty texts of a generator without classes."""
    if model.conditional:
        yield from model.names_of(model.draw_inputs(range(n), seed, label)[1])
    else:
        yield from itertools.repeat("", n)


@singledispatch
def write_folder(
    spec: DataSpec, samples: Iterable[NDArray[Any]], words: Iterable[str], out: Path, about: str
) -> Path:  # fmt: skip
    """Write each sample as a file; raises UsageError where the folder holds files that are not Sparring's."""
    check_ours(out)
    rows = itertools.chain.from_iterable(samples)
    for k, (row, word) in enumerate(zip(rows, words, strict=False)):
        name, content = file_of(spec, row, k, word, f"{about}, sample {k}")
        write_new(out / name, content)
    return out


@write_folder.register
def _(spec: PairSpec, samples: Iterable[NDArray[Any]], words: Iterable[str], out: Path, about: str) -> Path:
    """Write a folder for each half, named by its kind; both files of a pair have one name, WORD_NUMBER or NUMBER."""
    rows = np.concatenate(list(samples))
    stems = [
        f"{word}_{k:06d}" if WORD.fullmatch(word) else f"{k:06d}"
        for k, word in enumerate(itertools.islice(words, len(rows)))
    ]
    for name, (half, part) in zip(spec.names, spec.by_half(rows), strict=True):
        check_ours(folder := out / name)
        for k, (row, stem) in enumerate(zip(part, stems, strict=True)):
            file, content = file_of(half, row, k, "", f"{about}, pair {k}")
            write_new(folder / f"{stem}{Path(file).suffix}", content)
    return out


def write_new(path: Path, content: bytes) -> Path:
    """Write `content` to `path`, or where that exists with other content to the next free name; return the path.

    The names are NAME.png, NAME-2.png, NAME-3.png, and so on.
    """
    for k in itertools.count(1):
        free = path if k == 1 else path.with_name(f"{path.stem}-{k}{path.suffix}")
        if not free.exists():
            write(free, content)
            return free
        with explain_os_errors(free):
            if free.is_file() and free.read_bytes() == content:
                return free
    raise AssertionError("unreachable")


def check_ours(folder: Path) -> None:
    """Make a folder; raise UsageError where it holds files that are not Sparring's."""
    with explain_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if stranger := next((p for p in sorted(folder.iterdir()) if not _is_ours(p)), None):
            raise UsageError(f"{folder} holds other files ({stranger.name}): choose another --out, nothing was written")


def _is_ours(path: Path) -> bool:
    """Return True for a file of one sample that Sparring wrote: it may be written over."""
    if path.suffix == ".wav":
        return is_marked_wav(path)
    try:
        with Image.open(path, formats=["PNG"]) as image:
            return image.info.get("Software") == "sparring"
    except OSError:  # what is no PNG among them
        return False
