"""Write report.html of a run, or of samples that were evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup
from PIL import Image
from torch import Tensor

from sparring.commands.evaluating.inputs import EvaluationInputs
from sparring.commands.private.options import is_private_run, ledger_of, shareable_files
from sparring.commands.training.run_settings import recipe_of, spec_of
from sparring.engine.atomic_io import write
from sparring.engine.run_folder import Run
from sparring.measure.classifier.calibration import ClassificationReport
from sparring.measure.diagnostics.finding import Finding
from sparring.measure.diagnostics.memorisation import closest_pairs
from sparring.measure.domains.adaptation_report import Choice
from sparring.measure.regression.report import RegressionReport
from sparring.measure.scores.evaluation import Evaluation
from sparring.models.density import unit_of
from sparring.models.saved import main_player
from sparring.report.adaptation_section import adaptation_section
from sparring.report.blocks import Block, Picture
from sparring.report.classifier_section import classified_sections
from sparring.report.page import Page, Section, page_html
from sparring.report.privacy_section import privacy_sections
from sparring.report.regression_section import regression_sections
from sparring.report.render import render, render_pairs
from sparring.report.run_sections import (
    animation_section,
    curves_section,
    evaluation_sections,
    findings_section,
    protocol_section,
    samples_section,
)
from sparring.report.svg_plots import curve

MAX_SAMPLES, SAMPLES_PER_CLASS, MAX_CLASSES = 100, 10, 20
"""Largest number of samples shown in all, of each class, and of classes."""
SAMPLES = "Samples"
SAMPLES_OF_CLASSIFIER = "Images that were generated to train the classifier: they need not look like real ones"
PAIRS = 12
"""Number of samples shown beside their nearest training images."""

LIKELIHOOD = "Negative log-likelihood"
CURVES: Mapping[str, Mapping[str, str]] = {
    "Distance to data (sliced Wasserstein)": {
        "sliced_wasserstein": "samples",
        "baseline_sliced_wasserstein": "real data",
    },
    "Distance to the noisy moments": {"sample_moment_distance": "samples"},
    "Coverage": {"coverage": "samples", "baseline_coverage": "real data"},
    LIKELIHOOD: {
        "nll": "held-out examples",
        "train_nll": "training examples",
        "independent_nll": "independent values",
    },
    "Chains": {"energy_autocorrelation": "autocorrelation of energies", "stuck_chains": "proportion of stuck chains"},
    "Condition number of the flow (log10)": {"condition_number": "condition number"},
    "Pinball loss": {"regressor": "training examples", "validation_loss": "validation examples"},
    "Errors": {"error": "held-out images"},
    "Losses": {"discriminator": "discriminator", "classifier": "classifier", "generator": "generator"},
    "Accuracy": {"accuracy": "augmented labelled images", "confident": "fraction of confident pseudo-labels"},
    "Robust accuracy": {"robust": "training adversarial examples", "guarded": "training images under PGD"},
    "Logits": {"train_logit": "training images", "held_out_logit": "held-out images", "sample_logit": "samples"},
    "Pairs that the discriminator orders correctly": {"win": "held-out images", "train_win": "training images"},
    "Penalty": {"penalty": "penalty"},
    "Weight of the penalty (gamma)": {"gamma": "gamma"},
    "Steepness of the discriminator": {"steepness": "slope times squared distance of two images"},
    "Augmentation": {"augment_p": "probability of each transformation"},
    "Auxiliary heads": {
        "class_loss": "classes",
        "rotation_loss": "rotations",
        "generator_heads": "rotations, loss of the generator",
    },
    "Orthogonal regularisation": {"orthogonality": "loss of the generator"},
}
"""Title of a plot -> name in metrics.jsonl -> label of the line."""
BASELINES = ("baseline_", "independent_")
"""Prefixes of metrics that are logged once."""


def write_evaluation(
    path: Path,
    inputs: EvaluationInputs,
    evaluation: Evaluation,
    features: Tensor,
    training: Tensor,
    findings: Sequence[Finding] = (),
) -> None:
    """Write the page of an evaluation; `features` and `training` are those of samples and training rows."""
    samples = _samples(inputs)
    pairs = _pairs(inputs, features, training) if evaluation.memorisation else []
    if inputs.run is not None and inputs.run.exists:
        page = page_of_run(inputs.run, samples, findings, evaluation, pairs)
    else:
        source = str(inputs.about["source"])
        facts = {"samples": source, "data": str(inputs.about_data["source"])}
        sections = [samples_section(samples), *evaluation_sections(evaluation, pairs), protocol_section(evaluation)]
        page = Page(Path(source).name, facts, sections, generated=True)
    write(path, page_html(page))


def write_run(run: Run, findings: Sequence[Finding]) -> Path:
    """Write the page of a run that was not evaluated yet, with its last grid of samples."""
    frames = run.frames()
    caption = SAMPLES_OF_CLASSIFIER if main_player(run.path) == "classifier" else SAMPLES
    samples: list[Block] = [Picture(Image.open(frames[-1]).convert("RGB"), caption, "Samples")] if frames else []
    if run.real_path.exists():
        samples.append(Picture(Image.open(run.real_path).convert("RGB"), "Training examples", "Training examples"))
    write(run.report_path, page_html(page_of_run(run, samples, findings)))
    return run.report_path


def page_of_run(
    run: Run,
    samples: Sequence[Block],
    findings: Sequence[Finding] = (),
    evaluation: Evaluation | None = None,
    pairs: Sequence[Block] = (),
    sections: Sequence[Section] = (),
) -> Page:
    """Build the page of a run from its folder; `sections` are further ones, placed after the diagnosis."""
    animation = run.path / "film.webp"
    content = [
        findings_section(findings),
        *_privacy(run),
        *sections,
        *_adaptation(run),
        *_classifier(run),
        *_regressor(run),
        samples_section(samples),
        animation_section(animation.read_bytes() if animation.exists() else None),
        *(evaluation_sections(evaluation, pairs) if evaluation else ()),
        curves_section(_curves(run)),
        *([protocol_section(evaluation)] if evaluation else ()),
    ]
    return Page(run.path.resolve().name, _about_run(run), content, bool(samples) or animation.exists())


def _privacy(run: Run) -> list[Section]:
    """Return the ledger of a private generator, and the files that may be shared."""
    if not is_private_run(run.path) or main_player(run.path) != "generator":
        return []
    return privacy_sections(ledger_of(run), shareable_files(run))


def _classifier(run: Run) -> list[Section]:
    """Return the sections of the classifier that the run trained, if it did."""
    if (classification := run.read_json("classification")) is None:
        return []
    to_label = run.path / "to_label.png"
    picture = Picture(Image.open(to_label).convert("RGB"), alt="Images to label next") if to_label.exists() else None
    return classified_sections(ClassificationReport.from_json(classification), picture)


def _regressor(run: Run) -> list[Section]:
    """Return the sections of the regressor that the run trained, if it did."""
    regression = run.read_json("regression")
    return regression_sections(RegressionReport.from_json(regression)) if regression else []


def _adaptation(run: Run) -> list[Section]:
    """Return the section of the choice among adapted classifiers, if there was one."""
    choice = run.read_json("choice")
    return [adaptation_section(Choice.from_json(choice))] if choice else []


def _about_run(run: Run) -> dict[str, str]:
    settings = run.settings
    planned, checkpoints = settings["plan"]["images"], run.checkpoints()
    is_fitted = not checkpoints and (run.path / "generator.json").exists()
    trained = int(checkpoints[-1].name) if checkpoints else planned if is_fitted else 0
    return {
        "run": str(run.path), "recipe": settings["recipe"]["name"], "data": settings["data"]["source"],
        "examples": f"{trained:,} of {planned:,}",
        "seed": str(settings["request"]["seed"]), "hardware": settings["hardware"],
    }  # fmt: skip


def _samples(inputs: EvaluationInputs) -> list[Block]:
    """Show some samples, class by class where they have labels."""
    samples, classes = inputs.stored, inputs.spec.classes
    by_class = [np.flatnonzero(samples.labels == k)[:SAMPLES_PER_CLASS] for k in range(min(len(classes), MAX_CLASSES))]
    if any(map(len, by_class)):
        labelled = [(name, idx) for name, idx in zip(classes, by_class, strict=False) if len(idx)]
        return [render(inputs.spec, samples.fetch(idx), captions=[name] * len(idx)) for name, idx in labelled]
    return [render(inputs.spec, samples.fetch(np.arange(min(len(samples), MAX_SAMPLES))))]


def _pairs(inputs: EvaluationInputs, features: Tensor, training: Tensor) -> list[Block]:
    """Show the samples that are most like copies with their nearest training examples."""
    closest = closest_pairs(features, training, PAIRS)
    fake, real = (np.array([pair[side] for pair in closest]) for side in (0, 1))
    return render_pairs(
        inputs.spec,
        inputs.stored.fetch(fake),
        inputs.stored_reference.training.fetch(real),
        [pair[2] for pair in closest],
    )


def _curves(run: Run) -> list[Markup]:
    lines = run.metrics()
    best = run.best["nimg"] if run.best else None
    curves = []
    hints = sorted({name for line in lines for name in line if name.startswith("hint_")})
    for title, names in {**CURVES, "Hints": {name: name.removeprefix("hint_") for name in hints}}.items():
        series = {
            label: [(line["nimg"], line[name]) for line in lines if name in line] for name, label in names.items()
        }
        for name, label in names.items():  # the baseline is logged once: a level line
            if name.startswith(BASELINES) and series[label]:
                series[label] = [(line["nimg"], series[label][0][1]) for line in (lines[0], lines[-1])]
        visible = {label: points for label, points in series.items() if points}
        unit = _unit(run) if visible and title == LIKELIHOOD else ""
        curves.append(curve(title, visible, unit=unit, axis="examples", mark=best))
    return curves


def _unit(run: Run) -> str:
    """Return the unit of the likelihoods of a density model's run."""
    return unit_of(spec_of(run), binary=recipe_of(run).sees_binary).name
