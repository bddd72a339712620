"""Targeted attacks on spoken digits: success at -30 and -40 dB over all pairs of digits, with and without a channel.

    python benchmarks/speech.py --seeds 0 1 2

For each seed `sparring classify` trains a classifier on the Free Spoken Digit Dataset. 200 of its 300 test recordings are
changed for each of the nine other digits, which must be predicted from the file of 16 bits, through the telephone line (a
low-pass and 8 bits) where there is one. Fewer recordings: the other channels, changes below the masking threshold alone,
and synthetic sounds. Intervals count attacks as independent, which several on one recording are not quite.
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

import sparring
from sparring.report.audio_attack_section import AudioAttackDetails
from sparring.stats.proportion import Proportion

ALL = ((-30.0, "none"), (-30.0, "both"), (-40.0, "none"), (-40.0, "both"))
GOAL = 0.95
"""Success that the attacks at -30 dB should have, with and without the line."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--sounds", type=int, default=25_600, help="training examples of a classifier")
    parser.add_argument("--count", type=int, default=200, help="recordings")
    parser.add_argument("--few", type=int, default=40, help="recordings of the other settings")
    parser.add_argument("--target", nargs="+", help="targets (default: all other digits)")
    parser.add_argument("--name", default="speech")
    options = parser.parse_args()
    torch.set_num_threads(1)
    source, few = data_folder() / "spoken-digits.zip", options.few
    seeds: dict[int, dict[str, Any]] = {}
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            report = sparring.classify(source, images=options.sounds, seed=seed, out=run, device="cpu")
            log(f"seed {seed}: accuracy {report.accuracy}")
            rows = {
                f"{db:g} dB, channel {channel}": attack(run, source, options, options.count, db=db, channel=channel)
                for db, channel in ALL
            }
            rows |= {
                "-30 dB, channel moving": attack(run, source, options, few // 4, db=-30.0, channel="moving"),
                "masked, channel none": attack(run, source, options, few, masked=True),
                "masked, channel both": attack(run, source, options, few, masked=True, channel="both"),
                **{f"{db:g} dB, no speech": attack(run, "nonspeech", options, few, db=db) for db in (-30.0, -40.0)},
            }
        seeds[seed] = {"accuracy": report.accuracy, "attacks": rows}
    summarize(options, seeds)


def attack(run: Path, source: str | Path, options: argparse.Namespace, count: int, **flags: Any) -> dict[str, Any]:
    """Attack `count` sounds, for each target; returns the results without the single attacks."""
    begin = time.monotonic()
    details = []
    for target in options.target or [None]:
        report = sparring.attack(run, source, count=count, target=target, out=run / "attack", device="cpu", **flags)
        assert isinstance(report.details, AudioAttackDetails)
        details += report.details.attacks
    together = AudioAttackDetails.summarize(details)
    success = Proportion.count(sum(each.success for each in details), len(details))
    names = {each.name for each in details}
    broken = sum(all(each.success for each in details if each.name == name) for name in names)
    log(f"{success}, {report.attack}, SNR {together.median_snr} dB")
    return {
        **{name: value for name, value in together.to_json().items() if name != "attacks"},
        "success": success.to_json(),
        "sounds_with_every_target": Proportion.count(broken, len(names)).to_json(),
        "seconds": round(time.monotonic() - begin, 1),
    }


def summarize(options: argparse.Namespace, seeds: dict[int, dict[str, Any]]) -> None:
    first = next(iter(seeds.values()))["attacks"]

    def rates(row: str) -> list[float]:
        return [each["attacks"][row]["success"]["value"] for each in seeds.values()]

    required = [f"-30 dB, channel {channel}" for channel in ("none", "both")]
    save(
        options.name,
        result="; ".join(f"{row}: {to_text(rates(row), '.1%')} success" for row in first),
        target=f"{GOAL:.0%} success at -30 dB, with the line and without",
        met=all(min(rates(row)) >= GOAL for row in required),
        details={name: getattr(options, name) for name in ("count", "few", "sounds", "target")} | {"seeds": seeds},
    )


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
