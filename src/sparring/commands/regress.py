"""`sparring regress`: train a model that predicts numbers; calibrate its intervals and test it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Unpack

from sparring.commands.regressing.parts import Parts
from sparring.commands.regressing.testing import calibrate_and_test
from sparring.commands.regressing.training import play_regressor, start_regressor
from sparring.commands.reporting.progress import Progress
from sparring.commands.reporting.run_report import write_run
from sparring.commands.training.request import Nets, TrainRequest
from sparring.data.dataset import Dataset
from sparring.data.read_keywords import ReadKeywords, read_options
from sparring.engine import dist
from sparring.measure.boosting.grow import MISSING, can_boost, has_trees
from sparring.measure.regression.report import NumberTest, RegressionReport
from sparring.recipes.recipe import Recipe

__all__ = ["regress", "to_text"]


def regress(
    source: str | Path,
    recipe: Recipe | str | None = None,
    *,
    minutes: float | None = None,
    images: int | None = None,
    out: str | Path | None = None,
    seed: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    nets: Nets | None = None,
    progress: Progress | None = None,
    **read: Unpack[ReadKeywords],
) -> RegressionReport:
    """Train a model that predicts the numbers of `source` with intervals, and test it.

    Of a table `label` names the column of the number. Other data have labels that are numbers. An eighth of the
    training examples, 2,000 at most, calibrates the intervals, so that they hold the fraction `coverage` of new
    numbers. On tables boosted trees are grown beside the network. As many further examples, 1,000 at most, decide
    which of the two answers. It is tested on the test split, or else on a fifth of the examples.

    The arguments are the fields of `TrainRequest`; `read` holds fields of `ReadOptions`. `nets` gives the player
    `regressor`, which maps inputs `[B, ...]` to `[B, 3 K]`. `progress` receives messages; by default they go to stderr.

    Raises:
        UsageError: Labels are no numbers, all equal or too few, or settings differ from those of the run at `out`.
        SparringError: The data cannot be used, memory is too small, or the loss diverges (Diverged).
        Stopped: a stop signal came; all is saved.

    """
    request = TrainRequest(
        source=source, recipe=recipe, minutes=minutes, images=images, out=out, seed=seed, device=device,
        precision=precision, nets=nets, read=read_options(read),
    )  # fmt: skip
    dist.check_single_process()
    session, data, parts = start_regressor(request, progress)
    notes = _remarks(data, parts)
    session.notes(notes)
    net = play_regressor(session, data, parts)
    with session.after_training("calibration and test"):
        report = calibrate_and_test(session, net, data, parts, notes)
        session.run.write_json("regression", asdict(report))
        write_run(session.run, ())
        return report


def _remarks(data: Dataset, parts: Parts) -> list[str]:
    """Return notes on the parts of the training examples, and on trees that are missing."""
    count = (
        f"{len(parts.learning):,} {data.report.unit} to learn from, {len(parts.validation):,} to choose by, "
        f"{len(parts.calibration):,} to calibrate intervals by, {len(parts.test):,} to test on"
    )
    return [count, *([MISSING] if has_trees(data.spec) and not can_boost() else [])]


def to_text(report: RegressionReport) -> str:
    """Return the lines that the command prints."""
    lines = [f"run         {report.run}"]
    for test in report.numbers:
        lines += _test_lines(test, report)
    if report.verdict:
        lines.append(f"verdict     {report.verdict} Train it for longer; see `sparring doctor`")
    if report.trees is not None:
        lines += [f"model       {report.trees.choice_text}"]
        lines += [f"trees       {text}" for text in [report.trees.test_text] if text]
    return "\n".join(
        [*lines, f"report      {report.run}/report.html", f"answers     sparring predict {report.run} SOURCE"]
    )


def _test_lines(test: NumberTest, report: RegressionReport) -> list[str]:
    return [
        f"errors      '{test.name}' mean absolute error {test.error.text(4, 1)}, "
        f"root mean square {test.root_mean_square.text(4, 1)}, {report.tested_on}",
        f"baseline    '{test.name}' mean absolute error {test.constant_error.text(4, 1)}, always answering the median",
        f"intervals   '{test.name}' {test.covered} within; mean width "
        f"{test.width.text(4, 1)}, {test.constant_width:.4g} without a model",
        f"nominal     {report.coverage:.0%}, give or take {report.calibration_spread:.1%} by the choice of "
        f"{report.calibration_examples:,} calibration examples",
    ]
