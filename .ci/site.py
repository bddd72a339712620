"""Build the pages as a site: gather them under .site/pages, then run Zensical. `make site` runs this.

The pages keep their places relative to each other, so that a link works in the repository and on the site alike.
The reference page is written here from the names of `sparring/__init__.pyi`; mkdocstrings fills in the docstrings.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / ".site" / "pages"
MARKDOWN = ("*.md", "docs/*.md", "benchmarks/*.md")
LINK = re.compile(r'(?:\]\(|src=")(?!https?:)([^)\s"#]+)')


def gather() -> None:
    """Copy the pages and the files that they link to, and write the reference page."""
    shutil.rmtree(PAGES, ignore_errors=True)
    pages = [path for pattern in MARKDOWN for path in ROOT.glob(pattern)]
    linked = {(page.parent / link).resolve() for page in pages for link in LINK.findall(page.read_text("utf-8"))}
    for path in {*pages, *(path for path in linked if path.is_file())}:
        copy = PAGES / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    (PAGES / "docs" / "reference.md").write_text(reference(), encoding="utf-8")


def reference() -> str:
    """Return the page of all public names, by the room that defines them."""
    stub = (ROOT / "src/sparring/__init__.pyi").read_text(encoding="utf-8")
    rooms: dict[str, list[str]] = {}
    for module, room, name in re.findall(r"^from (sparring\.(\w+)\S*) import ([A-Za-z]\w*) as", stub, re.MULTILINE):
        rooms.setdefault(room, []).append(f"::: {module}.{name}\n")
    parts = [f"## sparring.{room}\n\n" + "\n".join(names) for room, names in rooms.items()]
    return "# Reference\n\nAll names of `import sparring`, by the subpackage that defines them.\n\n" + "\n".join(parts)


if __name__ == "__main__":
    gather()
    sys.exit(subprocess.call([sys.executable, "-m", "zensical", "build", "--clean", "--strict"], cwd=ROOT))
