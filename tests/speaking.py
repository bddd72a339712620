"""Made-up words for tests: a tone each, said by several speakers at other moments and loudnesses."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 8000
WORDS = {"low": 300, "middle": 900, "high": 2400}
"""Their pitch in Hz."""


def tone(pitch: float, seconds: float = 0.25, loud: float = 0.4, rate: int = RATE) -> NDArray[np.float64]:
    """A tone that swells and dies away, `[T]`."""
    at = np.arange(int(seconds * rate)) / rate
    return loud * np.sin(2 * np.pi * pitch * at) * np.sin(np.pi * at / seconds)


def write_wav(path: Path, samples: NDArray[np.float64], rate: int = RATE, channels: int = 1) -> Path:
    """16 bits, by the standard library."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def speak(folder: Path, takes: int = 10) -> Path:
    """WORD_SPEAKER_TAKE.wav, of two speakers."""
    rng = np.random.default_rng(0)
    for word, pitch in WORDS.items():
        for speaker in ("ada", "bob"):
            for take in range(takes):
                samples = tone(pitch * rng.uniform(0.9, 1.1), rng.uniform(0.2, 0.3), rng.uniform(0.1, 0.8))
                write_wav(folder / f"{word}_{speaker}_{take}.wav", samples + 0.001 * rng.standard_normal(len(samples)))
    return folder
