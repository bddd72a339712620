"""The page of an explanation: hit rate, sentences, effects on all readings, samples along each handle."""

from __future__ import annotations

from collections.abc import Sequence

from sparring.commands.explaining.classifier import EditedExamples
from sparring.commands.explaining.generator import SHOWN_STEP, Shown
from sparring.commands.explaining.result import AnswerExplanation, Explanation, mark_of
from sparring.engine.data_spec import DataSpec
from sparring.measure.effects.effects import Handle, HitRates
from sparring.measure.effects.path_length import LINEAR
from sparring.measure.effects.sentences import MAX_SIDE_EFFECT, MIN_CHANGE
from sparring.report.blocks import Cell, Details, Gallery, Table, Text, bar_cell, protocol_table
from sparring.report.page import Page, Section, page_html
from sparring.report.render import render
from sparring.stats.intervals import Interval


def explanation_page(result: Explanation, spec: DataSpec, shown: Sequence[Shown]) -> str:
    """Return the page as HTML; `shown` are samples along each handle."""
    effects = result.effects
    facts = {
        "run": result.run.name, "handles by": str(result.protocol["finder"]), "fresh samples": f"{effects.count:,}",
        "readings": str(len(effects.readings)),
    }  # fmt: skip
    rates = _hit_rates(effects, "step of {:g} sd", "handles", "random directions of equal change")
    sections = [
        Section("Hit rate", Text(f"{result.verdict}."), rates, Text(_rule(), quiet=True)),
        Section("Sentences", _sentences(result)),
        Section("Effects", Text(_matrix_text()), _matrix(result)),
        *(_samples(handle, spec, each) for handle, each in zip(effects.handles, shown, strict=True)),
        Section("Path length", Text(_path_text(result.path_length))),
        Section("Protocol", Details("Settings", [protocol_table(result.protocol)])),
    ]
    return page_html(Page(f"{result.run.name}: effects of its handles", facts, sections, generated=True))


def _path_text(length: Interval) -> str:
    return (
        f"{length.text(2, 1)}. The squared rate of change of the values along the arc between two latents, divided by "
        f"the squared difference of the two samples. A linear generator has {LINEAR:.2f}; more means that samples stay "
        "alike on parts of the way and jump on others. A blurred or collapsed generator can have a low value as well."
    )


def _hit_rates(rates: HitRates, dose: str, others: str, random: str) -> Table:
    rows = [(dose.format(each), f"{interval.text()} %") for each, interval in rates.doses.items()]
    chance = {f"sentences of other {others}": rates.chance.permuted, random: rates.chance.random}
    rows += [(f"chance: {name}", f"{rate:.1%}") for name, rate in chance.items()]
    return Table(("", "hit rate"), rows, named_rows=True)


def _rule() -> str:
    return (
        f"A sentence holds on a sample where the named reading moves as stated by {MIN_CHANGE:g} standard deviations "
        f"or more, and no other reading by more than {MAX_SIDE_EFFECT:g} times as much, for a step of one standard "
        "deviation in either direction. Sentences were written from other latents. Random directions were scaled to "
        "change the samples as much, and each got its best sentence. What no reading measures is not seen. "
        "In a test of Sparring, which is no part of this run, the known handles of a renderer have a hit rate of 100 %."
    )


def _sentences(result: Explanation) -> Table:
    rows = [
        (each.text, bar_cell(each.rate), each.rate.text(), f"{each.p_value:.3f}",
         mark_of(each), each.layers)
        for each in result.effects.handles
    ]  # fmt: skip
    return Table(("sentence", "", "holds in", "p (Holm)", "verdict", "range"), rows, named_rows=True)


def _matrix_text() -> str:
    return (
        "Mean change of each reading by a step of one standard deviation, in standard deviations over the samples. "
        "The reading of the sentence is marked."
    )


def _matrix(result: Explanation) -> Table:
    rows: list[list[str | Cell]] = []
    for each in result.effects.handles:
        cells = [f"{value:+.2f}" for value in each.change.tolist()]
        marked = [Cell(c, "changed") if k == each.sentence.reading else c for k, c in enumerate(cells)]
        rows.append([each.name, *marked])
    return Table(("", *result.effects.readings), rows, "changes", named_rows=True)


def _samples(handle: Handle, spec: DataSpec, shown: Shown) -> Section:
    signs = {f"-{SHOWN_STEP:g} sd": shown.lower, "0": shown.middle, f"+{SHOWN_STEP:g} sd": shown.upper}
    strips = [render(spec, rows, None, [caption] * len(rows)) for caption, rows in signs.items()]
    return Section(handle.name.capitalize(), Text(handle.text), Gallery(strips, "samples"))


def answers_page(result: AnswerExplanation, spec: DataSpec, shown: Sequence[EditedExamples]) -> str:
    """Return the page of a classifier as HTML; `shown` are examples before and after each edit."""
    effects = result.effects
    facts = {"run": result.run.name, "fresh examples": f"{effects.count:,}", "edits": str(len(effects.edits))}
    rates = _hit_rates(effects, "dose {:g}", "edits", "random edits")
    rows = [
        (each.text, bar_cell(each.rate), each.rate.text(), f"{each.p_value:.3f}", mark_of(each),
         f"{each.log_odds:+.2f}", f"{each.refused.value:.1%}")
        for each in effects.edits
    ]  # fmt: skip
    head = ("sentence", "", "holds in", "p (Holm)", "verdict", "log-odds", "none of these")
    sections = [
        Section("Hit rate", Text(f"{result.verdict}."), rates, Text(_rule_of_answers(), quiet=True)),
        Section("Sentences", Table(head, rows, named_rows=True)),
        *(
            Section(each.name.capitalize(), Text(f"{each.text}. Answers: {', '.join(one.answers)}"),
                    render(spec, one.before, one.after))
            for each, one in zip(effects.edits, shown, strict=True)
        ),
        Section("Protocol", Details("Settings", [protocol_table(result.protocol)])),
    ]  # fmt: skip
    return page_html(Page(f"{result.run.name}: effects of edits", facts, sections))


def _rule_of_answers() -> str:
    return (
        'A sentence holds on an example where the stated answer comes and it is not "none of these", which counts as '
        "out of the distribution. Sentences were written from other examples. A random edit adds one pattern of noise, "
        "scaled to change the examples as much, and each got its best sentence. Log-odds: mean change for the two "
        "classes named, in nats; where the answer stays, of the answer against the next class."
    )
