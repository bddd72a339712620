"""`sparring restore`: fill holes of one picture, remove its noise, or enlarge it, without training data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from shlex import quote

import torch
from torch import Tensor

from sparring.commands.reporting.progress import Progress
from sparring.commands.restoring.error import error_estimate
from sparring.commands.restoring.fitting import Level, Plan, carry_over, forget, measure_step, play_level
from sparring.commands.restoring.request import DEFAULT_MINUTES, RestoreRequest, check_same
from sparring.commands.restoring.result import Restoration, RuleStep, restoration_page
from sparring.commands.restoring.setup import Job, prepare
from sparring.commands.training.interrupt import explain_interrupt
from sparring.commands.training.session import new_run_folder
from sparring.engine.atomic_io import write
from sparring.engine.device import Hardware
from sparring.engine.image_io import save_png
from sparring.engine.run_folder import Run
from sparring.engine.version import __version__

SETTINGS = "restore"
"""Name of the file of settings. It is no run.json: other commands are for models, and a restoration is none."""


def restore(
    picture: str | Path,
    *,
    mask: str | Path | None = None,
    noise: float | Sequence[float] | None = None,
    scale: int | None = None,
    jpeg: bool = False,
    minutes: float | None = None,
    steps: int | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    progress: Progress | None = None,
) -> Restoration:
    """Restore one picture by a network that is fitted to it alone (Ulyanov et al. 2018, the deep image prior).

    Give one task: `mask`, a picture of the same size, white where pixels are known and black where they are filled;
    `noise`, its standard deviation in grey levels of 255, or True to estimate it; `scale`, 2 or 4; or `jpeg`.

    The fit stops by itself, or after `minutes` (5 by default) or `steps`. Writes restored.png, report.html and
    restoration.json to the folder `out`, by default a new one below runs/. A call that was stopped goes on when it is
    repeated with the same `out`. The picture itself is never written to.

    Raises:
        UsageError: The settings, the mask or the folder do not fit the picture or each other.
        SparringError: The picture cannot be read, or memory is too small.
        Stopped: a stop signal came; all is saved.

    """
    request = RestoreRequest(
        picture=Path(picture), mask=Path(mask) if mask is not None else None, noise=noise, scale=scale, jpeg=jpeg,
        minutes=minutes, steps=steps, seed=seed,
    )  # fmt: skip
    progress, hardware = progress or Progress(), Hardware.find(device, precision)
    run = Run(out if out is not None else new_run_folder(picture, "restored"))
    with explain_interrupt("stopped before the fit began: nothing was written. The same command starts again"):
        job = prepare(request, hardware)
        if (saved := run.read_json(SETTINGS)) is not None:
            check_same(run, saved, request, job.digests)
        else:
            run.check_writable()
        if (finished := run.read_json("restoration")) is not None:
            return Restoration.from_json(finished)
        for note in job.notes:
            progress.info(f"note: {note}")
        plan = _plan(run, request, job, hardware, progress)
    command = f"{_command(request)} --out {quote(str(run.path))}"
    level = _fit(run, job, plan, seed, hardware, progress, command)
    with explain_interrupt(f"stopped while the results were written. Go on by: {command}"):
        return _finish(run, request, job, plan, level)


def _plan(run: Run, request: RestoreRequest, job: Job, hardware: Hardware, progress: Progress) -> Plan:
    """Return the plan of the folder, or a new one, which is written there and printed."""
    if (saved := run.read_json(SETTINGS)) is not None:
        return Plan(**saved["plan"])
    if request.steps is not None:
        plan = Plan.of(request.steps, job.coarse)
    else:
        progress.info("measuring the speed ...")
        seconds = measure_step(job.task, job.architecture, request.seed, hardware)
        plan = Plan.in_minutes(request.minutes or DEFAULT_MINUTES, seconds, job.coarse)
    height, width = job.task.size
    progress.info(
        f"plan: {plan.to_text(width, height)}; about {job.memory / 1e9:.1f} GB of memory; {hardware.describe()}"
    )
    if advice := plan.advice():
        progress.info(f"note: {advice}")
    run.write_json(
        SETTINGS,
        {
            "picture": str(request.picture), "request": request.settings(), "digests": job.digests,
            "plan": asdict(plan), "architecture": asdict(job.architecture), "hardware": hardware.describe(), 
            "versions": {"sparring": __version__, "torch": torch.__version__},
        },
    )  # fmt: skip
    return plan


def _fit(run: Run, job: Job, plan: Plan, seed: int, hardware: Hardware, progress: Progress, command: str) -> Level:
    """Fit at half the size, where the plan has steps for it, then at full size; return the fitted level."""
    half = job.task.coarse() if plan.coarse_steps else None
    fine = Level.build(job.task, job.architecture, run, plan.steps, seed, hardware, half)
    if half is not None and not run.checkpoints():
        folder = Run(run.path / "coarse")
        coarse = Level.build(half, job.architecture, folder, plan.coarse_steps, seed, hardware)
        play_level(coarse, "fitting, half size", plan.save_every * 4, seed, hardware, progress, lambda: False, command)
        carry_over(coarse, fine)
    play_level(fine, "fitting", plan.save_every, seed, hardware, progress, fine.settled, command)
    return fine


def _finish(run: Run, request: RestoreRequest, job: Job, plan: Plan, level: Level) -> Restoration:
    """Write the picture, the page and restoration.json, the last; remove the checkpoints."""
    fit, task, source = level.fit.cpu(), job.task, job.picture
    output, rule = level.selected()
    error = error_estimate(task, output)
    restored = job.paste(task.consistent(output, (error.rms / 255) ** 2 if error else 0.0))
    steps = int(fit.steps)
    result = Restoration(
        picture=str(request.picture), task=request.kind, run=str(run.path), restored=str(run.path / "restored.png"),
        report=str(run.report_path), width=restored.shape[3], height=restored.shape[2], steps=steps, planned=plan.steps,
        stopped_by=task.rules[0] if steps < plan.steps else "end", rule=rule, rules=_rule_steps(level, output),
        sigma=task.sigma * 255 or None, error=error, seed=request.seed, notes=job.notes,
    )  # fmt: skip
    after, before, simple = (source.to_image(pixels) for pixels in (restored, job.shown(), job.paste(task.baseline())))
    save_png(
        after, run.path / "restored.png", f"{request.picture.name}, restored ({request.kind}), seed {request.seed}"
    )
    write(run.report_path, restoration_page(result, before, after, simple, run.metrics()))
    run.write_json("restoration", result.to_json())
    forget(run)
    forget(Run(run.path / "coarse"))
    return result


def _rule_steps(level: Level, output: Tensor) -> list[RuleStep]:
    """Return the step that each rule selects, and how far its picture is from the restored one."""
    steps, restored = [], level.task.consistent(output)
    for rule in level.task.rules:
        minimum = level.fit.minimum(rule)
        if minimum.exists:
            steps.append(RuleStep(rule, int(minimum.step), _distance(level.task.consistent(minimum.output), restored)))
    last = _distance(level.task.consistent(level.fit.average), restored)
    return [*steps, RuleStep("end", int(level.fit.steps), last)]


def _distance(x: Tensor, y: Tensor) -> float:
    """Return the root mean square difference of two pictures, in grey levels of 255."""
    return float((x - y).square().mean().sqrt()) * 255


def _command(request: RestoreRequest) -> str:
    """Return the command line of a request, without --out."""
    given = f" {request.sigma:g}" if request.sigma is not None else ""
    task = {
        "mask": f"--mask {quote(str(request.mask))}", "noise": f"--noise{given}", "scale": f"--scale {request.scale}",
        "jpeg": "--jpeg",
    }[request.kind]  # fmt: skip
    seed = f" --seed {request.seed}" if request.seed else ""
    return f"sparring restore {quote(str(request.picture))} {task}{seed}"


def to_text(result: Restoration) -> str:
    """Return the lines that the command prints."""
    return result.to_text()
