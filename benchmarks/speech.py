"""Commands hidden in speech: targeted success at -30 and -40 dB over all pairs of digits, with and without a channel.

    python benchmarks/speech.py --seeds 0 1 2

For each seed `sparring hear` trains a recogniser on the Free Spoken Digit Dataset. In 200 of its 300 test recordings other
digits are hidden, `--each` of the nine, by turns so that all pairs come as often, and must be heard from the file of 16 bits, through the telephone line (a low-pass and 8
bits) where there is one. In fewer of them: the other channels, below the mask of the sound alone, and in sounds that are no speech.
Intervals count attacks as independent, which several on one recording are not quite.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from record import data_folder, save, to_text
from sparring.commands.whisper import ANY, Utterance, hide, summed_up, to_hide_in

from sparring.commands.hear import hear
from sparring.models.speech import NOTHING, Recogniser, load_recogniser
from sparring.report.audio_attack_section import Whispered
from sparring.stats.proportion import Proportion

ALL = ((-30.0, "none"), (-30.0, "both"), (-40.0, "none"), (-40.0, "both"))
AIM = 0.95
"""Of the commands that should be heard at -30 dB, with and without the line."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--sounds", type=int, default=25_600, help="that a recogniser is trained on")
    parser.add_argument("--utterances", type=int, default=200)
    parser.add_argument("--each", type=int, default=9, help="digits that are hidden in each")
    parser.add_argument("--few", type=int, default=40, help="for what is measured beside")
    parser.add_argument("--name", default="speech")
    options = parser.parse_args()
    torch.set_num_threads(1)
    source = data_folder() / "spoken-digits.zip"
    few, each = options.few, options.each
    seeds: dict[int, dict[str, Any]] = {}
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            found = hear(source, sounds=options.sounds, seed=seed, out=Path(folder) / "run")
            recogniser = load_recogniser(found.run)
        say(f"seed {seed}: {found.right}")
        rows = {
            f"{db:g} dB, channel {channel}": attack(recogniser, source, options.utterances, each, db, channel)
            for db, channel in ALL
        }
        rows |= {
            "-30 dB, channel moving": attack(recogniser, source, few // 4, each, -30.0, "moving"),
            "masked, channel none": attack(recogniser, source, few, each, 0.0, masked=True),
            "masked, channel both": attack(recogniser, source, few, each, 0.0, "both", masked=True),
            **{f"{db:g} dB, no speech": attack(recogniser, ANY, few, each, db) for db in (-30.0, -40.0)},
        }  # fmt: skip
        seeds[seed] = {"recogniser": {**found.to_json(), "run": ""}, "attacks": rows}
    report(options, seeds)


def attack(
    recogniser: Recogniser,
    source: str | Path,
    utterances: int,
    each: int,
    db: float,
    channel: str = "none",
    *,
    masked: bool = False,
) -> dict[str, Any]:
    """`each` of the other digits hidden in each of so many sounds: in figures, without the single attacks."""
    begin = time.monotonic()
    sounds, _ = to_hide_in(recogniser, source, utterances)
    words = [word for word in recogniser.words if word != NOTHING]
    commands = [(sound, word) for k, sound in enumerate(sounds) for word in by_turns(sound, words, k, each)]
    hidden, _ = hide(recogniser, commands, db, masked=masked, channel=channel)
    found: Whispered = summed_up(
        hidden, run="", out="", source=str(source), db=db, masked=masked, channel=channel, seed=0, utterances=len(sounds)
    )  # fmt: skip
    whole = sum(all(one.success for one in hidden if one.name == sound.name) for sound in sounds)
    told = {k: v for k, v in found.to_json().items() if k not in ("run", "out", "source", "whispers", "notes", "seed")}
    say(f"{found.success}, {db:g} dB{', masked' * masked}, channel {channel}, SNR {found.median_snr} dB")
    return {
        **told,
        "sounds_in_which_every_word_is_heard": Proportion.count(whole, len(sounds)).to_json(),
        "seconds": round(time.monotonic() - begin, 1),
    }


def by_turns(sound: Utterance, words: list[str], turn: int, each: int) -> list[str]:
    """`each` of the words that are not said, beginning with another one for each sound."""
    others = [word for word in words if word != sound.said]
    return [others[(turn * each + k) % len(others)] for k in range(min(each, len(others)))]


def report(options: argparse.Namespace, seeds: dict[int, dict[str, Any]]) -> None:
    first = next(iter(seeds.values()))["attacks"]

    def shares(row: str) -> list[float]:
        return [one["attacks"][row]["success"]["value"] for one in seeds.values()]

    aimed = [f"-30 dB, channel {channel}" for channel in ("none", "both")]
    save(
        options.name,
        result="; ".join(f"{row}: {to_text(shares(row), '.1%')} heard" for row in first),
        target=f"{AIM:.0%} heard at -30 dB, with the line and without",
        met=all(min(shares(row)) >= AIM for row in aimed),
        details={
            "utterances": options.utterances,
            "each": options.each,
            "few": options.few,
            "sounds": options.sounds,
            "seeds": seeds,
        },
    )


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
