"""Flags of the command line: one frozen dataclass a command, and groups that several share.

tyro makes the help of a flag from the docstring below its field. Fields are the arguments of the command's function of
the same name; a group is a field that holds another dataclass, and is passed as its fields.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from tyro.conf import arg

from sparring.cli_read_flags import GroupFlags, Names, PairReadFlags, ReadFlags, SampleReadFlags, Switch
from sparring.commands.attacking.flags import (
    AudioAttackFlags,
    BallAttackFlags,
    ImageAttackFlags,
    SeriesAttackFlags,
    TableAttackFlags,
    TradingAttackFlags,
)
from sparring.commands.evaluating.flags import FeatureNetFlags, LeakageFlags
from sparring.commands.fairness.flags import FairnessFlags
from sparring.commands.obfuscating.flags import HiddenFlags
from sparring.commands.private.flags import PrivacyFlags, PrivateTrainFlags
from sparring.commands.restoring.flags import RestorationFlags
from sparring.commands.sampling.flags import ConditionFlags
from sparring.commands.tuning.flags import SearchFlags

Source = Annotated[str, arg(metavar="SOURCE", help_behavior_hint="")]
RunFolder = Annotated[str, arg(metavar="RUN", help_behavior_hint="")]
Out = Annotated[str | None, arg(metavar="RUN", help_behavior_hint="(default: a new one below runs/)")]
Seed = Annotated[int, arg(metavar="S")]
Json = Switch
Device = Annotated[str, arg(metavar="NAME")]
Checkpoint = Annotated[str | None, arg(metavar="best|last|N", help_behavior_hint="(default: the saved model)")]
Truncation = Annotated[float | None, arg(metavar="T", help_behavior_hint="(default: no truncation)")]


@dataclass(frozen=True)
class HardwareFlags:
    """Device and number format."""

    device: Device = "auto"
    """Device to compute on: auto, cpu, cuda or mps."""
    precision: Annotated[str, arg(metavar="NAME")] = "auto"
    """Number format: auto (bf16 wherever the hardware has it), bf16 or fp32."""


@dataclass(frozen=True)
class TrainingFlags:
    """Flags of all commands that train."""

    source: Source
    """A folder, an archive, a file, a URL, or a known name (digits, mnist, fashion-mnist, cifar10, stacked-mnist)."""
    minutes: Annotated[float | None, arg(metavar="M", help_behavior_hint="(default: 10)")] = None
    """Training time; a short probe of the speed turns it into a number of examples."""
    images: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    """Number of training examples to draw, instead of --minutes."""
    out: Out = None
    """Run folder; an existing run is continued, bit for bit."""
    seed: Annotated[int | None, arg(metavar="S", help_behavior_hint="(default: 0)")] = None
    """Random seed."""
    json: Json = False
    """Print one JSON object to stdout at the end."""
    hardware: HardwareFlags = field(default_factory=HardwareFlags)
    read: ReadFlags = field(default_factory=ReadFlags)


# commands


@dataclass(frozen=True)
class InspectFlags:
    """Read SOURCE as training would; report what is in it, what would be used and what is wrong with it."""

    source: Source
    """A folder, an archive, a file, a URL, or a known name (digits, mnist, fashion-mnist, cifar10, stacked-mnist)."""
    json: Json = False
    """Print one JSON object to stdout."""
    whole: Switch = False
    """Read a table whole, as `train` does: with its gaps, dates, keys and constants."""
    read: PairReadFlags = field(default_factory=PairReadFlags)


@dataclass(frozen=True)
class TrainFlags(TrainingFlags):
    """Train a generator or a density model on SOURCE."""

    recipe: Annotated[str | None, arg(metavar="NAME", help_behavior_hint="(default: by the kind of data)")] = None
    """Recipe of the generator; `sparring recipes` lists them. --recipe NAME --help shows its flags."""
    label_fraction: Annotated[float | None, arg(metavar="F", help_behavior_hint="(default: all labels)")] = None
    """Proportion of each class's labels that training sees; the others are hidden, for experiments."""
    read: PairReadFlags = field(default_factory=PairReadFlags)
    privacy: PrivateTrainFlags = field(default_factory=PrivateTrainFlags)


@dataclass(frozen=True)
class ClassifyFlags(TrainingFlags):
    """Train a classifier on SOURCE, from few labels or many; calibrate and test it."""

    recipe: Annotated[str | None, arg(metavar="NAME", help_behavior_hint="(default: by the kind of data)")] = None
    """Recipe of the classifier; `sparring recipes` lists them. --recipe NAME --help shows its flags."""
    labels: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: all labels)")] = None
    """Number of labels that training sees, balanced over classes where possible; the other examples count as
    unlabelled."""
    labels_file: Annotated[str | None, arg(metavar="CSV", help_behavior_hint="")] = None
    """CSV file of name,label with the only labels that training sees; `to_label.csv` of a run, filled in, is one."""
    adapt_to: Annotated[str | None, arg(metavar="TARGET", help_behavior_hint="")] = None
    """Unlabelled data of another domain: several recipes are trained on both, one is chosen without target labels."""
    target_labels: Annotated[str | None, arg(metavar="CSV|TARGET", help_behavior_hint="")] = None
    """Labels of the target, for the regret of that choice alone: a CSV file, or the target itself if it has labels."""
    fairness: FairnessFlags = field(default_factory=FairnessFlags)
    privacy: PrivacyFlags = field(default_factory=PrivacyFlags)


@dataclass(frozen=True)
class RegressFlags(TrainingFlags):
    """Train a model on SOURCE that predicts numbers with intervals of a chosen coverage; calibrate and test it.

    Of a table --label names the column of the number; other data have labels that are numbers, as `y` of a .npz file.
    """

    recipe: Annotated[str | None, arg(metavar="NAME", help_behavior_hint="(default: by the kind of data)")] = None
    """Recipe of the regressor; `sparring recipes` lists them. --recipe NAME --help shows its flags."""


@dataclass(frozen=True)
class ObfuscateFlags(TrainingFlags):
    """Train a network that replaces examples by others in which a group is hidden; audit it by fresh adversaries."""

    recipe: Annotated[str | None, arg(metavar="NAME", help_behavior_hint="(default: noisy_code)")] = None
    """Recipe of the obfuscator. --recipe NAME --help shows its flags."""
    hidden: HiddenFlags = field(default_factory=HiddenFlags)


@dataclass(frozen=True)
class HardenFlags(TrainingFlags):
    """Train a classifier on the images of SOURCE that is robust to small changes; attack it."""

    method: Annotated[str | None, arg(metavar="NAME", help_behavior_hint="(default: fast)")] = None
    """Method of adversarial training: fgsm, pgd, fast, free, trades or noisy. --method NAME --help shows its flags."""


@dataclass(frozen=True)
class TuneFlags(TrainingFlags):
    """Search the settings of a recipe for the best validation score, and test whether the gain is beyond noise."""

    minutes: Annotated[float | None, arg(metavar="M", help_behavior_hint="(default: 30)")] = None
    """Time for all trials and repeats; a short probe of the speed turns it into training examples of a trial."""
    images: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    """Number of training examples of a trial, instead of --minutes."""
    out: Out = None
    """Folder of the tuning; one that was stopped is continued, and several processes share it."""
    recipe: Annotated[str | None, arg(metavar="NAME", help_behavior_hint="(default: by the kind of data)")] = None
    """Recipe to tune. --recipe NAME --help shows its flags, which hold for all trials."""
    fields: Names = ()
    """Settings to tune, as lr beta1; without it all of which the recipe states a range."""
    search: SearchFlags = field(default_factory=SearchFlags)


@dataclass(frozen=True)
class NewDataFlags:
    """A model and new data."""

    run: RunFolder
    """Run folder of `classify`, `regress`, `harden` or a density model, or a folder with the two files of a model."""
    source: Source
    """New data of the kind that the model was trained on, as for `classify`; a single file, too."""
    resize: Switch = False
    """Scale and convert images of another size or mode to those of training, instead of refusing them."""
    json: Json = False
    """Print one JSON object to stdout."""


@dataclass(frozen=True)
class PredictFlags(NewDataFlags):
    """Predict classes of new data, with probabilities; numbers, with intervals; or how likely each example is."""

    background: Annotated[str | None, arg(metavar="RUN", help_behavior_hint="")] = None
    """Density models: run of a background model, trained with --mutation 0.2, for the likelihood ratio."""
    split: Annotated[str | None, arg(metavar="train|test", help_behavior_hint="(default: all)")] = None
    """Split of the new data, as training draws it."""
    csv: Switch = False
    """Print CSV lines, a row for each example."""


@dataclass(frozen=True)
class EncodeFlags(NewDataFlags):
    """Write the features that a model gives each example of new data, or the example that an obfuscator gives it."""

    out: Annotated[str | None, arg(metavar="PATH", help_behavior_hint="(default: features.npy, or obfuscated)")] = None
    """NAME.npy: the features; NAME.npz: also `names`, `labels` and `groups`. Of obfuscated examples a folder, NAME.csv
    or NAME.npz."""
    seed: Annotated[int | None, arg(metavar="S", help_behavior_hint="(default: of the operating system)")] = None
    """Seed of the noise of an obfuscator; keep it secret, since noise that is known hides nothing."""
    groups: GroupFlags = field(default_factory=GroupFlags)


@dataclass(frozen=True)
class AttackFlags:
    """Attack a model and report its robust accuracy, for images, sounds, tables and series."""

    model: Annotated[str, arg(metavar="MODEL", help_behavior_hint="")]
    """A run of `classify` or `harden`; package.module:NAME, found from the current folder too, where NAME is a module,
    a function from inputs [B, ...] to logits, or one without arguments that returns either; a TorchScript file (.pt,
    .ts); a torch.export file (.pt2) with a dynamic batch; an ONNX file, which gives no gradients. Trading by prices:
    strategy:NAME, where NAME is moving-average, momentum, mlp, tcn, boosting, or a model of bars."""
    source: Source
    """Data with labels, as for `classify`, or a table of prices for a strategy; a model of another tool gets the
    classes in the order of the source."""
    count: Annotated[
        int | None, arg(aliases=("-n",), metavar="N", help_behavior_hint="(default: 1000, or 10 sounds)")
    ] = None
    """Largest number of rows to attack, drawn from the test split where there is one."""
    seed: Seed = 0
    """Random seed."""
    out: Annotated[str | None, arg(metavar="PATH", help_behavior_hint="(default: RUN/attack, or attack-MODEL)")] = None
    """Folder for report.html, report.json and the samples."""
    baseline: Annotated[str | None, arg(metavar="REPORT.JSON", help_behavior_hint="")] = None
    """Earlier report: exit code 1 where the robust proportion is below its interval."""
    fail_below: Annotated[float | None, arg(metavar="FRACTION", help_behavior_hint="")] = None
    """Smallest robust proportion that passes: exit code 1 below it."""
    resize: Switch = False
    """Images: bring those of another size or mode to that of the run."""
    device: Device = "auto"
    """Device to compute on: auto, cpu, cuda or mps."""
    precision: Annotated[str, arg(metavar="NAME")] = "fp32"
    """Images: number format of the search: fp32, bf16 (faster where the hardware has it), or auto. Verdicts are in
    float32."""
    json: Json = False
    """Print one JSON object to stdout."""
    ball: BallAttackFlags = field(default_factory=BallAttackFlags)
    image: ImageAttackFlags = field(default_factory=ImageAttackFlags)
    audio: AudioAttackFlags = field(default_factory=AudioAttackFlags)
    table: TableAttackFlags = field(default_factory=TableAttackFlags)
    series: SeriesAttackFlags = field(default_factory=SeriesAttackFlags)
    trading: TradingAttackFlags = field(default_factory=TradingAttackFlags)
    read: ReadFlags = field(default_factory=ReadFlags)


@dataclass(frozen=True)
class CertifyFlags:
    """Certify the robustness of a classifier that votes over noise, and attack it for comparison."""

    run: RunFolder
    """A run of `sparring harden --method noisy`; or, with --sigma, of any classifier of images."""
    source: Source
    """Images with labels, as for `classify`."""
    sigma: Annotated[float | None, arg(metavar="S", help_behavior_hint="(default: that of the training)")] = None
    """Standard deviation of the noise, pixels from 0 to 1."""
    count: Annotated[int, arg(aliases=("-n",), metavar="N")] = 500
    """Largest number of images, drawn from the test split where there is one."""
    draws: Annotated[int, arg(metavar="N")] = 10_000
    """Noise samples per image. Ten times more raise the certified radius by at most 20 %."""
    radius: Annotated[
        tuple[float, ...], arg(metavar="R ...", help_behavior_hint="(default: 0 to 3 times the noise)")
    ] = ()
    """L2 radii, pixels from 0 to 1, at which to report the accuracy."""
    seed: Seed = 0
    """Random seed."""
    resize: Switch = False
    """Bring images of another size or mode to those of the classifier."""
    out: Annotated[str | None, arg(metavar="PATH", help_behavior_hint="(default: RUN/certify)")] = None
    """Folder for report.html and report.json."""
    baseline: Annotated[str | None, arg(metavar="REPORT.JSON", help_behavior_hint="")] = None
    """Earlier report: exit code 1 where the certified accuracy at the smallest radius above 0 is below its interval."""
    fail_below: Annotated[float | None, arg(metavar="FRACTION", help_behavior_hint="")] = None
    """Smallest certified accuracy, at the smallest radius above 0, that passes: exit code 1 below it."""
    device: Device = "auto"
    """Device to compute on: auto, cpu, cuda or mps."""
    json: Json = False
    """Print one JSON object to stdout."""


@dataclass(frozen=True)
class SampleFlags:
    """Draw samples from a trained generator."""

    run: RunFolder
    """Run folder, or a folder with the files of a generator."""
    n: Annotated[int, arg(aliases=("-n",), metavar="N")] = 64
    """Number of samples."""
    out: Annotated[str | None, arg(metavar="PATH", help_behavior_hint="(default: a grid in the run folder)")] = None
    """NAME.png: a grid (plots of series, spectrograms); NAME.npz: an array; NAME.csv: rows; else a folder."""
    seed: Seed = 0
    """Random seed; sample k depends on (seed, k) alone."""
    label: Annotated[str | None, arg(metavar="CLASS", help_behavior_hint="(default: as often as in the data)")] = None
    """Class to sample, by name; a cluster of s3gan by its number; a vector label by its numbers: 0.2,1."""
    checkpoint: Checkpoint = None
    """Checkpoint whose weights are used: the best, the last, or the one at image N."""
    truncation: Truncation = None
    """Bound of the noise, from -T to T (biggan, s3gan): 2 keeps almost all variety, 0.5 gives more typical images."""
    steps: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: those of training)")] = None
    """Length of series, which may be longer than the windows of the training."""
    json: Json = False
    """Print one JSON object to stdout."""
    conditions: ConditionFlags = field(default_factory=ConditionFlags)


@dataclass(frozen=True)
class PackFlags:
    """Compress the images of SOURCE without loss, by the distributions of a density model."""

    source: Source
    """Images of the size and mode that the model was trained on."""
    run: Annotated[str, arg(name="with", metavar="RUN", help_behavior_hint="")] = ""
    """Run folder of a density model that gives one value after another (pixelcnn, made)."""
    out: Annotated[str | None, arg(metavar="FILE", help_behavior_hint="(default: SOURCE.sparring)")] = None
    """Packed file."""
    json: Json = False
    """Print one JSON object to stdout."""


@dataclass(frozen=True)
class UnpackFlags:
    """Restore the images of a file that `sparring pack` wrote."""

    file: Annotated[str, arg(metavar="FILE", help_behavior_hint="")]
    """Packed file."""
    run: Annotated[str, arg(name="with", metavar="RUN", help_behavior_hint="")] = ""
    """Run folder of the model that packed it."""
    out: Annotated[str | None, arg(metavar="PATH", help_behavior_hint="(default: FILE-unpacked)")] = None
    """Folder of the images; of images that were no files, a .npz file."""
    json: Json = False
    """Print one JSON object to stdout."""


@dataclass(frozen=True)
class DoctorFlags:
    """Diagnose a run: what is wrong, the measurement behind each finding, and the flag to try next."""

    run: RunFolder
    """Run folder of `train`, `classify`, `regress` or `harden`."""
    json: Json = False
    """Print one JSON object to stdout."""


@dataclass(frozen=True)
class EvaluateFlags:
    """Score samples against data, or a classifier's or a regressor's answers, with intervals and baselines."""

    samples: Annotated[str, arg(metavar="RUN_OR_SAMPLES", help_behavior_hint="")]
    """Run folder; or samples of any tool: a folder, an archive, a .csv, .npz or .npy file."""
    data: Annotated[str | None, arg(metavar="SOURCE", help_behavior_hint="(default: the training data of the run)")] = (
        None
    )
    """Real data, as for `train`; labelled examples for the run of a classifier or a regressor."""
    n: Annotated[int | None, arg(aliases=("-n",), metavar="N", help_behavior_hint="(default: by the data)")] = None
    """Number of samples, 1,000 to 10,000 by default, and of real images; or of labelled examples, all by default."""
    split: Annotated[str | None, arg(metavar="NAME", help_behavior_hint="(default: test, where there is one)")] = None
    """Split of the real data: test, train or all."""
    seed: Seed = 0
    """Random seed of the samples and of all subsets."""
    report: Annotated[str | None, arg(metavar="PATH", help_behavior_hint="(default: report.html of a run)")] = None
    """Path of the HTML page; evaluation.json in the run folder is then left unchanged."""
    json: Json = False
    """Print one JSON object to stdout."""
    checkpoint: Checkpoint = None
    """Checkpoint whose weights are used: the best, the last, or the one at image N."""
    raw: Switch = False
    """Use the weights of the last step instead of their moving average."""
    truncation: Truncation = None
    """Bound of the noise of the run, from -T to T, as in `sample`."""
    device: Device = "auto"
    """Device to compute on: auto, cpu, cuda or mps."""
    net: FeatureNetFlags = field(default_factory=FeatureNetFlags)
    leakage: LeakageFlags = field(default_factory=LeakageFlags)
    read: SampleReadFlags = field(default_factory=SampleReadFlags)


@dataclass(frozen=True)
class RestoreFlags:
    """Fill holes of one picture, remove its noise or enlarge it, without training data. Give one task."""

    picture: Annotated[str, arg(metavar="PICTURE", help_behavior_hint="")]
    """A picture file; it is never written to."""
    minutes: Annotated[float | None, arg(metavar="M", help_behavior_hint="(default: 5)")] = None
    """Largest time; a short probe of the speed turns it into a number of steps."""
    steps: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    """Largest number of steps at full size, instead of --minutes."""
    out: Out = None
    """Folder of the results; a call that was stopped goes on from there."""
    seed: Seed = 0
    """Random seed."""
    json: Json = False
    """Print one JSON object to stdout."""
    task: RestorationFlags = field(default_factory=RestorationFlags)
    hardware: HardwareFlags = field(default_factory=HardwareFlags)


@dataclass(frozen=True)
class RecipesFlags:
    """List the recipes that can be trained."""

    json: Json = False
    """Print one JSON object to stdout."""
