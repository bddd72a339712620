"""Turn a text into a task: what it says, checked against and completed by what the data hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sparring.commands.solving.competition import Competition, find_competition
from sparring.commands.solving.fetching import Fetched, fetch_source
from sparring.commands.solving.lexicon import COLUMN_PHRASE, KINDS, PREDICT
from sparring.commands.solving.parts import check_parts
from sparring.commands.solving.reading import Reading, read_text
from sparring.commands.solving.stated import Overrides, Stated, is_picture, state
from sparring.commands.solving.task import Ask, Decision, Task, Unclear, refuse
from sparring.commands.solving.translator import translate
from sparring.data.dataset import SourceReport
from sparring.data.files.download import is_url
from sparring.data.known_names import PublishedName
from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions
from sparring.data.summary import printable
from sparring.data.tables.cells import to_number
from sparring.data.web.hubs import is_hub
from sparring.engine.data_spec import Column, SeriesSpec, TableSpec, spec_from_json
from sparring.engine.errors import UsageError, did_you_mean

TABLE_FORMATS = ("text table", "parquet")
SUPERVISED = ("classify", "few labels", "regress", "harden", PREDICT)
"""Kinds of task that learn from labels."""
UNTRAINED = ("attack", "certify", "evaluate")
"""Kinds of task that train nothing."""
COMMON_TARGETS = ("label", "labels", "class", "target", "y", "outcome", "category", "species", "diagnosis", "income")
"""Names that columns of classes often have."""
MAX_CANDIDATES = 12
MAX_NUMBERED_CLASSES = 20
"""Different numbers, from more of which on `predict` means the number and not a class."""
MAX_CLASSES = 100
"""Categories of a column that may be classes."""
METRICS = {
    "generate": "Fréchet distance and coverage, beside real data against real data",
    "classify": "errors on test examples, beside simple classifiers",
    "few labels": "errors on test examples, beside simple classifiers",
    "regress": "mean absolute error on test examples, beside the mean",
    "density": "negative log-likelihood of test examples",
    "outliers": "p-value of each example among held-out ones",
    "restore": "error of hidden pixels",
    "harden": "accuracy on test examples under attack",
    "attack": "accuracy under attack",
    "certify": "certified accuracy by radius",
    "evaluate": "Fréchet distance and coverage of samples beside real data, or accuracy of a classifier",
}
"""Kind of task -> what its result is judged by."""
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class Understood:
    """A task, and the data that it was checked against."""

    task: Task
    report: SourceReport | None
    """None where the source is one picture or is not opened."""
    reading: Reading
    competition: Competition | None = None
    """Files of a competition, where the source is a folder of one."""
    note: str = ""
    """What a language model did."""


def understand(
    text: str,
    flags: Overrides,
    ask: Ask = refuse,
    on_progress: OnProgress = lambda done, total: None,
    llm_model: str | None = None,
) -> Understood:
    """Return the task of a text. Raises Unclear where it is not understood, UsageError where data do not fit it.

    `llm_model` completes what the lexicon reads (`translator.py`).
    """
    reading, note = read_text(text), ""
    if llm_model is not None:
        reading, note = translate(text, reading, llm_model)
    stated = state(reading, flags, ask)
    _check_fetched(stated)
    fetched = fetch_source(stated.source, ask)
    stated = _with_page(replace(stated, source=fetched.source), fetched)
    competition = find_competition(Path(stated.source.value))
    if competition is not None:
        stated = _with_competition(stated, competition)
    if stated.kind is not None and stated.kind.value == "restore":
        return Understood(_picture_task(stated, stated.kind), None, reading)
    label, drop = flags.label, (stated.drop.value,) if stated.drop.value else ()
    options = ReadOptions(label=label, drop=drop)
    report = open_source(stated.source.value, options, on_progress=on_progress).report
    if _is_supervised(stated) and label is None and _is_series_of_a_table(report):
        report = open_source(stated.source.value, replace(options, kind="table"), on_progress=on_progress).report
    target = _target(stated, flags, report, ask)
    if competition is not None and label is None:
        target = Decision(competition.target, f"the column of {competition.sample.name}", "data", "--label")
    if target.value is not None and label is None:
        options = replace(options, label=target.value)
        report = open_source(stated.source.value, options, on_progress=on_progress).report
    kind = _kind(stated, report, ask)
    task = _task(stated, kind, target, report, fetched.licence)
    check_parts(task, report)
    return Understood(task, report, reading, competition, note)


def _with_competition(stated: Stated, competition: Competition) -> Stated:
    """Return what is stated, with the files of a competition and the column of its sample submission."""
    sample, kind = competition.sample.name, stated.kind
    return replace(
        stated,
        kind=kind or Decision(PREDICT, f"{sample} is to be handed in", "data", "--task"),
        source=Decision(str(competition.train), f"the labelled rows beside {sample}", "data", "--source"),
        predict=Decision(str(competition.test), f"the rows of {sample}", "data", "--predict"),
        drop=Decision(competition.id_column, f"the id of {sample}", "data", ""),
        reading=replace(stated.reading, target=competition.target.lower()),
    )


def _with_page(stated: Stated, fetched: Fetched) -> Stated:
    """Return what is stated, with what the page of the data says where the text says nothing: kind and target."""
    if not fetched.words:
        return stated if fetched.target is None else _with_target(stated, fetched.target.lower())
    page = read_text(fetched.words)
    kinds = {kind: words for kind, words in page.kinds.items() if kind in KINDS or kind == PREDICT}
    if stated.kind is None and len(kinds) == 1:
        ((kind, words),) = kinds.items()
        stated = replace(stated, kind=Decision(kind, f"'{words}' on the page of the data", "data", "--task"))
    reading = replace(stated.reading, text=f"{stated.reading.text} {page.text}")
    return _with_target(replace(stated, reading=reading), page.target)


def _with_target(stated: Stated, target: str | None) -> Stated:
    reading = stated.reading
    return replace(stated, reading=replace(reading, target=reading.target or target))


def _check_fetched(stated: Stated) -> None:
    """Raise UsageError where a published data set is named that has to be fetched by hand."""
    published: PublishedName | None = next(
        (mention.published for mention in stated.reading.mentions if mention.text == stated.source.value), None
    )
    if published is not None and not published.is_fetched:
        way_out = (
            f"write its address, {published.by_hand}, in place of the name"
            if is_hub(published.by_hand)
            else f"get it from {published.by_hand}, and give the folder, the archive or the address of its files"
        )
        raise UsageError(f"{published.name} is not fetched by its name: {way_out}")


def _kind(stated: Stated, report: SourceReport, ask: Ask) -> Decision[str]:
    """Return the kind of task: what is said, checked against the labels of the data; else what these suggest."""
    has_labels, has_numbers = len(report.classes) > 1, report.vectors > 0
    if stated.kind is None:
        if has_labels:
            evidence = f"{len(report.classes)} classes in the data, and nothing else is said"
            return Decision("classify", evidence, "data", "--task", "generate")
        answer = ask("the text names data and no task: choose one by --task", ["generate", "density", "outliers"])
        return Decision(answer, "the answer to a question", "flag", "--task")
    kind = stated.kind
    if kind.value == PREDICT and (has_labels or has_numbers):
        are_numbers = not has_labels or _are_numbers(list(report.classes))
        what, evidence = ("regress", "numbers") if are_numbers else ("classify", f"{len(report.classes)} classes")
        return Decision(what, f"{kind.evidence}, and the labels are {evidence}", "data", "--task")
    if kind.value in ("classify", "few labels") and not has_labels and has_numbers:
        if kind.certainty == "flag":
            raise Unclear(f"the labels are numbers, and {kind.evidence} means classes: --task regress predicts numbers")
        return Decision("regress", f"{kind.evidence}, and the labels are numbers", "data", "--task", kind.value)
    if kind.value == "regress" and has_labels:
        raise Unclear(
            f"{kind.evidence} means numbers, and the labels are {len(report.classes)} classes "
            f"({', '.join(list(report.classes)[:4])}): --task classify, or --label names a column of numbers"
        )
    if kind.value in SUPERVISED and not has_labels and not has_numbers:
        raise UsageError(
            f"{report.source} has no labels, which '{kind.value}' learns from: put the examples of each class in a "
            "folder of its own, or name the column of the class by --label"
        )
    if kind.value == "classify" and report.unlabelled > report.used // 2:
        evidence = f"{report.used - report.unlabelled:,} of {report.used:,} examples have a label"
        return Decision("few labels", evidence, "data", "--task", "classify")
    return kind


def _are_numbers(classes: Sequence[str]) -> bool:
    """Return True for many classes that are numbers: counts or measurements, not names of classes."""
    return len(classes) > MAX_NUMBERED_CLASSES and all(to_number(name) is not None for name in classes)


def _is_series_of_a_table(report: SourceReport) -> bool:
    """Return whether a table with a column of times was read as a series, which has no column to predict."""
    spec = spec_from_json(report.spec)
    return isinstance(spec, SeriesSpec) and not spec.classes and report.format in TABLE_FORMATS


def _is_supervised(stated: Stated) -> bool:
    return stated.kind is not None and stated.kind.value in SUPERVISED


def _target(stated: Stated, flags: Overrides, report: SourceReport, ask: Ask) -> Decision[str | None]:
    """Return the column to predict of a table; None for other data and tasks."""
    spec = spec_from_json(report.spec)
    if flags.label is not None:
        if not isinstance(spec, TableSpec):
            raise UsageError(f"--label is for tables, and {report.source} holds {spec.plural}: leave it out")
        return Decision(flags.label, f"--label {flags.label}", "flag", "--label")
    if not isinstance(spec, TableSpec) or not _is_supervised(stated):
        return Decision(None, "none is needed", "default", "--label")
    if report.classes or report.vectors:
        return Decision(spec.target, "the source names it", "data", "--label")
    names = [*(column.name for column in spec.columns), *spec.left_out]
    if decision := _named(stated.reading, names):
        return decision
    if decision := _by_values(stated.reading, spec.columns):
        return decision
    common = [name for name in names if name.lower().strip() in COMMON_TARGETS]
    if len(common) == 1:
        return Decision(
            common[0], f"the only column with a common name of a class among {len(names)}", "data", "--label"
        )
    likely = [c.name for c in spec.columns if 2 <= len(c.categories) <= MAX_CLASSES][::-1] or names[::-1]
    answer = ask("which column is to be predicted? Name it in the text, or by --label", likely[:MAX_CANDIDATES])
    return Decision(answer, "the answer to a question", "flag", "--label")


def _named(reading: Reading, names: Sequence[str]) -> Decision[str | None] | None:
    """Return the column that the text names; raises Unclear where it names one that is not there."""
    by_name = {_plain(name): name for name in names}
    if reading.target is not None:
        if (column := by_name.get(_plain(reading.target))) is not None:
            return Decision(column, f"'{reading.target}' in the text", "text", "--label")
        if COLUMN_PHRASE.search(reading.text):
            raise Unclear(f"there is no column '{reading.target}': {did_you_mean(reading.target, names)}; or --label")
    words = set(re.findall(r"[a-z0-9_-]+", re.sub(r"<\d+>", "", reading.text)))
    named = [name for plain, name in by_name.items() if len(plain) > 2 and plain in map(_plain, words)]
    return Decision(named[0], "the only column that the text names", "text", "--label") if len(named) == 1 else None


def _by_values(reading: Reading, columns: Sequence[Column]) -> Decision[str | None] | None:
    """Return the column of two or more categories of which the text holds one, such as `50k` of `>50K`."""
    words = set(re.findall(r"[a-z0-9]{3,}", re.sub(r"<\d+>", "", reading.text)))
    holders = {
        column.name: category
        for column in columns
        if 2 <= len(column.categories) <= MAX_CLASSES
        for category in column.categories
        if _plain(category) in words
    }
    if len(holders) != 1:
        return None
    ((name, category),) = holders.items()
    return Decision(name, f"its value '{category}' is in the text", "text", "--label")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _task(
    stated: Stated, kind: Decision[str], target: Decision[str | None], report: SourceReport, licence: str
) -> Task:  # fmt: skip
    """Return all fields of the task."""
    splits = ", ".join(f"{name} {count:,}" for name, count in report.splits.items())
    marked = "the source marks them" if report.test_marked else "drawn from all"
    classes = tuple(report.classes)
    sizes = report.classes.values()
    counts = f"{len(classes)} with {min(sizes):,} to {max(sizes):,} examples" if classes else "there are none"
    return Task(
        kind=kind, source=stated.source,
        data_kind=Decision(report.kind, report.evidence, "data", ""),
        target=target,
        classes=Decision(classes, counts, "data", ""),
        splits=Decision(splits, marked, "data", ""),
        metric=Decision(METRICS[kind.value], "the default of the task", "default", ""),
        licence=_licence(stated, licence), **_shared(stated),
    )  # fmt: skip


def _picture_task(stated: Stated, kind: Decision[str]) -> Task:
    """Return the task of restoring one picture."""
    if not is_picture(stated.source.value):
        raise Unclear(f"{stated.source.value} is no picture file: --source names the picture to restore")
    nothing: Decision[Any] = Decision(None, "none is needed", "default", "")
    return Task(
        kind=kind, source=stated.source, data_kind=Decision("image", "one picture file", "data", ""), target=nothing,
        classes=Decision((), "none are needed", "default", ""), splits=Decision("", "none are needed", "default", ""),
        metric=Decision(METRICS["restore"], "the default of the task", "default", ""),
        licence=Decision("unknown", "a picture of your own", "default", ""), **_shared(stated),
    )  # fmt: skip


def _shared(stated: Stated) -> dict[str, Any]:
    """Return the fields that do not depend on the data."""
    labels, count = (stated.quantities[name] for name in ("labels", "count"))
    return {
        "model": stated.model, "mask": stated.mask, "labels_file": stated.labels_file, "drop": stated.drop,
        "predict": stated.predict,
        **{name: stated.quantities[name] for name in ("minutes", "eps", "private")},
        "labels": Decision(int(labels.value) if labels.value else None, labels.evidence, labels.certainty, labels.flag),
        "count": Decision(int(count.value or 0), count.evidence, count.certainty, count.flag),
    }  # fmt: skip


def _licence(stated: Stated, named: str) -> Decision[str]:
    if named:
        return Decision(named, "named by the hub", "data", "")
    where = "the address" if is_url(stated.source.value) else "the source"
    return Decision("unknown", f"{where} states none that is read: check it before you share results", "default", "")


def parts_of(task: Task) -> list[tuple[str, Decision[Any]]]:
    """Return the names and decisions of the parts that matter to the task."""
    without = {"count"} if task.kind.value != "generate" else set()
    without |= {"minutes"} if task.kind.value in UNTRAINED else set()
    return [
        (name.replace("_", " "), decision)
        for name, decision in vars(task).items()
        if name not in without and not (decision.value in (None, (), "") and decision.certainty == "default")
    ]


def describe(task: Task) -> list[str]:
    """Return a line for each field: value, evidence, and the flag that overrides it."""
    lines = [f"{'task':10} {task.kind.value}: {KINDS[task.kind.value]}"]
    for name, decision in parts_of(task):
        value = ", ".join(decision.value[:8]) if isinstance(decision.value, tuple) else decision.value
        flag = f"; {decision.flag} overrides it" if decision.flag else ""
        other = f"; otherwise {decision.runner_up}" if decision.runner_up else ""
        value = f"{value:g}" if isinstance(value, float) else value
        lines.append(printable(f"{name:10} {value}  ({decision.certainty}: {decision.evidence}{other}{flag})"))
    return lines
