"""What was found out about a run -> `report.html`: one page in one file, read offline, on a phone or on paper.

It holds its pictures, needs no script and asks no one for anything; its first lines forbid the browser to. Whatever comes
from outside, names of classes and folders say, is shown as text.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sparring.engine.image_io import grid
from sparring.measure.diagnostics.findings import Finding, Severity
from sparring.measure.scores.evaluation import Evaluation, Memorisation, Nash, Score
from sparring.report.svg_plots import interval, number, percent, share_line, text

PICTURE_SIDE, PAIR_SIDE = 1600, 512
"""Pixels: larger pictures are made smaller, so that the page can be sent to someone."""
LOSSLESS = 400_000
"""Pixels up to which a picture is stored exactly."""


@dataclass(frozen=True)
class Picture:
    """An image and what stands beside it."""

    image: Image.Image
    caption: str = ""


class Section(NamedTuple):
    """A part of the page with a heading of its own."""

    title: str
    content: str
    """HTML; what comes from outside is shown as text (`curves.text`)."""


@dataclass(frozen=True)
class Page:
    """What the report shows; a section with nothing in it is left out."""

    title: str
    about: Mapping[str, str]
    """What this is: run, recipe, data, images trained, seed."""
    findings: Sequence[Finding] = ()
    samples: Sequence[Picture] = ()
    """One picture, or one a class with the class as its caption."""
    film: bytes | None = None
    """An animated WebP."""
    evaluation: Evaluation | None = None
    pairs: Sequence[Picture] = ()
    """From `pairs`."""
    curves: Sequence[str] = ()
    """From `curve`."""
    version: str = ""
    command: str = ""
    """With which the page was made."""
    sections: Sequence[Section] = ()
    """Of what is told besides: of a classifier, say."""


def pairs(samples: NDArray[np.uint8], neighbours: NDArray[np.uint8], distances: Sequence[float]) -> tuple[Picture, ...]:
    """Each sample `[N, H, W, C]` beside its nearest training image, with their distance as the caption."""
    beside = [grid(np.stack(pair), 2) for pair in zip(samples, neighbours, strict=True)]
    for image in beside:
        image.thumbnail((PAIR_SIDE, PAIR_SIDE))
    return tuple(Picture(image, number(far)) for image, far in zip(beside, distances, strict=True))


def report_page(page: Page) -> str:
    """The page as HTML."""
    found = page.evaluation
    sections = (
        _heading(page),
        _section("The doctor's words", _findings(page.findings)),
        *(_section(*section) for section in page.sections),
        _section("Samples", _samples(page.samples)),
        _section("The film", _film(page.film)),
        _section("Scores", _scores(found)),
        _section("Can they be told apart?", _nash(found.nash if found else None)),
        _section("Are they copies?", _memorisation(found.memorisation if found else None) + _pairs(page.pairs)),
        _section("Curves", _curves(page.curves)),
        _section("Protocol", protocol_table(found.protocol if found else {})),
        _made(page),
    )
    return (
        HEAD.format(title=text(page.title), style=STYLE)
        + "\n".join(filter(None, sections))
        + "\n</main></body></html>\n"
    )


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>\n{content}</section>" if content else ""


def _heading(page: Page) -> str:
    return f"<header><h1>{text(page.title)}</h1>{listed(page.about)}</header>"


MARKS: Mapping[Severity, tuple[str, str]] = {"ill": ("✕", "Ill"), "notice": ("!", "Notice"), "well": ("✓", "Healthy")}
"""In the order of the page: what needs help comes first."""


def _findings(findings: Sequence[Finding]) -> str:
    shown = sorted(findings, key=lambda finding: list(MARKS).index(finding.severity))
    return "".join(map(_finding, shown))


def _finding(finding: Finding) -> str:
    icon, word = MARKS[finding.severity]
    figure = f'<p class="quiet">{text(finding.figure)}</p>' if finding.figure else ""
    advice = f"<p>Try next: <code>{text(finding.advice)}</code></p>" if finding.advice else ""
    return (
        f'<div class="finding {finding.severity}"><p class="mark"><span aria-hidden="true">{icon}</span>{word}</p>'
        f"<div><p><strong>{text(finding.words)}</strong></p>{figure}{advice}</div></div>\n"
    )


def _samples(samples: Sequence[Picture]) -> str:
    rows = "".join(figure(picture, f"Samples {picture.caption}".rstrip()) for picture in samples)
    return f'<div class="samples">{rows}</div>' if rows else ""


def _film(film: bytes | None) -> str:
    """On paper, and for those who asked their system for less motion, it stands still at its last frame."""
    if not film:
        return ""
    with Image.open(io.BytesIO(film)) as frames:
        frames.seek(getattr(frames, "n_frames", 1) - 1)
        still = _uri(frames.convert("RGB"))
    moving = f"data:image/webp;base64,{base64.b64encode(film).decode()}"
    return (
        '<p class="quiet">The same latents, from the first image of the training to the last.</p>'
        f'<img class="moving" src="{moving}" alt="The samples over the training">'
        f'<img class="still" src="{still}" alt="The samples at the end of the training">'
    )


def _scores(found: Evaluation | None) -> str:
    if found is None or not (found.scores or found.warnings):
        return ""
    table = (
        '<p>The nearer a score is to that of real data against real data, the better.</p><div class="scroll">'
        '<table class="scores"><thead><tr><th>Score</th><th>Value</th><th>95 % interval</th><th>Real data</th>'
        f'<th class="drawing"></th></tr></thead><tbody>{"".join(map(_score, found.scores))}</tbody></table></div>'
        '<p class="key quiet"><span class="dot"></span> value <span class="bar"></span> its interval '
        '<span class="stroke"></span> real data; each line begins at 0</p>'
    )
    return (table if found.scores else "") + noted(found.warnings)


def _score(score: Score) -> str:
    name, bracket, features = score.name.partition("[")
    features = f"<wbr><span>{text(bracket + features)}</span>" if bracket else ""
    known = not (math.isnan(score.low) or math.isnan(score.high))
    between = f"{number(score.low)} to {number(score.high)}" if known else "unknown"
    floor = "unknown" if score.floor is None else number(score.floor)
    return (
        f"<tr><th><b>{text(name)}</b>{features}</th><td><b>{number(score.value)}</b></td><td>{between}</td><td>{floor}</td>"
        f'<td class="drawing">{interval(score.value, score.low, score.high, score.floor)}</td></tr>'
    )


def _nash(nash: Nash | None) -> str:
    if nash is None:
        return ""
    gap = {} if nash.duality_gap is None else {"Duality gap of the game": number(nash.duality_gap)}
    return (
        f"{_words(nash.words)}<figure>{share_line(nash.accuracy, nash.low, nash.high, 'guessing', 'told apart')}</figure>"
        f"{listed(gap)}"
    )


def _memorisation(found: Memorisation | None) -> str:
    if found is None:
        return ""
    items = {
        "Copied share": percent(found.copied_share),
        "Duplicates among the samples": f"{found.duplicates:,}",
        "p-value": number(found.p_value),
        "Test statistic C_T": number(found.c_t),
    }
    return _words(found.words) + listed(items)


def _pairs(shown: Sequence[Picture]) -> str:
    if not shown:
        return ""
    figures = "".join(figure(pair, f"A sample and its nearest training image, {pair.caption} apart") for pair in shown)
    words = "The closest pairs: left the sample, right the training image nearest to it, below them the distance."
    return f'<p>{words}</p><div class="pairs">{figures}</div>'


def _curves(curves: Sequence[str]) -> str:
    figures = "".join(f"<figure>{curve}</figure>" for curve in curves if curve)
    return f'<div class="curves">{figures}</div>' if figures else ""


def protocol_table(protocol: Mapping[str, Any]) -> str:
    """Settings by name, as HTML; objects within are told key by key."""
    rows = "".join(f"<tr><th>{text(name)}</th><td>{text(value)}</td></tr>" for name, value in _flat(protocol))
    return f'<div class="scroll"><table class="protocol"><tbody>{rows}</tbody></table></div>' if rows else ""


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Every key, those of inner objects after the outer one's and a dot."""
    for name, value in values.items():
        match value:
            case Mapping() if value:
                yield from _flat(value, f"{before}{name}.")
            case list() | tuple() if any(isinstance(part, Mapping) for part in value):
                yield from _flat({str(k): part for k, part in enumerate(value)}, f"{before}{name}.")
            case list() | tuple():
                yield f"{before}{name}", ", ".join(map(str, value)) or "none"
            case bool():
                yield f"{before}{name}", "yes" if value else "no"
            case _:
                yield f"{before}{name}", "none" if value is None or value == {} else str(value)


def _made(page: Page) -> str:
    command = f" with <code>{text(page.command)}</code>" if page.command else ""
    told = " The samples are no photographs: a neural network generated them." if page.samples or page.film else ""
    return f"<footer><p>Made by {text(f'Sparring {page.version}'.rstrip())}{command}.{told}</p></footer>"


def _words(words: str) -> str:
    return f"<p>{text(words)}</p>" if words else ""


def listed(items: Mapping[str, str]) -> str:
    """Names and values side by side, as HTML."""
    rows = "".join(f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in items.items())
    return f"<dl>{rows}</dl>" if rows else ""


def noted(notes: Iterable[str]) -> str:
    """Notes in a box, as HTML; nothing where there are none."""
    told = "".join(f"<li>{text(note)}</li>" for note in notes)
    return f'<ul class="warnings">{told}</ul>' if told else ""


def figure(picture: Picture, alt: str) -> str:
    """The picture with its caption, as HTML."""
    caption = f"<figcaption>{text(picture.caption)}</figcaption>" if picture.caption else ""
    return f'<figure><img src="{_uri(picture.image)}" alt="{text(alt)}">{caption}</figure>'


def _uri(image: Image.Image) -> str:
    """The image itself as an address: exact where it is small, hardly worse where it is large."""
    shown = image.copy()
    shown.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    content = io.BytesIO()
    if shown.width * shown.height <= LOSSLESS:
        shown.save(content, kind := "PNG", optimize=True)
    else:
        shown.save(content, kind := "WEBP", quality=90)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(content.getvalue()).decode()}"


HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style></head><body><main>
"""

STYLE = """
:root {
  --paper: #fff; --ink: #1b1f24; --quiet: #59616b; --line: #dfe3e8; --card: #f6f7f9;
  --well: #00734f; --notice: #8a5a00; --ill: #b3261e;
  --s1: #0072b2; --s2: #d55e00; --s3: #009e73; --s4: #b4528a; --s5: #8a6d00;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --ink: #e7eaee; --quiet: #a0a8b2; --line: #30363e; --card: #1c2026;
    --well: #4cc99a; --notice: #f0b649; --ill: #ff8a80;
    --s1: #56b4e9; --s2: #ef8a3c; --s3: #2fc59b; --s4: #e29ac4; --s5: #e6d84a;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem 3rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 0 0 .9rem; }
section { margin-top: 2.75rem; }
p { margin: 0 0 .75rem; max-width: 44rem; text-wrap: pretty; }
code { font: .9em ui-monospace, monospace; background: var(--card); border: 1px solid var(--line);
  border-radius: 4px; padding: .1em .35em; overflow-wrap: anywhere; }
.quiet, dt { color: var(--quiet); }
.quiet, dt, figcaption { font-size: .9rem; }
dl { display: flex; flex-wrap: wrap; gap: .75rem 2.25rem; margin: 0 0 1rem; }
dl div { min-width: 0; }
dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
figure { margin: 0 0 .5rem; break-inside: avoid; }
figcaption { color: var(--quiet); overflow-wrap: anywhere; }
img, svg { display: block; max-width: 100%; height: auto; }
img { border-radius: 4px; outline: 1px solid var(--line); }
.still { display: none; }
@media (prefers-reduced-motion: reduce) { .moving { display: none; } .still { display: block; } }
.finding { display: flex; gap: 1.25rem; padding: .9rem 1.1rem; margin-bottom: .75rem; background: var(--card);
  border: 1px solid var(--line); border-left: 5px solid var(--tone); border-radius: 6px; break-inside: avoid; }
.finding p { margin: 0 0 .2rem; }
.mark { flex: 0 0 6.5rem; color: var(--tone); font-weight: 600; white-space: nowrap; }
.mark span { display: inline-block; width: 1.5em; height: 1.5em; line-height: 1.45em; margin-right: .5em;
  border: 2px solid; border-radius: 50%; text-align: center; font-size: .85em; }
.well { --tone: var(--well); } .notice { --tone: var(--notice); } .ill { --tone: var(--ill); }
.samples { display: grid; gap: .4rem; }
.samples figure, .pairs figure, .curves figure { margin: 0; }
.samples figure { display: flex; flex-direction: row-reverse; justify-content: flex-end; align-items: center; gap: 1rem; }
.samples img { flex: 0 1 auto; min-width: 0; }
.samples figcaption { flex: 0 0 6.5rem; text-align: right; }
.pairs { display: flex; flex-wrap: wrap; gap: 1rem; }
.pairs figcaption { text-align: center; font-variant-numeric: tabular-nums; }
.pairs img { max-height: 8rem; width: auto; }
.scroll { overflow-x: auto; }
.scores { width: 100%; }
.scores td { white-space: nowrap; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .45rem 1.5rem .45rem 0; text-align: left; vertical-align: middle; border-bottom: 1px solid var(--line); }
thead th { color: var(--quiet); font-size: .9rem; font-weight: 400; }
tbody th { font-weight: 400; overflow-wrap: anywhere; }
tbody th span { color: var(--quiet); white-space: nowrap; }
tr { break-inside: avoid; }
.protocol { font-size: .9rem; }
.protocol th { color: var(--quiet); }
.protocol td { overflow-wrap: anywhere; }
.turned th, .turned td { vertical-align: top; white-space: nowrap; padding-right: 1rem; padding-left: .6rem; }
.warnings + * { margin-top: 1rem; }
.turned .changed { background: var(--card); box-shadow: inset 3px 0 var(--s2); }
.changed del, .changed ins { text-decoration: none; }
.changed del { color: var(--quiet); }
.changed ins { font-weight: 600; }
.key { margin-top: .6rem; }
.key span { display: inline-block; vertical-align: middle; margin: 0 .2rem 0 .8rem; }
.key .dot { width: 8px; height: 8px; border-radius: 50%; background: var(--s1); margin-left: 0; }
.key .bar { width: 24px; height: 7px; background: var(--s1); opacity: .4; }
.key .stroke { width: 2.5px; height: 16px; background: var(--s2); }
.warnings { margin: 1rem 0 0; padding: .7rem 1rem .7rem 2rem; background: var(--card); border-left: 5px solid var(--notice);
  border-radius: 6px; }
.curves { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 2rem 1.5rem; }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--quiet); font-size: .9rem; }
@media (max-width: 40rem) {
  main { padding: 1.25rem 1rem 2rem; }
  h1 { font-size: 1.6rem; }
  .scores thead th:first-child, .scores thead .drawing { display: none; }
  .scores, .scores thead, .scores tbody { display: block; }
  .scores tr { display: grid; grid-template-columns: 4fr 7fr 4fr; padding: .5rem 0; border-bottom: 1px solid var(--line); }
  .scores th, .scores td { border: 0; padding: .1rem .5rem .1rem 0; white-space: normal; }
  .scores tbody th, .scores .drawing { grid-column: 1 / -1; }
  .bars .drawing { display: none; }
  .finding { flex-direction: column; gap: .3rem; }
  .mark { flex: none; }
  .samples figure, .pairs figure, .curves figure { margin: 0; }
.samples figure { flex-direction: column-reverse; align-items: flex-start; gap: .1rem; }
  .samples figcaption { flex: none; }
  th, td { padding-right: .8rem; }
  dl { display: grid; grid-template-columns: 1fr 1fr; gap: .6rem 1rem; }
}
@media print {
  body { font-size: 11pt; }
  main { max-width: none; padding: 0; }
  section { margin-top: 1.75rem; }
  h2, h2 + p, thead { break-after: avoid; }
  img { outline: none; }
  th, td { padding: .25rem .8rem .25rem 0; }
  .turned th, .turned td { font-size: 7.5pt; white-space: normal; overflow-wrap: normal; padding: .25rem .3rem; }
  .moving { display: none; }
  .still { display: block; }
  .curves { grid-template-columns: 1fr 1fr; }
  .finding, .warnings, .changed, code { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
