"""`sparring whisper`: commands hidden in recordings, or in sounds that are no speech, and a page to listen to them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparring.attacks.channel import CHANNELS, through_channel
from sparring.attacks.pgd import pgd
from sparring.attacks.psychoacoustic import MaskingThreshold, psychoacoustic
from sparring.attacks.threat_for import decibel_threat
from sparring.attacks.wrappers import bpda
from sparring.commands.hear import noted
from sparring.commands.reporting.progress import Progress
from sparring.commands.training.run_settings import TrainRequest
from sparring.data.audio import LEVELS, as_wav, on_grid, open_sounds
from sparring.data.nonspeech import NONSPEECH, nonspeech
from sparring.data.resolve import local
from sparring.engine.atomic_io import explain_os_errors, write
from sparring.engine.errors import UsageError, did_you_mean
from sparring.models.speech import NOTHING, Heard, Recogniser, load_recogniser, together
from sparring.report.audio_attack_section import SHOWN, Audio, Whisper, Whispered, by_pair, median, whispered_sections
from sparring.report.page import Page, page_html
from sparring.stats.proportion import Proportion

DB, DB_MASKED = -30.0, 0.0
"""The bound where none is given: below the mask the mask alone."""
STEPS, STEP, MOMENTUM = 200, 0.025, 0.75
"""Of PGD: at most so many, of this share of the bound."""
UTTERANCES = 10
SECONDS = 1.0
"""Of a sound that is made up."""
ANY = "nonspeech"
"""As SOURCE: one kind of made-up sound after the other."""
AT_ONCE = 64
Wave = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Utterance:
    """A sound to hide commands in."""

    wave: Wave
    """`[T]` in [-1, 1], on the grid of 16 bits."""
    name: str
    said: str
    """The word that is spoken, or what it is."""


def whisper(
    run: str | Path,
    source: str | Path,
    *,
    say: str | None = None,
    db: float | None = None,
    masked: bool = False,
    channel: str = "none",
    utterances: int = UTTERANCES,
    out: str | Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Whispered:
    """Hide the word `say`, or every word in turn, in `utterances` sounds of SOURCE, for the recogniser in `run`.

    SOURCE is what `hear` takes (its test recordings, where it has some), or noise, hum, clicks, chord, or nonspeech for all
    four. The change's peak is `db` (-30) below that of the sound, or, if `masked`, it is below what the sound masks, and `db` (0)
    besides. It must be heard through the `channel`. Sounds, report.json and report.html go to `out`, by default a new folder in
    `run`. Raises SparringError, with the way out, on all that can go wrong.
    """
    TrainRequest(seed=seed)
    progress = progress or Progress()
    db = db if db is not None else DB_MASKED if masked else DB
    recogniser = load_recogniser(run)
    _check(recogniser, say, db, channel, utterances)
    sounds, notes = to_hide_in(recogniser, source, utterances, seed)
    for note in notes:
        progress.info(f"note: {note}")
    folder = _folder(run, out)
    on_progress = progress.callback("attacking", "sounds")
    targets = [say] if say else [word for word in recogniser.words if word != NOTHING]
    commands = [(sound, target) for sound in sounds for target in targets]
    hidden, waves = hide(recogniser, commands, db, masked=masked, channel=channel, seed=seed, on_progress=on_progress)
    named = [
        replace(one, file=f"{k:04d}-{_plain(one.said)}-as-{_plain(one.target)}.wav") for k, one in enumerate(hidden)
    ]
    found = summed_up(
        named, run=str(run), out=str(folder), source=str(source), db=db, masked=masked, channel=channel, seed=seed,
        utterances=len(sounds), notes=notes,
    )  # fmt: skip
    _write(folder, found, {sound.name: sound.wave for sound in sounds}, waves, recogniser.rate)
    return found


def _check(recogniser: Recogniser, say: str | None, db: float, channel: str, utterances: int) -> None:
    if not -1000 < db <= 0:
        raise UsageError(f"--db must be 0 or less (a change as loud as the sound is 0 dB), not {db:g}")
    if utterances < 1:
        raise UsageError(f"--utterances must be 1 or more, not {utterances}")
    if say is not None and say not in recogniser.words:
        raise UsageError(f"'{say}' is not among the recogniser's words: {did_you_mean(say, recogniser.words)}")
    if channel not in CHANNELS:
        raise UsageError(f"unknown channel '{channel}': {did_you_mean(channel, CHANNELS)}")


def _write(folder: Path, found: Whispered, originals: Mapping[str, Wave], waves: Sequence[Wave], rate: int) -> None:
    """The attacked sounds, report.json, and report.html with some of them."""
    for one, wave in zip(found.whispers, waves, strict=True):
        write(folder / one.file, as_wav(wave, rate))
    write(folder / "report.json", json.dumps(found.to_json(), indent=2) + "\n")
    shown = min(len(waves), SHOWN)
    places = [k * len(waves) // shown for k in range(shown)]
    audio = {k: _audio(originals[found.whispers[k].name], waves[k], rate) for k in places}
    write(folder / "report.html", page_html(_page(found, audio)))


def to_hide_in(
    recogniser: Recogniser, source: str | Path, count: int, seed: int = 0
) -> tuple[list[Utterance], list[str]]:
    """At most `count` sounds of SOURCE, drawn by `seed`, and notes on what was left out."""
    if str(source) in (ANY, *NONSPEECH) and local(str(source)) is None:
        rng, rate = torch.Generator().manual_seed(seed), recogniser.rate
        kinds = itertools.cycle(NONSPEECH if str(source) == ANY else [str(source)])
        made = []
        for k, kind in zip(range(count), kinds, strict=False):
            wave = on_grid(nonspeech(kind, 1, int(SECONDS * rate), rate, rng)[0]).numpy()
            made.append(Utterance(wave, f"{kind}-{k}", kind))
        return made, []
    data = open_sounds(source)
    if data.rate != recogniser.rate:
        raise UsageError(
            f"{source} has {data.rate:,} samples a second, and the recogniser hears {recogniser.rate:,}: bring the sounds "
            "to that rate first"
        )
    notes = noted(data)
    data = data.split("test") if data.test.any() else data
    rows = np.sort(np.random.default_rng(seed).permutation(len(data))[:count])
    chosen = data.rows(rows)
    waves = [on_grid(torch.from_numpy(wave)).numpy() for wave in chosen.each()]
    said = [chosen.words[label] for label in chosen.labels]
    return [Utterance(*one) for one in zip(waves, chosen.names, said, strict=True)], notes


def hide(
    recogniser: Recogniser,
    commands: Sequence[tuple[Utterance, str]],
    db: float,
    *,
    masked: bool = False,
    channel: str = "none",
    seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda done, of: None,
) -> tuple[list[Whisper], list[Wave]]:
    """Each word hidden in its sound, but for those that are said there or heard as it is: what became of it, and the waveforms."""
    before = recogniser.hear([sound.wave for sound, _ in commands], channel)
    tasks = [
        (sound, word, heard)
        for (sound, word), heard in zip(commands, before, strict=True)
        if word not in (sound.said, heard.word)
    ]
    if not tasks:
        words = ", ".join(sorted({word for _, word in commands}))
        raise UsageError(f"all the sounds are said or heard to be '{words}' as they are: give another word")
    attacked: dict[int, tuple[Wave, float]] = {}
    order = sorted(range(len(tasks)), key=lambda k: len(tasks[k][0].wave))  # little padding in a batch
    on_progress(0, len(tasks))
    for first in range(0, len(tasks), AT_ONCE):
        some = order[first : first + AT_ONCE]
        own = [tasks[k][0].wave for k in some]
        y, target = (torch.tensor([recogniser.words.index(word) for word in words]) for words in (
            [tasks[k][2].word for k in some], [tasks[k][1] for k in some]))  # fmt: skip
        x, adv = _attack(recogniser, own, y, target, db, masked, channel, seed)
        over = _audible(x, adv, recogniser.rate)
        attacked |= {k: (adv[row, 0, : len(own[row])].numpy(), over[row]) for row, k in enumerate(some)}
        on_progress(first + len(some), len(tasks))
    waves = [attacked[k][0] for k in range(len(tasks))]
    after = recogniser.hear(waves, channel)
    told = [_told(*task, after[k], *attacked[k]) for k, task in enumerate(tasks)]
    return told, waves


def _attack(
    recogniser: Recogniser, waves: Sequence[Wave], y: Tensor, target: Tensor, db: float, masked: bool, channel: str, seed: int
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The sounds and the attacked ones, both `[B, 1, T]` and on the grid of 16 bits, as they will be in the file."""
    x, own = together(waves)
    model = bpda(on_grid, through_channel(channel, recogniser.net, recogniser.rate))
    threat = decibel_threat(x, db, mask=own)
    whole = (torch.as_tensor(threat.eps) * LEVELS).floor() / LEVELS  # so that rounding stays within the bound
    threat = replace(threat, eps=whole)
    if masked:
        found = psychoacoustic(model, x, y, threat, recogniser.rate, target=target, steps=STEPS, step=STEP, seed=seed)
    else:
        found = pgd(
            model, x, y, threat, target=target, steps=STEPS, step=STEP, momentum=MOMENTUM, random_start=False, seed=seed
        )
    return x, on_grid(found.adv)


def _audible(x: Tensor, adv: Tensor, rate: int) -> list[float]:
    """The share of each change's energy that is above the threshold of masking."""
    masking = MaskingThreshold(x, rate)
    energy = masking.spectrum(adv - x).abs().square()
    above = (energy * (energy > masking.amplitude.square())).sum((1, 2)) / energy.sum((1, 2)).clamp(min=1e-30)
    return [float(share) for share in above]


def _told(sound: Utterance, target: str, before: Heard, after: Heard, wave: Wave, audible: float) -> Whisper:
    change = wave.astype(np.float64) - sound.wave
    db = snr = None
    if change.any():
        db = float(20 * np.log10(np.abs(change).max() / np.abs(sound.wave).max()))
        snr = float(10 * np.log10(np.square(sound.wave, dtype=np.float64).sum() / np.square(change).sum()))
    return Whisper(
        sound.name, sound.said, target, before.word, before.probability, after.word, after.probability,
        after.word == target, db, snr, audible,
    )  # fmt: skip


def summed_up(hidden: list[Whisper], **about: object) -> Whispered:
    """All of them in figures."""
    won = [one for one in hidden if one.success]
    return Whispered(
        success=Proportion.count(len(won), len(hidden)),
        by_pair=by_pair(hidden),
        median_db=median([one.db for one in won]),
        median_snr=median([one.snr for one in won]),
        median_audible=median([one.audible for one in won]),
        whispers=hidden,
        **about,  # type: ignore[arg-type]
    )


def _folder(run: str | Path, out: str | Path | None) -> Path:
    """A folder that is not there yet, or is empty."""
    if out is None:
        inside = Path(run) if Path(run).is_dir() else Path(run).parent
        names = ("whisper" + (f"-{k}" if k > 1 else "") for k in itertools.count(1))
        return next(inside / name for name in names if not (inside / name).exists())
    with explain_os_errors(Path(out)):
        if Path(out).exists() and not (Path(out).is_dir() and not any(Path(out).iterdir())):
            raise UsageError(f"{out} is there already: choose another --out")
    return Path(out)


def _plain(word: str) -> str:
    """A word as part of a file's name."""
    return "".join(letter if letter.isalnum() else "-" for letter in word)


def _audio(original: Wave, attacked: Wave, rate: int) -> Audio:
    change = attacked - original
    peak = float(np.abs(change).max())
    louder = 0.5 / peak if peak else 1.0
    return Audio(
        as_wav(original, rate), as_wav(attacked, rate), as_wav(change * np.float32(louder), rate), 20 * np.log10(louder)
    )


def _page(found: Whispered, audio: dict[int, Audio]) -> Page:
    about = {
        "recogniser": found.run, "sounds": f"{found.utterances} of {found.source}", "bound": f"{found.db:g} dB",
        "masked": "yes" if found.masked else "no", "channel": found.channel, "seed": str(found.seed),
    }  # fmt: skip
    sections = whispered_sections(found, audio)
    return Page("Attacked recordings", about, sections)


def to_text(found: Whispered) -> str:
    """The lines that are printed."""
    lines = [f"heard    {found.success} commands, {found.db:g} dB{', masked' * found.masked}, channel {found.channel}"]
    if found.median_snr is not None:
        lines.append(
            f"change   {found.median_db:.1f} dB, SNR {found.median_snr:.1f} dB, {found.median_audible:.1%} of its energy above "
            "the mask (medians of those heard)"
        )
    return "\n".join([*lines, f"sounds   {found.out}", f"listen   {found.out}/report.html"])
