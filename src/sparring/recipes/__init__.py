"""The registry of recipes, one file a paper. It names modules, so that listing recipes imports none of them."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any, NamedTuple

from sparring.engine.errors import UsageError, did_you_mean

IMAGE = ("image",)
R3_KINDS = ("image", "audio", "series", "table", "pair")
ADAPTED_KINDS = ("image", "audio", "series", "table")


class Entry(NamedTuple):
    """Where a recipe is defined, what it trains, and on which data."""

    module: str
    """Full name of the module; one outside of Sparring works as well."""
    class_name: str
    trains: str
    """Player that the run is about: "generator", "classifier", "regressor" or "obfuscator"."""
    command: str
    """Command that trains it: "train", "classify", "regress", "harden" or "obfuscate"."""
    kinds: tuple[str, ...]
    """Kinds of data (`DataSpec.kind`)."""
    summary: str
    """One line of `sparring recipes`."""


def _generator(name: str, class_name: str, summary: str) -> Entry:
    return Entry(f"sparring.recipes.generators.{name}", class_name, "generator", "train", IMAGE, summary)


def _density(name: str, class_name: str, summary: str, kinds: tuple[str, ...] = IMAGE) -> Entry:
    return Entry(f"sparring.recipes.density.{name}", class_name, "generator", "train", kinds, summary)


def _semi_supervised(name: str, class_name: str, summary: str) -> Entry:
    return Entry(f"sparring.recipes.semi_supervised.{name}", class_name, "classifier", "classify", IMAGE, summary)


def _supervised(name: str, class_name: str, kind: str, summary: str) -> Entry:
    return Entry(f"sparring.recipes.supervised.{name}", class_name, "classifier", "classify", (kind,), summary)


def _regressor(class_name: str, kinds: tuple[str, ...], summary: str) -> Entry:
    return Entry("sparring.recipes.supervised.quantiles", class_name, "regressor", "regress", kinds, summary)


def _adaptation(name: str, class_name: str, summary: str) -> Entry:
    return Entry(f"sparring.recipes.features.{name}", class_name, "classifier", "classify", ADAPTED_KINDS, summary)


def _fair(module: str, class_name: str, summary: str) -> Entry:
    kinds = ("image", "audio", "table", "series")
    return Entry(f"sparring.recipes.features.{module}", class_name, "classifier", "classify", kinds, summary)


def _hardener(name: str, class_name: str, summary: str) -> Entry:
    return Entry(f"sparring.recipes.adversarial.{name}", class_name, "classifier", "harden", IMAGE, summary)


RECIPES: dict[str, Entry] = {
    "gan2014": _generator("gan2014", "GAN2014", "the first GAN: MLP, maxout and dropout (Goodfellow et al. 2014)"),
    "lapgan": _generator("lapgan", "LAPGAN", "Laplacian pyramid of conditional GANs (Denton et al. 2015)"),
    "dcgan": _generator("dcgan", "DCGAN", "strided convolutions and batch normalisation (Radford et al. 2015)"),
    "biggan": _generator("biggan", "BigGAN", "class-conditional, attention, truncated noise (Brock et al. 2019)"),
    "s3gan": _generator("s3gan", "S3GAN", "BigGAN for few labels or none (Lučić et al. 2019)"),
    "r3": _generator("r3", "R3", "the default: relativistic pairs with R1 and R2 (Huang et al. 2024)")._replace(
        kinds=R3_KINDS
    ),
    "strokes": _generator("strokes", "Strokes", "strokes drawn by Pillow, moved by evolution (Salimans et al. 2017)"),
    "moments": _generator(
        "moments", "Moments", "--private: noisy moments, re-weighted by a critic (Harder et al. 2021)"
    ),
    "mst": _generator("mst", "MST", "--private: trees of noisy marginals of a table (McKenna et al. 2021)")._replace(
        kinds=("table",)
    ),
    "arf": _generator("arf", "ARF", "default for tables: adversarial random forests (Watson et al. 2023)")._replace(
        kinds=("table",)
    ),
    "tabular_r3": _generator("tabular_r3", "TabularR3", "r3's game on tables: choices and ranks")._replace(
        kinds=("table",)
    ),
    "made": _density(
        "masked_autoencoder", "MADERecipe", "density of binary images: a masked perceptron (Germain et al. 2015)"
    ),
    "rbm": _density("boltzmann", "RBM", "density up to a constant: a restricted Boltzmann machine (Tieleman 2008)"),
    "dbm": _density("boltzmann", "DBM", "the same with two hidden layers (Salakhutdinov and Hinton 2009)"),
    "flow": _density(
        "flow", "FlowRecipe", "density of images or tables: a flow (Kingma and Dhariwal 2018)", (*IMAGE, "table")
    ),
    "flowgan": _density("flowgan", "FlowGANRecipe", "a flow trained by likelihood and a GAN (Grover et al. 2018)"),
    "pixelcnn": _density(
        "pixelcnn", "PixelCNNRecipe", "exact density of images, pixel after pixel (van den Oord et al. 2016)"
    ),
    "improved": _semi_supervised(
        "improved", "Improved", "few labels: feature matching, K + 1 classes (Salimans et al. 2016)"
    ),
    "consistent": _semi_supervised(
        "consistent", "Consistent", "default for images: pseudo-labels and a generator (Sohn et al. 2020)"
    ),
    "speech_cnn": _supervised(
        "speech_cnn", "SpeechClassifier", "audio", "default for words: a CNN on log-mel spectrograms"
    ),
    "tabular_mlp": _supervised(
        "tabular_mlp", "TabularMLP", "table", "default for tables: an MLP with two hidden layers"
    ),
    "series_cnn": _supervised(
        "series_cnn", "SeriesClassifier", "series", "default for series: convolutions over time (Wang et al. 2017)"
    ),
    "quantiles": _regressor(
        "Quantiles", ("image", "audio", "series"), "numbers with calibrated intervals (Romano et al. 2019)"
    ),
    "tabular_quantiles": _regressor(
        "TabularQuantiles", ("table",), "the same for tables: an MLP beside boosted trees (Romano et al. 2019)"
    ),
    "source_only": _adaptation("source_only", "SourceOnly", "--adapt-to: the baseline, trained on the source alone"),
    "coral": _adaptation("coral", "CORAL", "--adapt-to: equal covariances of features (Sun and Saenko 2016)"),
    "mcc": _adaptation("mcc", "MCC", "--adapt-to: few class confusions on the target (Jin et al. 2020)"),
    "dann": _adaptation("dann", "DANN", "--adapt-to: a domain critic, gradient reversal (Ganin et al. 2016)"),
    "cdan": _adaptation("cdan", "CDAN", "--adapt-to: a critic conditioned on classes (Long et al. 2018)"),
    "adda": _adaptation("adda", "ADDA", "--adapt-to: a target encoder against a critic (Tzeng et al. 2017)"),
    "mcd": _adaptation("mcd", "MCD", "--adapt-to: two heads that disagree on the target (Saito et al. 2018)"),
    "teacher": _adaptation("teacher", "Teacher", "--adapt-to: a confident averaged teacher (Berthelot et al. 2022)"),
    "plain": _fair("penalties", "Plain", "--protect: no fairness, the baseline of the others"),
    "gap_penalty": _fair("penalties", "GapPenalty", "--protect: equal mean answers (Chuang and Mroueh 2021)"),
    "hsic": _fair("penalties", "HSIC", "--protect: answers independent of the group (Pérez-Suay et al. 2017)"),
    "zhang": _fair("adversarial", "Zhang", "--protect: an adversary on the answers (Zhang et al. 2018)"),
    "laftr": _fair("adversarial", "LAFTR", "--protect: an adversary on the features (Madras et al. 2018)"),
    "max_entropy": _fair("adversarial", "MaxEntropy", "--protect: an uncertain adversary (Roy and Boddeti 2019)"),
    "scattering": _supervised(
        "scattering", "ScatteringRecipe", "image", "default of --private: linear on fixed wavelets (Tramèr 2021)"
    ),
    "leace": _fair("leace", "LEACE", "--protect: the group erased from features (Belrose et al. 2023)"),
    "codes": _fair("codes", "Codes", "--protect: a few codes with a certificate (after Jovanović et al. 2023)"),
    "thresholds": _fair(
        "thresholds", "Thresholds", "--protect: a threshold for each group (Hardt et al. 2016)"
    )._replace(kinds=("table",)),
    "reductions": _fair("reductions", "Reductions", "--protect: a randomised mixture (Agarwal et al. 2018)"),
    "noisy_code": Entry(
        "sparring.recipes.features.noisy_code",
        "NoisyCode",
        "obfuscator",
        "obfuscate",
        ("image", "audio", "table"),
        "examples that do not reveal a group: a noisy code, an adversary (after Raval et al. 2017)",
    ),
    "fgsm": _hardener("fgsm", "FGSM", "one step from the data, and the data (Goodfellow et al. 2014)"),
    "pgd": _hardener("pgd", "PGD", "many steps from a random start (Madry et al. 2018)"),
    "fast": _hardener("fast", "Fast", "the default: one step from a random start, guarded (Wong et al. 2020)"),
    "free": _hardener("free", "Free", "each batch several times, perturbation kept (Shafahi et al. 2019)"),
    "trades": _hardener("trades", "TRADES", "cross entropy and weighted KL divergence (Zhang et al. 2019)"),
    "noisy": _hardener("noisy", "Noisy", "Gaussian noise, for `sparring certify` (Cohen et al. 2019)"),
}
"""Recipes by name. Every command finds its recipes in this table."""

DEFAULTS: dict[tuple[str, str], str] = {
    ("train", "image"): "r3",
    ("train", "series"): "r3",
    ("train", "table"): "arf",
    ("train", "audio"): "r3",
    ("train", "pair"): "r3",
    ("classify", "image"): "consistent",
    ("classify", "audio"): "speech_cnn",
    ("classify", "table"): "tabular_mlp",
    ("classify", "series"): "series_cnn",
    ("harden", "image"): "fast",
    ("regress", "image"): "quantiles",
    ("regress", "audio"): "quantiles",
    ("regress", "series"): "quantiles",
    ("regress", "table"): "tabular_quantiles",
    ("obfuscate", "image"): "noisy_code",
    ("obfuscate", "audio"): "noisy_code",
    ("obfuscate", "table"): "noisy_code",
}
"""(command, kind of data) -> recipe that is used where none is named."""

DENSITY_DEFAULTS: dict[str, str] = {"image": "pixelcnn", "table": "flow"}
"""Kind of data -> recipe of its density model where none is named."""
FAIR_BASELINE = "plain"
"""Recipe that `--protect` trains without fairness, to compare the others with."""
PRIVATE_DEFAULTS: dict[tuple[str, str], str] = {
    ("classify", "image"): "scattering",
    ("train", "image"): "moments",
    ("train", "table"): "mst",
}
"""(command, kind of data) -> recipe that is used with --private where none is named."""


def recipes_for(command: str | None = None, kind: str | None = None) -> dict[str, Entry]:
    """Return the entries of one command and one kind of data, by name; None: of all."""
    return {
        name: entry
        for name, entry in RECIPES.items()
        if command in (None, entry.command) and (kind is None or accepts(entry.kinds, kind))
    }


def accepts(kinds: Iterable[str], kind: str) -> bool:
    """Return True where data of this kind, or of one that it derives from, are among `kinds`."""
    from sparring.engine.data_spec import kinds_of

    return not set(kinds).isdisjoint(kinds_of(kind))


def default_recipe(command: str, kind: str = "image") -> str:
    """Return the name of the recipe that a command uses for a kind of data; raise UsageError where there is none."""
    from sparring.engine.data_spec import kinds_of

    if name := next((DEFAULTS[command, k] for k in kinds_of(kind) if (command, k) in DEFAULTS), None):
        return name
    kinds = sorted({kind for entry in recipes_for(command).values() for kind in entry.kinds})
    others = [f"; `sparring {other}` takes these" for other, k in DEFAULTS if k in kinds_of(kind)]
    if known := ", ".join(name for name in recipes_for(command, kind) if not is_private(name)):
        raise UsageError(
            f"`sparring {command}` has no default recipe for {kind} data: name one, --recipe {known}{''.join(others)}"
        )
    raise UsageError(
        f"`sparring {command}` has no recipe for {kind} data yet: it takes {' and '.join(kinds)} data{''.join(others)}"
    )


def is_private(name: str | None) -> bool:
    """Return whether the recipe of this name trains a generator on noisy releases of private rows."""
    return name in [recipe for (command, _), recipe in PRIVATE_DEFAULTS.items() if command == "train"]


def private_recipe(kind: str) -> str:
    """Return the name of the generator that `--private` trains; raise UsageError where the kind of data has none."""
    defaults = {of: name for (command, of), name in PRIVATE_DEFAULTS.items() if command == "train"}
    if name := next((name for of, name in defaults.items() if accepts([of], kind)), None):
        return name
    raise UsageError(f"--private has no generator for {kind} data: it takes {' and '.join(defaults)} data")


def recipe_class(name: str, command: str | None = None, kind: str | None = None) -> Any:
    """Return the dataclass of a recipe; raise UsageError on an unknown name, or another command or kind of data."""
    if name not in RECIPES:
        raise UsageError(f"unknown recipe '{name}': {did_you_mean(name, recipes_for(command, kind))}")
    entry = RECIPES[name]
    if command not in (None, entry.command):
        raise UsageError(f"{usage(name)}; recipes of {command}: {', '.join(recipes_for(command, kind))}")
    if kind is not None and not accepts(entry.kinds, kind):
        known = " or ".join(recipes_for(entry.command, kind)) or "none yet"
        raise UsageError(f"{name} is for {' and '.join(entry.kinds)} data, these are {kind} data: take {known}")
    return getattr(import_module(entry.module), entry.class_name)


def check_command(name: str, command: str) -> None:
    """Raise UsageError where a recipe of the registry is trained by another command."""
    if name in RECIPES and RECIPES[name].command != command:
        raise UsageError(usage(name))


def usage(name: str) -> str:
    """Return what a known recipe trains, and the command that runs it."""
    entry = RECIPES[name]
    flag = "--method" if entry.command == "harden" else "--recipe"
    return f"{name} trains a {entry.trains}: `sparring {entry.command} SOURCE {flag} {name}`"
