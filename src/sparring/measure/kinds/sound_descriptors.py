"""Descriptors of a recording besides its word: length, loudness and pitch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.data.fit_spec import sound_lengths
from sparring.engine.data_spec import PCM_LEVELS

FRAME_SECONDS = 0.064
"""Length of the frames whose periodicity is measured; they overlap by half."""
PITCH_HERTZ = (60.0, 400.0)
"""Range of the pitch of voices."""
MIN_PERIODICITY = 0.5
"""Autocorrelation at the period, relative to that at 0, from which a frame counts as voiced."""
OCTAVE_COST = 0.05
"""Fall of the autocorrelation for each octave below the highest pitch, against multiples of the period."""
MIN_LEVEL = 0.1
"""Level of a voiced frame, as a fraction of that of the loudest frame."""
CHUNK_ROWS = 256


def seconds(rows: NDArray[np.int16], rate: int) -> NDArray[np.float64]:
    """Return the length of each recording `[N, T]` up to its last sound, `[N]`."""
    return sound_lengths(rows) / rate


def loudness(rows: NDArray[np.int16], rate: int) -> NDArray[np.float64]:
    """Return the level of each recording up to its last sound, `[N]`, in dB of full scale; NaN of silence."""
    energy = np.array([np.square(row.astype(np.float64) / PCM_LEVELS).sum() for row in rows])
    lengths = sound_lengths(rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(energy > 0, 10 * np.log10(energy / lengths), np.nan)


def pitch(rows: NDArray[np.int16], rate: int) -> NDArray[np.float64]:
    """Return the median pitch of the voiced frames of each recording, `[N]`, in Hz; NaN where none is voiced.

    The pitch of a frame is that of the largest peak of its autocorrelation, divided by that of the window, less a cost
    of low pitches (Boersma 1993, "Accurate short-term analysis of the fundamental frequency", Eq. 9 and 24).
    """
    chunks = [_pitch(rows[k : k + CHUNK_ROWS], rate) for k in range(0, len(rows), CHUNK_ROWS)]
    return np.concatenate(chunks) if chunks else np.zeros(0)


def _pitch(rows: NDArray[np.int16], rate: int) -> NDArray[np.float64]:
    size = int(FRAME_SECONDS * rate)
    shortest, longest = int(rate / PITCH_HERTZ[1]), min(int(rate / PITCH_HERTZ[0]) + 1, size // 2)
    padded = np.pad(rows, ((0, 0), (0, max(size - rows.shape[1], 0))))
    padded = padded[:, : max(int(sound_lengths(rows).max(initial=0)), size)]
    frames = np.lib.stride_tricks.sliding_window_view(padded, size, axis=1)[:, :: size // 2].astype(np.float32)
    window = np.hanning(size).astype(np.float32)
    frames = (frames - frames.mean(2, keepdims=True)) * window
    correlation = _autocorrelation(frames)[..., : longest + 1]
    power = correlation[..., 0]
    of_window = _autocorrelation(window)[: longest + 1] / np.square(window).sum()
    correlation = correlation / np.maximum(power[..., None], 1e-9) / of_window
    inner = correlation[..., shortest:longest]
    is_peak = (inner >= correlation[..., shortest - 1 : longest - 1]) & (inner >= correlation[..., shortest + 1 :])
    octaves = np.log2(np.arange(shortest, longest) / shortest)
    best = np.where(is_peak, inner - OCTAVE_COST * octaves, -1)
    lag, height = best.argmax(2) + shortest, best.max(2)
    voiced = (height > MIN_PERIODICITY) & (power > MIN_LEVEL**2 * power.max(1, keepdims=True)) & (power > 0)
    hertz = np.where(voiced, rate / lag, np.nan)
    result = np.full(len(rows), np.nan)
    some = voiced.any(1)
    result[some] = np.nanmedian(hertz[some], 1)
    return result


def _autocorrelation(x: NDArray[np.float32]) -> NDArray[Any]:
    """Return the autocorrelation along the last axis, for lags from 0."""
    spectrum = np.fft.rfft(x, 2 * x.shape[-1])
    return np.asarray(np.fft.irfft(np.abs(spectrum) ** 2)[..., : x.shape[-1]])
