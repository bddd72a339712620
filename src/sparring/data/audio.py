"""Recordings of words: wav files in a folder or an archive -> waveforms of one rate with labels."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparring.data.archive import Container, Skipped, Unreadable, open_container, suffix
from sparring.data.gzip_io import is_packed_tar
from sparring.data.registry import DIGITS, KNOWN, STACKED
from sparring.data.resolve import local, locate
from sparring.engine.errors import SparringError, UsageError

KINDS = (".wav", ".flac", ".ogg")
LONGEST = 10.0
"""Seconds: a longer recording is no word, and left out."""
LEVELS = 32768
"""Steps of a 16-bit sample between 0 and 1."""
TEST_TAKES = 5
"""Of files named WORD_SPEAKER_TAKE, as in the Free Spoken Digit Dataset, takes 0 to 4 are for testing."""
ONE_IN = 10
"""Of each word for testing, where nothing tells which."""
SPLITS = ("train", "test")


@dataclass(frozen=True, eq=False)
class Sounds:
    """Recordings, padded with silence at the end to one length."""

    waves: NDArray[np.float32]
    """`[N, T]` in [-1, 1]; several channels were averaged."""
    lengths: NDArray[np.int64]
    """Samples of each before the padding, `[N]`."""
    labels: NDArray[np.int64]
    """`[N]`, into `words`."""
    words: tuple[str, ...]
    names: tuple[str, ...]
    """Of the files."""
    rate: int
    """Samples a second."""
    test: NDArray[np.bool_]
    """True for those that are not to be trained on, `[N]`."""
    skipped: tuple[Skipped, ...] = ()

    def __len__(self) -> int:
        return len(self.waves)

    def each(self) -> list[NDArray[np.float32]]:
        """The waveforms without their padding, `[T]` each."""
        return [wave[:length] for wave, length in zip(self.waves, self.lengths, strict=True)]

    def split(self, name: str) -> Sounds:
        """Those of `train` or of `test`."""
        if name not in SPLITS:
            raise UsageError(f"unknown split '{name}': train or test")
        return self.rows(np.flatnonzero(self.test == (name == "test")))

    def rows(self, rows: NDArray[np.int64]) -> Sounds:
        """Some of them."""
        longest = int(self.lengths[rows].max(initial=1))
        return replace(
            self, waves=self.waves[rows, :longest], lengths=self.lengths[rows], labels=self.labels[rows],
            names=tuple(self.names[k] for k in rows), test=self.test[rows],
        )  # fmt: skip


def open_sounds(source: str | Path) -> Sounds:
    """All recordings in SOURCE: a folder, an archive, a URL or one file, of wav, flac or ogg, up to 10 s each.

    The word is the folder that a file lies in; where there is but one folder, its name up to the first `_`. For testing
    are those below a folder `test`; else takes 0 to 4 of names WORD_SPEAKER_TAKE; else one in ten of each word. What is
    damaged, silent or too long is named in `skipped`. Raises SparringError where nothing is left, UsageError where rates
    differ: nothing is resampled.
    """
    if str(source) in (DIGITS, STACKED, *KNOWN) and local(str(source)) is None:
        raise UsageError(f"{source} are images: give wav, flac or ogg files, in a folder or an archive")
    path, _ = locate(source)
    if is_packed_tar(path):
        raise UsageError(f"{source} is a packed tar file: unpack it, and give the folder")
    container = open_container(path)
    names = [name for name in container.names if suffix(name) in KINDS]
    if not names:
        raise SparringError(f"no sounds in {source}: wav, flac or ogg files are looked for, in it and in folders below")
    read, rates, skipped = _read_all(container, names)
    if not read:
        raise SparringError(f"no usable sound in {source}: {skipped[0].name} {skipped[0].reason}")
    if len(several := sorted(set(rates.values()))) > 1:
        odd = next(name for name, rate in rates.items() if rate != several[0])
        raise UsageError(
            f"{source} holds sounds of {several[0]:,} and {several[1]:,} Hz ({odd}, say): bring them to one rate first, "
            "for nothing is resampled here"
        )
    of = _words(list(read))
    words = tuple(sorted(set(of)))
    labels = np.array([words.index(word) for word in of])
    lengths = np.array([len(wave) for wave in read.values()])
    waves = np.zeros((len(read), lengths.max()), np.float32)
    for row, wave in zip(waves, read.values(), strict=True):
        row[: len(wave)] = wave
    return Sounds(waves, lengths, labels, words, tuple(read), several[0], _test(list(read), labels), tuple(skipped))


def on_grid(x: Tensor) -> Tensor:
    """Waveforms in [-1, 1] as a file of 16 bits keeps them."""
    return (x * LEVELS).round().clamp(-LEVELS, LEVELS - 1) / LEVELS


def as_wav(wave: NDArray[np.float32], rate: int) -> bytes:
    """A waveform `[T]` in [-1, 1] as a wav file of 16 bits; values on its grid (`on_grid`) are kept exactly."""
    content = io.BytesIO()
    ints = (on_grid(torch.from_numpy(wave)) * LEVELS).short().numpy()
    soundfile().write(content, ints, rate, format="WAV", subtype="PCM_16")
    return content.getvalue()


def soundfile() -> ModuleType:
    """The library that reads and writes sounds; SparringError, with the way out, where it is missing."""
    try:
        import soundfile as library
    except ImportError as error:
        raise SparringError("sounds need the library soundfile: pip install 'sparring[audio]'") from error
    except OSError as error:  # it is there, and the C library below it is not
        raise SparringError(f"soundfile does not find the library libsndfile ({error}): install that") from error
    module: ModuleType = library
    return module


def _read_all(
    container: Container, names: list[str]
) -> tuple[dict[str, NDArray[np.float32]], dict[str, int], list[Skipped]]:
    """Name -> waveform, name -> rate, and what is left out."""
    library = soundfile()
    read: dict[str, NDArray[np.float32]] = {}
    rates: dict[str, int] = {}
    skipped = list(container.refused)
    for name in names:
        try:
            read[name], rates[name] = _read(library, container.read(name), name)
        except Unreadable as error:
            skipped.append(Skipped(name, error.reason))
    return read, rates, skipped


def _read(library: Any, content: bytes, name: str) -> tuple[NDArray[np.float32], int]:
    """One waveform `[T]` and its rate; raises Unreadable."""
    try:
        with library.SoundFile(io.BytesIO(content)) as file:
            rate = int(file.samplerate)
            if file.frames > LONGEST * rate:
                raise Unreadable(
                    name, f"lasts {file.frames / rate:,.0f} s, more than the {LONGEST:.0f} s that a word may"
                )
            wave = file.read(dtype="float32", always_2d=True).mean(1)
    except (library.SoundFileError, RuntimeError, TypeError, ValueError) as error:
        raise Unreadable(name, "is damaged, or no sound file") from error
    if not len(wave):
        raise Unreadable(name, "is empty")
    if not np.isfinite(wave).all():
        raise Unreadable(name, "holds values that are not finite")
    if not wave.any():
        raise Unreadable(name, "is silent throughout")
    return np.clip(wave, -1, 1), rate


def _words(names: list[str]) -> list[str]:
    """The word of each file."""
    folders = [[part for part in name.split("/")[:-1] if part not in SPLITS] for name in names]
    inner = [parts[-1] if parts else "" for parts in folders]
    if len(set(inner)) > 1:
        return inner
    return [name.rpartition("/")[2].rpartition(".")[0].partition("_")[0] for name in names]


def _test(names: list[str], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which are for testing."""
    told = np.array(["test" in name.split("/")[:-1] for name in names])
    takes = [re.fullmatch(r".*_.*_(\d+)\.\w+", name.rpartition("/")[2]) for name in names]
    if not told.any() and all(takes):
        told = np.array([int(take[1]) < TEST_TAKES for take in takes if take])
    if told.any() and not told.all():
        return told
    chosen = np.zeros(len(names), bool)
    for word in np.unique(labels):
        rows = np.random.default_rng(0).permutation(np.flatnonzero(labels == word))
        chosen[rows[: len(rows) // ONE_IN]] = True
    return chosen
