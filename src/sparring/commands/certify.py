"""`sparring certify`: certified accuracy of a classifier by randomized smoothing, beside its accuracy under attack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from sparring.attacks.threat_model import Threat
from sparring.commands.attacking.ci_gate import CiGate, ReportJson
from sparring.commands.attacking.load_target import Target, load_target
from sparring.commands.attacking.output import CHUNKS, output_folder, write_report
from sparring.commands.attacking.resumable import ResumableParts
from sparring.commands.attacking.selection import open_for, select
from sparring.commands.attacking.suites import attack_suite
from sparring.commands.attacking.suites.base import Subset, fingerprint
from sparring.commands.attacking.suites.image import in_box
from sparring.commands.reporting.progress import Progress, of_process
from sparring.commands.training.interrupt import explain_interrupt
from sparring.data.reader_api import ReadOptions
from sparring.data.summary import summary
from sparring.engine import dist
from sparring.engine.data_spec import DataSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.image_io import grid, to_uint8, with_header
from sparring.engine.seeds import check_seed
from sparring.measure.classifier.certified_accuracy import ALPHA, ATTACK, Brackets, CertificationReport, Row, brackets
from sparring.recipes.adversarial.noisy import Noisy
from sparring.report.blocks import Picture
from sparring.report.certificate_section import certified_sections
from sparring.report.page import Page, page_html

RADII = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
"""Default radii in units of sigma: 10,000 draws can certify up to 3.2."""
GRID_IMAGES = 12
"""Images on the page."""


@explain_interrupt("stopped before the certification began: nothing was written. The same command starts again")
def certify(
    run: str | Path,
    source: str | Path,
    *,
    sigma: float | None = None,
    count: int = 500,
    draws: int = 10_000,
    radius: Sequence[float] = (),
    seed: int = 0,
    resize: bool = False,
    out: str | Path | None = None,
    baseline: str | Path | None = None,
    fail_below: float | None = None,
    device: str = "auto",
    net: nn.Module | None = None,
    progress: Progress | None = None,
) -> CertificationReport:
    """Certify the classifier of `run` on `count` labelled images of `source`, drawn by `seed` from any test split.

    The classifier votes over normal noise of standard deviation `sigma`, by default that of its training. At each
    `radius` (L2; both in pixels from 0 to 1) the report has the accuracy that is certified and that under attack.
    `failures` lists the missed conditions on the certified accuracy at the smallest radius above 0: `fail_below`, and
    the interval of `baseline`, an earlier report.json. Writes report.html and report.json to `out`, by default
    RUN/certify; an interrupted call goes on when it is repeated. `net` is the network of a run with custom networks.
    Raises UsageError on settings or data that do not fit, and where `run` is no classifier of images.
    """
    if count < 1 or draws < 1:
        raise UsageError(f"--count and --draws must be 1 or more, not {count} and {draws}")
    check_seed(seed)
    dist.init()
    progress = of_process(progress)
    torch_device = Hardware.find(device, "fp32").device
    target, spec = _target(run, torch_device, net)
    sigma, notes = _noise(target, sigma)
    radii = _radii(radius, sigma, spec)
    settings = {"sigma": sigma, "draws": draws, "radius": next((level for level in radii if level > 0), 0.0)}
    gate = CiGate.read(fail_below, baseline, "certify", _certified_interval)
    gate.check_comparable(settings)
    data = open_for(target, source, ReadOptions(resize=resize))
    progress.info(summary(data.report))
    subset = select(target, data, count, seed, "images", torch_device)
    notes += _selection_notes(subset, count)
    folder = output_folder(target, "certify", out)
    result = _brackets(target, subset, {**settings, "radii": radii, "seed": seed}, folder, progress)
    point = result.certified(settings["radius"])
    report = CertificationReport(
        target=target.name, data=str(source), selection=subset.description, settings=settings, sigma=sigma,
        draws=draws, alpha=ALPHA, attack=ATTACK, certified=[result.certified(level) for level in radii],
        attacked=[result.attacked(level) for level in radii], rows=_rows(result, subset), seed=seed, out=str(folder),
        notes=[*subset.notes, *notes],
        failures=gate.failures(f"the certified accuracy at radius {point.eps:g}", point.accuracy.value),
    )  # fmt: skip
    write_report(folder, asdict(report), _page(report, _picture(result, subset)))
    return report


def _selection_notes(subset: Subset, count: int) -> list[str]:
    notes = []
    if len(subset.names) < count:
        notes.append(f"the source has only {subset.description} with labels: fewer than --count {count:,}")
    if "test" not in subset.description:
        notes.append("no test image has a label: if the classifier was trained on these images, they flatter it")
    return notes


def _target(run: str | Path, device: torch.device, net: nn.Module | None) -> tuple[Target, DataSpec]:
    """Load a run's classifier of images as a model of pixels in [0, 1]; raises UsageError on any other model."""
    target = load_target(run, device, net)
    if target.classifier is None:
        raise UsageError(f"{run} is a model of another tool: certify takes a run of `sparring harden` or `classify`")
    to_certify = attack_suite(target.classifier.spec).to_certify
    if to_certify is None:
        raise UsageError(f"{run} was trained on {target.classifier.spec.plural}: certify takes a run of images")
    return to_certify(target), target.classifier.spec


def _certified_interval(report: ReportJson) -> tuple[float, float]:
    """Return the interval of the certified accuracy at the smallest radius above 0."""
    levels = report["certified"]
    accuracy = next((level for level in levels if level["eps"] > 0), levels[0])["accuracy"]
    return accuracy["low"], accuracy["high"]


def _brackets(target: Target, subset: Subset, settings: dict[str, Any], folder: Path, progress: Progress) -> Brackets:
    """Certify and attack the subset, or resume; each chunk is saved as it ends."""
    x = in_box(subset.rows, (0.0, 1.0), subset.y.device)
    with torch.no_grad():
        logits = target.model(x[:1])
    identity = {**settings, **fingerprint(target, subset, settings["seed"], logits)}
    parts = ResumableParts.begin(Brackets, folder / CHUNKS, identity)
    on_progress = progress.callback("certifying and attacking", "images")
    return brackets(
        target.model, x, subset.y, settings["sigma"], settings["radii"], n=settings["draws"], seed=settings["seed"],
        each=lambda function, count, chunk: parts.map(function, count, chunk, x.device, on_progress),
    )  # fmt: skip


def _noise(target: Target, sigma: float | None) -> tuple[float, list[str]]:
    """Return the standard deviation of the noise, and notes on how it differs from that of the training."""
    if sigma is not None and not 0 < sigma < float("inf"):
        raise UsageError(f"--sigma, the noise's standard deviation, must be above 0, not {sigma}")
    assert target.classifier is not None
    method = target.classifier.recipe
    recipe, trained = method.name, method.sigma if isinstance(method, Noisy) else None
    resolved = trained if sigma is None else sigma
    if resolved is None:
        raise UsageError(
            f"{target.name} was trained by {recipe}, without noise, and little of it can be certified: `sparring "
            "harden SOURCE --method noisy` trains for certificates; or give --sigma"
        )
    if trained is None:
        return resolved, [
            f"it was trained by {recipe}: `sparring harden SOURCE --method noisy` trains for certificates"
        ]
    return resolved, [] if resolved == trained else [f"it was trained in noise of {trained:g}, not {resolved:g}"]


def _radii(radii: Sequence[float], sigma: float, spec: DataSpec) -> list[float]:
    """Return the given radii in order, or those of RADII within the box; raises UsageError on invalid ones."""
    widest = Threat("L2", 0.0).widest(torch.zeros(1, *spec.shape))
    for radius in radii:
        if not 0 <= radius < float("inf"):
            raise UsageError(f"--radius is a distance of 0 or more, not {radius:g}")
        if radius > widest:
            raise UsageError(
                f"--radius {radius:g} is beyond the whole box of pixels from 0 to 1, which is {widest:g} across in L2"
            )
    return sorted(set(radii)) or [sigma * level for level in RADII if sigma * level <= widest]


def _rows(result: Brackets, subset: Subset) -> list[Row]:
    bounds = zip(result.correct.tolist(), result.lower.tolist(), result.upper.tolist(), strict=True)
    return [
        Row(name, label, lower if correct else None, upper if upper < float("inf") else None)
        for name, label, (correct, lower, upper) in zip(subset.names, subset.labels, bounds, strict=True)
    ]


def _picture(result: Brackets, subset: Subset) -> Picture | None:
    """Return some images above the adversarial examples that broke them."""
    idx = ((result.upper > 0) & torch.isfinite(result.upper)).nonzero().squeeze(1)[:GRID_IMAGES].cpu()
    if not len(idx):
        return None
    adv = to_uint8(2 * result.adv[idx.to(result.adv.device)].cpu() - 1)
    picture = grid(np.concatenate([subset.rows[idx.numpy()], adv]), len(idx))
    return Picture(with_header(picture, [subset.labels[k] for k in idx.tolist()]))


def _page(report: CertificationReport, adversaries: Picture | None) -> str:
    facts = {"model": report.target, "data": report.data, "noise": f"{report.sigma:g}", "draws": f"{report.draws:,}"}
    sections = certified_sections(report, adversaries)
    return page_html(Page(f"{Path(report.target).resolve().name}: certificates", facts, sections))


def to_text(report: CertificationReport) -> str:
    """Return the lines that the command prints."""
    name, count = Counter(row.label for row in report.rows).most_common(1)[0]
    lines = [f"{report.selection}, noise {report.sigma:g}, {report.draws:,} draws per image"]
    lines += [f"baseline {count / len(report.rows):.1%}, always answering '{name}', the commonest class"]
    lines += [f"note     {note}" for note in report.notes]
    lines += ["radius   certified  attacked"]
    for certified, attacked in zip(report.certified, report.attacked, strict=True):
        lines.append(f"{certified.eps:<8.4g} {certified.accuracy.value:>9.1%} {attacked.accuracy.value:>9.1%}")
    return "\n".join([*lines, f"report   {Path(report.out) / 'report.html'}"])
