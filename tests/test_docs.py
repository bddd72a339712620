"""The pages for people: links that lead somewhere, a short README, and the check of the glossary."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from pages import PAGES, ROOT, prose

README_LINES = 200

_spec = importlib.util.spec_from_file_location("check_glossary", ROOT / ".ci/check_glossary.py")
assert _spec and _spec.loader
check_glossary = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(check_glossary)

TABLE = "| `told` | text | labels |\n| `so many` | text | N |\n| `found` | name | result |\n| `rows` | review | idx |\n"


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page: Path) -> None:
    text = prose(page)
    for link in [*re.findall(r"\]\(([^)\s]+)\)", text), *re.findall(r'src="([^"]+)"', text)]:
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    listed = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted([*(str(page.relative_to(ROOT)) for page in PAGES), "docs/reference.md"])


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= README_LINES


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("found = 1", {(1, "found")}),
        ("found_at = 1", set()),
        ("x.told_labels", {(1, "told")}),
        ("f'{found}'", {(1, "found")}),
        ("def f(*, found): ...", {(1, "found")}),
        ("from told import x", {(1, "told")}),
        ('"""One.\n\nEvery so\nmany images, found."""', {(3, "so many")}),
        ("x = 1  # what was TOLD", {(1, "told")}),
        ("rows = foretold = 1", set()),
    ],
)
def test_glossary_words_are_seen(source: str, expected: set[tuple[int, str]]) -> None:
    assert check_glossary.in_module(source, check_glossary.Glossary(TABLE)) == expected
