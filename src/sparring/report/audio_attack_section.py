"""Commands hidden in sounds: what became of each, and all of it on a page to listen to."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sparring.report.blocks import Block, Card, Gallery, Sound, Table, Text, notes
from sparring.report.format import percent, proportion_text
from sparring.report.page import Section
from sparring.stats.proportion import Proportion

SHOWN = 40
"""Of the attacks on the page, evenly taken."""


@dataclass(frozen=True)
class Whisper:
    """One command hidden in one sound."""

    name: str
    """Of the sound."""
    said: str
    """What is spoken in it, or the kind of sound."""
    target: str
    """What it should be heard as."""
    before: str
    """What is heard in the original, through the channel."""
    before_probability: float
    heard: str
    """And in the attacked one, as it is in the file."""
    probability: float
    success: bool
    """Whether that is the target."""
    db: float | None
    """Peak of the change against peak of the sound (Carlini and Wagner 2018); None: nothing changed."""
    snr: float | None
    """Power of the sound against that of the change, in dB."""
    audible: float
    """Share of the change's energy that is above the threshold of masking (`attacks.psychoacoustic`)."""
    file: str = ""
    """The attacked sound, in the folder of the result."""


@dataclass(frozen=True)
class Whispered:
    """All of them; `--json` prints it."""

    run: str
    out: str
    """The folder with the sounds, report.json and report.html."""
    source: str
    db: float
    """The bound."""
    masked: bool
    channel: str
    seed: int
    utterances: int
    success: Proportion
    by_pair: dict[str, dict[str, tuple[int, int]]]
    """Said -> target -> hits, and of how many."""
    median_db: float | None
    """Of the changes that succeeded."""
    median_snr: float | None
    median_audible: float | None
    whispers: list[Whisper]
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As report.json holds it."""
        return {**asdict(self), "success": self.success.to_json()}


def by_pair(whispers: Sequence[Whisper]) -> dict[str, dict[str, tuple[int, int]]]:
    """Hits and attacks of each pair of what is said and what should be heard."""
    table: dict[str, dict[str, tuple[int, int]]] = {}
    for one in whispers:
        hits, of = table.setdefault(one.said, {}).get(one.target, (0, 0))
        table[one.said][one.target] = hits + one.success, of + 1
    return table


def median(values: Sequence[float | None]) -> float | None:
    """Of those that are known."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


@dataclass(frozen=True)
class Audio:
    """The three sounds of one attack, as wav files."""

    original: bytes
    attacked: bytes
    change: bytes
    louder: float
    """dB by which the change was made louder, to be heard at all."""


def whispered_sections(found: Whispered, audio: Mapping[int, Audio]) -> list[Section]:
    """Show an attack on recordings; `audio` by index in `found.whispers`."""
    return [
        Section("Attack success", _message(found), notes(found.notes), *_table(found)),
        Section("Recordings", *(_listen(found.whispers[k], sounds) for k, sounds in audio.items())),
    ]


def _message(found: Whispered) -> Text:
    bound = (
        f"at least {-found.db:g} dB below the recording's peak" if found.db else "no louder than the recording's peak"
    )
    mask = " and below its masking threshold" if found.masked else ""
    channel = "" if found.channel == "none" else f" through the channel {found.channel}"
    message = (
        f"Each recording was changed, {bound}{mask}, so that it is classified as another word{channel}. The attack succeeded "
        f"for {found.success.hits:,} of {found.success.total:,}: {proportion_text(found.success)}."
    )
    if found.median_snr is not None:
        message += f" The signal-to-noise ratio is then {found.median_snr:.0f} dB (median)."
    return Text(message)


def _table(found: Whispered) -> list[Block]:
    targets = sorted({target for row in found.by_pair.values() for target in row})
    rows = [
        (said, *("{} of {}".format(*row[target]) if target in row else "" for target in targets))
        for said, row in found.by_pair.items()
    ]
    what = Text("Rows: what is said. Columns: the target of the attack.", quiet=True)
    return [what, Table(("", *targets), rows, named_rows=True)]


def _listen(one: Whisper, audio: Audio) -> Card:
    sounds = [
        Sound(audio.original, f"original: classified as {one.before}, {percent(one.before_probability)}"),
        Sound(audio.attacked, f"attacked: classified as {one.heard}, {percent(one.probability)}"),
        Sound(audio.change, f"the change alone, {audio.louder:.0f} dB louder"),
    ]
    size = "nothing changed" if one.db is None else f"{one.db:.1f} dB, SNR {one.snr:.1f} dB"
    return Card(
        "ok" if one.success else "problem",
        f"{one.said}, target {one.target}: {'success' if one.success else 'failure'}",
        f"{one.name}; {size}; {percent(one.audible)} of the change's energy above the masking threshold",
        content=[Gallery(sounds, "pairs")],
    )
