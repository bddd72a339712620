"""`sparring certify`: how far a run's classifier is certain to be right when it votes in noise, beside what an attack breaks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparring.commands.attacking.resumable import ResumableParts
from sparring.commands.predict import open_like
from sparring.commands.reporting.progress import Progress
from sparring.commands.training.run_settings import TrainRequest
from sparring.data.dataset import Dataset
from sparring.engine.atomic_io import write
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError, did_you_mean
from sparring.engine.image_io import grid, to_uint8
from sparring.engine.version import __version__
from sparring.measure.classifier.certified_accuracy import ALPHA, ATTACK, Brackets, CertificationReport, Row, brackets
from sparring.models.classifier import Classifier, load_classifier
from sparring.recipes.adversarial.base import widest
from sparring.recipes.adversarial.noisy import Noisy
from sparring.report.blocks import Picture
from sparring.report.certificate_section import certified_sections
from sparring.report.page import Page, page_html

RADII = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
"""In sigmas, unless told: 10,000 draws can certify 3.2 of them."""
SHOWN = 12


def certify(
    run: str | Path,
    source: str | Path,
    *,
    sigma: float | None = None,
    images: int = 500,
    draws: int = 10_000,
    radius: Sequence[float] = (),
    seed: int = 0,
    resize: bool = False,
    device: str = "auto",
    net: nn.Module | None = None,
    progress: Progress | None = None,
) -> CertificationReport:
    """Certify the classifier of `run` on the first `images` labelled images of a source: test images, where it has some.

    It answers by vote over normal noise of deviation `sigma`, by default that which it was trained in; at each `radius`
    (L2; both of pixels from 0 to 1) the share that is certified stands beside the share that withstood an attack. Written
    to RUN/certify as report.html and report.json; a call that was interrupted goes on when it is repeated. Raises SparringError, with the way out, on all that can go wrong.
    """
    if images < 1 or draws < 1:
        raise UsageError(f"--images and --draws must be 1 or more, not {images} and {draws}")
    TrainRequest(seed=seed)
    classifier = load_classifier(run, net)
    sigma, notes = _noise(classifier, run, sigma)
    radii = _radii(radius, sigma, classifier)
    data, rows, on = _tested(open_like(classifier, source, resize=resize), source, images, notes)
    x, y = _as_tensors(classifier, data, rows, Hardware.find(device, "fp32").device)
    on_progress = (progress or Progress()).callback("certifying and attacking")
    folder = folder_of(run)
    parts = ResumableParts.begin(Brackets, folder / "parts", {
        "says": [round(value, 3) for value in classifier.logits(2 * x[:1] - 1)[0].tolist()], "data": hashlib.sha256(x.cpu().numpy().tobytes()).hexdigest(),
        "labels": y.tolist(), "sigma": sigma, "radii": radii, "draws": draws, "seed": seed, "sparring": __version__,
    })  # fmt: skip
    found = _in_parts(parts, classifier, x, y, on_progress)
    certified = CertificationReport(
        str(run), str(source), sigma, draws, ALPHA, ATTACK, on, [found.certified(r) for r in radii],
        [found.attacked(r) for r in radii], _rows(found, data, rows), notes,
    )  # fmt: skip
    write(folder / "report.json", json.dumps(asdict(certified), indent=2) + "\n")
    write(folder / "report.html", page_html(_page(certified, _pictures(found, data[rows]))))
    parts.done()
    return certified


def _in_parts(
    parts: ResumableParts[Brackets],
    classifier: Classifier,
    x: Tensor,
    y: Tensor,
    on_progress: Callable[[int, int], None],
) -> Brackets:
    """The brackets, those of each batch kept as it ends."""
    told, done = parts.settings, 0

    def count(now: int, of: int) -> None:
        nonlocal done
        done = now
        on_progress(now, of)

    try:
        return brackets(
            lambda at: classifier.logits(2 * at - 1), x, y, told["sigma"], told["radii"], n=told["draws"], seed=told["seed"],
            keep=lambda part, find: parts.keep(part, find, x.device), on_progress=count,
        )  # fmt: skip
    except KeyboardInterrupt:
        raise parts.stopped(done, len(x)) from None


def folder_of(run: str | Path) -> Path:
    """Where the page and the figures lie: in the run, or beside the classifier's file."""
    path = Path(run)
    return (path if path.is_dir() else path.parent) / "certify"


def _noise(classifier: Classifier, run: str | Path, sigma: float | None) -> tuple[float, list[str]]:
    """The noise to vote in, and what is odd about it."""
    if sigma is not None and not 0 < sigma < float("inf"):
        raise UsageError(f"--sigma, the noise's standard deviation, must be above 0, not {sigma}")
    method = classifier.about["recipe"]
    trained = float(classifier.about["settings"]["sigma"]) if method == Noisy.name else None
    chosen = trained if sigma is None else sigma
    if chosen is None:
        raise UsageError(
            f"{run} was trained by {method}, not in noise, and would be certain of little: `sparring harden SOURCE "
            "--method noisy` trains for certificates; or give --sigma"
        )
    if trained is None:
        return chosen, [f"it was trained by {method}: `sparring harden SOURCE --method noisy` trains for certificates"]
    return chosen, [] if chosen == trained else [f"it was trained in noise of {trained:g}, not {chosen:g}"]


def _radii(told: Sequence[float], sigma: float, classifier: Classifier) -> list[float]:
    """What was told, in order; or those of RADII that two images can be apart."""
    most = widest("L2", classifier.spec)
    for radius in told:
        if not 0 <= radius < float("inf"):
            raise UsageError(f"--radius is a distance of 0 or more, not {radius:g}")
        if radius > most:
            raise UsageError(
                f"--radius {radius:g} is beyond the whole box of pixels from 0 to 1, which is {most:g} across in L2"
            )
    return sorted(set(told)) or [sigma * k for k in RADII if sigma * k <= most]


def _tested(opened: Dataset, source: str | Path, most: int, notes: list[str]) -> tuple[Dataset, NDArray[np.int64], str]:
    """The images to look at, their rows, and which they are, in words."""
    for data, on in ((opened.split("test"), "test images"), (opened, "images")):
        rows = np.flatnonzero(data.labels >= 0)[:most]
        if len(rows):
            if data is opened:
                notes.append(
                    "it has no test images with labels: if the classifier was trained on these, they flatter it"
                )
            if len(rows) < most:
                notes.append(f"it has {len(rows):,} {on} with labels, fewer than the {most:,} that were asked for")
            return data, rows, on
    raise UsageError(f"{source} has no labels, and what is right must be known: put images into one folder a class")


def _as_tensors(
    classifier: Classifier, data: Dataset, rows: NDArray[np.int64], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Images `[N, C, H, W]` in [0, 1] and what the classifier should call them; it moves to the device, too."""
    names = [data.spec.classes[k] for k in data.labels[rows]]
    if strange := next((name for name in names if name not in classifier.classes), None):
        raise UsageError(f"the classifier knows no class '{strange}': {did_you_mean(strange, classifier.classes)}")
    classifier.net.to(device)
    classifier.memory.to(device)
    x = (classifier.as_batch(data[rows]) + 1) / 2
    return x, torch.tensor([classifier.classes.index(name) for name in names], device=device)


def _rows(found: Brackets, data: Dataset, rows: NDArray[np.int64]) -> list[Row]:
    bounds = zip(rows.tolist(), found.right.tolist(), found.lower.tolist(), found.upper.tolist(), strict=True)
    return [
        Row(
            data.names[row], data.spec.classes[data.labels[row]], lower if right else None,
            upper if upper < float("inf") else None,
        )
        for row, right, lower, upper in bounds
    ]  # fmt: skip


def _pictures(found: Brackets, images: NDArray[np.uint8]) -> Picture | None:
    """Some images above the adversaries that broke them."""
    broke = ((found.upper > 0) & torch.isfinite(found.upper)).nonzero().squeeze(1)[:SHOWN].cpu()
    if not len(broke):
        return None
    both = np.concatenate([images[broke.numpy()], to_uint8(2 * found.adv[broke.to(found.adv.device)].cpu() - 1)])
    return Picture(grid(both, len(broke)))


def _page(found: CertificationReport, broken: Picture | None) -> Page:
    about = {"run": found.run, "data": found.source, "noise": f"{found.sigma:g}", "draws": f"{found.draws:,}"}
    sections = certified_sections(found, broken)
    title = f"{Path(found.run).resolve().name}: certificates"
    return Page(title, about, sections)


def to_text(found: CertificationReport) -> str:
    """The lines that are printed."""
    lines = [f"{len(found.rows):,} {found.tested_on}, noise {found.sigma:g}, {found.draws:,} draws an image"]
    lines += [f"note     {note}" for note in found.notes]
    lines += ["radius   certified  attacked"]
    for sure, stands in zip(found.certified, found.attacked, strict=True):
        lines.append(f"{sure.eps:<8.4g} {sure.accuracy.value:>9.1%} {stands.accuracy.value:>9.1%}")
    return "\n".join([*lines, f"report   {folder_of(found.run) / 'report.html'}"])
