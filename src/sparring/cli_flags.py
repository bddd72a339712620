"""The command line's flags: a frozen dataclass a command, with a docstring under each field (tyro makes the help of them)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import arg

Source = Annotated[str, arg(metavar="SOURCE", help_behavior_hint="")]
Size = Annotated[str | None, arg(metavar="HxW", help_behavior_hint="(default: chosen by what is found)")]
Mode = Annotated[str | None, arg(metavar="MODE", help_behavior_hint="(default: chosen by what is found)")]
Json = Annotated[bool, arg(help_behavior_hint="")]


@dataclass(frozen=True)
class InspectFlags:
    """What is in a source, what would be used, what is wrong with it."""

    source: Source
    """A folder, an archive, a file, a URL, or a known name (digits, mnist, fashion-mnist, cifar10, stacked-mnist)."""
    size: Size = None
    """Size to bring the images to, or one number for a square."""
    mode: Mode = None
    """L, LA, RGB or RGBA."""
    json: Json = False
    """Print one JSON object."""


@dataclass(frozen=True)
class TrainingFlags:
    """What all commands that train are asked."""

    source: Source
    """A folder, an archive, a file, a URL, or a known name (digits, mnist, fashion-mnist, cifar10, stacked-mnist)."""
    minutes: Annotated[float | None, arg(metavar="M", help_behavior_hint="(default: 10)")] = None
    """How long to train; a short probe turns this into images."""
    images: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    """How many images to train on, in place of --minutes."""
    out: Annotated[str | None, arg(metavar="RUN", help_behavior_hint="(default: a new one below runs/)")] = None
    """The run folder."""
    seed: Annotated[int | None, arg(metavar="S", help_behavior_hint="(default: 0)")] = None
    """Of everything that is drawn."""
    size: Size = None
    """Size to bring the images to, or one number for a square."""
    mode: Mode = None
    """L, LA, RGB or RGBA."""
    device: Annotated[str, arg(metavar="NAME")] = "auto"
    """auto, cpu, cuda or mps."""
    precision: Annotated[str, arg(metavar="NAME")] = "auto"
    """auto (bf16 wherever the hardware has it), bf16 or fp32."""
    json: Json = False
    """Print one JSON object at the end."""


@dataclass(frozen=True)
class TrainFlags(TrainingFlags):
    """Train a generator on SOURCE. Into an existing run (--out): go on with it, to the bit."""

    recipe: Annotated[str | None, arg(metavar="NAME", help_behavior_hint="(default: r3)")] = None
    """What to train: `sparring recipes` lists them. Each has knobs of its own: --recipe NAME --help."""
    label_fraction: Annotated[
        float | None, arg(metavar="F", help_behavior_hint="(default: all labels that are there)")
    ] = None
    """Hide all but this share of each class's labels, to see what they are worth."""


@dataclass(frozen=True)
class ClassifyFlags(TrainingFlags):
    """Train a classifier on SOURCE's few labels and all its other images. Into an existing run (--out): go on with it."""

    recipe: Annotated[str | None, arg(metavar="NAME", help_behavior_hint="(default: consistent)")] = None
    """consistent, or improved (as published in 2016). Each has knobs of its own: --recipe NAME --help."""
    labels: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: all labels that are there)")] = None
    """How many labels it is told, drawn as even over the classes as they allow; all other images count as unlabelled."""
    labels_file: Annotated[str | None, arg(metavar="CSV", help_behavior_hint="")] = None
    """Or a table of name,label: the labels of these images alone. Names are as in `to_label.csv` of a run."""


@dataclass(frozen=True)
class HardenFlags(TrainingFlags):
    """Train a classifier on SOURCE that withstands attacks, and attack it. Into an existing run (--out): go on with it."""

    method: Annotated[str | None, arg(metavar="NAME", help_behavior_hint="(default: fast)")] = None
    """fgsm, pgd, fast, free, trades or noisy: `sparring recipes` tells more. Each has knobs of its own: --method NAME --help."""


@dataclass(frozen=True)
class HearFlags:
    """Train a recogniser of the spoken words in SOURCE, and test it."""

    source: Source
    """wav, flac or ogg files of one word each, in a folder or an archive: WORD/any.wav, or WORD_SPEAKER_TAKE.wav."""
    minutes: Annotated[float | None, arg(metavar="M", help_behavior_hint="(default: 3)")] = None
    """How long to train; a short probe turns this into sounds."""
    sounds: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    """How many sounds to train on, drawn anew each time, in place of --minutes."""
    out: Annotated[str | None, arg(metavar="RUN", help_behavior_hint="(default: a new one below runs/)")] = None
    """The folder of the recogniser."""
    seed: Annotated[int, arg(metavar="S")] = 0
    """Of everything that is drawn."""
    device: Annotated[str, arg(metavar="NAME")] = "auto"
    """auto, cpu, cuda or mps."""
    precision: Annotated[str, arg(metavar="NAME")] = "auto"
    """auto (bf16 wherever the hardware has it), bf16 or fp32."""
    json: Json = False
    """Print one JSON object at the end."""


@dataclass(frozen=True)
class WhisperFlags:
    """Hide commands in sounds: the recogniser in RUN hears a word that nobody says. Writes them, and a page to listen."""

    run: Annotated[str, arg(metavar="RUN", help_behavior_hint="")]
    """A folder of `sparring hear`."""
    source: Source
    """Recordings as for `hear`, one file too; or what is no speech: noise, hum, clicks, chord, or nonspeech for all four."""
    say: Annotated[str | None, arg(metavar="WORD", help_behavior_hint="(default: every word in turn)")] = None
    """What should be heard; `nothing` makes the recogniser deaf to what is said."""
    db: Annotated[float | None, arg(metavar="DB", help_behavior_hint="(default: -30; 0 with --masked)")] = None
    """The peak of the change against that of the sound."""
    masked: Annotated[bool, arg(help_behavior_hint="")] = False
    """Keep the change below what the sound itself masks (psychoacoustic model 1)."""
    channel: Annotated[str, arg(metavar="NAME")] = "none"
    """What the sound must get through: none, 8bit, lowpass, both, or moving (both, at a random moment and loudness)."""
    utterances: Annotated[int, arg(metavar="N")] = 10
    """How many sounds of SOURCE, at random; test recordings where there are some."""
    out: Annotated[str | None, arg(metavar="PATH", help_behavior_hint="(default: a new folder in RUN)")] = None
    """The folder for the sounds, report.json and report.html."""
    seed: Annotated[int, arg(metavar="S")] = 0
    """Of everything that is drawn."""
    json: Json = False
    """Print one JSON object."""


@dataclass(frozen=True)
class PredictFlags:
    """What a classifier says of new images: a class or "none of these", with a calibrated probability."""

    run: Annotated[str, arg(metavar="RUN", help_behavior_hint="")]
    """A run folder of `sparring classify` or `harden`, or a folder with classifier.safetensors and classifier.json."""
    images: Annotated[str, arg(metavar="IMAGES", help_behavior_hint="")]
    """An image, or a source of images as for `train`."""
    resize: Annotated[bool, arg(help_behavior_hint="")] = False
    """Bring images of another size or mode to the classifier's, in place of refusing them."""
    json: Json = False
    """Print one JSON object: `predictions`, with name, label and probability of each image, and `skipped`."""
    csv: Annotated[bool, arg(help_behavior_hint="")] = False
    """Print a table of name,label,probability."""


@dataclass(frozen=True)
class AttackFlags:
    """How a classifier stands against AutoAttack, and whether the figure can be believed."""

    model: Annotated[str, arg(metavar="MODEL", help_behavior_hint="")]
    """A run of `classify` or `harden`; package.module:NAME, found from the current folder too, where NAME is a module, a
    function from images [B, C, H, W] to logits, or one without arguments that returns these; a TorchScript file (.pt, .ts);
    a torch.export file (.pt2) whose batch may be of any size; an ONNX file, which gives no gradients."""
    source: Source
    """Images with labels, as for `train`; to models of others labels are numbers, in the order of the source's classes."""
    eps: Annotated[
        float | None,
        arg(metavar="EPS", help_behavior_hint="(default: 0.3 for grey images of up to 28 pixels, or 8/255)"),
    ] = None
    """How far an attacker may go, in the units of the box: 8/255, or a number."""
    norm: Annotated[str, arg(metavar="NORM")] = "Linf"
    """Linf, L2 or L1."""
    images: Annotated[int, arg(metavar="N")] = 1000
    """How many images at most; of more some are drawn."""
    version: Annotated[str | None, arg(metavar="NAME", help_behavior_hint="(default: by what the model is)")] = None
    """Of AutoAttack: standard, plus (longer), rand (for models that draw random numbers), or square (without gradients)."""
    box: Annotated[tuple[float, float], arg(metavar="LOW HIGH")] = (0.0, 1.0)
    """What black and white are to the model; normalisation belongs into the model."""
    seed: Annotated[int, arg(metavar="S")] = 0
    """Of everything that is drawn."""
    out: Annotated[str | None, arg(metavar="PATH", help_behavior_hint="(default: RUN/attack, or attack-MODEL)")] = None
    """The folder for report.html, report.json and samples.csv."""
    baseline: Annotated[str | None, arg(metavar="REPORT.JSON", help_behavior_hint="")] = None
    """Fail (exit code 1) where the robust accuracy is below the interval of this earlier report."""
    fail_below: Annotated[float | None, arg(metavar="SHARE", help_behavior_hint="")] = None
    """Fail (exit code 1) where the robust accuracy is below this share, 0.85 say."""
    size: Size = None
    """Size to bring the images to, or one number for a square: for models of others."""
    mode: Mode = None
    """L, LA, RGB or RGBA: for models of others."""
    resize: Annotated[bool, arg(help_behavior_hint="")] = False
    """Bring images of another size or mode to that of the run."""
    device: Annotated[str, arg(metavar="NAME")] = "auto"
    """auto, cpu, cuda or mps."""
    precision: Annotated[str, arg(metavar="NAME")] = "fp32"
    """In which attacks search: fp32, bf16 (coarser, and faster where the hardware computes in it), or auto. Verdicts are fp32's."""
    json: Json = False
    """Print one JSON object."""


Names = Annotated[tuple[str, ...], arg(metavar="COLUMN ...", help_behavior_hint="")]


@dataclass(frozen=True)
class AttackTableFlags:
    """How few columns of a table's rows must change, within what may change, to turn a classifier's answers."""

    table: Annotated[str, arg(metavar="CSV", help_behavior_hint="")]
    """A CSV file whose first line names its columns; rows that lack a number or the label are left out and told."""
    label: Annotated[str, arg(metavar="LABEL", help_behavior_hint="")]
    """The column that the classifier tells."""
    move: Annotated[tuple[str, ...], arg(metavar="COLUMN ...", help_behavior_hint="(default: all)")] = ()
    """Columns that an attacker can change; all others stay. Whole numbers stay whole, and words stay words of the file."""
    immutable: Names = ()
    """Or the columns that stay, of all."""
    increasing: Names = ()
    """Columns that can only grow, education say."""
    decreasing: Names = ()
    """Columns that can only shrink."""
    most: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: as many as it takes)")] = None
    """Columns that may change in a row."""
    rows: Annotated[int, arg(metavar="N")] = 1000
    """How many rows at most; of more some are drawn."""
    test: Annotated[str | None, arg(metavar="CSV", help_behavior_hint="(default: a fifth of the rows)")] = None
    """A file of the same columns, to test and attack on."""
    model: Annotated[str | None, arg(metavar="MODEL", help_behavior_hint="(default: a small network, trained now)")] = (
        None
    )
    """A classifier of your own, as for `attack`: from rows [B, F], as sparring.data.tabular.read_table codes them, to logits."""
    names: Annotated[tuple[str, ...], arg(metavar="NAME ...", help_behavior_hint="(default: the first line)")] = ()
    """The names of all columns, of a file whose first line has none."""
    drop: Names = ()
    """Columns to leave out."""
    words: Names = ()
    """Columns whose numbers are but words, codes say."""
    delimiter: Annotated[str, arg(metavar="LETTER")] = ","
    """Between the fields of a line."""
    seed: Annotated[int, arg(metavar="S")] = 0
    """Of everything that is drawn."""
    out: Annotated[str | None, arg(metavar="PATH", help_behavior_hint="(default: attack-CSV)")] = None
    """The folder for report.html, report.json and changes.csv, the rows that broke before and after."""
    baseline: Annotated[str | None, arg(metavar="REPORT.JSON", help_behavior_hint="")] = None
    """Fail (exit code 1) where the share of attacked rows that stand (1 - success) is below the interval of this earlier report."""
    fail_below: Annotated[float | None, arg(metavar="SHARE", help_behavior_hint="")] = None
    """Fail (exit code 1) where the share of attacked rows that stand (1 - success) is below this one, 0.2 say."""
    json: Json = False
    """Print one JSON object."""


@dataclass(frozen=True)
class CertifyFlags:
    """How far a classifier is certain to be right when it votes in noise, beside what an attack breaks."""

    run: Annotated[str, arg(metavar="RUN", help_behavior_hint="")]
    """A run folder of `sparring harden --method noisy`; or, with --sigma, of any classifier."""
    source: Source
    """Images with labels, as for `train`: its test images, where it has some."""
    sigma: Annotated[float | None, arg(metavar="S", help_behavior_hint="(default: that of the training)")] = None
    """The noise's standard deviation, of pixels from 0 to 1."""
    images: Annotated[int, arg(metavar="N")] = 500
    """How many, from the first on."""
    draws: Annotated[int, arg(metavar="N")] = 10_000
    """Of noise, on each image: ten times as many certify a fifth farther at most."""
    radius: Annotated[
        tuple[float, ...], arg(metavar="R ...", help_behavior_hint="(default: 0 to 3 times the noise)")
    ] = ()
    """L2 distances, of pixels from 0 to 1, at which to tell the shares."""
    seed: Annotated[int, arg(metavar="S")] = 0
    """Of the noise."""
    resize: Annotated[bool, arg(help_behavior_hint="")] = False
    """Bring images of another size or mode to the classifier's, in place of refusing them."""
    device: Annotated[str, arg(metavar="NAME")] = "auto"
    """auto, cpu, cuda or mps."""
    json: Json = False
    """Print one JSON object."""


@dataclass(frozen=True)
class SampleFlags:
    """Pictures out of a trained run."""

    run: Annotated[str, arg(metavar="RUN", help_behavior_hint="")]
    """A run folder, or a folder with model.safetensors and model.json."""
    n: Annotated[int, arg(aliases=("-n",), metavar="N")] = 64
    """How many."""
    out: Annotated[str | None, arg(metavar="PATH", help_behavior_hint="(default: a grid in the run folder)")] = None
    """NAME.png: a grid; NAME.npz: an array `arr_0`, uint8 NHWC; else a folder of PNGs."""
    seed: Annotated[int, arg(metavar="S")] = 0
    """Sample k depends on (seed, k) alone."""
    label: Annotated[str | None, arg(metavar="CLASS", help_behavior_hint="(default: as often as in the data)")] = None
    """The class to sample, by name; a cluster of s3gan's by its number; a vector by its numbers: 0.2,1."""
    checkpoint: Annotated[str | None, arg(metavar="best|last|N", help_behavior_hint="(default: the model)")] = None
    """The weights of a checkpoint: of the best, the last, or the one at image N."""
    truncation: Annotated[float | None, arg(metavar="T", help_behavior_hint="(default: all of the noise)")] = None
    """Cut the noise off at -T and T (biggan, s3gan): 2 keeps almost all variety, 0.5 gives more typical pictures."""
    json: Json = False
    """Print one JSON object."""


@dataclass(frozen=True)
class DoctorFlags:
    """What ails a run, in words: the figure behind each finding, and the next flag to try."""

    run: Annotated[str, arg(metavar="RUN", help_behavior_hint="")]
    """A run folder."""
    json: Json = False
    """Print one JSON object."""


@dataclass(frozen=True)
class EvaluateFlags:
    """Samples, of a run or of any tool, against data: scores with intervals and floors, Nash check, memorisation."""

    samples: Annotated[str, arg(metavar="RUN_OR_SAMPLES", help_behavior_hint="")]
    """A run folder; or samples of any tool: a folder, an archive, a .npz or .npy."""
    data: Annotated[str | None, arg(metavar="SOURCE", help_behavior_hint="(default: what the run was trained on)")] = (
        None
    )
    """The real data, as for `train`."""
    features: Annotated[str, arg(metavar="NET")] = "trained"
    """trained (on these data, offline), inception (that of the FID), raw (the values), or a TorchScript file."""
    weights: Annotated[str | None, arg(metavar="PATH", help_behavior_hint="(default: fetched once)")] = None
    """The file of the Inception network."""
    n: Annotated[
        int | None,
        arg(aliases=("-n",), metavar="N", help_behavior_hint="(default: 1,000 to 10,000, as there are real ones)"),
    ] = None
    """How many samples, and real images to hold against them."""
    seed: Annotated[int, arg(metavar="S")] = 0
    """Of samples and of all that is drawn."""
    split: Annotated[str | None, arg(metavar="NAME", help_behavior_hint="(default: test, where there is one)")] = None
    """The part of the data to hold against them: test, train or all."""
    checkpoint: Annotated[str | None, arg(metavar="best|last|N", help_behavior_hint="(default: the model)")] = None
    """The run's weights of a checkpoint: of the best, the last, or the one at image N."""
    raw: Annotated[bool, arg(help_behavior_hint="")] = False
    """The run's weights as they play, in place of their average."""
    truncation: Annotated[float | None, arg(metavar="T", help_behavior_hint="(default: all of the noise)")] = None
    """Cut the run's noise off at -T and T, as `sample` does."""
    size: Size = None
    """Size to bring samples of other tools and data to, or one number for a square."""
    mode: Mode = None
    """L, LA, RGB or RGBA, for both."""
    report: Annotated[str | None, arg(metavar="PATH", help_behavior_hint="(default: report.html in the run)")] = None
    """Where to write the page, in place of the run's folder, whose evaluation.json then stays as it is."""
    device: Annotated[str, arg(metavar="NAME")] = "auto"
    """auto, cpu, cuda or mps."""
    json: Json = False
    """Print one JSON object."""


@dataclass(frozen=True)
class RecipesFlags:
    """What can be trained."""

    json: Json = False
    """Print one JSON object."""
