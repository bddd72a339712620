"""Audio perturbations below the sound's masking threshold (Qin et al. 2019, "Imperceptible, robust, and targeted ...").

The threshold is that of their section 4.1 and appendix: the MPEG-1 psychoacoustic model 1, simplified. Every peak of a
frame counts as a tone, and noise masks nothing; both make the threshold lower than the standard's. Their attack has a
hinge loss on what exceeds it. This one projects every frequency of every frame below it, up to what overlapping frames
add. Steps and projection are those of PGD, for the largest ratio of the perturbation's short-time spectrum to the
threshold.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import max_pool1d

from sparring.attacks.attack_state import check_budget, running_attack
from sparring.attacks.feasible_set import FeasibleSet
from sparring.attacks.losses import Loss, ce
from sparring.attacks.result import Result
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model
from sparring.engine.errors import UsageError

PEAK_DB = 96.0
"""Sound pressure level, in dB, assigned to the loudest bin of each sound: the range of 16 bits."""
FRAME_SECONDS = 0.032
"""Length of a frame, rounded down to a power of two of samples; frames advance by a quarter of it."""
MIN_BARK_DISTANCE = 0.5
"""Distance in Bark below which only the louder of two maskers counts."""
SAFETY_DB = 3.0
"""Distance in dB kept below the threshold, since neighbouring frames add up."""
CHUNK_FRAMES = 256
"""Frames whose maskers are computed together, to bound memory."""
ROUNDS = 3
"""Rounds of projection after each step: frames overlap, so one round leaves some bins above the threshold."""


def bark(hertz: Tensor) -> Tensor:
    """Return the Bark scale: 13 arctan(0.00076 f) + 3.5 arctan((f / 7500)^2) (Zwicker and Terhardt 1980)."""
    return 13 * torch.atan(0.00076 * hertz) + 3.5 * torch.atan((hertz / 7500).square())


def quiet_threshold(hertz: Tensor) -> Tensor:
    """Return the threshold in quiet, in dB of sound pressure (Terhardt 1979); below 20 Hz that of 20 Hz."""
    f = hertz.clamp(min=20) / 1000
    return 3.64 * f**-0.8 - 6.5 * torch.exp(-0.6 * (f - 3.3).square()) + 1e-3 * f**4


class MaskingThreshold:
    """Masking threshold of the sounds `x` `[B, 1, T]`, sampled at `rate` Hz."""

    def __init__(self, x: Tensor, rate: int) -> None:
        self.size = 2 ** (int(FRAME_SECONDS * rate).bit_length() - 1)
        self.samples = x.shape[-1]
        self.window = torch.hann_window(self.size, device=x.device)
        power = self.spectrum(x).abs().square()
        peak = power.amax((1, 2), keepdim=True)
        decibels = PEAK_DB + 10 * torch.log10((power / peak.clamp(min=1e-20)).clamp(min=1e-20))
        hertz = torch.linspace(0, rate / 2, power.shape[1], device=x.device)
        thresholds = [
            torch.cat([frame_threshold(chunk, hertz) for chunk in frames.T.split(CHUNK_FRAMES)]).T
            for frames in decibels
        ]
        self.decibels = torch.stack(thresholds)
        """Threshold in dB of sound pressure, `[B, F, frames]`."""
        self.amplitude = (peak * 10 ** ((self.decibels - PEAK_DB) / 10)).sqrt()
        """Threshold as an amplitude of `spectrum`, `[B, F, frames]`; 0 in a silent sound."""

    def spectrum(self, x: Tensor) -> Tensor:
        """Return the short-time spectrum of waveforms `[B, 1, T]`, complex `[B, F, frames]`."""
        return torch.stft(
            x.squeeze(1), self.size, self.size // 4, window=self.window, pad_mode="constant", return_complex=True
        )

    def waveform(self, spectrum: Tensor) -> Tensor:
        """Return the waveforms `[B, 1, T]` whose spectrum is nearest to `spectrum`."""
        return torch.istft(spectrum, self.size, self.size // 4, window=self.window, length=self.samples)[:, None]

    def excess(self, delta: Tensor) -> Tensor:
        """Return the level of `delta` `[B, 1, T]` above the threshold, in dB, `[B, F, frames]`; negative below it."""
        return 20 * torch.log10((self.spectrum(delta).abs() / self.amplitude.clamp(min=1e-12)).clamp(min=1e-12))


def frame_threshold(decibels: Tensor, hertz: Tensor) -> Tensor:
    """Return the masking threshold of frames from their spectrum, both `[frames, F]`, in dB of sound pressure.

    Tonal maskers are peaks above the threshold in quiet without a louder one within half a Bark, with the power of both
    neighbours. A masker of P dB at b Bark masks P - 6.025 - 0.275 b + s d at distance d in Bark, and powers add up. The
    slope s is 27 below the masker and 0.37 max(P - 40, 0) - 27 above it (Qin et al., appendix).
    """
    z, quiet = bark(hertz), quiet_threshold(hertz)
    power = 10 ** (decibels / 10)
    summed = power.clone()
    summed[:, 1:] += power[:, :-1]
    summed[:, :-1] += power[:, 1:]
    peak = (decibels == max_pool1d(decibels, 3, 1, 1)) & (decibels > quiet)
    level = torch.where(peak, 10 * torch.log10(summed), -torch.inf)
    close = (z - z[:, None]).abs() < MIN_BARK_DISTANCE
    loudest_close = torch.where(close, level[:, None, :], -torch.inf).amax(2)
    level = torch.where(level >= loudest_close, level, -torch.inf)
    d = z - z[:, None]  # from the masker (row) to the masked frequency (column)
    slope = torch.where(d > 0, 0.37 * (level[:, :, None] - 40).clamp(min=0) - 27, 27.0)
    masked = level[:, :, None] - 6.025 - 0.275 * z[:, None] + slope * d
    return 10 * torch.log10(10 ** (quiet / 10) + (10 ** (masked / 10)).sum(1))


def psychoacoustic(
    model: Model,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    rate: int,
    *,
    target: Tensor | None = None,
    loss: Loss = ce,
    steps: int = 100,
    step: float | None = None,
    eot: int = 1,
    seed: int = 0,
) -> Result:
    """Run PGD within `threat` and below the masking threshold of x `[B, 1, T]` in [-1, 1], sampled at `rate` Hz.

    A step moves each bin of the short-time spectrum by `step` (by default 2.5 / steps) times the threshold, in the
    phase of the gradient. That is the steepest direction in units of the threshold. Rows leave at the step at which
    they are misclassified. `MaskingThreshold.excess` measures the small excess that remains where frames overlap.
    """
    check_budget(steps=steps, eot=eot)
    if x.dim() != 3 or x.shape[1] != 1:
        raise UsageError(f"x is {list(x.shape)}: give waveforms [B, 1, T]")
    step_fraction = 2.5 / steps if step is None else step
    masking = MaskingThreshold(x, rate)
    bound = masking.amplitude * 10 ** (-SAFETY_DB / 20)
    with running_attack(model, x, y, threat, target=target, seed=seed, eot=eot) as state:
        idx = state.unbroken_idx
        x_adv, region = x[idx], state.region.select(idx)
        for iteration in range(steps + 1):
            logits, _, gradient = state.gradient(x_adv, idx, loss)
            unbroken = ~state.record(x_adv, logits, idx, iteration)
            idx, x_adv, region, gradient = idx[unbroken], x_adv[unbroken], region.select(unbroken), gradient[unbroken]
            if not len(idx) or iteration == steps:
                break
            gradient_spectrum = masking.spectrum(gradient)
            direction = gradient_spectrum / gradient_spectrum.abs().clamp(min=1e-30)
            delta_spectrum = masking.spectrum(x_adv - region.x) + step_fraction * bound[idx] * direction
            x_adv = _project(masking, region, bound[idx], delta_spectrum)
        return state.result()


def _project(masking: MaskingThreshold, region: FeasibleSet, bound: Tensor, delta_spectrum: Tensor) -> Tensor:
    """Project x + delta alternately onto spectra below `bound` `[B, F, frames]` and onto `region`."""
    for _ in range(ROUNDS):
        delta_spectrum = delta_spectrum * (bound / delta_spectrum.abs().clamp(min=1e-30)).clamp(max=1)
        x_adv = region.clip(region.x + masking.waveform(delta_spectrum))
        delta_spectrum = masking.spectrum(x_adv - region.x)
    return x_adv
