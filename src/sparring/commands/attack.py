"""`sparring attack`: a model and images with labels -> its accuracy under AutoAttack, and whether to believe it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparring import __version__
from sparring.attacks.autoattack import CLEAN, Verdicts, autoattack
from sparring.attacks.autoattack import recipe as attacks_of
from sparring.attacks.doctor import examine
from sparring.attacks.norms import Norm
from sparring.attacks.threat import Threat
from sparring.commands.attacked import Attacked, load_attacked, try_out
from sparring.commands.predict import open_like
from sparring.commands.progress import Progress
from sparring.data.dataset import Images, open_images, parse_size
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.files import write
from sparring.engine.pictures import grid, to_bytes
from sparring.engine.spec import Spec
from sparring.measure.attacked import Attack, attacked_sections, doctor_findings
from sparring.measure.classified import wilson_interval
from sparring.measure.report import Page, Picture, report_page
from sparring.recipes.hardened import EPS

IMAGES = 1000
"""That are attacked, unless told."""
SHOWN = 12
SMALL = 28
"""Pixels: up to this side grey images are like those of MNIST, which stand larger changes."""


def attack(
    model: str | Path,
    source: str | Path,
    *,
    eps: str | float | None = None,
    norm: str = "Linf",
    images: int | None = None,
    version: str = "standard",
    box: tuple[float, float] = (0.0, 1.0),
    seed: int = 0,
    out: str | Path | None = None,
    baseline: str | Path | None = None,
    fail_below: float | None = None,
    size: str | tuple[int, int] | None = None,
    mode: str | None = None,
    resize: bool = False,
    device: str = "auto",
    progress: Progress | None = None,
) -> Attack:
    """Attack `model` on images of `source`, with changes of up to `eps` ("8/255", or a number in units of `box`).

    `model` is a run of `classify` or `harden`, `module:callable`, TorchScript or an exported program, which gives logits
    `[B, K]` of images `[B, C, H, W]` in the box. It is attacked on test images, or all where none are marked as such.
    `failures` of the result tell where its robust accuracy is below `fail_below`, or below the interval of `baseline`, an
    earlier report.json. Writes report.html and report.json. Raises SparringError, with the way out, on all that can go wrong.
    """
    norm_, images = cast(Norm, norm), IMAGES if images is None else images
    Threat(norm_, 0.0, *box)
    attacks_of(version, norm_)
    if images < 1:
        raise UsageError(f"--images must be 1 or more, not {images}")
    if fail_below is not None and not 0 <= fail_below <= 1:
        raise UsageError(f"--fail-below is a share from 0 to 1, not {fail_below:g}")
    earlier = None if baseline is None else _read_baseline(Path(baseline))
    hardware, say = Hardware.find(device), progress or Progress()
    attacked = load_attacked(model, hardware.device)
    opened = _open(attacked, source, parse_size(size), mode, resize, box)
    data, rows, labels, on = _chosen(attacked, opened, images, seed)
    radius, notes = _radius(eps, norm, opened.spec, box)
    threat = Threat(norm_, radius, *box)
    if earlier is not None:
        _check_comparable(earlier, {"norm": norm, "eps": radius, "box": list(box), "version": version}, baseline)
    pixels = data[rows]
    x = torch.from_numpy(pixels).to(hardware.device).permute(0, 3, 1, 2).float() / 255 * (box[1] - box[0]) + box[0]
    x, y = x.clamp(*box), torch.from_numpy(labels).to(hardware.device)
    try_out(attacked, x)
    verdicts = autoattack(
        attacked.model, x, y, threat, version=version, seed=seed,
        tell=lambda name, standing: say.say(f"{name}: {standing:,} images stand"),
    )  # fmt: skip
    doctor = examine(attacked.model, x, y, threat, verdicts, seed)
    right, folder = int(verdicts.robust.sum()), _folder(attacked, out)
    low, high = wilson_interval(right, len(x))
    found = Attack(
        model=attacked.name, source=str(source), attacked_on=on, count=len(x), clean_accuracy=verdicts.clean_accuracy,
        robust_accuracy=right / len(x), low=low, high=high,
        per_attack={name: verdicts.broken_by.count(name) for name in verdicts.attacks}, doctor=doctor,
        norm=norm, eps=radius, box=box, version=version, seed=seed,
        queries=float(verdicts.queries.double().mean()), gradients=float(verdicts.gradients.double().mean()),
        report=str(folder / "report.html"), versions={"sparring": __version__, "torch": torch.__version__},
        notes=[*notes, *verdicts.notes], failures=_failures(right / len(x), fail_below, earlier),
    )  # fmt: skip
    _write(found, folder, _fooled(pixels, verdicts, box))
    return found


def in_words(found: Attack) -> str:
    """The lines that are printed."""
    robust = f"{found.robust_accuracy:.2%} (95 % interval {found.low:.2%} to {found.high:.2%})"
    lines = [
        f"clean    {found.clean_accuracy:.2%} of {found.count:,} {found.attacked_on}",
        f"robust   {robust}, {found.norm} {found.eps:g}, AutoAttack {found.version}",
        f"broken   {', '.join(f'{name} {count:,}' for name, count in found.per_attack.items())}",
        *(f"doctor   {'pass' if one.passed else 'FAIL'}  {one.name}: {one.evidence}" for one in found.doctor),
        *(f"note     {note}" for note in found.notes),
        f"report   {found.report}",
    ]
    return "\n".join(lines)


def parse_eps(eps: str | float) -> float:
    """`"8/255"`, or a number; raises UsageError on what is neither."""
    above, slash, below = str(eps).partition("/")
    try:
        return float(above) / float(below) if slash else float(above)
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"--eps {eps} is not understood: write a number, 0.03 say, or a fraction, 8/255") from None


def _radius(eps: str | float | None, norm: str, spec: Spec, box: tuple[float, float]) -> tuple[float, list[str]]:
    """The radius in units of the box, and what is to be told of it."""
    if eps is not None:
        return parse_eps(eps), []
    if norm not in EPS:
        raise UsageError(f"no eps is usual in {norm}: give --eps")
    small = spec.channels <= 2 and max(spec.height, spec.width) <= SMALL
    radius = EPS[norm][0 if small else 1] * (box[1] - box[0])
    return radius, [f"eps {radius:.4g} was taken, as is usual for {'small grey' if small else 'such'} images"]


def _open(
    attacked: Attacked, source: str | Path, size: tuple[int, int] | None, mode: str | None, resize: bool,
    box: tuple[float, float],
) -> Images:  # fmt: skip
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
    attacked: Attacked, opened: Images, most: int, seed: int
) -> tuple[Images, NDArray[np.int64], NDArray[np.int64], str]:
    """Images with a split, rows of them `[N]` drawn by `seed`, the model's class of each `[N]`, and which images these are."""
    names = list(opened.report.classes)
    if not names or not (opened.labels >= 0).any():
        raise UsageError(f"{opened.report.source} has no labels: put images into one folder a class")
    data, on = opened.split("test"), "test images"
    if not (data.labels >= 0).any():
        data, on = opened, "images, none of them marked as test"
    rows = np.flatnonzero(data.labels >= 0)
    rows = np.sort(np.random.default_rng(seed).permutation(rows)[:most])
    labels = data.labels[rows]
    if attacked.classifier is not None:
        classes = attacked.classifier.classes
        if strange := [name for name in names if name not in classes]:
            raise UsageError(
                f"{attacked.name} does not know the class '{strange[0]}' of {opened.report.source}; its classes: {', '.join(classes)}"
            )
        labels = np.array([classes.index(name) for name in names])[labels]
    return data, rows, labels, on


def _read_baseline(path: Path) -> Mapping[str, Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        float(told["low"]), float(told["high"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"--baseline {path} is no report.json of `sparring attack`: {error}") from error
    return cast(Mapping[str, Any], told)


def _check_comparable(earlier: Mapping[str, Any], now: Mapping[str, Any], baseline: str | Path | None) -> None:
    for name, value in now.items():
        was = earlier.get(name)
        same = math.isclose(was, value, rel_tol=1e-6) if isinstance(was, float) else was == value
        if not same:
            raise UsageError(f"--baseline {baseline} is of another {name}: {was} there, {value} here")


def _failures(robust: float, fail_below: float | None, earlier: Mapping[str, Any] | None) -> list[str]:
    failures = []
    if fail_below is not None and robust < fail_below:
        failures.append(f"the robust accuracy is {robust:.2%}, below the {fail_below:.2%} of --fail-below")
    if earlier is not None and robust < earlier["low"]:
        failures.append(
            f"the robust accuracy is {robust:.2%}, below the baseline's interval from {earlier['low']:.2%} to {earlier['high']:.2%}"
        )
    return failures


def _folder(attacked: Attacked, out: str | Path | None) -> Path:
    if out is not None:
        return Path(out)
    if attacked.classifier is not None:
        path = Path(attacked.name)
        return (path if path.is_dir() else path.parent) / "attack"
    return Path("attack-" + re.sub(r"[^\w.]+", "-", Path(attacked.name).name))


def _fooled(pixels: NDArray[np.uint8], verdicts: Verdicts, box: tuple[float, float]) -> Picture | None:
    """Some images that an attack broke, above their adversaries."""
    some = [row for row, by in enumerate(verdicts.broken_by) if by and by != CLEAN][:SHOWN]
    if not some:
        return None
    adv: Tensor = (verdicts.adv[some] - box[0]) / (box[1] - box[0])
    return Picture(grid(np.concatenate([pixels[some], to_bytes(adv * 2 - 1)]), len(some)))


def _write(found: Attack, folder: Path, fooled: Picture | None) -> None:
    about = {"model": found.model, "data": found.source, "seed": str(found.seed)}
    page = Page(
        f"{Path(found.model).name} under attack", about, doctor_findings(found.doctor), version=__version__,
        sections=attacked_sections(found, fooled),
    )  # fmt: skip
    write(folder / "report.html", report_page(page))
    write(folder / "report.json", json.dumps(asdict(found), indent=2) + "\n")
