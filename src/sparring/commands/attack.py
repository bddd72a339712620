"""`sparring attack`: a model and images with labels -> its accuracy under AutoAttack, and whether to believe it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparring.attacks.autoattack import AutoAttackResult, autoattack, ensemble
from sparring.attacks.masking_checks import MaskingCheck
from sparring.attacks.norms import Norm
from sparring.attacks.stochastic_models import is_stochastic
from sparring.attacks.surrogate import bf16_surrogate
from sparring.attacks.threat_for import default_eps, is_mnist_like
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model
from sparring.commands.attacking.ci_gate import CiGate
from sparring.commands.attacking.load_target import Target, a_strangers, in_its_precision, load_target, try_out
from sparring.commands.attacking.resumable import ResumableParts
from sparring.commands.predict import open_like
from sparring.commands.reporting.progress import Progress
from sparring.commands.reporting.run_report import command_line
from sparring.commands.training.interrupt import Stopped
from sparring.commands.training.run_settings import TrainRequest
from sparring.data.dataset import Dataset, open_images, parse_size
from sparring.engine.atomic_io import write
from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.image_io import grid, to_uint8
from sparring.engine.seeds import mix
from sparring.engine.version import __version__
from sparring.measure.classifier.attack_summary import Figures, figures, fooled, samples
from sparring.report.attack_section import AttackReport, attacked_sections, doctor_findings
from sparring.report.html import Page, Picture, report_page
from sparring.report.svg_plots import percent

IMAGES = 1000
"""That are attacked, unless told."""
PARTS = {"cpu": 250, "cuda": 2500}
"""Images after which what was found is kept, by the kind of device: what a GPU is asked one by one takes as long."""
SHOWN = 12
GIVEN = (
    "images float32 [B, C, H, W], of any B; batches of them that were done are kept: once it is mended, the same command goes "
    "on from there"
)


@dataclass(frozen=True, eq=False)
class Chosen:
    """Images to attack."""

    names: list[str]
    pixels: NDArray[np.uint8]
    """`[N, H, W, C]`."""
    x: Tensor
    """The same in the model's box, `[N, C, H, W]`."""
    y: Tensor
    """The model's class of each, `[N]`."""
    labels: list[str]
    """Its name."""
    on: str
    """Which images these are, in words."""


def attack(
    model: str | Path,
    source: str | Path,
    *,
    eps: float | None = None,
    norm: str = "Linf",
    images: int | None = None,
    version: str | None = None,
    box: tuple[float, float] = (0.0, 1.0),
    seed: int = 0,
    out: str | Path | None = None,
    baseline: str | Path | None = None,
    fail_below: float | None = None,
    size: str | tuple[int, int] | None = None,
    mode: str | None = None,
    resize: bool = False,
    device: str = "auto",
    precision: str = "fp32",
    progress: Progress | None = None,
) -> AttackReport:
    """Attack `model` on images of `source`, with changes of up to `eps`, in units of `box`.

    `model` is a run of `classify` or `harden`, `module:callable`, TorchScript or an exported program, which gives logits
    `[B, K]` of images `[B, C, H, W]` in the box. It is attacked on test images, or all where none are marked as such.
    With `precision` bf16 (or auto, where the hardware computes in it) the search is in bf16, and all verdicts in float32.
    `failures` of the result tell where its robust accuracy is below `fail_below`, or below the interval of `baseline`, an
    earlier report.json. Writes report.html, report.json and samples.csv; a call that was interrupted goes on when it is
    repeated. Raises SparringError, with the way out, on all that can go wrong.
    """
    norm_, images = cast(Norm, norm), IMAGES if images is None else images
    Threat(norm_, 0.0, *box)
    ensemble(version or "standard", norm_)
    TrainRequest(seed=seed)
    if images < 1:
        raise UsageError(f"--images must be 1 or more, not {images}")
    required = CiGate.read(fail_below, baseline, "attack", lambda told: (told["low"], told["high"]))
    hardware, progress = Hardware.find(device, precision), progress or Progress()
    attacked = load_target(model, hardware.device)
    opened = _open(attacked, source, parse_size(size), mode, resize, box)
    chosen = _chosen(attacked, opened, images, seed, box, hardware)
    radius, notes = _radius(eps, norm, opened.spec, box)
    threat = Threat(norm_, radius, *box)
    attacked = in_its_precision(attacked, chosen.x)
    logits = try_out(attacked, chosen.x, list(opened.report.classes))
    stranger = None if attacked.classifier is not None else attacked.name
    with a_strangers(stranger, GIVEN):
        version, more = _version(version, attacked, chosen.x)
    required.check_comparable({"norm": norm, "eps": radius, "box": list(box), "version": version})
    folder, coarse = _folder(attacked, out), hardware.bf16 and attacked.gradients
    settings = {
        "model": attacked.name, "says": [round(value, 3) for value in logits[0].tolist()], "images": chosen.names,
        "data": hashlib.sha256(chosen.pixels.tobytes() + repr(chosen.labels).encode()).hexdigest(), "norm": norm,
        "eps": radius, "box": box, "version": version, "seed": seed, "sparring": __version__,
        "part": PARTS.get(hardware.device.type, PARTS["cpu"]), "bf16": coarse,
    }  # fmt: skip
    if coarse:
        notes = [*notes, "attacks searched in bf16, which may miss a few images: all verdicts are float32's"]
    parts = ResumableParts.begin(AutoAttackResult, folder / "parts", settings)
    with a_strangers(stranger, GIVEN):
        found = _figures(parts, attacked.model, chosen, threat, version, seed, progress)
    robust = found.robust_accuracy
    told = AttackReport(
        model=attacked.name, source=str(source), attacked_on=chosen.on, count=len(chosen.x), clean_accuracy=found.clean_accuracy,
        robust_accuracy=robust, low=found.low, high=found.high, per_attack=found.per_attack, doctor=found.doctor,
        curve=found.curve, norm=norm, eps=radius, box=box, version=version, seed=seed, draws=found.draws,
        queries=float(found.verdicts.queries.double().mean()), gradients=float(found.verdicts.gradients.double().mean()),
        report=str(folder / "report.html"), versions={"sparring": __version__, "torch": torch.__version__},
        notes=[*notes, *attacked.notes, *more, *found.verdicts.notes], failures=required.failures("the robust accuracy", robust),
    )  # fmt: skip
    _write(told, folder, chosen, found.verdicts)
    parts.done()
    return told


def _figures(
    parts: ResumableParts[AutoAttackResult],
    model: Model,
    chosen: Chosen,
    threat: Threat,
    version: str,
    seed: int,
    progress: Progress,
) -> Figures:
    """What AutoAttack finds, and what the doctor makes of it."""
    verdicts = _in_parts(parts, model, chosen, threat, version, seed, progress)
    progress.info("looking whether that can be believed ...")
    try:
        return figures(model, chosen.x, chosen.y, threat, verdicts, seed, progress.info)
    except KeyboardInterrupt:
        kept = f"what AutoAttack found is kept in {parts.folder}: the same command goes on with the doctor"
        raise Stopped(f"stopped before the doctor was through; {kept}") from None


def _in_parts(
    parts: ResumableParts[AutoAttackResult],
    model: Model,
    chosen: Chosen,
    threat: Threat,
    version: str,
    seed: int,
    progress: Progress,
) -> AutoAttackResult:
    """AutoAttack on so many images at once, each part kept as it ends."""
    size: int = parts.settings["part"]
    surrogate = bf16_surrogate(model) if parts.settings["bf16"] else None

    def part(number: int, rows: Tensor) -> AutoAttackResult:
        def on_progress(name: str, standing: int) -> None:
            progress.info(f"images {number * size + 1:,} to {number * size + len(rows):,}: {name}, {standing:,} stand")

        return autoattack(
            model, chosen.x[rows], chosen.y[rows], threat, version=version, seed=mix(seed, number), batch_size=size,
            surrogate=surrogate, on_progress=on_progress,
        )  # fmt: skip

    found: list[AutoAttackResult] = []
    for number, rows in enumerate(torch.split(torch.arange(len(chosen.x)), size)):
        try:
            found.append(parts.keep(number, partial(part, number, rows), chosen.x.device))
        except KeyboardInterrupt:
            raise parts.stopped(number * size, len(chosen.x)) from None
    return AutoAttackResult.join(found)


def _version(version: str | None, attacked: Target, x: Tensor) -> tuple[str, list[str]]:
    """Which of AutoAttack's, unless told, and what is to be said of it."""
    if attacked.gradients:
        if version is None and is_stochastic(attacked.model, x[: PARTS["cpu"]]):
            return "rand", ["it answers differently each time: its chance to be wrong is counted, with AutoAttack rand"]
        return version or "standard", []
    if version not in (None, "square"):
        raise UsageError(f"{attacked.name} gives no gradients, as --version {version} needs them: leave it out")
    return "square", [
        "an ONNX file gives no gradients: only Square, which needs none, attacked it, and the true robust accuracy may be "
        "far lower. Give the model itself (module:callable, torch.export) for a figure that can be believed"
    ]


def to_text(found: AttackReport) -> str:
    """The lines that are printed."""
    robust = f"{found.robust_accuracy:.2%} (95 % interval {found.low:.2%} to {found.high:.2%})"
    lines = [
        f"clean    {found.clean_accuracy:.2%} of {found.count:,} {found.attacked_on}",
        f"robust   {robust}, {found.norm} {found.eps:g}, {found.attacks}",
        f"broken   {', '.join(f'{name} {count:,}' for name, count in found.per_attack.items())}",
        *(
            f"doctor   {'pass' if one.passed else 'FAIL'}  {one.name}: {one.evidence}{_then(one)}"
            for one in found.doctor
        ),
        *(f"note     {note}" for note in found.notes),
        f"report   {found.report}",
    ]
    return "\n".join(lines)


def _then(check: MaskingCheck) -> str:
    return f"; {check.follow_up}" if check.follow_up else ""


def _radius(eps: float | None, norm: str, spec: ImageSpec, box: tuple[float, float]) -> tuple[float, list[str]]:
    """The radius in units of the box, and what is to be told of it."""
    if eps is not None:
        return eps, []
    radius = default_eps(norm, spec) * (box[1] - box[0])
    kind = "small grey" if is_mnist_like(spec) else "such"
    return radius, [f"eps {radius:.4g} was taken, as is usual for {kind} images"]


def _open(
    attacked: Target, source: str | Path, size: tuple[int, int] | None, mode: str | None, resize: bool,
    box: tuple[float, float],
) -> Dataset:  # fmt: skip
    if attacked.classifier is None:
        if resize:
            raise UsageError("--resize is for runs of ours: --size and --mode bring images to another model's shape")
        return open_images(source, size, mode, keep_duplicates=True).split(None)
    if box != (0.0, 1.0):
        raise UsageError("--box is for other models: a run of ours is attacked in pixels from 0 to 1")
    if size or mode:
        raise UsageError("--size and --mode are for other models: --resize brings images to the shape of a run's")
    return open_like(attacked.classifier, source, resize=resize)


def _chosen(
    attacked: Target, opened: Dataset, most: int, seed: int, box: tuple[float, float], hardware: Hardware
) -> Chosen:
    """Some images with labels, of the test split if there is one, drawn by `seed`."""
    names = list(opened.report.classes)
    if not names or not (opened.labels >= 0).any():
        raise UsageError(f"{opened.report.source} has no labels: put images into one folder a class")
    data, on = opened.split("test"), "test images"
    if not (data.labels >= 0).any():
        data, on = opened, f"images, {'no test image has a label' if len(data) else 'none of them marked as test'}"
    rows = np.flatnonzero(data.labels >= 0)
    rows = np.sort(np.random.default_rng(seed).permutation(rows)[:most])
    pixels, labels = data[rows], data.labels[rows]
    low, high = box
    x = torch.from_numpy(pixels).to(hardware.device).permute(0, 3, 1, 2).float() / 255 * (high - low) + low
    y = torch.from_numpy(labels if attacked.classifier is None else _as_known(attacked, names, opened)[labels])
    return Chosen(
        [data.names[row] for row in rows],
        pixels,
        x.clamp(low, high),
        y.to(hardware.device),
        [names[k] for k in labels],
        on,
    )


def _as_known(attacked: Target, names: list[str], opened: Dataset) -> NDArray[np.int64]:
    """The number that a run of ours gives each of the source's classes."""
    assert attacked.classifier is not None
    classes = attacked.classifier.classes
    if strange := [name for name in names if name not in classes]:
        raise UsageError(
            f"{attacked.name} does not know the class '{strange[0]}' of {opened.report.source}; its classes: {', '.join(classes)}"
        )
    return np.array([classes.index(name) for name in names])


def _folder(attacked: Target, out: str | Path | None) -> Path:
    if out is not None:
        return Path(out)
    if attacked.classifier is not None:
        path = Path(attacked.name)
        return (path if path.is_dir() else path.parent) / "attack"
    return Path("attack-" + re.sub(r"[^\w.]+", "-", Path(attacked.name).name))


def _picture(chosen: Chosen, verdicts: AutoAttackResult, box: tuple[float, float]) -> Picture | None:
    """Some images that an attack broke, above their adversaries."""
    rows = fooled(verdicts, SHOWN)
    if not rows:
        return None
    adv = (verdicts.adv[rows] - box[0]) / (box[1] - box[0])
    return Picture(grid(np.concatenate([chosen.pixels[rows], to_uint8(adv * 2 - 1)]), len(rows)))


def _write(found: AttackReport, folder: Path, chosen: Chosen, verdicts: AutoAttackResult) -> None:
    about = {
        "model": found.model, "data": found.source, "right without attack": percent(found.clean_accuracy),
        f"right under attack ({found.norm} {found.eps:.3g})": f"{percent(found.robust_accuracy)} ({percent(found.low)} to {percent(found.high)})",
        "seed": str(found.seed), "torch": found.versions["torch"],
    }  # fmt: skip
    page = Page(
        f"{Path(found.model).name} under attack", about, doctor_findings(found.doctor), version=__version__, command=command_line(),
        sections=attacked_sections(found, _picture(chosen, verdicts, found.box)),
    )  # fmt: skip
    write(folder / "report.html", report_page(page))
    table = io.StringIO()
    lines = samples(chosen.names, chosen.labels, verdicts)
    writer = csv.DictWriter(table, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    write(folder / "samples.csv", table.getvalue())
    write(folder / "report.json", json.dumps(asdict(found), indent=2) + "\n")
