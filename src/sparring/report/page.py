"""Write a report as one HTML file that is read offline, on a phone or on paper.

The page holds its pictures and sounds, has no script, and forbids the browser to load anything. Text from outside, such
as names of classes and folders, is escaped by the templates.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shlex import join

from markupsafe import Markup

from sparring.engine.version import __version__
from sparring.report.blocks import Block, environment


def command_line() -> str:
    """Return the command line of this process; empty when Sparring is used from Python."""
    return join(["sparring", *sys.argv[1:]]) if Path(sys.argv[0]).name in ("sparring", "__main__.py") else ""


class Section:
    """Part of a page with a heading; a section without content is left out."""

    def __init__(self, title: str, *blocks: Block | None) -> None:
        self.title = title
        self.content = [block for block in blocks if block]
        """Blocks that are not empty."""

    def __html__(self) -> str:
        return "".join(block.__html__() for block in self.content)


@dataclass(frozen=True)
class Page:
    """A report."""

    title: str
    facts: Mapping[str, str]
    """Names and values below the title, such as run, data and seed."""
    sections: Sequence[Section] = ()
    generated: bool = False
    """Whether the page shows samples of a generator, which the footer then says."""
    command: str = field(default_factory=command_line)
    """Command that made the page."""
    version: str = __version__


def page_html(page: Page) -> str:
    """Return the page as HTML."""
    templates = environment()
    assert templates.loader is not None
    css, _, _ = templates.loader.get_source(templates, "page.css")
    return templates.get_template("page.html.j2").render(page=page, css=Markup(css))
