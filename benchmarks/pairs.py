"""Spoken digits with handwritten ones, generated together and judged by classifiers of each half.

    python benchmarks/pairs.py --seeds 0 1 2 --folder runs/

Protocol. For each seed `sparring.train` trains r3 on pairs of the Free Spoken Digit Dataset and MNIST, joined by label,
for a fixed number of examples, so that the result does not depend on the load of the machine; CPU minutes of one thread
are recorded. The same is trained for each half alone, for as many examples of the half. Of 1,000 pairs:

- `agreement`: how often two recognisers name one digit, one for sounds and one for images. They are those of
  `sparring.evaluate`, and learn from training rows alone. Beside it the agreement of real test pairs, and of training
  pairs whose second halves are exchanged.
- `halves`: the Fréchet distance of each half in the features of `sparring.evaluate`, of the pairs and of a generator of
  this half alone.
- `given`: how often the class of a real half of the test split is inferred by `sample --given`.

With --no-labels the generator does not see the digits, and learns from the pairs alone what belongs together. Runs that
`--folder` holds already are continued or reused.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from record import data_folder, log, save
from torch import Tensor

import sparring
from sparring.data.dataset import Dataset
from sparring.data.pairs import halves_of
from sparring.engine.device import Hardware
from sparring.measure.features.feature_net import Features
from sparring.measure.features.features_for import features_for, values_for
from sparring.measure.kinds.kind_measures import Comparison
from sparring.measure.kinds.pair_measures import agreement
from sparring.measure.rivals.pair_rivals import shuffled
from sparring.measure.rivals.rivals import LabelledRows
from sparring.measure.scores.frechet import frechet_distance
from sparring.models.given_half import HalfInference
from sparring.recipes.generators.r3 import R3
from sparring.stats.proportion import Proportion

SAMPLES, GIVEN, LEARNT = 1000, 300, 4000
GOAL, LARGEST_LOSS = 0.9, 1.2
"""Smallest agreement, and largest ratio of the distances of a half in pairs and alone."""
WITH = "mnist"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--images", type=int, default=60_000, help="examples of each training")
    parser.add_argument("--no-labels", dest="labels", action="store_false", help="hide the digits from the networks")
    parser.add_argument("--judge-only", action="store_true", help="judge runs as they are, finished or not")
    parser.add_argument("--skip-alone", dest="alone", action="store_false", help="train no generator of one half")
    parser.add_argument("--folder", type=Path, default=Path("runs/pairs"), help="where runs are kept")
    parser.add_argument("--name", default="pairs", help="name of the result file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sounds, suffix = data_folder() / "spoken-digits.zip", "" if options.labels else "-no-labels"
    by_seed: dict[str, Any] = {}
    for seed in options.seeds:
        sizes: dict[str, Any] = {"images": options.images, "seed": seed, "recipe": R3(labels=options.labels)}
        pairs = options.folder / f"pairs{suffix}-{seed}"
        cost = {} if options.judge_only else {"cpu_minutes": train(sounds, pairs, pair_with=WITH, by="label", **sizes)}
        by_seed[str(seed)] = result = {**cost, **judge(pairs, seed)}
        report(options, by_seed)
        for half, source in (("audio", sounds), ("image", WITH)) if options.alone else ():
            alone = options.folder / f"{half}{suffix}-{seed}"
            minutes = train(source, alone, **sizes)
            result["halves"][half]["alone"] = {"cpu_minutes": minutes, **distance(alone, seed)}
        report(options, by_seed)


def report(options: argparse.Namespace, by_seed: dict[str, Any]) -> None:
    """Write what is known so far."""
    least = min(result["agreement"]["value"] for result in by_seed.values())
    halves = [half for result in by_seed.values() for half in result["halves"].values() if "alone" in half]
    ratios = [half["fd"] / half["alone"]["fd"] for half in halves]
    distances = f", distances of halves {max(ratios):.2f} of those alone" if ratios else ", no generator of one half"
    text = f"agreement {least:.1%}{distances}, in the worst seed"
    log(text)
    save(
        options.name, result=text, target=f"agreement {GOAL:.0%}, halves within {LARGEST_LOSS - 1:.0%}",
        met=least >= GOAL and bool(ratios) and max(ratios) <= LARGEST_LOSS,
        details={"images": options.images, "labels": options.labels, "by_seed": by_seed},
    )  # fmt: skip


def train(source: Path | str, run: Path, **settings: Any) -> float:
    """Train a generator, or go on; return the CPU minutes of its training."""
    spent = run.with_suffix(".json")
    before = json.loads(spent.read_text())["cpu_minutes"] if spent.exists() else 0.0
    begin = time.process_time()
    sparring.train(source, out=run, device="cpu", **settings)
    minutes = before or (time.process_time() - begin) / 60
    spent.write_text(json.dumps({"cpu_minutes": minutes}))
    log(f"{run}: {minutes:.1f} CPU minutes")
    return minutes


def judge(run: Path, seed: int) -> dict[str, Any]:
    """Return the agreement of samples, of real pairs and of shuffled ones, and distances of the halves."""
    model: Any = sparring.load(run)
    data = sparring.open(data_folder() / "spoken-digits.zip", sparring.ReadOptions(pair_with=WITH, by="label"))
    test = data.split("test")
    idx = np.random.default_rng(seed).permutation(len(test))[: 2 * SAMPLES]
    training = LabelledRows(*some(data, np.random.default_rng(seed).permutation(len(data))[:LEARNT]))
    real, other = (LabelledRows(*some(test, part)) for part in np.split(idx, 2))
    labels = model.draw_inputs(range(SAMPLES), seed)[1].numpy()
    samples = LabelledRows(np.concatenate(list(model.samples(SAMPLES, seed=seed))), labels)
    mixed = shuffled(data.spec, training, SAMPLES, np.random.default_rng(seed))
    scores = {
        of: {name: asdict(score) for name, score in agreement(Comparison(data.spec, rows, real, training)).items()}
        for of, rows in (("samples", samples), ("real", real), ("shuffled", mixed))
    }
    halves: dict[str, Any] = {}
    for k, (name, side) in enumerate(zip(data.spec.names, halves_of(data), strict=True)):
        one = Judge.of(side)
        x, y, z = (one.features(data.spec.by_half(rows.rows)[k][1]) for rows in (samples, real, other))
        halves[name] = {"fd": frechet_distance(x, y).value, "fd_real": frechet_distance(z, y).value}
    return {
        "nimg": int(sparring.Run(run).checkpoints()[-1].name), "agreement": scores["samples"]["agreement"],
        "scores": scores, "halves": halves,
        **({"given": given(model, halves_of(data))} if model.conditional else {}),
    }  # fmt: skip


def some(data: Dataset, idx: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return stored rows and their labels."""
    return data[idx], data.labels[idx]


def given(model: Any, sides: tuple[Dataset, Dataset]) -> dict[str, Any]:
    """Return how often the class of a real test half is inferred from the generator alone (`sample --given`)."""
    right = {}
    for k, side in enumerate(sides):
        test, inference = side.split("test"), HalfInference.fit(model, k)
        idx = np.random.default_rng(0).permutation(len(test))[:GIVEN]
        inferred = np.array([inference.of(test[idx[j : j + 1]]).inferred for j in range(len(idx))])
        right[model.spec.names[k]] = proportion(inferred == test.labels[idx])
    return right


@dataclass(frozen=True)
class Judge:
    """Feature network of one half, trained on its training rows as a classifier."""

    net: Features
    values: Callable[[NDArray[Any]], NDArray[Any]]

    @classmethod
    def of(cls, side: Dataset) -> Judge:
        """Return the network of `sparring.evaluate`."""
        net = features_for(side.spec, "trained", None, side, Hardware.find("cpu", "fp32"))
        return cls(net, values_for(side.spec, lambda: ()))

    def features(self, rows: NDArray[Any]) -> Tensor:
        """Return features `[N, d]` of stored rows."""
        return self.net.of([self.values(part) for part in np.array_split(rows, -(-len(rows) // 100))])


def distance(run: Path, seed: int) -> dict[str, float]:
    """Return the Fréchet distance of a generator of one half alone, by the same network."""
    model: Any = sparring.load(run)
    data = sparring.open(sparring.Run(run).settings["data"]["source"])
    test, judge = data.split("test"), Judge.of(data)
    real = test[np.random.default_rng(seed).permutation(len(test))[:SAMPLES]]
    samples = np.concatenate(list(model.samples(SAMPLES, seed=seed)))
    return {"fd": frechet_distance(judge.features(samples), judge.features(real)).value}


def proportion(right: NDArray[np.bool_]) -> dict[str, float]:
    """Return a proportion with its interval."""
    counted = Proportion.count(int(right.sum()), len(right))
    return {"value": counted.value, "low": counted.low, "high": counted.high}


if __name__ == "__main__":
    main()
