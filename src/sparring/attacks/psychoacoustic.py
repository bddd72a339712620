"""Changes of a sound that its own loud parts mask (Qin et al. 2019, "Imperceptible, robust, and targeted adversarial examples").

The threshold is that of their section 4.1 and appendix: the MPEG-1 psychoacoustic model 1, simplified. Every peak of a
frame counts as a tone, and noise masks nothing; both make the threshold lower than the standard's. Their attack pays a hinge
for what exceeds it. Here every frequency of every frame is held below it, but for what overlapping frames leave: steps and
projection are those of PGD for the largest ratio of a change's short-time spectrum to the threshold.
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

LOUDEST = 96.0
"""dB of sound pressure that the loudest place of each sound is taken for: what 16 bits can hold."""
SECONDS = 0.032
"""Of a frame, down to a power of two of samples; a quarter of it from frame to frame."""
APART = 0.5
"""Bark: of two maskers that are nearer the louder one counts."""
SAFETY = 3.0
"""dB that the attack stays below the threshold, for neighbouring frames add up."""
AT_ONCE = 256
"""Frames that are looked at together, for memory's sake."""
ROUNDS = 3
"""Of projection after each step: frames overlap, so that one leaves some places above."""


def bark(hertz: Tensor) -> Tensor:
    """The Bark scale of critical bands, 13 arctan(0.00076 f) + 3.5 arctan((f / 7500)^2) (Zwicker and Terhardt 1980)."""
    return 13 * torch.atan(0.00076 * hertz) + 3.5 * torch.atan((hertz / 7500).square())


def quiet(hertz: Tensor) -> Tensor:
    """The threshold in quiet, in dB of sound pressure (Terhardt 1979); below 20 Hz that of 20 Hz."""
    f = hertz.clamp(min=20) / 1000
    return 3.64 * f**-0.8 - 6.5 * torch.exp(-0.6 * (f - 3.3).square()) + 1e-3 * f**4


class MaskingThreshold:
    """What the sounds `x` `[B, 1, T]`, `rate` samples a second, mask."""

    def __init__(self, x: Tensor, rate: int) -> None:
        self.size = 2 ** (int(SECONDS * rate).bit_length() - 1)
        self.samples = x.shape[-1]
        self.window = torch.hann_window(self.size, device=x.device)
        power = self.spectrum(x).abs().square()
        loudest = power.amax((1, 2), keepdim=True)
        decibels = LOUDEST + 10 * torch.log10((power / loudest.clamp(min=1e-20)).clamp(min=1e-20))
        hertz = torch.linspace(0, rate / 2, power.shape[1], device=x.device)
        each = [torch.cat([masked(some, hertz) for some in frames.T.split(AT_ONCE)]).T for frames in decibels]
        self.decibels = torch.stack(each)
        """The threshold in dB of sound pressure, `[B, F, frames]`."""
        self.amplitude = (loudest * 10 ** ((self.decibels - LOUDEST) / 10)).sqrt()
        """As an amplitude of `spectrum`; 0 in a silent sound."""

    def spectrum(self, x: Tensor) -> Tensor:
        """The short-time spectrum of waveforms `[B, 1, T]`, complex `[B, F, frames]`."""
        return torch.stft(
            x.squeeze(1), self.size, self.size // 4, window=self.window, pad_mode="constant", return_complex=True
        )

    def waves(self, spectrum: Tensor) -> Tensor:
        """The waveforms `[B, 1, T]` whose spectrum is nearest."""
        return torch.istft(spectrum, self.size, self.size // 4, window=self.window, length=self.samples)[:, None]

    def excess(self, delta: Tensor) -> Tensor:
        """By how many dB the change `delta` `[B, 1, T]` is above the threshold, `[B, F, frames]`; below it: negative."""
        return 20 * torch.log10((self.spectrum(delta).abs() / self.amplitude.clamp(min=1e-12)).clamp(min=1e-12))


def masked(decibels: Tensor, hertz: Tensor) -> Tensor:
    """The threshold of masking in each frame, dB `[frames, F]`, from its spectrum in dB of sound pressure `[frames, F]`.

    Tonal maskers are peaks above the threshold in quiet with no louder one within half a Bark, with the power of both
    neighbours. A masker of P dB at b Bark masks, at distance d in Bark, P - 6.025 - 0.275 b + 27 d below it and
    P - 6.025 - 0.275 b + (0.37 max(P - 40, 0) - 27) d above it (Qin et al., appendix). Powers add up.
    """
    z, floor = bark(hertz), quiet(hertz)
    power = 10 ** (decibels / 10)
    around = power.clone()
    around[:, 1:] += power[:, :-1]
    around[:, :-1] += power[:, 1:]
    peak = (decibels == max_pool1d(decibels, 3, 1, 1)) & (decibels > floor)
    level = torch.where(peak, 10 * torch.log10(around), -torch.inf)
    near = (z - z[:, None]).abs() < APART
    rival = torch.where(near, level[:, None, :], -torch.inf).amax(2)
    level = torch.where(level >= rival, level, -torch.inf)
    d = z - z[:, None]  # from the masker (row) to what it masks (column)
    slope = torch.where(d > 0, 0.37 * (level[:, :, None] - 40).clamp(min=0) - 27, 27.0)
    each = level[:, :, None] - 6.025 - 0.275 * z[:, None] + slope * d
    return 10 * torch.log10(10 ** (floor / 10) + (10 ** (each / 10)).sum(1))


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
    """PGD within `threat` and below the threshold of masking of x `[B, 1, T]`, in [-1, 1], `rate` samples a second.

    A step moves each place of the short-time spectrum by `step` (by default 2.5 / steps) of the threshold, in the phase of
    the gradient's: the steepest direction where the threshold is the unit. Rows leave at the step at which they break.
    What little remains above the threshold, where frames overlap, `Masking.excess` tells.
    """
    check_budget(steps=steps, eot=eot)
    if x.dim() != 3 or x.shape[1] != 1:
        raise UsageError(f"x is {list(x.shape)}: give waveforms [B, 1, T]")
    share = 2.5 / steps if step is None else step
    masking = MaskingThreshold(x, rate)
    bound = masking.amplitude * 10 ** (-SAFETY / 20)
    with running_attack(model, x, y, threat, target=target, seed=seed, eot=eot) as state:
        rows = state.unbroken_idx
        at, region = x[rows], state.region.select(rows)
        for iteration in range(steps + 1):
            logits, _, gradient = state.gradient(at, rows, loss)
            stands = ~state.record(at, logits, rows, iteration)
            rows, at, region, gradient = rows[stands], at[stands], region.select(stands), gradient[stands]
            if not len(rows) or iteration == steps:
                break
            slope = masking.spectrum(gradient)
            towards = slope / slope.abs().clamp(min=1e-30)
            at = _project(masking, region, bound[rows], masking.spectrum(at - region.x) + share * bound[rows] * towards)
        return state.result()


def _project(masking: MaskingThreshold, region: FeasibleSet, bound: Tensor, change: Tensor) -> Tensor:
    """A point of the `region` near x + `change`, a spectrum, whose change stays below `bound`, by turns."""
    for _ in range(ROUNDS):
        change = change * (bound / change.abs().clamp(min=1e-30)).clamp(max=1)
        at = region.clip(region.x + masking.waves(change))
        change = masking.spectrum(at - region.x)
    return at
