"""`sparring harden`: train a classifier against attacks, and attack it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparring.attacks.threat_for import default_eps
from sparring.commands.reporting.classifier_report import report_of
from sparring.commands.reporting.progress import Progress
from sparring.commands.reporting.run_report import page_of_run
from sparring.commands.training.calibrate import calibrated, run_test, save_classifier
from sparring.commands.training.callbacks import averaged, classifier_checkpoint, log_metrics
from sparring.commands.training.guards import guard_callbacks
from sparring.commands.training.labels import LabelledTraining, labels_digest
from sparring.commands.training.plan import Plan, PostTraining
from sparring.commands.training.post_training import after_harden
from sparring.commands.training.request import Nets, TrainRequest
from sparring.commands.training.session import TrainingSession
from sparring.data.dataset import Dataset
from sparring.data.loader import BatchLoader
from sparring.data.read_keywords import ReadKeywords, read_options
from sparring.engine.atomic_io import write
from sparring.engine.image_io import grid, to_uint8, with_header
from sparring.engine.loop import Callback, System
from sparring.measure.classifier.calibration import ClassificationReport
from sparring.measure.classifier.robustness import ATTACK, HardeningReport, robustness, verdict
from sparring.nets.feature_head import split_or_wrap
from sparring.recipes.adversarial.base import AdversarialRecipe, max_eps, pixel_threat
from sparring.recipes.classifier_recipe import ClassifierRecipe
from sparring.report.blocks import Picture
from sparring.report.classifier_section import classified_sections
from sparring.report.hardening_section import robust_sections
from sparring.report.page import page_html

GUARD_EXAMPLES = 200
"""Training images that the guard attacks."""
ATTACKED_IMAGES = 1000
"""Test images that are attacked at the end."""
SHOWN_IMAGES = 12


def harden(
    source: str | Path,
    method: AdversarialRecipe | str | None = None,
    *,
    eps: float | None = None,
    norm: str | None = None,
    minutes: float | None = None,
    images: int | None = None,
    out: str | Path | None = None,
    seed: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    nets: Nets | None = None,
    progress: Progress | None = None,
    **read: Unpack[ReadKeywords],
) -> HardeningReport:
    """Train a classifier on the labelled images of `source` to be robust to small changes, test it and attack it.

    The report has the accuracy on all test images, and the robust accuracy on the first 1,000 of them.

    `method` is a recipe of adversarial training or its name (None: `fast`); `eps` (pixels from 0 to 1) and `norm` (Linf
    or L2) replace its own. The other arguments are the fields of `TrainRequest`; `read` holds fields of `ReadOptions`.
    `nets` gives {"classifier": module from images to logits}. `progress` receives messages.

    Raises:
        UsageError: The data are no images, have no labels or one class, or settings differ from the run at `out`.
        SparringError: The data cannot be used, memory is too small, or a loss diverges (Diverged).
        Stopped: a stop signal came; all is saved.

    """
    changes = {name: value for name, value in (("eps", eps), ("norm", norm)) if value is not None}
    request = TrainRequest(
        source=source, recipe=method, changes=changes, minutes=minutes, images=images, out=out, seed=seed,
        device=device, precision=precision, nets=nets, read=read_options(read),
    )  # fmt: skip
    training = LabelledTraining.start("harden", request, progress, _remarks)
    session, data = training.session, training.data
    labelled_idx = np.flatnonzero(data.labels >= 0)
    recipe: AdversarialRecipe = session.settings.recipe
    loader = BatchLoader(
        data, recipe.batch_size, seed=session.settings.seed, mirror=recipe.mirror, replays=recipe.replays,
        among=labelled_idx, device=session.hardware.device,
    )  # fmt: skip

    guarded = _batch(session, data, np.sort(np.random.default_rng(0).permutation(labelled_idx)[:GUARD_EXAMPLES]))

    def callbacks(system: System, plan: Plan) -> list[Callback]:
        return [
            log_metrics(session, plan, ("classifier", "accuracy", "robust")),
            *guard_callbacks(session, plan, system, guarded),
            classifier_checkpoint(session, plan, system, data, data),
        ]

    def then(system: System) -> PostTraining:
        return after_harden(averaged(system), data, session.hardware, ATTACKED_IMAGES)

    system = session.play(data, loader, callbacks, then, labels=labels_digest(data))
    with session.after_training("calibration and test"):
        return _test(session, averaged(system), data, training.notes)


def _test(session: TrainingSession, trained: nn.Module, data: Dataset, notes: Sequence[str]) -> HardeningReport:
    """Calibrate and save the classifier, test it and attack it."""
    x = torch.zeros(2, *data.spec.shape, device=session.hardware.device)
    net = split_or_wrap(trained.eval(), x, len(data.spec.classes))
    recipe, progress = session.settings.recipe, session.progress
    classifier = calibrated(net, data, recipe, session.metadata(data), session.hardware, progress=progress)
    save_classifier(session, classifier)
    test = run_test(classifier, data, data, progress, attack_eps=())
    clean = report_of(session.run, classifier, data, test, notes)
    return _attack(session, net, data, replace(clean, to_label=""))


def _remarks(data: Dataset, recipe: ClassifierRecipe) -> list[str]:
    return ["training uses the labelled images alone"] if (data.labels < 0).any() else []


def _attack(session: TrainingSession, net: nn.Module, data: Dataset, clean: ClassificationReport) -> HardeningReport:
    """Attack test images, or else training images; write hardening.json and report.html."""
    run, recipe = session.run, session.settings.recipe
    test, tested_on = data.split("test"), "test images"
    idx = np.flatnonzero(test.labels >= 0)[:ATTACKED_IMAGES]
    if not len(idx):
        test, tested_on, idx = data, "training images", np.flatnonzero(data.labels >= 0)[:ATTACKED_IMAGES]
    notes = list(clean.notes)
    if tested_on.startswith("training"):
        notes.append(
            "there are no test images with labels: the attack is on training images, which favours the classifier"
        )
    x, y = _batch(session, test, idx)
    eps = recipe.eps or default_eps(recipe.norm, data.spec)
    result = robustness(
        net, x, y, partial(pixel_threat, recipe.norm), eps, max_eps(recipe.norm, data.spec),
        session.progress.callback("attacking", "images"),
    )  # fmt: skip
    report = HardeningReport(
        run=str(run.path), method=recipe.name, norm=recipe.norm, eps=recipe.eps or 0.0, minutes=clean.minutes,
        seed=clean.seed, clean=clean, robust=result.robust, curve=result.levels, attack=ATTACK, tested_on=tested_on,
        rollbacks=[int(line["nimg"]) for line in run.metrics() if line.get("rollback")],
        restarts=[int(line["nimg"]) for line in run.metrics() if line.get("restart")],
        verdict=verdict(result, y), notes=notes,
    )  # fmt: skip
    run.write_json("hardening", asdict(report))
    fooled = result.fooled[:SHOWN_IMAGES].cpu().numpy()
    with torch.no_grad():
        answers = net(result.adv[:SHOWN_IMAGES]).argmax(1).tolist()
    classes = data.spec.classes
    names = [
        f"{classes[label]} as {classes[answer]}" for label, answer in zip(y[fooled].tolist(), answers, strict=True)
    ]
    pairs = np.concatenate([test[idx[fooled]], to_uint8(result.adv[:SHOWN_IMAGES])])
    picture = Picture(with_header(grid(pairs, len(fooled)), names)) if len(fooled) else None
    sections = [*robust_sections(report, picture), *classified_sections(clean)]
    write(run.report_path, page_html(page_of_run(run, [], sections=sections)))
    return report


def _batch(session: TrainingSession, data: Dataset, idx: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Return network input `[N, C, H, W]` and labels `[N]` on the session's device."""
    device = session.hardware.device
    return data.spec.encode(data[idx], device), torch.from_numpy(data.labels[idx]).to(device)


def to_text(report: HardeningReport) -> str:
    """Return the lines that the command prints."""
    clean, robust = report.clean, report.robust
    lines = [f"run      {report.run}"]
    if clean.errors is not None:
        correct = clean.errors.complement
        lines.append(f"clean    {correct.text(2)}, {correct.hits:,} of {correct.total:,} {clean.tested_on}")
    if clean.majority is not None:
        name, share = clean.majority
        lines.append(f"baseline {share:.2%}, always answering '{name}', the commonest class")
    accuracy = robust.accuracy
    lines.append(
        f"robust   {accuracy.text(2)}, {accuracy.hits:,} of {accuracy.total:,} {report.tested_on}, {report.norm} "
        f"{robust.eps:g}: {report.attack}"
    )
    if report.verdict:
        lines.append(f"verdict  {report.verdict}")
    if count := len(report.restarts):
        lines.append(f"guard    restarted the training {'once' if count == 1 else f'{count} times'}")
    if count := len(report.rollbacks):
        lines.append(f"guard    went back to better weights {'once' if count == 1 else f'{count} times'}")
    return "\n".join([*lines, f"report   {report.run}/report.html", f"answers  sparring predict {report.run} SOURCE"])
