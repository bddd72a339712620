"""`sparring evaluate`: score samples, of a run or of any tool, against real data, with the protocol of the scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from sparring.commands.doctor import doctor
from sparring.commands.evaluating.answers import answer_scores, answers_of
from sparring.commands.evaluating.answers import to_text as answers_text
from sparring.commands.evaluating.duality_gap import ROUNDS as GAP_ROUNDS
from sparring.commands.evaluating.inputs import EvaluationInputs, EvaluationRequest, Source, read_inputs
from sparring.commands.evaluating.kind_scores import kind_scores
from sparring.commands.evaluating.kind_scores import to_lines as kind_lines
from sparring.commands.evaluating.leakage import leakage
from sparring.commands.evaluating.leakage import to_text as leakage_text
from sparring.commands.evaluating.likelihood import likelihood
from sparring.commands.evaluating.measurements import (
    CopyFeatures,
    check_samples,
    copy_features,
    feature_scores,
    memorisation,
    score_features,
    two_sample,
    value_scores,
)
from sparring.commands.evaluating.row_views import Split
from sparring.commands.private.diagnosis import check_evaluation
from sparring.commands.reporting.progress import Progress, of_process
from sparring.commands.reporting.run_report import write_evaluation
from sparring.commands.training.interrupt import explain_interrupt
from sparring.engine import dist
from sparring.engine.atomic_io import explain_os_errors
from sparring.engine.device import Hardware
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.run_folder import Run
from sparring.engine.version import __version__
from sparring.measure.classifier.answer_scores import AnswerScores
from sparring.measure.diagnostics.judges import available
from sparring.measure.features.feature_net import Features
from sparring.measure.features.features_for import features_for
from sparring.measure.leakage.result import LeakageReport
from sparring.measure.scores.evaluation import Evaluation
from sparring.measure.scores.scores import NEIGHBOURS
from sparring.models.load import saved_capabilities
from sparring.models.saved import main_player, saved_players
from sparring.report.format import number
from sparring.stats.intervals import LEVEL

STEPS = "a feature net, features and scores, a two-sample test, a search for copies"
"""Steps of an evaluation, as its plan names them."""


@explain_interrupt("stopped: nothing was written. The same command starts again; a smaller -n is faster")
def evaluate(
    samples: Source | Run,
    data: str | Path | None = None,
    *,
    features: str | Path | nn.Module = "trained",
    weights: str | Path | None = None,
    n: int | None = None,
    seed: int = 0,
    split: Split | None = None,
    size: str | tuple[int, int] | None = None,
    mode: str | None = None,
    label: str | None = None,
    checkpoint: str | int | None = None,
    raw: bool = False,
    truncation: float | None = None,
    report: str | Path | None = None,
    device: str = "auto",
    generator: nn.Module | None = None,
    progress: Progress | None = None,
    protect: Source | None = None,
    beside: Source | None = None,
    within: Source | None = None,
) -> Evaluation | LeakageReport | AnswerScores:
    """Score `samples` against `data` of the same kind: images, recordings, a table or series.

    `samples` are a run, a folder, an archive, a file, or an array: uint8 images `[N, H, W, C]`, table rows `[N, F]` or
    series `[N, C, T]`. A run's training data are the default of `data`. `features` of images: "trained", "inception"
    (`weights`: its file), "raw", a TorchScript file, or a module from images `[B, C, H, W]` in [-1, 1] to `[B, d]`. `n`
    is the number of samples and of real rows, `split` ("test", "train", "all") that of the data. `label` is the column
    of the class in a table, which judges learn to predict. `checkpoint`, `raw` and `truncation` choose the weights and
    the latents of a run (see `load_generator`). The report is written into the run's folder, or to `report`.

    With `protect`, the group of each row, `samples` are features `[N, d]`, and the result is how well fresh adversaries
    predict the groups: in all rows, in the raw data `beside` and, for classes `within`, in the rows of each class. Each
    is an array, a file, or FILE:COLUMN (`commands.evaluating.feature_files`).

    Where `samples` is the run of a classifier or a regressor, the result is how well it answers on labelled examples:
    those of `data`, or of the test split of its training data. `generator` is then its network, if it was custom.

    Raises UsageError where samples, data and settings do not fit together, SparringError where there are too few rows
    or values are not finite.
    """
    request = EvaluationRequest(n, seed, split, size, mode, label, checkpoint, raw, truncation)
    dist.init()
    progress = of_process(progress)
    check_evaluation(samples, data)
    if protect is not None or beside is not None or within is not None:
        if request != EvaluationRequest(seed=seed) or data is not None or features != "trained":
            raise UsageError("--protect takes only --beside, --within, --seed, --report and --json: leave others out")
        _check_writable(report, None)
        return leakage(samples, protect, beside=beside, within=within, seed=seed, report=report, progress=progress)
    if isinstance(samples, str | Path | Run):
        run = samples if isinstance(samples, Run) else Run(samples)
        if saved_players(run.path) and answers_of(run.path) is not None:
            given = {"--report": report, "--features": features != "trained" or None, "--weights": weights}
            given["--device"] = device if device not in ("auto", "cpu") else None
            if wrong := [flag for flag, value in given.items() if value is not None]:
                raise UsageError(f"{wrong[0]} is for samples, and the run answers: leave it out")
            return answer_scores(run, data, request, generator, progress)
    return _evaluate(samples, data, request, features, weights, report, device, generator, progress)


def _evaluate(
    samples: Source | Run,
    data: str | Path | None,
    request: EvaluationRequest,
    features: str | Path | nn.Module,
    weights: str | Path | None,
    report: str | Path | None,
    device: str,
    generator: nn.Module | None,
    progress: Progress,
) -> Evaluation:
    """Score samples against data, and write the report."""
    hardware = Hardware.find(device, "auto")
    inputs = read_inputs(samples, data, request, generator, progress)
    run = inputs.run if inputs.run is not None and inputs.run.exists else None
    _check_writable(report, run)
    progress.info(f"plan: {len(inputs.samples):,} samples, {len(inputs.reference.real):,} real rows: {STEPS}")
    training_net = progress.callback("training the feature net")
    with dist.first_process_first():
        net = features_for(inputs.spec, features, weights, inputs.data, hardware, training_net)
    compared = score_features(inputs, net, progress)
    fast = features_for(inputs.spec, "trained", None, inputs.data, hardware, training_net) if net.slow else net
    searched = copy_features(inputs, fast, compared.samples if fast is net else None, progress)
    density = likelihood(inputs, progress)
    warnings = [*check_samples(inputs), *density.warnings]
    scores = (*density.scores, *feature_scores(inputs, net, compared, warnings), *value_scores(inputs, warnings))
    evaluation = Evaluation(
        protocol=_protocol(inputs, net, compared.samples.shape[1], searched) | {"likelihood": density.protocol},
        scores=scores,
        two_sample=two_sample(inputs, net, compared, hardware, request.seed, request.checkpoint, progress, warnings),
        memorisation=memorisation(searched, request.seed, warnings),
        kind_scores=kind_scores(inputs, request.seed, progress),
        warnings=tuple(warnings),
    )
    if dist.rank() != 0:
        return evaluation
    if run is not None and report is None:
        run.write_json("evaluation", evaluation.to_json())
        report = run.report_path
    if report is not None:
        findings = doctor(run, generator) if run is not None and _has_sampler(run) else ()
        write_evaluation(Path(report), inputs, evaluation, searched.samples, searched.training, findings)
        progress.info(f"report: {report}")
    return evaluation


def _has_sampler(run: Run) -> bool:
    """Return whether the run's main model generates samples."""
    return "Sampler" in saved_capabilities(run.path).get(main_player(run.path) or "", [])


def _check_writable(report: str | Path | None, run: Run | None) -> None:
    """Raise SparringError, before anything takes time, where the page cannot be written."""
    if report is not None and Path(report).suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--report {report}: the page is written as .html")
    path = Path(report) if report is not None else run.report_path if run is not None else None
    if path is None:
        return
    if path.is_dir():
        raise UsageError(f"{path} is a folder: --report names another path for the page")
    try:
        with explain_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            (trial := path.with_name(f".{path.name}.trial.tmp")).write_bytes(b"")
            trial.unlink(missing_ok=True)  # several processes try
    except SparringError as error:
        raise SparringError(f"{error}: --report PATH.html") from error


def _protocol(inputs: EvaluationInputs, net: Features, d: int, searched: CopyFeatures) -> dict[str, Any]:
    """Return all settings on which the scores depend."""
    return {
        "samples": inputs.about,
        "reference": inputs.about_data,
        "features": {"name": net.name, "d": d, **net.about},
        "neighbours": NEIGHBOURS,
        "intervals": f"{LEVEL:.0%}; bootstrap of influence values; Clopper-Pearson for the two-sample test",
        "two_sample": f"half of each side for training, half for testing the best of {', '.join(available())}, a "
        f"discriminator and all together; duality gap: {GAP_ROUNDS} rounds for each player",
        "memorisation": f"nearest of {len(searched.training):,} training rows, in the features {searched.net}"
        + (", and after shifts of up to an eighth and mirroring" if searched.aligned is not None else ""),
        "versions": {"sparring": __version__, "torch": torch.__version__},
    }


def _likelihood_lines(protocol: dict[str, Any]) -> list[str]:
    """Return how the likelihood was measured; of a run without one, that it has none."""
    about = protocol["likelihood"]
    if about is None:
        return ["density    none: these samples come without a likelihood"] if protocol["samples"]["weights"] else []
    fixed = ("unit", "split", "n", "exact", "independent")
    further = [f"{name.replace('_', ' ')} {value}" for name, value in about.items() if name not in fixed]
    text = f"{about['n']:,} of the {about['split']} split, {'exact' if about['exact'] else 'a bound or an estimate'}"
    if about["independent"] is not None:
        further.append(f"{number(about['independent'])} {about['unit']} with independent pixels")
    return [f"density    {'; '.join([text, *further])}"]


def to_text(evaluation: Evaluation | LeakageReport | AnswerScores) -> str:
    """Return the text that the command prints: the protocol, the scores, the tests, the warnings."""
    if isinstance(evaluation, LeakageReport):
        return leakage_text(evaluation)
    if isinstance(evaluation, AnswerScores):
        return answers_text(evaluation)
    protocol = evaluation.protocol
    samples, data, net = (protocol[name] for name in ("samples", "reference", "features"))
    weights = (
        f", {samples['checkpoint']}, {samples['weights']} weights, truncation {samples['truncation'] or 'none'}"
        if samples["weights"]
        else ""
    )
    width = max([len(score.name) for score in evaluation.scores], default=0)
    lines = [
        f"samples    {samples['n']:,} of {samples['source']}, seed {samples['seed']}{weights}",
        f"reference  {data['n']:,} of {data['source']}, {data['split']} split"
        + (f", {data['size']} {data['mode']}" if "size" in data else "")
        + (f", resized ({data['resize']})" if data["resize"] else ""),
        f"features   {net['name']}: {net['kind']}, {net['d']} of them",
        f"real data  {data['real_baseline']['rows']}",
        *_likelihood_lines(protocol),
        "",
        f"{'score':{width}}  {'value':>9}  {'95 % interval':>21}  {'real data':>9}",
    ]
    for score in evaluation.scores:
        baseline = number(score.real_baseline) if score.real_baseline is not None else "-"
        ends = f"{number(score.low)} to {number(score.high)}"
        lines.append(f"{score.name:{width}}  {number(score.value):>9}  {ends:>21}  {baseline:>9}")
    lines += kind_lines(evaluation.kind_scores)
    if test := evaluation.two_sample:
        lines += ["", test.message]
        if test.duality_gap is not None:
            lines.append(
                f"The duality gap of the run's game is at least {number(test.duality_gap)}; 0 at an equilibrium."
            )
    if evaluation.memorisation:
        lines += ["", evaluation.memorisation.message]
    lines += [f"{'' if k else chr(10)}warning: {warning}" for k, warning in enumerate(evaluation.warnings)]
    return "\n".join(lines)
