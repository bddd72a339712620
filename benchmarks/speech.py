"""Targeted attacks on spoken digits: success of 200 test recordings x 3 targets at -30 and -40 dB.

    python benchmarks/speech.py --seeds 0 1 2
    python benchmarks/speech.py --seeds 0 --channels none both moving --targets 0 1 2 3 4 5 6 7 8 9 --name speech_all

Protocol. For each seed `sparring.classify` trains a classifier on the Free Spoken Digit Dataset for a fixed number of
examples, so that the result does not depend on the load of the machine. `sparring.attack` then draws `--count` of the
300 test recordings (takes 0 to 4 of each speaker and digit) and changes each for each target, except for recordings of
the target itself. The peak of the change is bounded relative to the peak of the recording. An attack succeeds if the
target is predicted from the 16-bit file, after the channel where there is one (`both`: a telephone line, low-pass and 8
bits). The 95 % intervals treat attacks as independent; several on one recording are not quite.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from record import data_folder, log, save, to_text

import sparring
from sparring.report.audio_attack_section import AudioAttackDetails
from sparring.stats.proportion import Proportion

DECIBELS = (-30.0, -40.0)
GOALS = {-30.0: 0.95, -40.0: 0.90}
"""Smallest success of every seed without a channel."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--images", type=int, default=25_600, help="training examples of each classifier")
    parser.add_argument("--count", type=int, default=200, help="test recordings to attack")
    parser.add_argument("--targets", nargs="+", default=["7", "2", "0"], help="classes that should be predicted")
    parser.add_argument("--channels", nargs="+", default=["none"], help="none, 8bit, lowpass, both or moving")
    parser.add_argument("--name", default="speech", help="name of the result file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    source = data_folder() / "spoken-digits.zip"
    by_seed: dict[str, dict[str, Any]] = {}
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            report = sparring.classify(source, "speech_cnn", images=options.images, seed=seed, out=run, device="cpu")
            assert report.errors is not None
            accuracy = report.errors.complement
            log(f"seed {seed}: accuracy {accuracy} test recordings")
            settings = [(db, channel) for channel in options.channels for db in DECIBELS]
            attacks = {key(db, channel): attack(run, source, options, seed, db, channel) for db, channel in settings}
        by_seed[str(seed)] = {"accuracy": accuracy.to_json(), "attacks": attacks}
        write(options, by_seed)


def key(db: float, channel: str) -> str:
    """Name of a setting in the JSON."""
    return f"{db:g} dB" if channel == "none" else f"{db:g} dB, channel {channel}"


def attack(run: Path, source: Path, options: argparse.Namespace, seed: int, db: float, channel: str) -> dict[str, Any]:
    """Attack the recordings for each target; return the success, and medians over the successful attacks."""
    begin, attacks = time.monotonic(), []
    for target in options.targets:
        out = run / f"attack-{target}"
        report = sparring.attack(
            run, source, count=options.count, seed=seed, target=target, db=db, channel=channel, out=out, device="cpu"
        )
        assert isinstance(report.details, AudioAttackDetails)
        attacks += report.details.attacks
    success = Proportion.count(sum(one.success for one in attacks), len(attacks))
    log(f"  {key(db, channel)}: success {success}, {time.monotonic() - begin:.0f} s")
    medians = {k: v for k, v in AudioAttackDetails.summarize(attacks).to_json().items() if k.startswith("median_")}
    recordings = len({one.name for one in attacks})
    return {"success": success.to_json(), "recordings": recordings, **medians}


def write(options: argparse.Namespace, by_seed: dict[str, dict[str, Any]]) -> None:
    """Write the results of the finished seeds."""
    first = next(iter(by_seed.values()))["attacks"]

    def rates(name: str) -> list[float]:
        return [one["attacks"][name]["success"]["value"] for one in by_seed.values()]

    accuracy = [one["accuracy"]["value"] for one in by_seed.values()]
    save(
        options.name,
        result=f"seeds {', '.join(by_seed)}: accuracy {to_text(accuracy, '.1%')}; "
        + "; ".join(f"success at {name}: {to_text(rates(name), '.1%')}" for name in first),
        target="success without a channel at least "
        + ", ".join(f"{goal:.0%} at {db:g} dB" for db, goal in GOALS.items()),
        met="none" in options.channels and all(min(rates(key(db, "none"))) >= goal for db, goal in GOALS.items()),
        details={
            "seeds": list(by_seed),
            **{name: getattr(options, name) for name in ("images", "count", "targets", "channels")},
            "by_seed": by_seed,
        },
    )


if __name__ == "__main__":
    main()
