"""Spoken digits that a generator learnt in about 20 CPU minutes, judged by recognisers of real recordings.

    python benchmarks/sounds.py --seeds 0 1 2 --folder runs/

Protocol. For each seed `sparring.train` trains r3 on the 2,700 training recordings of the Free Spoken Digit Dataset for
a fixed number of examples, so that the result does not depend on the load of the machine; CPU minutes of one thread are
recorded. Of each run:

- `recognised`: the proportion of 1,000 samples whose word is predicted by a `sparring.classify` recogniser of the same
  training recordings, which was never trained on samples; beside it its accuracy on the 300 test recordings.
- `tstr_accuracy`: the accuracy on the 300 test recordings of a recogniser that was trained on 2,700 samples alone.
- `speakers`: proportions of the six speakers among samples, by a recogniser of speakers, beside those among the test
  recordings; `surest` is the proportion of samples of which one speaker has a probability above 0.9.
- all scores of `sparring.evaluate`.

Runs and recognisers that `--folder` holds already are continued or reused.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from record import data_folder, log, save

import sparring
from sparring.models.generator import GeneratorModel
from sparring.stats.proportion import Proportion

SAMPLES, TRAINING_SAMPLES = 1000, 2700
"""Samples that are judged, and those that a recogniser is trained on: as many as there are training recordings."""
RECOGNISER_EXAMPLES = 12_800
GOALS = {"recognised": 0.85, "tstr_accuracy": 0.80}
"""Smallest value of every seed."""
SPEAKER_NAMES = "*_{label}_*.wav"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--images", type=int, default=150_000, help="examples of each training, about 20 CPU minutes")
    parser.add_argument("--folder", type=Path, default=Path("runs/sounds"), help="where runs are kept")
    parser.add_argument("--name", default="sounds", help="name of the result file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    source = data_folder() / "spoken-digits.zip"
    by_seed: dict[str, Any] = {}
    for seed in options.seeds:
        run, minutes = train(source, options.folder / f"seed-{seed}", options.images, seed)
        by_seed[str(seed)] = {"cpu_minutes": minutes, **judge(run, source, options.folder, seed)}
        least = {name: min(one[name]["value"] for one in by_seed.values()) for name in GOALS}
        met = all(least[name] >= goal for name, goal in GOALS.items())
        log(f"seed {seed}: {'reached' if met else 'MISSED'} {GOALS}")
        save(
            options.name, result=", ".join(f"{name} {value:.1%} in the worst seed" for name, value in least.items()),
            target=", ".join(f"{name} {goal:.0%}" for name, goal in GOALS.items()), met=met,
            details={"images": options.images, "by_seed": by_seed},
        )  # fmt: skip


def train(source: Path, run: Path, images: int, seed: int) -> tuple[Path, float]:
    """Train a generator, or go on; return its folder and the CPU minutes of the process so far."""
    spent = run.with_suffix(".json")
    before = json.loads(spent.read_text())["cpu_minutes"] if spent.exists() else 0.0
    begin = time.process_time()
    sparring.train(source, images=images, seed=seed, out=run, device="cpu")
    minutes = before or (time.process_time() - begin) / 60
    spent.write_text(json.dumps({"cpu_minutes": minutes}))
    log(f"seed {seed}: {minutes:.1f} CPU minutes")
    return run, minutes


def judge(run: Path, source: Path, folder: Path, seed: int) -> dict[str, Any]:
    """Return what recognisers and `sparring.evaluate` say about a run."""
    words = recogniser(source, folder / "words")
    speakers = recogniser(source, folder / "speakers", label_from=SPEAKER_NAMES)
    test = sparring.open(source).split("test")
    real, real_labels = test[np.arange(len(test))], test.labels
    model = sparring.load(run)
    assert isinstance(model, GeneratorModel)
    samples = np.concatenate(list(model.samples(SAMPLES, seed=1)))
    labels = model.draw_inputs(range(SAMPLES), seed=1)[1].numpy()
    made = run.parent / f"{run.name}-samples"
    sparring.sample(run, TRAINING_SAMPLES, seed=2, out=made)
    of_samples = recogniser(made, run.parent / f"{run.name}-tstr")
    results = {
        "recognised": accuracy(words, samples, labels).to_json(),
        "recognised_real": accuracy(words, real, real_labels).to_json(),
        "tstr_accuracy": accuracy(of_samples, real, real_labels).to_json(),
        "speakers": {name: voices(speakers, rows) for name, rows in (("samples", samples), ("real", real))},
        "evaluation": sparring.evaluate(run, seed=seed).to_json(),
    }
    for name in ("recognised", "recognised_real", "tstr_accuracy", "speakers"):
        log(f"  {name} {results[name]}")
    return results


def recogniser(source: Path, run: Path, **read: Any) -> Any:
    """Return a recogniser of `source`, trained if it is not in the folder `run` yet."""
    if not (run / "classifier.json").exists():
        sparring.classify(source, "speech_cnn", images=RECOGNISER_EXAMPLES, out=run, device="cpu", **read)
    return sparring.load(run)


def accuracy(classifier: Any, rows: NDArray[np.int16], labels: NDArray[np.int64]) -> Proportion:
    """Return the proportion of rows whose class is the likeliest, the background class left out."""
    predicted = classifier.predict(rows).probabilities[:, : len(classifier.classes)].argmax(1).numpy()
    return Proportion.count(int((predicted == labels).sum()), len(labels))


def voices(classifier: Any, rows: NDArray[np.int16]) -> dict[str, Any]:
    """Return the proportion of each speaker among the rows, and that of rows with one sure speaker."""
    probabilities = classifier.predict(rows).probabilities[:, : len(classifier.classes)]
    shares = torch.bincount(probabilities.argmax(1), minlength=len(classifier.classes)).double() / len(rows)
    surest = Proportion.count(int((probabilities.amax(1) > 0.9).sum()), len(rows))
    return {**dict(zip(classifier.classes, shares.tolist(), strict=True)), "surest": surest.to_json()}


if __name__ == "__main__":
    main()
