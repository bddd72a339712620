"""Recordings become pictures and sounds again: levels, lengths and words survive."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from sparring.engine.data_spec import AudioSpec
from sparring.nets.mel_codec import FLOOR_DB, MelCodec, codec_for, pictures_of, to_pictures

RATE, LENGTH = 8000, 9000


def harmonic(seconds: float, pitch: float = 150.0, level: float = 0.1) -> Tensor:
    """A voiced sound `[1, 1, LENGTH]` of ten harmonics, which is 0 after `seconds`."""
    t = torch.arange(int(seconds * RATE)) / RATE
    wave = torch.stack([torch.sin(2 * math.pi * pitch * k * t) / k for k in range(1, 11)]).sum(0)
    x = torch.zeros(1, 1, LENGTH)
    x[..., : len(t)] = level * wave
    return x


@pytest.fixture(scope="module")
def codec() -> MelCodec:
    return MelCodec(RATE, LENGTH, covered=7389)


def test_a_picture_covers_the_recordings_in_whole_units(codec: MelCodec) -> None:
    assert (codec.hop, codec.size, codec.shape) == (128, 512, (1, 48, 64))
    assert MelCodec(44_100, 500, 500).shape == (1, 48, 16)
    assert codec_for(AudioSpec(RATE, LENGTH)).frames == 80  # without `covered`, all of the length
    spec = AudioSpec(RATE, LENGTH, ("a", "b"), 9, 4, covered=7389)
    assert pictures_of(spec).shape == (1, 48, 64) and pictures_of(spec).classes == ("a", "b")
    assert pictures_of(spec).unlabelled == 0


def test_levels_are_decibels_between_silence_and_full_scale(codec: MelCodec) -> None:
    assert bool((codec.encode(torch.zeros(2, 1, LENGTH)) == -1).all())
    t = torch.arange(LENGTH) / RATE
    loud, soft = (codec.encode((a * torch.sin(2 * math.pi * 1000 * t))[None, None]) for a in (0.5, 0.05))
    band = int(loud[0, 0, :, 30].argmax())
    difference = float(loud[0, 0, band, 30] - soft[0, 0, band, 30]) * -FLOOR_DB / 2
    assert difference == pytest.approx(20, abs=0.05)  # a tenth of the amplitude
    assert -24 < (float(loud[0, 0, band, 30]) - 1) * -FLOOR_DB / 2 < -6  # -6 dB, averaged over the bins of a band


@pytest.mark.parametrize("seconds", [0.2, 0.5, 0.8])
def test_sounds_survive_with_level_pitch_and_length(codec: MelCodec, seconds: float) -> None:
    x = harmonic(seconds)
    picture = codec.encode(x)
    back = codec.decode(picture)
    assert back.shape == x.shape and bool(torch.isfinite(back).all())
    loud = picture > picture.max() - 0.6  # within 30 dB of the loudest
    assert float((codec.encode(back) - picture).abs()[loud].mean()) * -FLOOR_DB / 2 < 1.5
    end = int(back[0, 0].nonzero()[-1]) + 1
    assert abs(end - seconds * RATE) <= codec.hop
    level = [float(wave[..., :1500].square().mean()) for wave in (x, back)]
    assert level[1] == pytest.approx(level[0], rel=0.4)  # bands blur harmonics
    spectrum = torch.fft.rfft(back[0, 0, : int(seconds * RATE)]).abs()
    assert float(spectrum.argmax()) / seconds == pytest.approx(150, abs=1 / seconds + 2)


def test_decoding_is_the_same_every_time_and_silence_stays_silent(codec: MelCodec) -> None:
    picture = codec.encode(harmonic(0.4))
    both = codec.decode(torch.cat([picture, torch.full_like(picture, -1)]))
    assert torch.equal(both[:1], MelCodec(RATE, LENGTH, 7389).decode(torch.cat([picture, picture]))[:1])
    assert not both[1].any()
    assert codec.state_dict() == {}


def test_what_is_longer_than_a_picture_is_cut_and_shorter_rows_are_padded() -> None:
    codec = MelCodec(RATE, 1000, 1000)
    assert codec.frames * codec.hop == 2048
    assert codec.decode(codec.encode(torch.rand(1, 1, 1000) - 0.5)).shape == (1, 1, 1000)
    assert codec.encode(torch.zeros(1, 1, 9000)).shape == (1, 1, 48, 16)


def test_precision_does_not_depend_on_autocast(codec: MelCodec) -> None:
    x = harmonic(0.3)
    with torch.autocast("cpu", torch.bfloat16):
        picture = codec.encode(x)
        assert torch.equal(picture, codec.encode(x)) and picture.dtype == torch.float32
        wave = codec.decode(picture)
    assert torch.equal(picture, codec.encode(x)) and torch.equal(wave, codec.decode(picture))


def test_stored_pictures_are_bytes() -> None:
    spec = AudioSpec(RATE, LENGTH, covered=7389)
    rows = spec.decode(harmonic(0.3))
    pixels = to_pictures(spec, np.concatenate([rows, 0 * rows]))
    assert pixels.shape == (2, 48, 64, 1) and pixels.dtype == np.uint8
    assert pixels[0].max() > 150 and not pixels[1].any()
