"""`sparring attack`: attack a model on data of any kind, and report its robust accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from sparring.commands.attacking.ci_gate import CiGate
from sparring.commands.attacking.flags import KindFlags
from sparring.commands.attacking.load_target import Target, load_target
from sparring.commands.attacking.output import output_folder, write_report
from sparring.commands.attacking.selection import select
from sparring.commands.attacking.suites import attack_suite
from sparring.commands.attacking.suites.base import AttackContext, Outcome
from sparring.commands.predict import open_like
from sparring.commands.reporting.progress import Progress
from sparring.commands.training.run_settings import TrainRequest
from sparring.data.dataset import Dataset
from sparring.data.image_shape import parse_size
from sparring.data.open import open_images
from sparring.engine.atomic_io import remove
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.version import __version__
from sparring.report.attack_report import AttackReport, robust_interval
from sparring.report.attack_section import attack_page


def attack(
    model: str | Path,
    source: str | Path,
    *,
    count: int | None = None,
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
    **flags: Any,
) -> AttackReport:
    """Attack `model` on `count` labelled rows of `source`, drawn by `seed` from the test split where there is one.

    `model` is a run, `module:callable`, TorchScript, an exported program or ONNX: from inputs `[B, ...]` to logits
    `[B, K]`. The suite depends on the kind of data, and so do `flags`, the fields of
    `sparring.commands.attacking.flags.KindFlags`: `eps` and `norm` of images and series, `target`, `db`, `masked` and
    `channel` of sounds, `move`, `immutable`, `increasing`, `decreasing` and `max_columns` of tables. With `precision`
    bf16 the search of images is in bf16, and all verdicts are in float32.

    `failures` of the report lists the missed conditions: robust proportion below `fail_below`, or below the interval of
    `baseline`, an earlier report.json. Writes report.html, report.json and samples to `out`. An interrupted call goes on
    when it is repeated. Raises UsageError on settings or data that do not fit, SparringError where the model fails.
    """
    TrainRequest(seed=seed)
    if count is not None and count < 1:
        raise UsageError(f"--count must be 1 or more, not {count}")
    kind_flags = KindFlags.from_values(flags)
    gate = CiGate.read(fail_below, baseline, "attack", robust_interval)
    hardware, progress = Hardware.find(device, precision), progress or Progress()
    target = load_target(model, hardware.device)
    data = _open(target, source, parse_size(size), mode, resize)
    kind_flags.check_kind(data.spec.kind)
    suite = attack_suite(data.spec)
    subset = select(target, data, count or suite.count, seed, suite.unit, hardware.device)
    folder = output_folder(target, "attack", out)
    prepared = suite.prepare(AttackContext(target, subset, kind_flags, seed, hardware, folder, progress))
    gate.check_comparable({"kind": data.spec.kind, **prepared.settings})
    outcome = prepared.run()
    report = AttackReport(
        kind=data.spec.kind,
        target=target.name,
        data=str(source),
        selection=subset.description,
        attack=outcome.attack,
        clean=outcome.clean,
        robust=outcome.robust,
        details=outcome.details,
        settings={"kind": data.spec.kind, **prepared.settings},
        seed=seed,
        out=str(folder),
        curve=outcome.curve,
        by_class=outcome.by_class,
        per_attack=outcome.per_attack,
        versions={"sparring": __version__, "torch": torch.__version__},
        notes=list(outcome.notes),
        failures=gate.failures("the robust proportion", outcome.robust.value),
    )
    _write(report, outcome, folder)
    return report


def _write(report: AttackReport, outcome: Outcome, folder: Path) -> None:
    page = attack_page(report, outcome.sections(report), outcome.findings)
    write_report(folder, report.to_json(), page, outcome.files)
    remove(folder / "parts")


def _open(target: Target, source: str | Path, size: tuple[int, int] | None, mode: str | None, resize: bool) -> Dataset:
    if target.classifier is None:
        if resize:
            raise UsageError(
                "--resize is for runs: --size and --mode bring images to the shape of another tool's model"
            )
        return open_images(source, size, mode, keep_duplicates=True).split(None)
    if size or mode:
        raise UsageError(
            "--size and --mode are for models of other tools: --resize brings images to the shape of a run's"
        )
    return open_like(target.classifier, source, resize=resize)


def to_text(report: AttackReport) -> str:
    """Return the lines that the command prints."""
    return report.to_text()
