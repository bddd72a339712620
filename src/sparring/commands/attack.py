"""`sparring attack`: attack a model on data of any kind, and report its robust accuracy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from sparring.commands.attacking.ci_gate import CiGate
from sparring.commands.attacking.flags import KindFlags
from sparring.commands.attacking.load_strategy import StrategyTarget, is_strategy, load_strategy
from sparring.commands.attacking.load_target import Target, load_target
from sparring.commands.attacking.output import output_folder, write_report
from sparring.commands.attacking.selection import class_order_note, open_for, select, split_flags
from sparring.commands.attacking.suites import attack_suite
from sparring.commands.attacking.suites.base import AttackContext, Outcome, Subset
from sparring.commands.attacking.suites.synthetic_sounds import is_synthetic
from sparring.commands.attacking.suites.trading import TRADING
from sparring.commands.reporting.progress import Progress, of_process
from sparring.commands.training.interrupt import explain_interrupt
from sparring.data.prices import PricesSpec, read_prices
from sparring.data.reader_api import ReadOptions
from sparring.data.readers.series import WINDOW
from sparring.data.summary import check_readable, summary
from sparring.engine import dist
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.seeds import check_seed
from sparring.engine.version import __version__
from sparring.report.attack_report import AttackReport, robust_interval
from sparring.report.attack_section import attack_page


@explain_interrupt("stopped before the attack began: nothing was written. The same command starts again")
def attack(
    model: str | Path,
    source: str | Path,
    *,
    count: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    baseline: str | Path | None = None,
    fail_below: float | None = None,
    device: str = "auto",
    precision: str = "fp32",
    progress: Progress | None = None,
    **flags: Any,
) -> AttackReport:
    """Attack `model` on `count` labelled rows of `source`, drawn by `seed` from the test split where there is one.

    `model` is a run, `module:callable`, TorchScript, an exported program or ONNX: from inputs `[B, ...]` to logits
    `[B, K]`. `source` is opened like the data of a run; a run of sounds also takes synthetic ones: noise, hum, clicks,
    chord, or nonspeech for all four.

    The suite depends on the kind of data, and so do `flags`: the fields of `ReadOptions` (how `source` is read) and of
    `commands.attacking.flags`: `eps` and `norm` of images and series; `version` and `box` of images; `target`, `db`,
    `masked` and `channel` of sounds; `move`, `immutable`, `increasing`, `decreasing` and `max_columns` of tables;
    `channels` and `steps` of series. A model `strategy:NAME` trades by `source`, a table of prices; its flags are
    `participation`, `bars`, `position` and the rules of the market (docs/trading.md). With `precision` bf16 the search
    of images is in bf16, and all verdicts are in float32.

    `failures` of the report lists the missed conditions: robust proportion below `fail_below`, or below the interval of
    `baseline`, an earlier report.json. Writes report.html, report.json and samples to `out`. An interrupted call goes
    on when it is repeated. Raises UsageError on settings or data that do not fit, SparringError where the model fails.
    """
    check_seed(seed)
    if count is not None and count < 1:
        raise UsageError(f"--count must be 1 or more, not {count}")
    options, kind_flags = split_flags(flags)
    gate = CiGate.read(fail_below, baseline, "attack", robust_interval)
    dist.init()
    hardware = Hardware.find(device, precision)
    target = load_strategy(str(model)) if is_strategy(model) else load_target(model, hardware.device)
    progress = of_process(progress)
    subset = _subset(target, source, options, kind_flags, count, seed, hardware.device, progress)
    folder = output_folder(target, "attack", out)
    context = AttackContext(target, subset, kind_flags, seed, hardware, folder, progress)
    prepared = attack_suite(subset.spec).prepare(context)
    settings = {"kind": subset.spec.kind, **prepared.settings}
    gate.check_comparable(settings)
    outcome = prepared.run()
    report = _report(context, str(source), settings, outcome)
    report = replace(report, failures=gate.failures("the robust proportion", outcome.robust.value))
    write_report(folder, report.to_json(), attack_page(report, outcome.sections(report)), outcome.files)
    return report


def _subset(
    target: Target, source: str | Path, options: ReadOptions, flags: KindFlags, count: int | None, seed: int,
    device: torch.device, progress: Progress,
) -> Subset:  # fmt: skip
    """Return the rows to attack, once the flags fit their kind."""
    if isinstance(target, StrategyTarget):
        return _prices(target, source, options, flags, count)
    if is_synthetic(source):
        suite = attack_suite(target.spec) if target.spec else None
        if target.spec is None or suite is None or suite.synthesize is None:
            raise UsageError(
                f"{source} are synthetic sounds, and {target.name} is not a run of sounds: give data of its kind"
            )
        flags.check_kind(target.spec.kind)
        return suite.synthesize(target, str(source), count or suite.count, seed, device)
    data = open_for(target, source, options)
    flags.check_kind(data.spec.kind)
    progress.info(summary(data.report))
    check_readable(data.report, force=options.force)
    suite = attack_suite(data.spec)
    return select(target, data, count or suite.count, seed, suite.unit, device)


def _prices(
    target: StrategyTarget, source: str | Path, options: ReadOptions, flags: KindFlags, count: int | None
) -> Subset:
    """Return the bars of `source`, the last windows of which are attacked."""
    flags.check_kind(PricesSpec.kind)
    if target.window is not None and options.window not in (None, target.window):
        raise UsageError(f"{target.name} reads windows of {target.window} bars: leave out --window {options.window}")
    spec = PricesSpec(target.window or options.window or WINDOW, count or TRADING.count)
    if spec.length < target.shortest:
        raise UsageError(
            f"{target.name} reads {target.shortest} bars or more: take a longer --window than {spec.length}"
        )
    bars, none = read_prices(source, options), torch.zeros(0, dtype=torch.int64)
    return Subset(
        spec, bars.values, bars.times, [], none, bars.values[:0], none, (),
        f"the last signals of {len(bars.times):,} bars", notes=bars.notes,
    )  # fmt: skip


def _report(context: AttackContext, source: str, settings: dict[str, Any], outcome: Outcome) -> AttackReport:
    return AttackReport(
        kind=context.subset.spec.kind,
        target=context.target.name,
        data=source,
        selection=context.subset.description,
        attack=outcome.attack,
        clean=outcome.clean,
        robust=outcome.robust,
        details=outcome.details,
        settings=settings,
        seed=context.seed,
        out=str(context.folder),
        curve=outcome.curve,
        by_class=outcome.by_class,
        per_attack=outcome.per_attack,
        versions={"sparring": __version__, "torch": torch.__version__},
        findings=list(outcome.findings),
        notes=[*context.subset.notes, *outcome.notes, *class_order_note(context.target, context.subset.classes)],
    )


def to_text(report: AttackReport) -> str:
    """Return the lines that the command prints."""
    return report.to_text()
