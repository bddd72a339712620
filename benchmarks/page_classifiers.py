"""Tables of docs/results.md on classifiers and attacks: each function makes one from JSON files of results/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from record import ends, interval, markdown, percent, read


def to_label() -> str:
    names = {
        "before": "50 labels",
        "10 asked for": "and the first ten of `to_label.csv`",
        "10 by chance": "and ten random ones",
    }
    return _errors("to_label", names, "")


def wrong_labels() -> str:
    names = {
        "as they are": "as they are",
        "one in ten wrong": "ten of 100 wrong",
        "one label of a class": "one class with a single label",
        "no label of a class": "one class without labels",
    }
    return _errors("wrong_labels", names, "labels")


def _errors(name: str, rows: Mapping[str, str], head: str) -> str:
    table = read(name)["table"]
    return markdown((head, "errors of 10,000"), [(words, f"{table[key]['mean']:,.0f}") for key, words in rows.items()])


def oneshot() -> str:
    pairs = read("oneshot")["table"].values()

    def row(count: str) -> tuple[str, ...]:
        of = [pair["accuracy"][count] for pair in pairs]
        right = (100 * fmean(at[part]["median"] for at in of) for part in ("held_out", "ten"))
        return count, *(f"{share:.0f} %" for share in right), f"{100 * max(at['lost'] for at in of):.1f} points"

    heads = ("examples of each new digit", "new digits right", "all ten right", "accuracy lost on the eight, at most")
    return markdown(heads, map(row, ("1", "5", "20")))


def improved() -> str:
    errors = read("improved_checkpoints")["errors"]
    rounds = (90_000, 126_000, 144_000, 162_000, 180_000)
    batch = max(map(int, errors)) // rounds[-1]
    return markdown(
        ("rounds", *(f"{count:,}" for count in rounds)), [("errors", *(errors[str(count * batch)] for count in rounds))]
    )


def none_of_these() -> str:
    pairs = [pair["called_none_of_these"] for pair in read("oneshot")["table"].values()]

    def share(key: str) -> str:
        mean = 100 * fmean(pair[key] for pair in pairs)
        return "all" if mean == 100 else f"{mean:.0f} %" if mean > 1 else f"{mean:.1f} %"

    names = {
        "held out": "the two unseen digits",
        "Fashion-MNIST": "Fashion-MNIST",
        "noise": "noise",
        "learnt": "the eight known digits (wrong)",
    }
    return markdown(("images", "proportion"), [(words, share(key)) for key, words in names.items()])


def fewlabels_step() -> str:
    cpu, gpu = read("fewlabels_step"), read("fewlabels_step_cuda")

    def cell(of: dict[str, Any], case: str) -> str:
        return interval(ends(of[case]["times_faster"]), ".2f") if case in of else ""

    rows = [
        (f"`{recipe}`, {shape}", *(cell(of, f"{recipe} {shape}") for of in (cpu, gpu)))
        for recipe in ("improved", "consistent")
        for shape in ("28x28x1", "32x32x3")
    ]
    return markdown(("", "machine B, float32, two cores", "machine C"), rows)


def attack_speed() -> str:
    measured = {
        "attack_speed": ("beside other work", ("times",)),
        "attack_speed_idle": ("nothing beside, a narrower robust network", ("times",)),
        "attack_speed_bf16": ("AMX", ("times", "bf16_times")),
    }
    attacks = {
        "autoattack": ("AutoAttack against Croce and Hein", ("reference",)),
        "pgd40": ("PGD-40 against torchattacks, foolbox", ("torchattacks", "foolbox")),
    }

    def row(name: str, attack: str, prefix: str) -> tuple[str, ...]:
        (title, peers), of = attacks[attack], read(name)[attack]
        words = f"{title}; {measured[name][0]}" + (", `--precision bf16`" if prefix == "bf16_times" else "")
        cells = (
            ", ".join(f"{of[model][f'{prefix}_{peer}']['median']:.1f}" for peer in peers) if model in of else ""
            for model in ("undefended", "robust")
        )
        return words, *cells, f"[{name}](../benchmarks/results/{name}.json)"

    rows = [
        row(name, attack, prefix) for attack in attacks for name, (_, kinds) in measured.items() for prefix in kinds
    ]
    return markdown(("", "undefended", "robust", "JSON"), rows)


def private_classifier() -> str:
    of = read("private_classifier")["sets"]["mnist"]

    def row(epsilon: str) -> tuple[str, ...]:
        at, private = of[epsilon], epsilon in ("0.3", "1", "3", "10")
        accuracy = interval(ends(at["accuracy"]), ".2%")
        noise = f"{at['noise_multiplier']:.2f}" if private else "none"
        name = epsilon if private else "no privacy, the same clip"
        return name, noise, accuracy.replace("%", " %"), f"{100 * at['class_means']['median']:.1f} %"

    epsilons = ["0.3", "1", "3", "10", "none"]
    return markdown(("epsilon", "noise multiplier", "accuracy", "nearest of noisy class means"), map(row, epsilons))


def privacy_steps() -> str:
    rows = [
        (name, f"{at['promised']:.3f}", interval(at["mu"], ".3f"))
        for name, at in read("privacy_audits")["step"].items()
    ]
    return markdown(("rows in the sample, noise multiplier", "theoretical", "measured"), rows)


def privacy_one_run() -> str:
    rows = [
        (
            name,
            "unbounded" if at["epsilon"] is None else f"{at['epsilon']:.3g}",
            f"{at['shown']:.2f}",
            f"{at['right']} of {at['guesses']}",
            f"{at['ceiling']:.2f}",
        )
        for name, at in read("privacy_audits")["one_run"].items()
    ]
    return markdown(("training", "epsilon", "refuted up to", "right guesses", "ceiling of the audit"), rows)


def private_membership() -> str:
    rows = [
        (
            f"{of['epsilon']:,g}", f"{of['seed']}",
            interval(of["samples"]["auc"], ".3f"), f"{100 * of['samples']['hits']['0.01']['value']:.1f} %",
            f"{of['copies']['auc']['value']:.3f}",
        )
        for of in read("private_membership")["rows"]
    ]  # fmt: skip
    heads = ("epsilon", "seed", "AUC on samples", "TPR at 1 % FPR", "AUC on copies of the training digits")
    return markdown(heads, rows)


def tradeoff() -> str:
    of = read("tradeoff")

    def values(part: str, eps: str, form: str) -> str:
        return ", ".join(f"{value:{form}}" for value in of[part][eps]["values"]) + " %"

    rows = [
        (eps, values("clean_percent", eps, ".2f"), values("robust_percent", eps, ".0f")) for eps in of["clean_percent"]
    ]
    return markdown(("trained against eps", "clean, 10,000 images", "under PGD at 0.1, 1,000 images"), rows)


def goodfellow() -> str:
    measured = {"5 epochs, five seeds": "goodfellow", "33 epochs, one seed": "goodfellow_long"}
    kinds = (
        ("clean error", "clean", ".2f", "0.94 to 0.84 %"),
        ("error on FGSM's examples", "fgsm", ".1f", "89.4 to 17.9 %"),
    )
    rows = [
        (
            f"{words}, {length}",
            *(f"{read(name)['percent'][f'{kind}_{when}']['median']:{form}} %" for when in ("before", "after")),
            published,
        )
        for words, kind, form, published in kinds
        for length, name in measured.items()
    ]
    return markdown(("", "without", "with adversarial training", "published"), rows)


def certified() -> str:
    table = read("certified")["table"]

    def cells(at: dict[str, Any]) -> list[str]:
        both = zip(at["certified"], at["attacked"], strict=True)
        return [f"{_short(one['share'])} ({100 * other['share']:.1f})" for one, other in both]

    radii = [f"{at['eps']:g}" for at in table["0.25"]["certified"]]
    rows = [(f"{float(noise):g}", *cells(at)) for noise, at in table.items()]
    return markdown(("noise", f"radius {radii[0]}", *radii[1:]), rows)


def _short(share: float) -> str:
    return f"{100 * share:.1f}" if share else "0"


def speech() -> str:
    seeds = read("speech")["by_seed"]

    def cell(seed: str, level: str) -> str:
        of = seeds[seed]["attacks"][level]["success"]
        hits = f"{of['hits']} of {of['total']}"
        return f"{hits}, {percent(of['value'], 1)}" if of["value"] < 0.99 else hits

    rows = [(level, *(cell(seed, level) for seed in seeds)) for level in ("-30 dB", "-40 dB")]
    return markdown(("perturbation", *(f"seed {seed}" for seed in seeds)), rows)


def fairness() -> str:
    raw = read("fairness")["raw"]

    def row(words: str, notion: str, each: Sequence[dict[str, Any] | None]) -> tuple[str, ...]:
        other = "odds" if notion == "parity" else "parity"

        def values(name: str, form: str) -> str:
            return ", ".join(f"{100 * at[name]:{form}}" if at else "-" for at in each)

        return words, values("accuracy", ".2f"), values(notion, ".1f"), f"{other} {values(other, '.1f')}"

    def method(notion: str, name: str) -> list[dict[str, Any] | None]:
        return [of["methods"][name]["selected"] for of in raw[notion].values()]

    chosen = {notion: [of["chosen"] for of in raw[notion].values()] for notion in raw}
    rows = [
        row("plain, parity", "parity", [of["plain"] for of in raw["parity"].values()]),
        row("chosen by parity: `gap_penalty`", "parity", chosen["parity"]),
        row("`zhang` by the same rule (seed 1: none below 2.5 points)", "parity", method("parity", "zhang")),
        row("`reductions` by the same rule (answers by chance)", "parity", method("parity", "reductions")),
        row("`thresholds` for parity (needs the group)", "parity", method("parity", "thresholds")),
        row("chosen by odds: `gap_penalty`", "odds", chosen["odds"]),
        row("`thresholds` for odds (group, and chance)", "odds", method("odds", "thresholds")),
    ]
    return markdown(("", "accuracy, %", "gap, points", "the other gap"), rows)


def regress() -> str:
    tasks = read("regress")["tasks"]
    names = {
        "adult age": "Adult: age, years",
        "adult hours": "Adult: hours a week",
        "penguins mass": "penguins: body mass, g",
        "seattle temp_max": "Seattle: highest temperature of the day, °C",
        "digit angle": "MNIST digits turned by up to 45 degrees: the angle (30,000 examples)",
    }

    def row(key: str, words: str) -> tuple[object, ...]:
        of, runs = tasks[key], tasks[key]["by_seed"]
        covered = interval({"value": of["coverage"], "low": of["coverage_low"], "high": of["coverage_high"]}, ".1%")
        mean = {name: fmean(run[name] for run in runs) for name in runs[0] if isinstance(runs[0][name], float)}
        trees = "trees" in mean
        return (
            words, len(runs), covered.replace("%", ""),
            f"{mean['width']:.4g}, {mean['width_without_a_model']:.4g}",
            f"{mean['error']:.3g}, {mean['error_of_the_median']:.3g}",
            f"{mean['network']:.4f}, {mean['trees']:.4f}" if trees else "images have no trees",
            f"{sum(run['winner'] != 'network' for run in runs)} of {len(runs)}" if trees else "",
        )  # fmt: skip

    heads = (
        "number", "seeds", "covered, %", "width; that of one interval for all",
        "mean absolute error; always the median", "pinball loss: network, boosted trees", "trees answer",
    )  # fmt: skip
    return markdown(heads, [row(key, words) for key, words in names.items()])


def adult() -> str:
    seeds = read("adult")["by_seed"].values()
    names = {
        "work": "work only: workclass, occupation, hours; education upwards",
        "plausible": "the same and capital gains and losses",
        "all": "all",
    }

    def row(key: str, words: str) -> tuple[str, ...]:
        success = fmean(seed[key]["success"]["value"] for seed in seeds)
        return words, f"{100 * success:.3g} %", f"{fmean(seed[key]['changed_columns'] for seed in seeds):.2f}"

    heads = ("columns that may change", "correct rows that change class", "columns changed, on average")
    return markdown(heads, [row(key, words) for key, words in names.items()])


def trading() -> str:
    of = read("trading")["strategies"]
    names = ("mlp", "tcn", "boosting", "momentum", "moving-average")

    def cell(series: str, name: str) -> str:
        at = of[f"{series} {name}"]
        turned = fmean(seed["levels"][-1]["turned"]["value"] for seed in at["seeds"])
        ratios = [ratio for ratio in at["ratios"] if ratio is not None]
        return f"{100 * turned:.1f} %, " + (f"{fmean(ratios):.1f}" if ratios else "-")

    rows = [
        (words, *(cell(key, name) for name in names)) for key, words in (("sp500", "S&P 500"), ("nasdaq", "NASDAQ"))
    ]
    return markdown(("orders of 1 % of a volume turn, times random", *(f"`{name}`" for name in names)), rows)


OBFUSCATED = {
    "tinted": "tint of digits, ten classes", "speakers": "speaker of spoken digits, ten words",
    "adult": "sex in Adult, income", "adult5000": "sex in 5,000 rows of Adult, income",
}  # fmt: skip


def obfuscate() -> str:
    def row(of: Mapping[str, Any]) -> tuple[str, ...]:
        versions = "original", "noise", "obfuscated"
        leaks = [interval(of["group"][key]["auc"], ".3f") for key in (*versions, "class alone")]
        kept = [f"{100 * of['class'][key]['balanced_accuracy']['value']:.1f} %" for key in versions]
        return OBFUSCATED[of["case"]], f"{of['weight']:g}", f"{of['seed']}", *leaks, " / ".join(kept)

    heads = (
        "hidden, kept", "weight", "seed", "group's AUC: original", "noise", "obfuscated", "true class alone",
        "class: original / noise / obfuscated",
    )  # fmt: skip
    return markdown(heads, [row(of) for of in read("obfuscate")["rows"]])


PAIRS = {
    "usps-mnist": "USPS to MNIST", "mnist-usps": "MNIST to USPS", "speakers": "speakers of spoken digits",
    "adult-age": "Adult by age", "usps-skewed": "USPS to a skewed MNIST", "mnist-tinted": "MNIST to tinted digits",
    "mnist-photos": "MNIST to digits on photos",
}  # fmt: skip
CANDIDATES = {
    "source_only": "source only", "coral": "CORAL", "mcc": "MCC", "dann": "DANN", "cdan": "CDAN+E", "adda": "ADDA",
    "mcd": "MCD", "teacher": "teacher",
}  # fmt: skip


def domains() -> str:
    def row(words: str, of: Mapping[str, Any]) -> tuple[str, ...]:
        runs = list(of.values())
        means = [f"{100 * fmean(run['accuracy'][name] for run in runs):.1f}" for name in CANDIDATES]
        regrets = (f"{100 * (max(run['accuracy'].values()) - run['accuracy'][run['selected']]):.1f}" for run in runs)
        chosen = ", ".join(CANDIDATES[run["selected"]] for run in runs)
        minutes = f"{fmean(run['cpu_seconds'] for run in runs) / 60:.0f}"
        return f"{words}, {minutes}", *means, chosen, ", ".join(regrets)

    table = read("domains")["table"]
    heads = ("pair, CPU minutes", *CANDIDATES.values(), "chosen, by seed", "regret")
    return markdown(heads, [row(words, table[pair]) for pair, words in PAIRS.items() if pair in table])


def promises() -> str:
    def row(name: str, runs: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
        def mean(*keys: str) -> str:
            values = []
            for run in runs:
                value: Any = run
                for key in keys:
                    value = value[key]
                values.append(value)
            return f"{100 * fmean(values):.1f}"

        tints = (mean("by_tint", tint, "value") for tint in ("common", "rare"))
        attacked = mean("robust_accuracy") if "robust_accuracy" in runs[0] else ""
        return name, mean("accuracy", "value"), *tints, mean("parity", "value"), mean("odds", "value"), attacked

    seeds = list(read("promises")["by_seed"].values())
    names = dict.fromkeys(name for seed in seeds for name in seed)
    heads = ("", "accuracy, %", "common tint", "rare tint", "parity gap", "odds gap", "under attack, eps 0.1")
    return markdown(heads, [row(name, [seed[name] for seed in seeds if name in seed]) for name in names])


def encoded() -> str:
    def row(case: str, method: str) -> tuple[str, ...]:
        runs = [each for each in of if (each["case"], each["method"]) == (case, method)]
        leaks = [run["leaks"]["features"]["auc"] for run in runs]
        bounds = [100 * run["certificate"]["bound"] for run in runs if run["certificate"]]
        spans = (f"{fmean(each[end] for each in leaks):.3f}" for end in ("value", "low", "high"))
        value, low, high = spans
        return (
            case, f"`{method}`", str(len(runs)), f"{100 * fmean(run['accuracy'] for run in runs):.1f} %",
            f"{value} ({low} to {high})", f"{fmean(bounds):.1f} points" if bounds else "",
        )  # fmt: skip

    of = read("encoded")["rows"]
    pairs = dict.fromkeys((row["case"], row["method"]) for row in of)
    heads = ("data", "recipe-weight", "seeds", "accuracy", "AUC of the best fresh adversary", "certified gap")
    return markdown(heads, [row(*pair) for pair in pairs])


TABLES = {
    function.__name__: function
    for function in (
        to_label, wrong_labels, oneshot, none_of_these, improved, fewlabels_step, attack_speed,
        private_classifier, privacy_steps, privacy_one_run, private_membership, tradeoff,
        goodfellow, certified, speech, fairness, regress, adult, trading, obfuscate,
        domains, promises, encoded,
    )
}  # fmt: skip
