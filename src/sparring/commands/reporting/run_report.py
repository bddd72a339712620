"""report.html of a run or of samples: the pictures, curves and words that `report.html` puts on a page."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import join

import numpy as np
from PIL import Image
from torch import Tensor

from sparring.commands.evaluating.inputs import EvaluationInputs
from sparring.engine.atomic_io import write
from sparring.engine.image_io import grid
from sparring.engine.run_folder import Run
from sparring.engine.version import __version__
from sparring.measure.classifier.calibration import ClassificationReport
from sparring.measure.diagnostics.findings import Finding
from sparring.measure.diagnostics.memorisation import closest_pairs
from sparring.measure.scores.evaluation import Evaluation
from sparring.report.classifier_section import classified_sections
from sparring.report.html import Page, Picture, Section, pairs, report_page
from sparring.report.svg_plots import curve

SHOWN, BY_CLASS, CLASSES = 100, 10, 20
"""Samples shown in all, or of each of so many classes."""
PAIRS = 12

CURVES: Mapping[str, Mapping[str, str]] = {
    "Distance to data (sliced Wasserstein)": {"sliced_wasserstein": "samples", "floor_sliced_wasserstein": "real data"},
    "Coverage": {"coverage": "samples", "floor_coverage": "real data"},
    "Errors": {"error": "held-out images"},
    "Losses": {"discriminator": "discriminator", "classifier": "classifier", "generator": "generator"},
    "Right answers": {"right": "changed labelled images", "sure": "share of unlabelled images the teacher is sure of"},
    "Robust accuracy": {"robust": "training adversaries", "guarded": "some training images, PGD"},
    "Logits": {"train_logit": "training images", "held_out_logit": "held-out images", "sample_logit": "samples"},
    "Pairs the discriminator gets right": {"win": "held-out images", "train_win": "training images"},
    "Penalty": {"penalty": "penalty"},
    "Weight of the penalty (gamma)": {"gamma": "gamma"},
    "Steepness of the discriminator": {"steepness": "slope times the squared distance of two images"},
    "Augmentation": {"augment_p": "probability of each change"},
    "Heads": {"class_loss": "classes", "turn_loss": "turns", "generator_heads": "turns, paid by the generator"},
    "Orthogonality": {"orthogonality": "paid by the generator"},
}
"""Title -> what metrics.jsonl calls it -> what people do."""


def write_evaluation(
    path: Path,
    case: EvaluationInputs,
    evaluation: Evaluation,
    features: Tensor,
    training: Tensor,
    findings: Sequence[Finding] = (),
) -> None:
    """The page of an evaluation; `features` and `training` are those of samples and training rows."""
    images = case.data is not None
    samples = _samples(case) if images else []
    beside = _pairs(case, features, training) if images and evaluation.memorisation else ()
    if case.run is not None and case.run.exists:
        page = page_of_run(case.run, samples, findings, evaluation, beside)
    else:
        source = str(case.about["source"])
        about = {"samples": source, "data": str(case.about_data["source"])}
        page = Page(
            Path(source).name, about, samples=samples, evaluation=evaluation, pairs=beside, version=__version__,
            command=command_line(),
        )  # fmt: skip
    write(path, report_page(page))


def write_run(run: Run, findings: Sequence[Finding]) -> Path:
    """The page of a run that was not evaluated yet, with its last frame."""
    frames = run.frames()
    samples = [Picture(Image.open(frames[-1]).convert("RGB"))] if frames else []
    write(run.report_path, report_page(page_of_run(run, samples, findings)))
    return run.report_path


def page_of_run(
    run: Run,
    samples: Sequence[Picture],
    findings: Sequence[Finding] = (),
    evaluation: Evaluation | None = None,
    beside: Sequence[Picture] = (),
    sections: Sequence[Section] = (),
) -> Page:
    """Everything that a run's folder tells, and what was found out about it."""
    film = run.path / "film.webp"
    return Page(
        title=run.path.resolve().name,
        about=_about_run(run),
        findings=findings,
        samples=samples,
        film=film.read_bytes() if film.exists() else None,
        evaluation=evaluation,
        pairs=beside,
        curves=_curves(run),
        sections=[*sections, *_classified(run)],
        version=__version__,
        command=command_line(),
    )


def _classified(run: Run) -> list[Section]:
    """What is told of the classifier, where the run trained one."""
    if (told := run.classification) is None:
        return []
    unsure = run.path / "to_label.png"
    picture = Picture(Image.open(unsure).convert("RGB")) if unsure.exists() else None
    return classified_sections(ClassificationReport.from_json(told), picture)


def command_line() -> str:
    """The command line that this is; empty within Python."""
    return join(["sparring", *sys.argv[1:]]) if Path(sys.argv[0]).name in ("sparring", "__main__.py") else ""


def _about_run(run: Run) -> dict[str, str]:
    settings = run.settings
    trained = run.checkpoints()
    return {
        "run": str(run.path), "recipe": settings["recipe"]["name"], "data": settings["data"]["source"],
        "images": f"{int(trained[-1].name) if trained else 0:,} of {settings['plan']['images']:,}",
        "seed": str(settings["asked"]["seed"]), "hardware": settings["hardware"],
    }  # fmt: skip


def _samples(case: EvaluationInputs) -> list[Picture]:
    rows = case.samples
    by_class = [np.flatnonzero(rows.labels == k)[:BY_CLASS] for k in range(min(len(case.classes), CLASSES))]
    if any(map(len, by_class)):
        return [
            Picture(grid(rows.fetch(some), BY_CLASS), name)
            for some, name in zip(by_class, case.classes, strict=False)
            if len(some)
        ]
    return [Picture(grid(rows.fetch(np.arange(min(len(rows), SHOWN)))))]


def _pairs(case: EvaluationInputs, features: Tensor, training: Tensor) -> tuple[Picture, ...]:
    closest = closest_pairs(features, training, PAIRS)
    made, seen = (np.array([pair[side] for pair in closest]) for side in (0, 1))
    return pairs(case.samples.fetch(made), case.reference.training.fetch(seen), [pair[2] for pair in closest])


def _curves(run: Run) -> list[str]:
    lines = run.metrics()
    best = run.best["nimg"] if run.best else None
    drawn = []
    hints = sorted({name for line in lines for name in line if name.startswith("hint_")})
    for title, names in {**CURVES, "Hints": {name: name.removeprefix("hint_") for name in hints}}.items():
        series = {
            words: [(line["nimg"], line[name]) for line in lines if name in line] for name, words in names.items()
        }
        for name, words in names.items():  # a floor is told once: a level line
            if name.startswith("floor_") and series[words]:
                series[words] = [(line["nimg"], series[words][0][1]) for line in (lines[0], lines[-1])]
        drawn.append(curve(title, {words: points for words, points in series.items() if points}, mark=best))
    return drawn
