"""Tables of docs/results.md on density models, other kinds of data, tuning, scores and speed, from JSON files."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from record import ends, interval, markdown, percent, ratios, read, spread


def density() -> str:
    models = {name: of for name, of in read("density")["models"].items() if "bytes" not in name}
    order = ("made", "rbm", "dbm", "pixelcnn", "pixelcnn --scales 2")
    notes = {"rbm": ", between AIS and RAISE", "dbm": ", between AIS and RAISE, overlapping"}

    def row(name: str) -> list[str]:
        of = models[name]
        nll = " and ".join(interval(of[key], ".1f") for key in ("nll", "nll_raise") if key in of)
        packed = of.get("packed")
        return [
            f"`{name}`{notes.get(name, '')}", f"{of['cpu_seconds']:.0f}", nll, f"{of['nll_of_samples']['value']:.1f}",
            f"{of['fd']['value']:.2f}", f"{of['seconds_a_sample']:.4f}",
            f"{packed['bytes']:,} bytes" if packed else "",
            f"{packed['code_bytes'] / packed['stated_bytes']:.3f}" if packed else "",
        ]  # fmt: skip

    independent = f"{models['made']['protocol']['independent']:.1f}"
    heads = (
        "model", "CPU seconds", "-log p, nats", "of its own samples", "Fréchet distance",
        "seconds a sample, 64 together", "1,000 digits packed", "code to stated bits",
    )  # fmt: skip
    names = [*order, *(name for name in models if name not in order)]
    return markdown(heads, [["independent pixels", "", independent, *[""] * 5], *map(row, names)])


def density_bytes() -> str:
    models = read("density")["models"]

    def row(name: str) -> list[str]:
        of = models[f"{name}, bytes"]
        nll, own = of.get("nll"), of.get("nll_of_samples")
        return [
            f"`{name}`", f"{of['cpu_seconds']:.0f}", interval(nll, ".3f") if nll else "",
            f"{own['value']:.3f}" if own else "", f"{of['fd']['value']:.2f}", f"{of['seconds_a_sample']:.4f}",
        ]  # fmt: skip

    heads = (
        "model", "CPU seconds", "bits per dimension", "of its own samples", "Fréchet distance",
        "seconds a sample, 64 together",
    )  # fmt: skip
    return markdown(heads, [row(name) for name in ("pixelcnn", "flow", "flowgan", "r3")])


def flowgan() -> str:
    results = read("flowgan")["by_weight"]
    bits, distance = (results["alone"][name] for name in ("bits_per_dimension", "frechet_distance"))

    def row(weight: str) -> list[str]:
        of = results[weight]
        value, half = of["bits_per_dimension"], of["interval_half_width"]
        return [
            "likelihood alone" if weight == "alone" else f"`--likelihood {weight}`", f"{of['images']:,}",
            f"{value:.3f} ({value - half:.3f} to {value + half:.3f})", f"{100 * (value / bits - 1):+.1f} %",
            f"{of['frechet_distance']:.2f}", f"{of['frechet_distance'] / distance:.2f}",
            f"{of['condition_number']:.1f}", percent(of["finite_proportion"], 0),
        ]  # fmt: skip

    heads = (
        "trained by", "images", "bits per dimension", "more bits", "Fréchet distance", "to that of likelihood alone",
        "condition number", "finite round trips",
    )  # fmt: skip
    return markdown(heads, [row(weight) for weight in results])


def outliers() -> str:
    [of] = read("outliers")["runs"]
    scores = {
        "-log p": "-log p, the known failure: simple images are likelier", "PNG bits": "bits of a PNG alone",
        "likelihood ratio": "likelihood ratio to a background model (`--mutation 0.2`)",
        "typicality": "typicality of one image", "-log p beyond PNG": "-log p beyond the bits of a PNG",
        "typicality of 10": "typicality of ten images together",
    }  # fmt: skip
    return markdown(("score", "area"), [(words, interval(of["auroc"][name], ".3f")) for name, words in scores.items()])


def series() -> str:
    of = read("series_sp500")["seeds"]["0"]
    scores = {
        "mean acf[|x|]": ".2f",
        "mean leverage": ".3f",
        "kurtosis": ".1f",
        "two-sample AUC": ".2f",
        "two-sample AUC of the test": ".2f",
    }
    names = ("r3", "block bootstrap", "GARCH-t", "VAR(1)", "iid bootstrap", "copies")

    def band(score: str, form: str) -> str:
        values = of["sub_periods"].get(score)
        return f"{min(values):{form}} to {max(values):{form}}" if values else ""

    rows = [
        [
            "`r3`" if name == "r3" else name,
            *(interval(of["of_generators"][name][score], form) for score, form in scores.items()),
        ]
        for name in names
    ]
    heads = ("generator", r"mean acf of \|x\|", "mean leverage", "kurtosis", "two-sample AUC", "of the test")
    return markdown(heads, [["band of five real sub-periods", *(band(*item) for item in scores.items())], *rows])


def sound_words() -> str:
    of = read("sounds")["by_seed"]["0"]

    def share(name: str) -> str:
        return f"{percent(of[name]['value'], 1)} ({100 * of[name]['low']:.1f} to {100 * of[name]['high']:.1f})"

    rows = [
        (
            "digit recognised by a `speech_cnn` of real recordings",
            share("recognised"),
            percent(of["recognised_real"]["value"], 1),
            "85 %",
        ),
        ("real recordings recognised by a `speech_cnn` of 2,700 samples alone", share("tstr_accuracy"), "", "80 %"),
    ]
    return markdown(("figure", "`r3`", "real", "target"), rows)


def sounds() -> str:
    scores = read("sounds")["by_seed"]["0"]["evaluation"]["kind_scores"]
    names = ("real halves", "copies", "Gaussian")
    rows = [
        (f"`{of['name']}`", f"{of['value']:.3f}", *(f"{of['beside'][name]:.3f}" for name in names)) for of in scores
    ]
    return markdown(("score", "`r3`", *names), rows)


def genes() -> str:
    names = {"r3": "`r3`", "shrunk Gaussian": "shrunk Gaussian", "noisy copies": "noisy copies", "real": "real rows"}
    scores = ("accuracy", "gamma", "t_ranks", "membership_auc")

    def row(data: str, key: str, words: str) -> tuple[object, ...]:
        of = read(f"genes_{data.lower()}")
        means = of["means"][key]
        cells = (
            interval({**means[score], "value": means[score]["mean"]}, ".3f") if score in means else ""
            for score in scores
        )
        return data, words, *cells, of["planted"].get(key, "")

    heads = (
        "data", "trained on", "accuracy on the other half", "gamma", "ranks of t", "membership AUC",
        "planted rows back, of 3",
    )  # fmt: skip
    return markdown(heads, [row(data, *item) for data in ("Golub", "Singh") for item in names.items()])


def restore() -> str:
    cases = {
        "hole": ("kate.png, in the hole under its mask (RGB)", "+2"),
        "foreman": ("foreman of Set14, x4 (Y, 4 pixels cut off)", "+0.5"),
        "face": ("face of Set14, x4", "+0.5"),
        "comic": ("comic of Set14, x4", "+0.5"),
        "noise": ("256x256 of lenna, noise of 25 (RGB)", ""),
    }

    def row(name: str, words: str, target: str) -> tuple[str, ...]:
        [of] = read(f"restore_{name}")["cases"].values()
        (simplest, first), *others = of["baselines"].items()
        psnr = fmean(seed["psnr"] for seed in of["seeds"].values())
        gain = f"{psnr - first:+.2f}" if psnr - first >= float(target or 0) else f"**{psnr - first:+.2f}**"
        known = "; ".join([simplest, *(f"{other.removesuffix(' fill')} {value:.2f}" for other, value in others)])
        link = f"[restore_{name}](../benchmarks/results/restore_{name}.json)"
        return words, f"{first:.2f} ({known})", f"{psnr:.2f}", gain, target, link

    rows = [row(name, *words) for name, words in cases.items()]
    return markdown(("picture", "simplest method", "restored", "gain", "target", "JSON"), rows)


def solve() -> str:
    tasks = read("solve")["tasks"]
    words = {
        "cifar": "tell CIFAR-10 (JPEG re-encoded) apart, predict the test part", "adult": "who earns more than 50K?",
        "faces": "new faces like those of ORL", "page": "the address of a page with digits of 8x8 pixels",
    }  # fmt: skip

    def row(name: str) -> tuple[object, ...]:
        of = tasks[name]
        errors = of.get("errors")
        wrong = interval({k: 100 * v for k, v in errors.items()}, ".1f", " %") if errors else ""
        by_hand = {True: "same bytes", False: "other bytes", None: ""}[of.get("same_bytes_by_hand")]
        return words[name], of["kind"], f"{of['wall_minutes']:.1f}", wrong, by_hand

    return markdown(("text", "task", "wall minutes", "errors on the test part", "by hand"), map(row, tasks))


def sentences() -> str:
    sets = read("solve")["sentences"]
    verdicts = ("right", "refused", "refused, though clear", "wrong")
    heads = ("written", "understood", "rightly refused", "refused though clear", "misunderstood")
    return markdown(heads, [(name, *(counts.get(of, 0) for of in verdicts)) for name, counts in sets.items()])


def tune() -> str:
    surfaces = {
        ("branin_hartmann", "branin"): ("Branin's function", 2),
        ("branin_hartmann", "hartmann"): ("Hartmann's function", 6),
        ("adult", "adult"): ("error of `tabular_mlp` on 1,920 validation rows of Adult", 4),
    }

    def row(place: tuple[str, str], words: str, fields: int) -> tuple[object, ...]:
        results = read(f"tune_{place[0]}")
        of = results["surfaces"][place[1]]
        trials = f"{results['settings']['trials']} trials"
        needed = ", ".join(str(run["needed"]) for run in of["runs"])
        return words, fields, trials, needed, interval({**of, "value": of["fraction"]}, ".2f")

    rows = [row(place, *words) for place, words in surfaces.items()]
    return markdown(("surface", "fields", "random search", "trials needed", "of its trials"), rows)


def strokes() -> str:
    runs = read("evolution_strokes")["runs"]

    forms = {"untrained": ".2f", "distance": ".3f", "coverage": ".2f", "cpu_seconds": ".0f"}

    def row(name: str) -> tuple[str, ...]:
        shown = (", ".join(f"{run[key]:{form}}" for run in runs[name]) for key, form in forms.items())
        return f"`{name}`", *shown

    real = f"{runs['strokes'][0]['real']:.3f}"
    heads = ("recipe", "untrained", f"distance (real digits: {real})", "coverage", "CPU seconds")
    return markdown(heads, map(row, runs))


def nash() -> str:
    """`before` is of the one small network that was the test, measured once, without a JSON file."""
    sets = [read(name)["mixtures"] for name in ("nash", "nash_cifar")]
    before = {
        "five of ten classes": "62 to 65", "noise of 4/255": "49.9", "a tenth with noise of 4/255": "50",
        "a tenth blurred": "51.6", "a grey corner pixel": "77.5",
    }  # fmt: skip

    def cells(of: dict[str, Any]) -> tuple[str, str]:
        mean = f"{100 * of['mean']:.3g}"
        return mean if of["reached"] >= 0.9 else f"**{mean}**", f"{100 * of['reached']:.0f} %"

    rows = [
        (name, f"{100 * of['possible']:.0f}", before.get(name, ""), *cells(of), *cells(sets[1][name]))
        for name, of in sets[0].items()
    ]
    heads = (
        "samples", "possible", "before, MNIST", "MNIST", "of the excess", "CIFAR-10 (JPEG re-encoded)", "of the excess",
    )  # fmt: skip
    return markdown(heads, rows)


def intervals() -> str:
    covered = [score["covered"] for scores in read("intervals")["settings"].values() for score in scores.values()]
    parts = {
        "on target (90 to 98 %)": [share for share in covered if 0.9 <= share <= 0.98],
        "too wide": [share for share in covered if share > 0.98],
        "too narrow": [share for share in covered if share < 0.9],
    }

    def width(shares: list[float]) -> str:
        low, high = (f"{100 * share:.4g}" for share in (min(shares), max(shares)))
        return f"{low} %" if low == high else f"{low} to {high} %"

    rows = [(name, len(shares), width(shares)) for name, shares in parts.items()]
    return markdown((f"of {len(covered)} intervals", "number", "coverage"), rows)


def harden_chance() -> str:
    runs = [read(f"harden_chance_{data}")["runs"] for data in ("mnist", "fashion-mnist")]

    def cells(of: list[dict[str, Any]]) -> tuple[str, str, str]:
        clean, robust = ([100 * run[name]["value"] for run in of] for name in ("clean", "robust"))
        few = ".1f" if max(robust) < 10 else ".0f"
        lows = f"{min(clean):.1f} to {max(clean):.1f} %", f"{min(robust):{few}} to {max(robust):{few}} %"
        return *lows, f"{sum(bool(run['verdict']) for run in of)} of {len(of)}"

    methods = sorted({run["method"] for run in runs[0]})
    rows = [
        (f"`{name}`", *(cell for of in runs for cell in cells([run for run in of if run["method"] == name])))
        for name in methods
    ]
    parts = ("clean", "robust", "said to be not robust")
    heads = [f"{data}: {part}" if part == "clean" else part for data in ("MNIST", "Fashion-MNIST") for part in parts]
    return markdown(("method", *heads), rows)


def step_recipes() -> str:
    of = {name.split()[0]: at for name, at in read("step_recipes").items() if name.endswith("32x32x3")}
    times = [f"{at['times_faster_than']['textbook']['median']:.2f}" for at in of.values()]
    return markdown([f"`{name}`" for name in of], [times])


def speed() -> str:
    step, ingest, memory, studio = (read(name) for name in ("step", "ingest", "memory", "studio"))
    walk, frechet, prdc = (read(name) for name in ("studio_walk", "frechet", "prdc"))
    faster = " times as fast"

    def times(of: Mapping[str, float], unit: str = "") -> str:
        return interval(ends(of), ".2f", unit)

    def megabytes(what: str) -> str:
        return " and ".join(f"{memory[at][what]:.0f}" for at in ("at_10000", "at_200000")) + " MB"

    browsers, cost = (
        times(studio["list_with_browsers_seconds"], " s"),
        interval(ends(studio["cost_percent"]), ".1f", " %"),
    )
    pillow = [f"{ingest[data]['times_faster_than_pillow']['median']:.2f}" for data in ("cifar 32x32", "photos 256x256")]
    overhead = {name: 100 * value for name, value in read("overhead")["overhead"].items() if name != "values"}
    agree = f"{abs(frechet['values']['ours'] / frechet['values']['torchmetrics'] - 1):.0e}".replace("e-0", "e-")
    plain, ours = (prdc["seconds"][who]["values"] for who in ("plain", "sparring"))
    memory_of_prdc = f"{prdc['alone']['sparring']['gigabytes']:.2f} GB"
    measuring = ", ".join(f"{100 * of['2 min']['share']:.1f}" for of in read("measuring")["found"].values())
    kept = ", ".join(times(of["times_as_fast"]) for of in read("allocator")["shapes"].values())
    rows = [
        ("studio_walk", "Studio: a frame of a latent walk, r3 at 28x28; Intel Xeon with AMX", "50 ms",
         f"{walk['milliseconds']['p50']:.1f} ms (95 % within {walk['milliseconds']['p95']:.1f})"),
        ("studio", "Studio: list of 500 runs of 200 pictures; with 20 browsers at once; cost to a training; as above",
         "1 s; none; 3 %", f"{studio['list_cold_seconds']:.2f} s; {browsers}; {cost}"),
        ("step", "Training step against the textbook one (float32, NCHW, separate forwards and penalties), 28x28x1",
         "2", times(step["28x28x1"]["times_faster_than"]["textbook"], faster)),
        ("step", "the same, 32x32x3", "2", times(step["32x32x3"]["times_faster_than"]["textbook"])),
        ("ingest", "Ingestion against plain Pillow in one process, 32x32 JPEG", "1.7", pillow[0] + faster),
        ("ingest", "the same, photos of 256x256", "1.7", pillow[1]),
        ("overhead", "Time of the loop beyond the networks' own, median of 15 pairs", "under 5 %",
         interval(ends(overhead), ".1f", " %")),
        ("memory", "Peak memory of a training on 10,000 and on 200,000 images of 64x64, batches of 128",
         "at most 1.1 times", megabytes("train_mb")),
        ("memory", "the same of `sparring inspect`", "at most 1.1 times", megabytes("inspect_mb")),
        ("frechet", "Fréchet distance of 50,000 x 2048 features against torchmetrics, whole call", "3, values to 1e-4",
         f"{times(frechet['ratio'], faster)}, values agree to {agree}"),
        ("prdc", "Precision, recall, density, coverage of 10,000 against 10,000 x 2048, against scikit-learn and NumPy",
         "3, 1 GB", f"{times(spread(ratios(plain, ours)), faster)}, {memory_of_prdc}, equal scores"),
        ("measuring", "Measuring during a training of 2 minutes: digits, MNIST, faces", "under 3 %",
         f"{measuring} % of its time"),
        ("allocator", "Rounds of r3 with freed memory kept, against glibc's settings: 28x28x1, 32x32x3, 64x64x3",
         "faster at every size", f"{kept} times as fast"),
        ("startup", "`sparring --help`", "under 0.3 s",
         f"{read('startup')['seconds']['sparring --help']['median']:.2f} s"),
    ]  # fmt: skip
    heads = ("what", "measured", "target", "command after `python benchmarks/`", "JSON")
    links = {name: (f"`{_command(name)}`", f"[{name}](../benchmarks/results/{name}.json)") for name, *_ in rows}
    return markdown(heads, [(what, measured, target, *links[name]) for name, what, target, measured in rows])


def growth() -> str:
    of = read("growth")
    names = {
        "open": "first opening, by images",
        "train": "4,096 training images of an opened source, by images",
        "size": "a round of r3, by pixels of a side",
        "classes": "a round of r3, by classes",
        "evaluate": "`evaluate` by raw pixels, by samples",
    }
    rows = [
        (
            names[part],
            ", ".join(f"{point['at']:,}: {point['seconds']:.3g}" for point in points),
            f"{points[0]['megabytes']:,.0f} to {points[-1]['megabytes']:,.0f}",
            f"{of['exponents'][part]:.2f}", of["work"][part],
        )
        for part, points in of["points"].items()
    ]  # fmt: skip
    return markdown(("", "seconds", "peak, MB", "exponent", "of the work"), rows)


def _command(name: str) -> str:
    """Return the recorded command, without the folder."""
    return str(read(name)["command"]).removeprefix("python benchmarks/")


TABLES = {
    function.__name__: function
    for function in (
        density, density_bytes, flowgan, outliers, series, sound_words, sounds, genes, restore, tune, nash, intervals,
        harden_chance, step_recipes, speed, growth, solve, sentences, strokes,
    )
}  # fmt: skip
