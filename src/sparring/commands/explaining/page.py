"""The page of an explanation: hit rate, sentences, effects on all readings, samples along each handle."""

from __future__ import annotations

from collections.abc import Sequence

from sparring.commands.explaining.generator import SHOWN_STEP, Shown
from sparring.commands.explaining.result import Explanation
from sparring.engine.data_spec import DataSpec
from sparring.measure.effects.effects import DOSES, Handle
from sparring.measure.effects.sentences import MAX_SIDE_EFFECT, MIN_CHANGE
from sparring.report.blocks import Block, Cell, Details, Table, Text, bar_cell, protocol_table
from sparring.report.page import Page, Section, page_html
from sparring.report.render import render


def explanation_page(result: Explanation, spec: DataSpec, shown: Sequence[Shown]) -> str:
    """Return the page as HTML; `shown` are samples along each handle."""
    effects = result.effects
    facts = {
        "run": result.run.name, "handles by": str(result.protocol["finder"]), "fresh samples": f"{effects.count:,}",
        "readings": str(len(effects.readings)),
    }  # fmt: skip
    sections = [
        Section("Hit rate", Text(f"{result.verdict}."), _rates(result), Text(_rule(), quiet=True)),
        Section("Sentences", _sentences(result)),
        Section("Effects", Text(_matrix_text()), _matrix(result)),
        *(_samples(handle, spec, each) for handle, each in zip(effects.handles, shown, strict=True)),
        Section("Protocol", Details("Settings", [protocol_table(result.protocol)])),
    ]
    return page_html(Page(f"{result.run.name}: effects of its handles", facts, sections, generated=True))


def _rates(result: Explanation) -> Table:
    effects = result.effects
    rows = [(f"step of {dose:g} sd", effects.doses[dose].text() + " %") for dose in DOSES]
    rows += [
        ("chance: sentences of other handles", f"{effects.chance.permuted:.1%}"),
        ("chance: random directions of equal change", f"{effects.chance.random:.1%}"),
        ("a renderer with known handles", "100 %"),
    ]
    return Table(("", "hit rate"), rows, named_rows=True)


def _rule() -> str:
    return (
        f"A sentence holds on a sample where the named reading moves as stated by {MIN_CHANGE:g} standard deviations "
        f"or more, and no other reading by more than {MAX_SIDE_EFFECT:g} times as much, for a step of one standard "
        "deviation in either direction. Sentences were written from other latents. Random directions were scaled to "
        "change the samples as much, and each got its best sentence. What no reading measures is not seen."
    )


def _sentences(result: Explanation) -> Table:
    rows = [
        (each.text, bar_cell(each.rate), each.rate.text(), f"{each.p_value:.3f}",
         "beyond chance" if each.is_beyond_chance else "not beyond chance", each.layers)
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
    strips: list[Block] = [Text(handle.text)]
    strips += [render(spec, rows, None, [caption] * len(rows)) for caption, rows in signs.items()]
    return Section(handle.name.capitalize(), *strips)
