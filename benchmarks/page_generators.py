"""Tables of docs/results.md on generators: each function makes one from JSON files of results/. See `table.py`."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean, median
from typing import Any

from record import interval, markdown, percent, read

DATA = {
    "mnist": "MNIST", "fashion-mnist": "Fashion-MNIST", "cifar10-jpeg": "CIFAR-10 (JPEG re-encoded)",
    "orl-faces-64": "400 ORL faces, 64 pixels", "orl-faces": "400 ORL faces, 112x92",
    **{f"faces-easy-{size}": f"435 colour faces, {size} pixels" for size in (32, 64, 128)},
}  # fmt: skip
NO_EPSILON = 10_000.0
EPSILONS = (0.3, 1.0, 3.0, 10.0, NO_EPSILON)
"""Of the private generators."""
YEARS = {"gan2014": 2014, "lapgan": 2015, "dcgan": 2015, "biggan": 2019, "s3gan": 2019, "r3": 2024}


def quality() -> str:
    of = read("quality")
    shares = [100 * share for run in of["runs"] for share in run["class_shares"]]
    rows = [
        ("Fréchet distance", f"{of['mean']:.2f}", "at most 0.8"),
        ("the same of 10,000 training images (baseline)", f"{of['floor']:.3f}", ""),
        ("proportion of each class", f"{min(shares):.0f} to {max(shares):.0f} %", "5 to 15 %"),
    ]
    return markdown(("", "measured", "target"), rows)


def history() -> str:
    table = read("history")["table"]
    best = {data: min(YEARS, key=lambda recipe: median(table[data][recipe]["fd"])) for data in table}

    def cell(data: str, recipe: str) -> str:
        fd, coverage = (median(table[data][recipe][name]) for name in ("fd", "coverage"))
        return f"{f'**{fd:.2f}**' if best[data] == recipe else f'{fd:.2f}'} ({coverage:.2f})"

    rows = [(f"`{recipe}` {year}", *(cell(data, recipe) for data in table)) for recipe, year in YEARS.items()]
    floors = [f"*{table[data]['floor']['fd']:.2f} ({table[data]['floor']['coverage']:.2f})*" for data in table]
    heads = [DATA[data].removeprefix("400 ") for data in table]
    return markdown(("", *heads), [*rows, ("*real data*", *floors)])


def history_seeds() -> str:
    table = read("history")["table"]["mnist"]
    older = [100 * median(table[recipe]["nash"]) for recipe in YEARS if recipe != "r3"]
    rows = [
        ("`r3`", _sorted(table["r3"]["fd"]), f"{100 * median(table['r3']['nash']):.0f} %"),
        (
            "`biggan` (best older recipe)",
            _sorted(table["biggan"]["fd"]),
            f"all older recipes: {min(older):.0f} to {max(older):.0f} %",
        ),
    ]
    return markdown(
        (
            "MNIST, three seeds",
            "Fréchet distance by seed",
            "accuracy of a fresh discriminator (two-sample test), median",
        ),
        rows,
    )


def history_12() -> str:
    table = {name: of["fd"] for name, of in read("history_12")["table"]["fashion-mnist"].items() if name in YEARS}
    return markdown([f"`{name}`" for name in table], [[f"{median(fd):.2f}" for fd in table.values()]])


def stacked() -> str:
    runs = read("stacked")["more_seeds"]

    def row(name: str, penalty: str) -> tuple[str, ...]:
        of = [run for run in runs if run["penalty"] == penalty]
        return name, ", ".join(f"{run['modes']:,}" for run in of), ", ".join(f"{run['kl']:.3f}" for run in of)

    images = {
        penalty: fmean(run["images"] for run in runs if run["penalty"] == penalty) for penalty in ("none", "r1+r2")
    }
    more = f"{images['none'] / images['r1+r2']:.1f}"
    rows = [
        row("`r3`'s loss with R1 and R2", "r1+r2"),
        row(f"the same networks without penalties ({more} times as many images in the time)", "none"),
    ]
    return markdown(("five minutes", "modes, seeds 0 to 2", "KL, seeds 0 to 2"), rows)


def stacked_grid() -> str:
    runs = {(run["objective"], run["penalty"]): run for run in read("stacked")["grid"]}
    penalties = {"none": "no penalty", "r1": "R1", "r1+r2": "R1 and R2"}
    objectives = {
        "minimax": "minimax",
        "nonsaturating": "non-saturating",
        "hinge": "hinge",
        "relativistic": "relativistic",
    }
    best = {penalty: min(objectives, key=lambda name: runs[name, penalty]["kl"]) for penalty in penalties}

    def cell(objective: str, penalty: str) -> str:
        run, bold = runs[objective, penalty], best[penalty] == objective and penalty != "r1"
        return f"{run['modes']}, " + (f"**{run['kl']:.2f}**" if bold else f"{run['kl']:.2f}")

    rows = [(name, *(cell(objective, penalty) for penalty in penalties)) for objective, name in objectives.items()]
    return markdown(("objective", *penalties.values()), rows)


def labels() -> str:
    rows = []
    for minutes, name in ((2, "labels"), (5, "labels_5")):
        for data, of in read(name)["table"].items():
            fd = {part: fmean(run["fd"] for run in runs) for part, runs in of["r3"].items()}
            cells = [f"{fd[part]:.2f}" if part in fd else "" for part in ("1", "0.1", "0.01", "0")]
            if minutes == 5:
                cells[1] += f" ({fd['0.1'] / fd['1']:.2f} times)"
            rows.append((minutes, DATA[data], *cells))
    return markdown(("minutes", "data", "all labels", "a tenth", "a hundredth", "none"), rows)


def small() -> str:
    rows = []
    for name, length in (("small", "2 minutes"), ("small_long", "128,000 images")):
        table = read(name)["table"]
        for data in (data for data in DATA if data in table):
            cells = [f"{of['coverage']:.2f} ({of['fd']:.1f})" for of in (table[data][key] for key in ("none", "ada"))]
            rows.append((DATA[data], length, *cells))
    return markdown(("data", "length", "`--augment none`", "`--augment ada`"), rows)


def hints() -> str:
    of = read("hints")
    without, mirror = ([run for run in of["runs"] if (run["hint"] == "without") == plain] for plain in (True, False))
    rows = [
        (
            "asymmetry",
            *(f"{fmean(run['mean'] for run in runs):.2f}" for runs in (without, mirror)),
            f"{of['data']['mean']:.2f}",
        ),
        ("coverage", *(f"{fmean(run['coverage'] for run in runs):.2f}" for runs in (without, mirror)), ""),
    ]
    return markdown(("", "without the hint", "with `--hints mirror`", "data"), rows)


def truncation() -> str:
    curve = read("truncation")["curve"][:-1]
    heads = ["not" if at["truncation"] is None else f"{at['truncation']:g}" for at in curve]
    rows = [(name, *(f"{at[name]['value']:.3f}" for at in curve)) for name in ("precision", "recall")]
    return markdown(("noise cut off at", *heads), rows)


def gamma() -> str:
    of = read("gamma")
    found = sorted(of["table"].items(), key=lambda item: float(item[1]["held_times_best"]))
    rows = [
        (DATA[data], f"{of['images'][data]:,}", f"{at['held_times_best']:.2f}", at["best_hand_set"])
        for data, at in found
    ]
    return markdown(("data", "training images", "ratio", "best fixed gamma"), rows)


def private_images() -> str:
    of = [row for row in read("private_generators_images")["rows"] if row["critic"] is not False]
    columns = {"CNN": "cnn", "perceptron": "perceptron", "logistic": "logistic"}

    def row(epsilon: float) -> tuple[object, ...]:
        rows = [each for each in of if each["epsilon"] == epsilon]
        judged = {name: [each["accuracy"][key]["value"] for each in rows] for name, key in columns.items()}
        cells = (f"{fmean(values):.1%} ({min(values):.1%} to {max(values):.1%})" for values in judged.values())
        name = "none (10,000)" if epsilon == NO_EPSILON else f"{epsilon:g}"
        return name, *cells, f"{fmean(each['noisy_class_means'] for each in rows):.1%}"

    return markdown(("epsilon", *columns, "nearest noisy class mean"), [row(epsilon) for epsilon in EPSILONS])


def private_tables() -> str:
    of = read("private_generators_tables")["rows"]
    [real] = [row for row in of if row["structure"] == "real rows"]

    def means(structure: str, judge: str) -> list[str]:
        each = [
            [row for row in of if (row["structure"], row["epsilon"]) == (structure, epsilon)] for epsilon in EPSILONS
        ]
        if judge == "worst":
            return [*(f"{fmean(row['largest_share_error'] for row in rows):.2f}" for rows in each), ""]
        return [*(f"{fmean(row['auroc'][judge] for row in rows):.3f}" for rows in each), f"{real['auroc'][judge]:.3f}"]

    names = {"trees": "trees within classes", "star": "`--structure star` (naive Bayes)"}
    judges = {"boosting": "boosting", "logistic": "logistic", "worst": "worst pair of columns (total variation)"}
    rows = [(f"{name}, {words}", *means(key, judge)) for key, name in names.items() for judge, words in judges.items()]
    heads = [f"epsilon {epsilon:g}" for epsilon in EPSILONS[:-1]]
    return markdown(("", *heads, "none (10,000)", "real rows"), rows)


def tables_adult() -> str:
    of = {recipe: read(f"tables_adult_{recipe}") for recipe in ("arf", "tabular_r3")}
    runs, beside = of["arf"]["runs"], of["arf"]["beside"]

    def widest(recipe: str, name: str) -> str:
        rows = of[recipe]["runs"]
        if name == "rare_f1":
            f1 = [run[name]["mean"] for run in rows]
            return f"{fmean(f1):.3f} ({min(f1):.3f} to {max(f1):.3f} over seeds)"
        if name == "without":
            return f"{fmean(run['without_last_adversary']['boosted_two_sample_auc']['value'] for run in rows):.3f}"
        if name == "minutes":
            return f"{fmean(run['train_cpu_minutes'] for run in rows):.2f}"
        low, high = min(run[name]["low"] for run in rows), max(run[name]["high"] for run in rows)
        return interval({"value": fmean(run[name]["value"] for run in rows), "low": low, "high": high}, ".3f")

    targets = {
        "tstr_auc_boosting": ("TSTR AUC, boosting", ".905"),
        "tstr_auc_logistic": ("TSTR AUC, logistic", ""),
        "rare_f1": ("F1 of >50K, mean of four judges", ".645"),
        "shapes": ("shapes", ".975"),
        "pairs": ("pairs", ".95"),
        "boosted_two_sample_auc": ("boosted two-sample AUC", "the leaves of arf less .05"),
        "without": ("the same without the last adversary", ""),
        "valid_rows": ("valid rows", "1"),
        "missing_difference": ("largest difference of a missing rate", ".02"),
        "nearest_is_training": ("nearest record is a training row", ".48 to .52"),
        "membership_auc": ("membership AUC", ""),
        "membership_tpr_at_1%": ("membership TPR at 1 % FPR", ""),
        "minutes": ("CPU minutes of one thread to train", ""),
    }

    def other(who: str, name: str) -> str:
        if name == "rare_f1":
            return f"{beside[who][name]['mean']:.3f}" if name in beside[who] else ""
        return f"{beside[who][name]['value']:.3f}" if name in beside[who] else ""

    def row(name: str, words: str, target: str) -> tuple[str, ...]:
        real = runs[0].get(name.replace("tstr", "trtr")) if name.startswith("tstr") else None
        real_cell = f"{real['value']:.3f}" if real else ""
        if name == "rare_f1":
            real_cell = f"{beside['real rows (F1 of judges)'][name]['mean']:.3f}"
        others = (other(who, name) for who in ("real halves", "independent", "SMOTE"))
        return words, *(widest(recipe, name) for recipe in of), real_cell, *others, target

    heads = ("", *of, "real rows", "real halves", "independent", "SMOTE", "target")
    return markdown(heads, [row(name, *words) for name, words in targets.items()])


def pairs() -> str:
    seeds = read("pairs")["by_seed"].values()

    def row(words: str, value: Callable[[dict[str, Any]], dict[str, float]], real: str = "") -> tuple[str, ...]:
        return words, *(interval(value(of), ".3f") for of in seeds), real

    def score(name: str) -> tuple[Callable[[dict[str, Any]], dict[str, float]], str]:
        real = fmean(of["scores"]["real"][name]["value"] for of in seeds)
        return lambda of: of["scores"]["samples"][name], f"{real:.3f}"

    rows = [
        row("both recognisers name one digit", *score("agreement")),
        row("the recording's digit is recognised", *score("audio recognised")),
        row("the image's digit is recognised", *score("image recognised")),
        row("digit of a real recording, inferred by `--given`", lambda of: of["given"]["audio"]),
        row("digit of a real image, inferred by `--given`", lambda of: of["given"]["image"]),
    ]
    minutes = ("CPU minutes of one thread", *(f"{of['cpu_minutes']:.1f}" for of in seeds), "")
    return markdown(
        ("proportion", *(f"seed {seed}" for seed in read("pairs")["by_seed"]), "real pairs"), [*rows, minutes]
    )


def explain() -> str:
    of = read("explain")

    def row(each: dict[str, Any]) -> list[str]:
        path, coverage = each.get("path_length"), of["runs"][each["run"]]["last_metrics"].get("coverage")
        return [
            each["run"], each["finder"], interval({name: 100 * end for name, end in each["rate"].items()}, ".1f", " %"),
            percent(each["chance"]["level"], 1),
            f"{sum(one['beyond_chance'] for one in each['sentences'])} of {len(each['sentences'])}",
            interval(path, ".2f") if path else "", f"{coverage:.2f}" if coverage else "",
        ]  # fmt: skip

    renderer = of["renderer"]
    first = [
        "a renderer of strokes",
        "known handles",
        percent(renderer["rate"]["value"], 0),
        percent(renderer["chance"], 0),
    ]
    heads = ("model, seed", "finder", "T", "chance T0", "sentences beyond chance", "path length", "coverage")
    return markdown(heads, [[*first, "", "", ""], *map(row, of["effects"])])


def _sorted(values: list[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in sorted(values))


TABLES = {
    function.__name__: function
    for function in (
        quality, history, history_seeds, history_12, stacked, stacked_grid, labels, small, hints, truncation, gamma,
        private_images, private_tables, tables_adult, pairs, explain,
    )
}  # fmt: skip
