"""What is certain of a smoothed classifier, as a section of the report: a curve over the radius, its figures, every image."""

from __future__ import annotations

from statistics import median

from sparring.measure.classifier.certified_accuracy import CertificationReport, Row
from sparring.report.html import Picture, Section, figure, noted
from sparring.report.svg_plots import curve, percent, text
from sparring.stats.proportion import Proportion


def certified_sections(found: CertificationReport, broken: Picture | None = None) -> list[Section]:
    """What the page tells; `broken` shows images above their adversaries."""
    sections = [
        Section("What is certain", _words(found) + _curve(found) + _table(found)),
        Section("Between certificate and attack", _rows(found)),
    ]
    if broken is not None:
        words = "Images that it knows, and below each the nearest change that was found to break it."
        sections.append(Section("What breaks it", f"<p>{words}</p>{figure(broken, 'Dataset and adversaries')}"))
    return sections


def _words(found: CertificationReport) -> str:
    words = (
        f"In normal noise of deviation {found.sigma:g} (of pixels from 0 to 1, as all radii here), the class that this network says most "
        f"often was looked for by {found.draws:,} draws on each of {len(found.rows):,} {found.tested_on}. Certified: no change of an "
        f"image up to that L2 radius, by whatever attack, alters a right answer; for each image this is wrong with a chance of {found.alpha:g} at "
        f"most. Attacked: not broken by {found.attack}."
    )
    return f"<p>{text(words)}</p>{noted(found.notes)}"


def _curve(found: CertificationReport) -> str:
    lines = {"attacked": found.attacked, "certified": found.certified}
    series = {name: [(level.eps, 100 * level.accuracy.value) for level in levels] for name, levels in lines.items()}
    return f"<figure>{curve('Right answers', series, unit='%', axis='L2 radius')}</figure>"


def _table(found: CertificationReport) -> str:
    head = "<tr><th>radius</th><th>certified</th><th>95 % interval</th><th>attacked</th><th>95 % interval</th></tr>"
    rows = "".join(
        f"<tr><td>{sure.eps:.4g}</td>{_cells(sure.accuracy)}{_cells(stands.accuracy)}</tr>"
        for sure, stands in zip(found.certified, found.attacked, strict=True)
    )
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>'


def _cells(level: Proportion) -> str:
    return f"<td>{percent(level.value)}</td><td>{percent(level.low)} to {percent(level.high)}</td>"


def _rows(found: CertificationReport) -> str:
    both = [(row.certified, row.broken) for row in found.rows if row.certified is not None and row.broken]
    words = "No image is bracketed from both sides."
    if both:
        sure, broke = (median(ends) for ends in zip(*both, strict=True))
        words = (
            f"{len(both):,} images are bracketed from both sides: the truth lies between a median of {sure:.3g} that is certain and "
            f"one of {broke:.3g} where they broke."
        )
    head = "<tr><th>image</th><th>label</th><th>certain up to</th><th>broken at</th></tr>"
    rows = "".join(map(_row, found.rows))
    table = f'<div class="scroll"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>'
    return f"<p>{text(words)}</p><details><summary>Every image</summary>{table}</details>"


def _row(row: Row) -> str:
    sure = "not certain" if row.certified is None else f"{row.certified:.3f}"
    broke = "never" if row.broken is None else f"{row.broken:.3f}" if row.broken else "wrong as it is"
    return f"<tr><td>{text(row.name)}</td><td>{text(row.label)}</td><td>{sure}</td><td>{broke}</td></tr>"
