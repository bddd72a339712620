"""Tables: accuracy on UCI Adult, and attacks that change only plausible columns.

    python benchmarks/adult.py

Protocol. The class is whether the income is above $50,000. For each seed `sparring.classify` trains a network on the
rows of adult.data, but for those that it sets aside for calibration, for a fixed number of examples, and tests it on
all 16,281 rows of adult.test. `sparring.attack` then draws 1,000 rows of adult.test by the same seed. Whole numbers
stay whole, categories stay categories, and numbers stay within their span in the data. `education` is dropped, since
`education-num` says the same, and so is `fnlwgt`, a sampling weight. Three sets of columns may change:

  work       what a person can change: workclass, occupation, hours-per-week, and education-num, which can only grow
  plausible  these and the capital: capital-gain, capital-loss
  all        every column

Strength of the search: for 60 rows of the first seed every combination of the columns of `work` is tried, about 100,000
per row, and the smallest number of columns that breaks a row is compared with that of the greedy search.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from record import data_folder, log, save, spread

import sparring
from sparring.attacks import greedy
from sparring.attacks.threat_for import constraints_for, threat_for
from sparring.data.dataset import Dataset
from sparring.recipes import recipe_class
from sparring.report.table_attack_section import TableAttackDetails

NAMES = (
    "age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship", "race",
    "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country", "income",
)  # fmt: skip
DROPPED = ("education", "fnlwgt")
WORK = ("workclass", "occupation", "hours-per-week")
CAPITAL = ("capital-gain", "capital-loss")
GROWS = ("education-num",)
FLAGS: dict[str, dict[str, Any]] = {
    "work": {"move": WORK, "increasing": GROWS},
    "plausible": {"move": (*WORK, *CAPITAL), "increasing": GROWS},
    "all": {},
}
GOAL = 0.854
"""Smallest mean accuracy."""
SEARCHED_ROWS = 60
"""Rows of which every combination is tried."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--images", type=int, default=400_000, help="training examples of each network")
    parser.add_argument("--count", type=int, default=1000, help="rows to attack")
    parser.add_argument("--name", default="adult", help="name of the result file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    by_seed: dict[str, dict[str, Any]] = {}
    for seed in options.seeds:
        by_seed[str(seed)] = one_seed(seed, options)
        write(options, by_seed)


def one_seed(seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Train, test and attack one network."""
    folder = data_folder() / "adult"
    with tempfile.TemporaryDirectory() as temporary:
        run = Path(temporary) / "run"
        recipe = recipe_class("tabular_mlp")(trees=False)
        report = sparring.classify(
            folder, recipe, label="14", names=NAMES, drop=DROPPED, images=options.images,
            seed=seed, out=run, device="cpu",
        )  # fmt: skip
        assert report.errors is not None
        model = sparring.load(run, "classifier")
        assert isinstance(model, sparring.Classifier)
        read = sparring.ReadOptions(names=NAMES)
        test = sparring.open(folder / "adult.test", read, like=model.spec, keep_duplicates=True).split(None)
        guesses = model.predict(test[np.arange(len(test))]).best.numpy()
        accuracy = report.errors.complement.value
        log(f"seed {seed}: {accuracy:.2%} of {len(test):,} rows of adult.test")
        result: dict[str, Any] = {"accuracy": accuracy}
        for name, flags in FLAGS.items():
            settings = {"names": NAMES, "count": options.count, "seed": seed, "device": "cpu", **flags}
            attack = sparring.attack(run, folder / "adult.test", out=run / name, **settings)
            assert isinstance(attack.details, TableAttackDetails)
            log(f"  {name}: success {attack.details.success}, {attack.details.changed_columns:.2f} columns")
            details = attack.details.to_json()
            result[name] = {key: details[key] for key in ("success", "changed_columns", "changed", "queries")}
        if seed == options.seeds[0]:
            correct = np.flatnonzero(guesses == test.labels)
            result["search"] = compare_search(model, test.select(correct[:SEARCHED_ROWS]))
            log(f"  {result['search']}")
    return result


@torch.no_grad()
def compare_search(model: sparring.Classifier, rows: Dataset) -> dict[str, int]:
    """Count the rows that any combination of `work` breaks, that greedy breaks, and those with equally few columns."""
    spec, x, y = model.spec, model.spec.encode(rows[np.arange(len(rows))]), torch.from_numpy(rows.labels)
    places = {column.name: list(column.indices) for column in spec.columns}
    hours, never = torch.arange(1.0, 100.0), len(spec.columns) + 1
    fewest = torch.full_like(y, never)
    for k, row in enumerate(x):
        years = torch.arange(float(row[places["education-num"][0]]), 17.0)
        for workclass, occupation in product(places["workclass"], places["occupation"]):
            every = row.repeat(len(years) * len(hours), 1)
            every[:, places["workclass"] + places["occupation"]] = 0
            every[:, [workclass, occupation]] = 1
            every[:, places["education-num"]] = years.repeat_interleave(len(hours))[:, None]
            every[:, places["hours-per-week"]] = hours.repeat(len(years))[:, None]
            if len(broken := every[model.logits(every).argmax(1) != y[k]]):
                fewest[k] = min(int(fewest[k]), int(spec.differs(broken, row[None]).sum(1).min()))
    constraints = constraints_for(spec, movable=WORK, increasing=GROWS)
    result = greedy(model.logits, x, y, threat_for(spec, x, constraints=constraints))
    same = result.success & (spec.differs(result.adv, x).sum(1) == fewest)
    counts = {"can_be_broken": fewest < never, "greedy_breaks": result.success, "by_the_fewest_columns": same}
    return {"rows": len(x), **{name: int(rows.sum()) for name, rows in counts.items()}}


def write(options: argparse.Namespace, by_seed: dict[str, dict[str, Any]]) -> None:
    """Write the results of the finished seeds."""

    def mean(name: str, of: str) -> float:
        values = [one[name][of] for one in by_seed.values()]
        return statistics.mean(value["value"] if isinstance(value, dict) else value for value in values)

    accuracy, search = [one["accuracy"] for one in by_seed.values()], next(iter(by_seed.values()))["search"]
    attacks = "; ".join(
        f"{name}: {mean(name, 'success'):.1%} broken, {mean(name, 'changed_columns'):.2f} columns" for name in FLAGS
    )
    save(
        options.name,
        result=f"means of seeds {', '.join(by_seed)}: accuracy on adult.test {statistics.mean(accuracy):.2%}; "
        f"{attacks}; of {search['rows']} rows "
        f"{search['can_be_broken']} can be broken by work, greedy breaks {search['greedy_breaks']}, "
        f"{search['by_the_fewest_columns']} by the fewest columns",
        target=f"accuracy at least {GOAL:.1%}; fewer rows broken by work than by all columns",
        met=statistics.mean(accuracy) >= GOAL and mean("work", "success") < mean("all", "success"),
        details={
            "seeds": list(by_seed), "images": options.images, "count": options.count, "dropped": DROPPED,
            "columns": FLAGS, "accuracy": spread(accuracy), "by_seed": by_seed,
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
