"""Commands hidden in sounds: what became of each, and all of it on a page to listen to."""

from __future__ import annotations

import base64
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sparring.report.html import Section, noted
from sparring.report.svg_plots import percent, text
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
    """What the page tells; `audio` by place in `found.whispers`."""
    return [
        Section("How many are heard", _words(found) + _table(found)),
        Section("Listen", "".join(_listen(found.whispers[k], sounds) for k, sounds in audio.items())),
    ]


def _words(found: Whispered) -> str:
    s = found.success
    bound = (
        f"at least {-found.db:g} dB below the sound's own peak" if found.db else "no louder than the sound's own peak"
    )
    mask = " and below what the sound masks" if found.masked else ""
    over = "" if found.channel == "none" else f", through the channel {found.channel}"
    words = (
        f"Each sound was changed, {bound}{mask}, so that the recogniser hears another word{over}: it does in "
        f"{s.hits:,} of {s.total:,}, {percent(s.value)}, with a 95 % interval from {percent(s.low)} to {percent(s.high)}."
    )
    if found.median_snr is not None:
        words += f" The sound is then {found.median_snr:.0f} dB stronger than the change (median, by power)."
    return f"<p>{text(words)}</p>{noted(found.notes)}"


def _table(found: Whispered) -> str:
    targets = sorted({target for row in found.by_pair.values() for target in row})
    head = "".join(f"<th>{text(target)}</th>" for target in targets)
    rows = ""
    for said, row in found.by_pair.items():
        cells = (f"{row[t][0]} of {row[t][1]}" if t in row else "" for t in targets)
        rows += f"<tr><th>{text(said)}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
    return (
        '<p class="quiet">Rows: what is said. Columns: what it should be heard as.</p><div class="scroll">'
        f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _listen(one: Whisper, audio: Audio) -> str:
    louder = f"the change alone, {audio.louder:.0f} dB louder"
    sounds = {
        f"original: heard as {one.before}, {percent(one.before_probability)}": audio.original,
        f"attacked: heard as {one.heard}, {percent(one.probability)}": audio.attacked,
        louder: audio.change,
    }
    figures = "".join(
        f'<figure><audio controls style="width: 17rem; max-width: 100%" preload="none" src="data:audio/wav;base64,{base64.b64encode(sound).decode()}"></audio>'
        f"<figcaption>{text(caption)}</figcaption></figure>"
        for caption, sound in sounds.items()
    )
    mark = "well" if one.success else "ill"
    told = "nothing changed" if one.db is None else f"{one.db:.1f} dB, SNR {one.snr:.1f} dB"
    words = f"{one.said}, to be heard as {one.target}: {'yes' if one.success else 'no'}"
    return (
        f'<div class="finding {mark}"><div><p><strong>{text(words)}</strong></p>'
        f'<p class="quiet">{text(f"{one.name}; {told}; {percent(one.audible)} of its energy above the mask")}</p>'
        f'<div class="pairs">{figures}</div></div></div>\n'
    )
