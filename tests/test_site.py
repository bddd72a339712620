"""The pages as a site: it builds without a warning, every link in it leads somewhere, every public name is in it."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

import sparring

ROOT = Path(__file__).parent.parent
HTML = ROOT / ".site" / "html"
LINK = re.compile(r'(?:href|src)="(?!\w+:|//)([^"?]*)"')

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(map(importlib.util.find_spec, ("zensical", "mkdocstrings"))), reason="the extra [site] is not installed"
    ),
]


@pytest.fixture(scope="module")
def pages() -> dict[Path, str]:
    """Every page of the site, built afresh."""
    done = subprocess.run([sys.executable, ROOT / ".ci/site.py"], capture_output=True, text=True, timeout=240)
    said = done.stdout + done.stderr
    assert done.returncode == 0 and "No issues found" in said and "warning" not in said.lower(), said
    return {path: path.read_text(encoding="utf-8") for path in HTML.rglob("*.html")}


def test_every_link_leads_to_a_file_and_an_anchor_of_the_site(pages: dict[Path, str]) -> None:
    anchors = {path: set(re.findall(r'\bid="([^"]+)"', text)) for path, text in pages.items()}
    broken = set()
    for page, text in pages.items():
        for link in LINK.findall(text):
            path, _, anchor = unquote(link).partition("#")
            target = HTML / path[1:] if path.startswith("/") else (page.parent / path).resolve() if path else page
            target = target / "index.html" if target.is_dir() else target
            if not target.exists() or (anchor and target in anchors and anchor not in anchors[target]):
                broken.add(f"{page.relative_to(HTML)}: {link}")
    assert not broken


def test_every_public_name_is_in_the_reference_and_found_by_search(pages: dict[Path, str]) -> None:
    text = pages[HTML / "docs" / "reference.html"]
    names = set(re.findall(r'id="sparring\.[\w.]+\.(\w+)"', text))
    assert set(sparring.__all__) <= names
    assert any(
        "sparring.commands.train.train" in item["location"]
        for item in json.loads((HTML / "search.json").read_text())["items"]
    )
