"""The suite of sounds: targeted attacks within a decibel bound or below the masking threshold, through a channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from sparring.attacks.channel import CHANNELS, through_channel
from sparring.attacks.pgd import pgd
from sparring.attacks.psychoacoustic import MaskingThreshold, psychoacoustic
from sparring.attacks.threat_for import DECIBELS, decibel_threat, threat_for
from sparring.attacks.validation import frozen
from sparring.attacks.wrappers import bpda
from sparring.commands.attacking.alternatives import audio_alternatives, audio_forms
from sparring.commands.attacking.output import file_stem
from sparring.commands.attacking.suites.base import (
    AttackContext,
    Outcome,
    Suite,
    check_clean,
    robust_by_class,
)
from sparring.commands.attacking.suites.synthetic_sounds import synthetic_sounds
from sparring.commands.attacking.try_target import adapted, explain_foreign_errors, require_gradients, try_out
from sparring.engine.data_spec import PCM_LEVELS
from sparring.engine.errors import UsageError, did_you_mean
from sparring.engine.seeds import mix
from sparring.report.attack_report import AttackReport
from sparring.report.audio_attack_section import (
    PAGE_SOUNDS,
    AudioAttackDetails,
    SoundAttack,
    SoundFiles,
    audio_sections,
)
from sparring.report.blocks import Sound
from sparring.report.page import Section
from sparring.stats.proportion import Proportion

MASKED_DECIBELS = 0.0
"""Default bound on the peak of a change that stays below the masking threshold."""
STEPS, STEP, MOMENTUM = 200, 0.025, 0.75
"""Largest number of steps of PGD, the step size as a fraction of the bound, and the momentum."""
CHUNK_SOUNDS = 64
INPUTS = "sounds float32 [B, 1, T] in [-1, 1] of any B and T"

Wave = NDArray[np.float32]
"""A waveform `[T]` in [-1, 1], on the grid of 16-bit samples."""


@dataclass(frozen=True, eq=False)
class AttackedChunk:
    """Attacked sounds of one chunk."""

    samples: Tensor
    """int16 `[B, T]`, padded with silence."""
    audible: Tensor
    """Proportion of each change's energy above the masking threshold, float64 `[B]`."""


@dataclass(frozen=True)
class Task:
    """One sound and the class that the model should predict for it."""

    sound: int
    """Index of the sound in the subset."""
    target: int
    """Number of the target class."""


class AudioAttack:
    """Targeted attacks on a subset of sounds."""

    def __init__(self, context: AttackContext) -> None:
        flags, subset, self.context = context.flags.audio, context.subset, context
        if flags.channel not in CHANNELS:
            raise UsageError(f"unknown channel '{flags.channel}': {did_you_mean(flags.channel, CHANNELS)}")
        if flags.target is not None and flags.target not in subset.classes:
            raise UsageError(
                f"{context.target.name} has no class '{flags.target}': {did_you_mean(flags.target, subset.classes)}"
            )
        self.db = flags.db if flags.db is not None else MASKED_DECIBELS if flags.masked else DECIBELS
        decibel_threat(torch.zeros(1, 1, 1), self.db)
        self.rate: int = subset.spec.rate
        assert subset.lengths is not None
        self.waves: list[Wave] = [
            (row[:length] / np.float32(PCM_LEVELS)).astype(np.float32)
            for row, length in zip(subset.rows, subset.lengths.tolist(), strict=True)
        ]
        x = padded(self.waves[:2])[0].to(context.hardware.device)
        self.target = adapted(context.target, x, subset.classes)
        require_gradients(self.target, "the attack on sounds")
        self.logits = try_out(self.target, x, subset.classes, INPUTS, audio_forms(x))

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that another report must share to be comparable."""
        flags = self.context.flags.audio
        return {"target": flags.target, "db": self.db, "masked": flags.masked, "channel": flags.channel}

    def run(self) -> Outcome:
        """Run or resume the attacks."""
        with explain_foreign_errors(self.target, INPUTS):
            return self._run()

    def _run(self) -> Outcome:
        subset, flags = self.context.subset, self.context.flags.audio
        x = subset.spec.encode(subset.checked_rows, self.context.hardware.device)
        findings = check_clean(self.context, self.target, x, audio_alternatives())
        before = self.predict(self.waves)
        tasks = self._tasks(before)
        waves, audible = self._attacked(tasks, before)
        after = self.predict(waves)
        attacks = [
            self._result(k, task, before[task.sound], after[k], waves[k], audible[k]) for k, task in enumerate(tasks)
        ]
        details = AudioAttackDetails.summarize(attacks)
        hits = sum(attack.success for attack in attacks)
        correct = sum(number == y for (number, _), y in zip(before, subset.y.tolist(), strict=True))
        files = {attack.file: self._wav(wave) for attack, wave in zip(attacks, waves, strict=True)}

        def sections(report: AttackReport) -> list[Section]:
            return audio_sections(report, details, self._files(tasks, waves))

        return Outcome(
            attack=f"targeted {'psychoacoustic' if flags.masked else 'PGD'} at {self.db:g} dB, channel {flags.channel}",
            clean=Proportion.count(correct, len(self.waves)),
            robust=Proportion.count(len(attacks) - hits, len(attacks)),
            details=details,
            sections=sections,
            by_class=robust_by_class([attack.label for attack in attacks], [not attack.success for attack in attacks]),
            files=files,
            findings=findings,
            notes=self.target.notes,
        )

    def predict(self, waves: Sequence[Wave]) -> list[tuple[int, float]]:
        """Return the class number and its probability for each waveform, heard through the channel.

        A random channel draws from its own seed, which the attack does not use.
        """
        model = through_channel(self.context.flags.audio.channel, self.target.model, self.rate)
        device = self.context.hardware.device
        with torch.no_grad(), frozen(model, mix(len(waves))):
            chunks = [waves[k : k + CHUNK_SOUNDS] for k in range(0, len(waves), CHUNK_SOUNDS)]
            logits = torch.cat([model(padded(chunk)[0].to(device)) for chunk in chunks])
        best, number = logits.softmax(1).max(1)
        return list(zip(number.tolist(), best.tolist(), strict=True))

    def _tasks(self, before: Sequence[tuple[int, float]]) -> list[Task]:
        """Return each sound with each target, except its own class and the class that is predicted already."""
        subset, target = self.context.subset, self.context.flags.audio.target
        numbers = [subset.classes.index(target)] if target else range(subset.target_classes)
        tasks = [
            Task(sound, number)
            for sound, (predicted, _) in enumerate(before)
            for number in numbers
            if number != predicted and subset.classes[number] != subset.labels[sound]
        ]
        if not tasks:
            raise UsageError(f"all sounds are of class '{target}' or classified as it already: give another --target")
        return tasks

    def _attacked(self, tasks: Sequence[Task], before: Sequence[tuple[int, float]]) -> tuple[list[Wave], list[float]]:
        """Return the attacked waveforms, and the audible proportion of each change."""
        lengths = [len(self.waves[task.sound]) for task in tasks]
        order = sorted(range(len(tasks)), key=lambda k: lengths[k])  # little padding in a batch
        y = torch.tensor([before[task.sound][0] for task in tasks])

        def attack(number: int, idx: Tensor) -> AttackedChunk:
            chunk = [order[k] for k in idx.tolist()]
            targets = torch.tensor([tasks[k].target for k in chunk])
            x, adv = self._search([self.waves[tasks[k].sound] for k in chunk], y[chunk], targets)
            audible = torch.tensor(self._audible(x, adv), dtype=torch.float64)
            return AttackedChunk((adv * PCM_LEVELS).short().squeeze(1), audible)

        context = self.context
        pairs = [[task.sound, task.target] for task in tasks]
        parts = context.parts(AttackedChunk, {**self.settings, "tasks": pairs}, self.logits)
        on_progress = context.progress.callback("attacking", "sounds")
        chunks = parts.map(attack, len(tasks), CHUNK_SOUNDS, torch.device("cpu"), on_progress, "sounds")
        samples = [row for chunk in chunks for row in chunk.samples.numpy()]
        audible = torch.cat([chunk.audible for chunk in chunks]).tolist()
        place = {k: row for row, k in enumerate(order)}
        waves = [
            (samples[place[k]][: lengths[k]] / np.float32(PCM_LEVELS)).astype(np.float32) for k in range(len(tasks))
        ]
        return waves, [audible[place[k]] for k in range(len(tasks))]

    def _search(self, waves: Sequence[Wave], y: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sounds and the attacked ones, both `[B, 1, T]` on the CPU and on the grid of 16-bit samples."""
        flags, seed, device = self.context.flags.audio, self.context.seed, self.context.hardware.device
        x, mask = (tensor.to(device) for tensor in padded(waves))
        y, target = y.to(device), target.to(device)
        model = bpda(quantized, through_channel(flags.channel, self.target.model, self.rate))
        threat = threat_for(self.context.subset.spec, x, self.db, mask=mask)
        eps = (torch.as_tensor(threat.eps) * PCM_LEVELS).floor() / PCM_LEVELS  # so that rounding stays within the bound
        threat = replace(threat, eps=eps)
        if flags.masked:
            result = psychoacoustic(model, x, y, threat, self.rate, target=target, steps=STEPS, step=STEP, seed=seed)
        else:
            result = pgd(
                model,
                x,
                y,
                threat,
                target=target,
                steps=STEPS,
                step=STEP,
                momentum=MOMENTUM,
                random_start=False,
                seed=seed,
            )
        return x.cpu(), quantized(result.adv).cpu()

    def _audible(self, x: Tensor, adv: Tensor) -> list[float]:
        """Return the proportion of each change's energy above the masking threshold."""
        masking = MaskingThreshold(x, self.rate)
        energy = masking.spectrum(adv - x).abs().square()
        above = (energy * (energy > masking.amplitude.square())).sum((1, 2)) / energy.sum((1, 2)).clamp(min=1e-30)
        return [float(proportion) for proportion in above]

    def _result(
        self, k: int, task: Task, before: tuple[int, float], after: tuple[int, float], wave: Wave, audible: float
    ) -> SoundAttack:
        subset, original = self.context.subset, self.waves[task.sound]
        change = wave.astype(np.float64) - original
        db = snr = None
        if change.any():
            db = float(20 * np.log10(np.abs(change).max() / np.abs(original).max()))
            snr = float(10 * np.log10(np.square(original, dtype=np.float64).sum() / np.square(change).sum()))
        label, target = subset.labels[task.sound], subset.classes[task.target]
        return SoundAttack(
            subset.names[task.sound], label, target, subset.classes[before[0]], before[1], subset.classes[after[0]],
            after[1], after[0] == task.target, db, snr, audible,
            f"{k:04d}-{file_stem(label)}-as-{file_stem(target)}.wav",
        )  # fmt: skip

    def _files(self, tasks: Sequence[Task], waves: Sequence[Wave]) -> dict[int, SoundFiles]:
        """Return the wav files of some attacks, evenly spaced, by index."""
        count = min(len(waves), PAGE_SOUNDS)
        files = {}
        for k in (number * len(waves) // count for number in range(count)):
            original = self.waves[tasks[k].sound]
            change = waves[k] - original
            peak = float(np.abs(change).max())
            gain = 0.5 / peak if peak else 1.0
            amplified = self._wav(change * np.float32(gain))
            files[k] = SoundFiles(self._wav(original), self._wav(waves[k]), amplified, float(20 * np.log10(gain)))
        return files

    def _wav(self, wave: Wave) -> bytes:
        samples = (quantized(torch.from_numpy(wave)) * PCM_LEVELS).short().numpy()
        return Sound.of_samples(samples, self.rate).wav


SOUNDS = Suite("sounds", 10, AudioAttack, synthesize=synthetic_sounds)


def quantized(x: Tensor) -> Tensor:
    """Round waveforms in [-1, 1] to the grid of 16-bit samples."""
    return (x * PCM_LEVELS).round().clamp(-PCM_LEVELS, PCM_LEVELS - 1) / PCM_LEVELS


def padded(waves: Sequence[Wave]) -> tuple[Tensor, Tensor]:
    """Stack waveforms `[T]` into a batch `[B, 1, T]` with silence at the ends, and a mask that is 1 inside each."""
    length = max(map(len, waves))
    x = torch.stack([pad(torch.from_numpy(wave), (0, length - len(wave))) for wave in waves])
    mask = torch.tensor([len(wave) for wave in waves])[:, None] > torch.arange(length)
    return x[:, None], mask.float()[:, None]
