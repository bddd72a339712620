"""Waveforms: read sound files, bring them to one sampling rate, write wav files."""

from __future__ import annotations

import io
import math
from types import ModuleType
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparring.data.files.archive import Container, Unreadable
from sparring.data.files.signatures import explain
from sparring.data.sounds.loudness import PLAIN, mixed
from sparring.engine.data_spec import PCM_LEVELS
from sparring.engine.errors import SparringError

MAX_SECONDS = 10.0
"""Seconds: a longer recording is skipped."""
MAX_PACKED_BYTES = 64 << 20
"""Bytes: a larger member of an archive is skipped unread, since its header alone cannot be had."""
ROLL_OFF = 0.05
"""Fraction of the common band over which resampling fades out, against ringing."""


class Header(NamedTuple):
    """Sampling rate, length and form of a sound file."""

    rate: int
    frames: int
    form: str
    """Form of the samples, in libsndfile's names."""


class Wave(NamedTuple):
    """One recording, of one channel."""

    samples: NDArray[np.int16]
    clipped: bool
    """True where values passed full scale."""
    cancelled: bool
    """True where the mean of its channels is nearly silent, so that the loudest was taken."""


def soundfile() -> ModuleType:
    """Import the library that reads and writes sounds; SparringError, with the way out, where it is missing."""
    try:
        import soundfile as library
    except ImportError as error:
        raise SparringError("sounds need the library soundfile: pip install 'sparring[audio]'") from error
    except OSError as error:  # it is there, and the C library below it is not
        raise SparringError(f"soundfile does not find the library libsndfile ({error}): install that") from error
    module: ModuleType = library
    return module


def read_header(container: Container, name: str) -> Header:
    """Read rate and length of a sound; raises Unreadable where it is damaged, empty or longer than MAX_SECONDS."""
    library = soundfile()
    if container.place(name) is None and container.size(name) > MAX_PACKED_BYTES:
        limit = f"{MAX_PACKED_BYTES >> 20} MB"
        raise Unreadable(name, f"is larger than {limit}, more than a recording of {MAX_SECONDS:.0f} s takes")
    with _explaining_damage(library, container, name), library.SoundFile(_stream(container, name)) as file:
        header = Header(int(file.samplerate), int(file.frames), str(file.subtype))
    if header.frames > MAX_SECONDS * header.rate:
        seconds = header.frames / header.rate
        raise Unreadable(name, f"lasts {seconds:,.0f} s, more than the {MAX_SECONDS:.0f} s that a recording may")
    if not header.frames:
        raise Unreadable(name, "is empty")
    return header


def read_wave(container: Container, name: str, rate: int, full_scale: float = 1.0) -> Wave:
    """Read one waveform at `rate`, its channels averaged; raises Unreadable where it holds no usable sound."""
    channels, own = _read(container, name)
    if not len(channels):
        raise Unreadable(name, "is empty")
    if not np.isfinite(channels).all():
        raise Unreadable(name, "holds values that are not finite")
    wave, cancelled = mixed(channels)
    ints = quantize(resample(wave / np.float32(full_scale) if full_scale != 1 else wave, own, rate))
    if not ints.any():
        raise Unreadable(name, "is silent throughout")
    return Wave(ints, float(np.abs(wave).max()) > full_scale * PLAIN, cancelled)


def peak(container: Container, name: str) -> float:
    """Return the largest value of a sound, of its channels' mean; 0 where it is damaged, as reading it will report."""
    try:
        channels, _ = _read(container, name)
    except Unreadable:
        return 0.0
    value = float(np.abs(mixed(channels)[0]).max(initial=0.0))
    return value if math.isfinite(value) else 0.0


def _read(container: Container, name: str) -> tuple[NDArray[np.float32], int]:
    """Return samples float32 `[T, C]` and the sampling rate."""
    library = soundfile()
    with _explaining_damage(library, container, name), library.SoundFile(_stream(container, name)) as file:
        own = int(file.samplerate)
        return file.read(int(MAX_SECONDS * own) + 1, dtype="float32", always_2d=True), own


def resample(wave: NDArray[np.float32], rate: int, target: int) -> NDArray[np.float32]:
    """Bring a waveform `[T]` from `rate` to `target` samples a second by its spectrum; equal rates change nothing."""
    if rate == target:
        return wave
    up, down = target // math.gcd(rate, target), rate // math.gcd(rate, target)
    margin = rate // 20  # of silence, so that the end does not reach around to the beginning
    count = -(-(len(wave) + margin) // down) * down
    spectrum = np.fft.rfft(wave.astype(np.float64), count)
    length = count // down * up
    bins = min(count, length) // 2 + 1
    fade = np.clip((bins - 1 - np.arange(bins)) / max(ROLL_OFF * bins, 1), 0, 1)
    new = np.fft.irfft(spectrum[:bins] * np.sin(fade * np.pi / 2) ** 2, length) * (length / count)
    return new[: -(-len(wave) * up // down)].astype(np.float32)


def quantize(wave: NDArray[np.float32]) -> NDArray[np.int16]:
    """Round a waveform in [-1, 1] to 16 bits; values outside are clipped."""
    return (wave * PCM_LEVELS).round().clip(-PCM_LEVELS, PCM_LEVELS - 1).astype(np.int16)


def _stream(container: Container, name: str) -> str | IO[bytes]:
    """Return what the library opens: a path where there is one, so that only what is needed is read."""
    place = container.place(name)
    return str(place) if place is not None else io.BytesIO(container.read(name))


class _explaining_damage:
    """Turn the library's errors into Unreadable."""

    def __init__(self, library: Any, container: Container, name: str) -> None:
        self._container = container
        self._errors = (library.SoundFileError, RuntimeError, TypeError, ValueError, OSError)
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, self._errors) and not isinstance(error, SparringError):
            raise Unreadable(
                self._name, explain(self._container, self._name) or "is damaged, or no sound file"
            ) from error
