"""The page of a tuning: verdict, course, importance, and the surface of the scores."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sparring.commands.tuning.result import TuningResult
from sparring.commands.tuning.search import TrialResult
from sparring.commands.tuning.surface import MIN_TRIALS, Surface, axis_name, axis_value, position
from sparring.commands.tuning.worker import settings_text
from sparring.report.blocks import Details, Drawing, Gallery, Table, Text
from sparring.report.page import Page, Section, page_html
from sparring.report.score_map import score_map
from sparring.report.svg_plots import curve


def tuning_page(result: TuningResult) -> str:
    """Return the page as HTML."""
    facts = {
        "run": result.run.name, "data": result.source, "recipe": result.recipe, "trials": str(len(result.trials)),
        "examples of a trial": f"{result.images:,}", "suggestions by": result.sampler,
    }  # fmt: skip
    sections = [
        Section("Result", Text(f"{result.verdict_text}."), _settings(result), Text(f"`{result.command}`")),
        Section("Course", Text(_course_text(result)), _course(result), Details("Every trial", [_trials(result)])),
        *_surface_sections(result),
    ]  # fmt: skip
    return page_html(Page(f"{result.run.name}: tuning", facts, sections))


def _settings(result: TuningResult) -> Table:
    defaults, best = result.defaults, result.best
    rows = [
        (name, f"{defaults.params[name]:g}", f"{best.params[name]:g}", f"{of.low:g} to {of.high:g}{', log' * of.log}",
         f"{result.importance[name]:.0%}" if name in result.importance else "")
        for name, of in result.space.items()
    ]  # fmt: skip
    rows.append((f"{result.score} of the trial", _score(defaults), _score(best), "", ""))
    return Table(("setting", "default", "best", "range", "importance"), rows)


def _score(trial: TrialResult) -> str:
    return "" if trial.score is None else f"{trial.score:.4g}"


def _course_text(result: TuningResult) -> str:
    stopped = sum(t.state == "stopped" for t in result.trials)
    return (
        f"Each trial is a run in {result.run / 'trials'}; its score is measured on training examples that were held "
        f"out of it, never on the test split. {stopped} of {len(result.trials)} trials were stopped early, in the "
        "worse half of those at the same checkpoint."
    )


def _course(result: TuningResult) -> Drawing:
    scored = [(t.number, t.score) for t in result.trials if t.score is not None]
    lowest, best = math.inf, []
    for t in result.trials:
        if t.state == "complete" and t.score is not None:
            lowest = min(lowest, t.score)
            best.append((t.number, lowest))
    return Drawing(curve(result.score, {"trial": scored, "best so far": best}, axis="trial", latest=False))


def _trials(result: TuningResult) -> Table:
    rows = [
        (str(t.number), t.state, f"{t.examples:,}", _score(t), settings_text(t.params)) for t in result.trials
    ]  # fmt: skip
    return Table(("trial", "state", "examples", result.score, "settings"), rows)


def _surface_sections(result: TuningResult) -> list[Section]:
    """Return expected scores over each field, and over the two that matter most; none where there are few trials."""
    scored = [t for t in result.trials if t.score is not None and t.state != "running"]
    if len(scored) < MIN_TRIALS or len({t.score for t in scored}) < 2:
        return []
    surface, at = Surface(result.space, scored), result.best.params
    plots = []
    for name, of in result.space.items():
        values, mean, low, high = surface.curve(name, at)
        series = {
            each: list(zip(values, line.tolist(), strict=True))
            for each, line in (("expected", mean), ("lower end", low), ("upper end", high))
        }
        mark = axis_value(of, position(of, at[name]))
        plots.append(Drawing(curve(name, series, axis=axis_name(name, of), mark=mark, latest=False)))
    text = (
        "Expected score by a Gaussian process on all trials, with its 95 % band; the other settings are the best ones. "
        "Importance is the fraction of the variance over the whole range that a setting explains alone (fANOVA)."
    )
    return [
        Section("Surface", Text(text), Gallery(plots, "curves"), *_maps(result, surface, scored)),
    ]


def _maps(result: TuningResult, surface: Surface, scored: Sequence[TrialResult]) -> list[Drawing]:
    by_importance = sorted(result.space, key=lambda name: -result.importance.get(name, 0.0))
    if len(by_importance) < 2:
        return []
    across, up = by_importance[:2]
    dots = [
        (position(result.space[across], t.params[across]), position(result.space[up], t.params[up]),
         f"trial {t.number}: {_score(t)}")
        for t in scored
    ]  # fmt: skip
    axes = [
        (axis_name(name, result.space[name]), axis_value(result.space[name], 0), axis_value(result.space[name], 1))
        for name in (across, up)
    ]
    best = next(k for k, t in enumerate(scored) if t.number == result.best.number)
    scores = surface.map(across, up, result.best.params).tolist()
    return [Drawing(score_map(f"{result.score} over {across} and {up}", scores, (axes[0], axes[1]), dots, best))]
