"""`sparring evaluate`: samples, of a run or of any tool, against data: scores that can be trusted, and how they were taken."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sparring.commands.doctor import doctor
from sparring.commands.evaluating.duality_gap import ROUNDS as GAP_ROUNDS
from sparring.commands.evaluating.duality_gap import gap_of
from sparring.commands.evaluating.inputs import EvaluationInputs, EvaluationRequest, Source, case_of
from sparring.commands.evaluating.row_views import RowView, Split
from sparring.commands.reporting.progress import Progress
from sparring.commands.reporting.run_report import write_evaluation
from sparring.data.in_memory import as_input
from sparring.data.open import open_images
from sparring.data.readers.stacked_mnist import FORMAT as STACKED
from sparring.data.resolve import cache_folder
from sparring.engine.atomic_io import explain_os_errors
from sparring.engine.device import Hardware
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.run_folder import Run
from sparring.engine.version import __version__
from sparring.measure.diagnostics.memorisation import memorisation
from sparring.measure.diagnostics.two_sample_test import two_sample_test
from sparring.measure.features import feature_net as nets
from sparring.measure.features.feature_net import Features
from sparring.measure.features.trained_features import trained
from sparring.measure.scores.evaluation import Evaluation, Memorisation, Score, TwoSampleResult
from sparring.measure.scores.modes import class_divergence, mode_count
from sparring.measure.scores.scores import CLASS, MEASURES, NEIGHBOURS, PIXELS, score_name, score_of, scores
from sparring.models.load import saved_capabilities
from sparring.models.saved import main_player
from sparring.report.format import number
from sparring.stats.intervals import LEVEL

PIXEL_BYTES = 256 << 20
"""That images may fill, as floats, for the distance of pixels: fewer are taken of large ones."""
CLASSES = 20
"""So many classes are told one by one."""
FEWEST = 100
"""Of both, for the Nash check."""


def evaluate(
    samples: Source | Run,
    data: Source | None = None,
    *,
    features: str | Path | nn.Module = "trained",
    weights: str | Path | None = None,
    n: int | None = None,
    seed: int = 0,
    split: Split | None = None,
    size: str | tuple[int, int] | None = None,
    mode: str | None = None,
    checkpoint: str | int | None = None,
    raw: bool = False,
    truncation: float | None = None,
    report: str | Path | None = None,
    device: str = "auto",
    generator: nn.Module | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure `samples` (a run, a folder, an archive, a file of arrays, or an array) against `data`.

    A run's own data are the default. `features`: "trained", "inception" (`weights`: its file), "raw", a TorchScript
    file, or a module from images `[B, C, H, W]` in [-1, 1] to `[B, d]`. `n` is how many samples and real images are
    taken, `split` ("test", "train", "all") of which part of the data. `checkpoint` and `raw` choose a run's weights,
    `truncation` where its noise is cut off (see `load_model`).
    Arrays `[N, F]` are tables: their values are the features. A page that shows it all is written into a run's folder,
    or to `report`. Raises SparringError, with the way out, on all that can go wrong.
    """
    asked = EvaluationRequest(n, seed, split, size, mode, checkpoint, raw, truncation)
    progress = progress or Progress()
    hardware = Hardware.find(device, "auto")
    case = case_of(samples, data, asked, generator, progress)
    run = case.run if case.run is not None and case.run.exists else None
    _check_writable(report, run)
    net = _features(features, weights, case, hardware, progress)
    seen = _look(case, net, progress)
    near = _features("trained", None, case, hardware, progress) if net.slow else net
    known = _look_among_known(case, near, seen.samples if near is net else None, progress)
    warnings = _oddities(case)
    found = [*_of_features(case, net, seen, warnings), *_of_pixels(case, warnings)]
    nash = _nash(case, hardware, asked, progress, warnings)
    copies = _memorisation(known, seed, warnings)
    evaluation = Evaluation(_protocol(case, net, seen, known), tuple(found), nash, copies, tuple(warnings))
    if run is not None and report is None:
        run.write_json("evaluation", evaluation.to_json())
        report = run.report_path
    if report is not None:
        findings = doctor(run, generator) if run is not None and _samples_first(run) else ()
        write_evaluation(Path(report), case, evaluation, known.samples, known.training, findings)
        progress.info(f"report: {report}")
    return evaluation


def _samples_first(run: Run) -> bool:
    """Return whether the model that a run is about generates samples."""
    return "Sampler" in saved_capabilities(run.path).get(main_player(run.path) or "", [])


def _check_writable(report: str | Path | None, run: Run | None) -> None:
    """Raise, before anything takes time, where the page could not be written."""
    if report is not None and Path(report).suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--report {report}: the page is written as .html")
    path = Path(report) if report is not None else run.report_path if run is not None else None
    if path is None:
        return
    if path.is_dir():
        raise UsageError(f"{path} is a folder: --report names another place for the page")
    try:
        with explain_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            (trial := path.with_name(f".{path.name}.trial.tmp")).write_bytes(b"")
            trial.unlink()
    except SparringError as error:
        raise SparringError(f"{error}: --report PATH.html") from error


def _features(
    features: str | Path | nn.Module,
    weights: str | Path | None,
    case: EvaluationInputs,
    hardware: Hardware,
    progress: Progress,
) -> Features:
    """The feature net that these words mean."""
    if weights is not None and features != "inception":
        raise UsageError("--weights is the file of the Inception network: it goes with --features inception")
    if case.data is None:
        if features not in ("trained", "raw"):
            raise UsageError("a table is measured by its values: leave --features out")
        return nets.raw()
    if isinstance(features, nn.Module):
        return nets.of_module(features)
    if features == "raw":
        return nets.raw()
    if features == "inception":
        return nets.of_inception(weights)
    if features != "trained":
        return nets.of_torchscript(Path(features))
    stacked = case.data.report.format == STACKED
    data = open_images("mnist") if stacked else case.data.split("train")
    net = trained(
        data.spec, data.__getitem__, data.labels, data=data.fingerprint, folder=cache_folder() / "features",
        hardware=hardware, on_progress=progress.callback("training the feature net"),
    )  # fmt: skip
    return nets.by_channel(net, case.data.spec.channels) if stacked else net


@dataclass(frozen=True)
class _Seen:
    """The features `[N, d]` of what scores compare."""

    samples: Tensor
    real: Tensor
    floor: tuple[Tensor, Tensor]


@dataclass(frozen=True)
class _Known:
    """The features of samples, and of images that a generator may have seen, and has not."""

    net: str
    samples: Tensor
    training: Tensor
    held_out: Tensor | None


def _look(case: EvaluationInputs, net: Features, progress: Progress) -> _Seen:
    reference = case.reference
    samples, real, *floor = _each(net, [case.samples, reference.real, *reference.floor], progress)
    return _Seen(samples, real, (floor[0], floor[1]))


def _look_among_known(case: EvaluationInputs, net: Features, samples: Tensor | None, progress: Progress) -> _Known:
    """`samples`: their features, where this net has looked at them before."""
    reference = case.reference
    rows = [reference.training]
    rows += [reference.held_out] if reference.held_out is not None else []
    rows += [case.samples] if samples is None else []
    training, *others = _each(net, rows, progress)
    held_out = others.pop(0) if reference.held_out is not None else None
    return _Known(net.name, samples if samples is not None else others[0], training, held_out)


def _each(net: Features, sets: Sequence[RowView], progress: Progress) -> list[Tensor]:
    """The features of each of these, with one bar for all."""
    progress.begin("looking at images", sum(map(len, sets)))
    done, seen = 0, []
    try:
        for rows in sets:
            seen.append(net.of(rows.chunks(lambda here, of, before=done: progress.update(before + here))))  # type: ignore[misc]
            done += len(rows)
    finally:
        progress.end()
    return seen


def _of_features(case: EvaluationInputs, net: Features, seen: _Seen, warnings: list[str]) -> list[Score]:
    """Scores on features: over all, class by class, and of the classes that the net makes out."""
    found, said = scores(MEASURES, seen.samples, seen.real, seen.floor, net.name)
    warnings += said
    if len(case.classes) > 1 and (case.samples.labels >= 0).any():
        found += _class_by_class(case, net, seen, warnings)
    return found + _of_classes(case, net, seen)


def _class_by_class(case: EvaluationInputs, net: Features, seen: _Seen, warnings: list[str]) -> list[Score]:
    """The Fréchet distance within each class."""
    labels, floor_labels = case.samples.labels, [rows.labels for rows in case.reference.floor]
    found, few, needed = [], [], CLASS.least(seen.samples.shape[1])
    for k, name in enumerate(case.classes[:CLASSES]):
        made, real = seen.samples[labels == k], seen.real[case.reference.real.labels == k]
        if min(len(made), len(real)) < needed:
            few.append(name)
            continue
        floor = seen.floor[0][floor_labels[0] == k], seen.floor[1][floor_labels[1] == k]
        found += scores([CLASS], made, real, floor, net.name, name)[0]
    fd = score_name("fd", net.name)
    if few:
        warnings.append(
            f"{fd} by class: not given for {', '.join(few)}, as {needed} of a class are needed on both sides"
        )
    if len(case.classes) > CLASSES:
        warnings.append(f"{fd} by class: given for the first {CLASSES} of {len(case.classes)} classes")
    return found


def _of_classes(case: EvaluationInputs, net: Features, seen: _Seen) -> list[Score]:
    """Modes found and the divergence of the classes' shares, where the net knows the classes."""
    if net.classify is None:
        return []
    classify, labels = net.classify, case.reference.training.labels
    counts = torch.from_numpy(np.bincount(labels[labels >= 0], minlength=len(case.classes)))
    made, real = (
        torch.cat([classify(part).argmax(1) for part in torch.split(f, 1000)]) for f in (seen.samples, seen.floor[0])
    )
    return [
        score_of(score_name("modes", net.name), mode_count(made), mode_count(real), (1, len(case.classes))),
        score_of(
            score_name("kl", net.name), class_divergence(made, counts), class_divergence(real, counts), (0, math.inf)
        ),
    ]


def _of_pixels(case: EvaluationInputs, warnings: list[str]) -> list[Score]:
    """The sliced Wasserstein distance of the values themselves, of as many rows on both sides."""
    pairs = [(case.samples, case.reference.real), case.reference.floor]
    rows = [min(map(len, pair)) for pair in pairs]
    rows = [min(count, max(PIXEL_BYTES // (4 * case.samples.size), 16)) for count in rows]
    made, real = (
        [as_input(side.fetch(np.arange(count)), torch.device("cpu")) for side in pair]
        for pair, count in zip(pairs, rows, strict=True)
    )
    found, said = scores([PIXELS], made[0], made[1], (real[0], real[1]), "values")
    warnings += said
    return found


def _nash(
    case: EvaluationInputs, hardware: Hardware, asked: EvaluationRequest, progress: Progress, warnings: list[str]
) -> TwoSampleResult | None:
    """The fresh discriminator's accuracy, and the duality gap of a run's game."""
    count = min(len(case.samples), len(case.reference.real))
    if count < FEWEST:
        warnings.append(f"nash: not given, {FEWEST} samples and as many real ones are needed, {count} are there")
        return None
    on_progress = progress.callback("a fresh discriminator learns")
    told = two_sample_test(
        case.reference.real.fetch,
        case.samples.fetch,
        count,
        seed=asked.seed,
        hardware=hardware,
        on_progress=on_progress,
    )
    gap = None
    if case.run is not None and case.data is not None:
        try:
            gap = gap_of(case.run, case.data.split("train"), hardware, progress, asked.checkpoint or "last")
        except SparringError as error:
            warnings.append(f"duality gap: not given, {error}")
    return told.as_nash(gap)


def _memorisation(known: _Known, seed: int, warnings: list[str]) -> Memorisation | None:
    """The test on features, which see an image again after small changes."""
    try:
        return memorisation(known.samples, known.training, known.held_out, seed=seed)
    except ValueError as error:
        warnings.append(f"memorisation: not given, {error}")
        return None


def _oddities(case: EvaluationInputs) -> list[str]:
    """What is odd about the rows themselves."""
    warnings = list(case.notes)
    made = Counter(_digests(case.samples))
    real = set(_digests(case.reference.real))
    of = len(case.samples)
    if len(made) == 1:
        warnings.append(f"all {of:,} samples are one and the same")
    elif len(made) < 0.9 * of:
        warnings.append(f"of {of:,} samples only {len(made):,} differ")
    if same := sum(count for digest, count in made.items() if digest in real):
        what = "the samples are the reference itself" if same == of == len(made) else "some samples are real images"
        warnings.append(f"{what}: {same:,} of {of:,} samples are equal, byte for byte, to one of the reference")
    flat = sum(
        int((part.reshape(len(part), -1) == part.reshape(len(part), -1)[:, :1]).all(1).sum())
        for part in case.samples.chunks()
    )
    if flat:
        warnings.append(f"{flat:,} of {of:,} samples hold one value everywhere")
    if len(case.classes) == 1:
        warnings.append(
            "the data are of one class: the feature net learns without labels, and there is no score by class"
        )
    return warnings


def _digests(rows: RowView) -> Iterator[bytes]:
    return (hashlib.blake2b(row.tobytes(), digest_size=16).digest() for part in rows.chunks() for row in part)


def _protocol(case: EvaluationInputs, net: Features, seen: _Seen, known: _Known) -> dict[str, Any]:
    """All that makes the figures what they are."""
    return {
        "samples": case.about,
        "reference": case.about_data,
        "features": {"name": net.name, "d": seen.samples.shape[1], **net.about},
        "neighbours": NEIGHBOURS,
        "intervals": f"{LEVEL:.0%}; bootstrap over each row's pull; exact binomial for the Nash check",
        "nash": f"half of each side to learn from, half to test; duality gap: {GAP_ROUNDS} rounds alone for each player",
        "memorisation": f"nearest of {len(known.training):,} training rows, in the features {known.net}",
        "versions": {"sparring": __version__, "torch": torch.__version__},
    }


def to_text(evaluation: Evaluation) -> str:
    """The evaluation as a page of text: protocol first, as no figure means anything without it."""
    protocol = evaluation.protocol
    samples, data, net = (protocol[part] for part in ("samples", "reference", "features"))
    what = (
        f", {samples['checkpoint']}, {samples['weights']} weights, truncation {samples['truncation'] or 'none'}"
        if samples["weights"]
        else ""
    )
    width = max([len(score.name) for score in evaluation.scores], default=0)
    lines = [
        f"samples    {samples['n']:,} of {samples['source']}, seed {samples['seed']}{what}",
        f"reference  {data['n']:,} of {data['source']}, {data['split']} split"
        + (f", {data['size']} {data['mode']}" if "size" in data else "")
        + (f", resized ({data['resize']})" if data["resize"] else ""),
        f"features   {net['name']}: {net['kind']}, {net['d']} of them",
        f"floor      {data['floor']['rows']}",
        "",
        f"{'score':{width}}  {'value':>9}  {'95 % interval':>21}  {'real data':>9}",
    ]
    for score in evaluation.scores:
        floor = number(score.real_baseline) if score.real_baseline is not None else "-"
        ends = f"{number(score.low)} to {number(score.high)}"
        lines.append(f"{score.name:{width}}  {number(score.value):>9}  {ends:>21}  {floor:>9}")
    if nash := evaluation.two_sample:
        lines += ["", nash.message]
        if nash.duality_gap is not None:
            lines.append(
                f"The duality gap of the run's game is {number(nash.duality_gap)} or more; 0 at an equilibrium."
            )
    if copies := evaluation.memorisation:
        lines += ["", copies.message]
    lines += [f"{'' if k else chr(10)}warning: {warning}" for k, warning in enumerate(evaluation.warnings)]
    return "\n".join(lines)
