"""Adapt a classifier to an unlabelled target: train every candidate, score them without labels, choose one."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from sparring.commands.adapting.candidates import MINUTES, TrainingLength, candidates_of
from sparring.commands.adapting.domains import Domains, join, open_target, preprocessing, target_labels
from sparring.commands.adapting.scoring import accuracy_of, label_shift, score, test_on_source, with_ranks
from sparring.commands.adapting.training import Candidate, train_candidate
from sparring.commands.reporting.classifier_report import report_of
from sparring.commands.reporting.progress import Progress
from sparring.commands.reporting.run_report import write_run
from sparring.commands.training.interrupt import Stopped, explain_interrupt
from sparring.commands.training.labels import select_labels
from sparring.commands.training.plan import Plan
from sparring.commands.training.request import TrainRequest
from sparring.commands.training.run_settings import run_json
from sparring.commands.training.session import TrainingSession, new_run_folder
from sparring.engine import dist
from sparring.engine.errors import UsageError
from sparring.engine.run_folder import CANDIDATES, Run
from sparring.measure.domains.adaptation_report import AdaptationReport, Choice, Regret
from sparring.measure.domains.choice import SOURCE_ONLY, CandidateScores, choose, simplicity
from sparring.measure.domains.label_shift import LabelShift
from sparring.recipes import recipe_class
from sparring.recipes.recipe import to_settings
from sparring.stats.proportion import Proportion


@dataclass(frozen=True)
class Adaptation:
    """An adaptation, new or resumed, with its domains open."""

    session: TrainingSession
    request: TrainRequest
    recipes: Mapping[str, Any]
    """Name -> recipe of each candidate, source only first."""
    domains: Domains
    """Both domains, the source as it is."""
    mapped: Domains
    """The same with the source's columns mapped to the target's moments."""
    notes: list[str]


def is_adaptation(request: TrainRequest) -> bool:
    """Return True where the request, or the run at its `out`, is about a target domain."""
    out = request.out
    return request.adapt_to is not None or (out is not None and Run(out).exists and "candidates" in Run(out).settings)


def adapt(request: TrainRequest, labels: str | Path | None, progress: Progress | None) -> AdaptationReport:
    """Train the candidates on `request.source` and `request.adapt_to`, choose one and report on all.

    `labels` are target labels for the regret alone (`domains.target_labels`). Raises UsageError where the domains do
    not fit each other, or settings differ from those of the run, Stopped after a signal.
    """
    adaptation = _start(request, progress or Progress())
    session, run = adaptation.session, adaptation.session.run
    try:
        with explain_interrupt("stopped between two candidates"):
            candidates, scores, shift = _train_all(adaptation)
            selected = next(each for each in candidates if each.name == choose(scores))
            by_simplicity = sorted(scores, key=lambda each: simplicity(each.name))
            choice = Choice(str(session.settings.adapt_to), selected.name, tuple(by_simplicity), shift)
            if labels is not None:
                choice = _with_regret(choice, candidates, adaptation, labels)
            _keep(adaptation, selected)
            return _report(adaptation, selected, choice)
    except Stopped as stop:
        reason = str(stop).partition(". Continue with")[0]
        raise Stopped(f"{reason}. Finished training is saved in {run.path}. Continue with: {session.command}") from None


def _start(request: TrainRequest, progress: Progress) -> Adaptation:
    dist.check_single_process()
    if request.nets is not None:
        raise UsageError("--adapt-to trains several recipes and builds their networks: leave `nets` out")
    recipes = candidates_of(request.recipe)
    out = Path(request.out) if request.out is not None else new_run_folder(request.source, "adapted")
    resumed = Run(out).exists
    outer = replace(request, out=out, recipe=None if resumed else recipes[SOURCE_ONLY])
    session = TrainingSession.start("classify", outer, progress)
    if resumed:
        recipes = _same_candidates(session.run, request, recipes)
    settings = session.settings  # a resumed run has its saved settings
    outer = replace(
        outer, adapt_to=settings.adapt_to, seed=settings.seed, labels=settings.labels, read=settings.read,
        labels_file=settings.labels_file,
    )  # fmt: skip
    source = session.open_data()
    source, notes = select_labels(source, session.settings)
    assert session.settings.adapt_to is not None
    target = open_target(session.settings.adapt_to, session.settings.source, source, session.settings.read)
    domains, mapped = join(source, target, mapped=False), join(source, target)
    notes.append(f"{len(target):,} target {target.report.unit} without labels; a fifth of both domains is held out")
    notes += [f"target: {len(names):,} not used: {reason}" for reason, names in target.skipped.items()]
    notes += preprocessing(source.spec, domains, str(session.settings.adapt_to))
    session.notes(notes)
    session = session.resolve(source)
    adaptation = Adaptation(session, outer, recipes, domains, mapped, notes)
    if not resumed:
        _write_settings(adaptation, session.settings.recipe, Plan.of(1, 1))
    return adaptation


def _same_candidates(run: Run, request: TrainRequest, recipes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the candidates that the run was begun with; raise UsageError where others are requested."""
    saved: dict[str, Any] | None = run.settings.get("candidates")
    if saved is None:
        raise UsageError(f"{run.path} is no run of --adapt-to, or a candidate of one: choose another --out")
    if request.recipe is not None and {name: to_settings(recipe) for name, recipe in recipes.items()} != saved:
        raise UsageError(
            f"{run.path} was begun with the candidates {', '.join(saved)}, or other settings of these: leave --recipe "
            "and its flags out, or choose another --out"
        )
    return {name: recipe_class(name)(**_tuples(settings)) for name, settings in saved.items()}


def _tuples(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}


def _write_settings(adaptation: Adaptation, recipe: Any, plan: Plan) -> None:
    session = adaptation.session
    content = run_json(replace(session.settings, recipe=recipe), adaptation.domains.source, plan, session.hardware)
    candidates = {name: to_settings(each) for name, each in adaptation.recipes.items()}
    session.run.write_settings({**content, "candidates": candidates, "target": adaptation.domains.target.fingerprint})


def _train_all(adaptation: Adaptation) -> tuple[list[Candidate], list[CandidateScores], LabelShift]:
    """Train and score every candidate; the best one so far estimates the class shares for the next."""
    session, names = adaptation.session, list(adaptation.recipes)
    settings = session.settings
    minutes = settings.minutes or (None if settings.images else MINUTES[adaptation.domains.source.spec.kind])
    lengths = TrainingLength(minutes, settings.images).split(names)
    candidates: dict[str, Candidate] = {}
    scores: list[CandidateScores] = []
    shift: LabelShift | None = None
    for k, (name, recipe) in enumerate(adaptation.recipes.items()):
        session.progress.info(f"\ncandidate {k + 1} of {len(names)}: {name}")
        if shift is not None and not recipe.class_shares:
            recipe = replace(recipe, class_shares=tuple(round(share, 6) for share in shift.training_shares))
        domains = adaptation.mapped if recipe.uses_target else adaptation.domains
        run = Run(session.run.path / CANDIDATES / name)
        candidates[name] = train_candidate(adaptation.request, run, recipe, lengths[name], domains, session.progress)
        scores.append(score(candidates[name]))
        shift = shift or label_shift(candidates[name], scores[0])
        scores = with_ranks(scores, shift)
        best = choose(scores)
        shift = label_shift(candidates[best], next(each for each in scores if each.name == best))
    assert shift is not None
    return list(candidates.values()), with_ranks(scores, shift), shift


def _with_regret(choice: Choice, candidates: list[Candidate], adaptation: Adaptation, labels: str | Path) -> Choice:
    """Return the choice with every candidate's accuracy on labelled target rows, and the regret."""
    settings, domains = adaptation.session.settings, adaptation.domains
    assert settings.adapt_to is not None
    data, values = target_labels(labels, settings.adapt_to, domains.source, domains.target, settings.read)
    accuracies = {each.name: Proportion.count(*accuracy_of(each.classifier, data, values)) for each in candidates}
    best = max(accuracies, key=lambda name: accuracies[name].value)
    what = "target rows, in training without labels" if data is domains.target else f"target {data.report.unit}"
    regret = Regret(what, accuracies[choice.selected], accuracies[SOURCE_ONLY], best, accuracies[best])
    scores = tuple(replace(each, target_accuracy=accuracies[each.name].value) for each in choice.candidates)
    return replace(choice, candidates=scores, regret=regret)


def _keep(adaptation: Adaptation, selected: Candidate) -> None:
    """Make the selected candidate the model of the run: weights, metrics, last checkpoint, recipe and plan."""
    run, settings = adaptation.session.run, selected.run.settings
    selected.classifier.save(run.path)
    shutil.copyfile(selected.run.path / "metrics.jsonl", run.path / "metrics.jsonl")
    shutil.rmtree(run.path / "checkpoints", ignore_errors=True)
    last = selected.run.checkpoints()[-1]
    shutil.copytree(last, run.path / "checkpoints" / last.name)
    plan = Plan(**settings["plan"])
    _write_settings(adaptation, selected.classifier.recipe, plan)


def _report(adaptation: Adaptation, selected: Candidate, choice: Choice) -> AdaptationReport:
    """Test the selected classifier on the source's test, and write classification.json, choice.json, report.html."""
    session, source = adaptation.session, adaptation.domains.source
    run = session.run
    test = test_on_source(selected, source, session.progress)
    base = report_of(run, selected.classifier, source, test, adaptation.notes)
    values = {field.name: getattr(base, field.name) for field in fields(base)}
    report = AdaptationReport(**{**values, "to_label": ""}, choice=choice)
    run.write_json("classification", asdict(replace(base, to_label="")))
    run.write_json("choice", asdict(choice))
    write_run(run, ())
    return report
