"""Results of a targeted attack on sounds, and the sections of the page, on which they can be heard."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sparring.report.attack_report import AttackReport
from sparring.report.blocks import Block, Card, Gallery, Sound, Table, Text
from sparring.report.format import percent
from sparring.report.page import Section

PAGE_SOUNDS = 40
"""Attacked sounds on the page, evenly spaced."""


@dataclass(frozen=True)
class SoundAttack:
    """A targeted attack on one sound."""

    name: str
    """Name of the sound."""
    label: str
    """Class of the sound, or the kind of a synthetic one."""
    target: str
    """Class that the model should predict."""
    before: str
    """Prediction for the original sound, through the channel."""
    before_probability: float
    """Probability of that prediction."""
    after: str
    """Prediction for the attacked sound as it is in the file, through the channel."""
    after_probability: float
    """Probability of that prediction."""
    success: bool
    """Whether the target is predicted."""
    db: float | None
    """Peak of the change relative to the peak of the sound (Carlini and Wagner 2018); None where nothing changed."""
    snr: float | None
    """Power of the sound relative to that of the change, in dB; None where nothing changed."""
    audible: float
    """Proportion of the change's energy above the masking threshold (`attacks.psychoacoustic`)."""
    file: str
    """File of the attacked sound, in the folder of the report."""


@dataclass(frozen=True)
class AudioAttackDetails:
    """Results that only sounds have."""

    attacks: list[SoundAttack]
    by_pair: dict[str, dict[str, tuple[int, int]]]
    """Class -> target -> successes, attacks."""
    median_db: float | None
    """Median of the successful attacks; None where none succeeded."""
    median_snr: float | None
    """Median of the successful attacks; None where none succeeded."""
    median_audible: float | None
    """Median of the successful attacks; None where none succeeded."""

    @classmethod
    def summarize(cls, attacks: list[SoundAttack]) -> AudioAttackDetails:
        """Count successes by pair of classes, and take the medians of the successful attacks."""
        by_pair: dict[str, dict[str, tuple[int, int]]] = {}
        for attack in attacks:
            hits, total = by_pair.setdefault(attack.label, {}).get(attack.target, (0, 0))
            by_pair[attack.label][attack.target] = hits + attack.success, total + 1
        successes = [attack for attack in attacks if attack.success]
        return cls(
            attacks,
            by_pair,
            median([attack.db for attack in successes]),
            median([attack.snr for attack in successes]),
            median([attack.audible for attack in successes]),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the results as JSON."""
        return asdict(self)

    def to_text(self) -> list[str]:
        """Return lines on the successful attacks."""
        hits = sum(attack.success for attack in self.attacks)
        lines = [f"success  {hits:,} of {len(self.attacks):,} targeted attacks"]
        if self.median_snr is not None:
            lines.append(
                f"change   {self.median_db:.1f} dB, SNR {self.median_snr:.1f} dB, {self.median_audible:.1%} of its "
                "energy above the masking threshold (medians of the successful attacks)"
            )
        return lines


def median(values: Sequence[float | None]) -> float | None:
    """Return the median of the values that are known; None where there are none."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


@dataclass(frozen=True)
class SoundFiles:
    """The wav files of one attack."""

    original: bytes
    attacked: bytes
    change: bytes
    """The amplified change."""
    gain: float
    """Amplification of the change, in dB."""


def audio_sections(
    report: AttackReport, details: AudioAttackDetails, sounds: Mapping[int, SoundFiles]
) -> list[Section]:
    """Return the sections; `sounds` are the files of some attacks, by their index in `details.attacks`."""
    return [
        Section("Success by target", Text(_message(report, details)), *_pairs(details)),
        Section("Recordings", *(_card(details.attacks[k], files) for k, files in sounds.items())),
    ]


def _message(report: AttackReport, details: AudioAttackDetails) -> str:
    db, channel = float(report.settings["db"]), report.settings["channel"]
    bound = f"at least {-db:g} dB below the recording's peak" if db else "no louder than the recording's peak"
    mask = " and below its masking threshold" if report.settings["masked"] else ""
    through = "" if channel == "none" else f" through the channel {channel}"
    message = f"Each recording was changed, {bound}{mask}, so that it is classified as another class{through}."
    if details.median_snr is not None:
        message += f" The median signal-to-noise ratio of the successful attacks is {details.median_snr:.0f} dB."
    return message


def _pairs(details: AudioAttackDetails) -> list[Block]:
    targets = sorted({target for row in details.by_pair.values() for target in row})
    rows = [
        (label, *("{} of {}".format(*row[target]) if target in row else "" for target in targets))
        for label, row in details.by_pair.items()
    ]
    key = Text("Rows: class of the recording. Columns: target of the attack.", quiet=True)
    return [key, Table(("", *targets), rows, named_rows=True)]


def _card(attack: SoundAttack, files: SoundFiles) -> Card:
    sounds = [
        Sound(files.original, f"original: classified as {attack.before}, {percent(attack.before_probability)}"),
        Sound(files.attacked, f"attacked: classified as {attack.after}, {percent(attack.after_probability)}"),
        Sound(files.change, f"the change alone, {files.gain:.0f} dB louder"),
    ]
    size = "nothing changed" if attack.db is None else f"{attack.db:.1f} dB, SNR {attack.snr:.1f} dB"
    return Card(
        "ok" if attack.success else "problem",
        f"{attack.label}, target {attack.target}: {'success' if attack.success else 'failure'}",
        f"{attack.name}; {size}; {percent(attack.audible)} of the change's energy above the masking threshold",
        content=[Gallery(sounds, "pairs")],
    )
