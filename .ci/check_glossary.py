"""Check that src and docs use no word of the glossary in CONTRIBUTING.md: `make check` runs this.

The glossary is a table of three columns: the word; where it is not used; what to write instead. `name`: not an
identifier or file name. `text`: neither in an identifier nor in docstrings, comments, messages and pages. Other
values (`review`) are for people and are not checked.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROW = re.compile(r"^\| `([^`|]+)` \| (name|text) \| (.+?) \|$", re.MULTILINE)
PAGES = ("README.md", "CHANGELOG.md", "docs/*.md", "src/**/*.j2", "src/**/*.html")
HISTORY = "lab-notebook.md"
"""The one page that keeps the words of its time."""

METHODS_OF_LIBRARIES = {"tell"}
"""Methods of cma and optuna (ask and tell), which are called here and not defined."""


class Glossary:
    """The words, by where they are not used."""

    def __init__(self, table: str) -> None:
        """Read the words from the Markdown text that holds the table."""
        words = {(where, word): instead for word, where, instead in ROW.findall(table)}
        self.instead = {word: instead for (_, word), instead in words.items()}
        self.names = {word for where, word in words if where == "name"}
        self.text = {word for where, word in words if where == "text"}
        either = "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in sorted(self.text, key=len, reverse=True))
        self.pattern = re.compile(rf"(?<![\w-])(?:{either})(?![\w-])", re.IGNORECASE)

    def in_name(self, name: str) -> set[str]:
        """Return the words that the identifier `name` is or, for those of `text`, contains between underscores."""
        lowered = name.strip("_").lower()
        return ({lowered} & self.names) | (set(lowered.split("_")) & self.text)

    def in_text(self, text: str, line: int = 1) -> Iterator[tuple[int, str]]:
        """Yield (line, word) for each word in `text`, which begins in `line`."""
        for match in self.pattern.finditer(text):
            yield line + text.count("\n", 0, match.start()), " ".join(match.group().lower().split())


def identifiers(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, name) for every name that a module uses or defines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in METHODS_OF_LIBRARIES:
            continue
        for field in ("id", "attr", "arg", "name", "asname", "module"):
            name = getattr(node, field, None)
            if isinstance(name, str):
                yield from ((getattr(node, "lineno", 1), part) for part in name.split("."))


def in_module(source: str, glossary: Glossary) -> set[tuple[int, str]]:
    """Return (line, word) for each use of a glossary word in Python `source`."""
    tree = ast.parse(source)
    uses = {(line, word) for line, name in identifiers(tree) for word in glossary.in_name(name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            uses |= set(glossary.in_text(node.value, node.lineno))
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            uses |= set(glossary.in_text(token.string, token.start[0]))
    return uses


def main() -> int:
    """Print every use; return 1 where there is any."""
    glossary = Glossary((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    if not glossary.names or not glossary.text:
        print("CONTRIBUTING.md has no glossary table")
        return 1
    uses: list[tuple[Path, int, str]] = []
    for path in (ROOT / "src").rglob("*.py"):
        uses += [(path, 1, word) for word in glossary.in_name(path.stem)]
        uses += [(path, line, word) for line, word in in_module(path.read_text(encoding="utf-8"), glossary)]
    for pattern in PAGES:
        for path in ROOT.glob(pattern):
            if path.name != HISTORY:
                uses += [(path, line, word) for line, word in glossary.in_text(path.read_text(encoding="utf-8"))]
    for path, line, word in sorted(uses):
        print(f"{path.relative_to(ROOT)}:{line}: '{word}' is in the glossary: write {glossary.instead[word]}")
    return 1 if uses else 0


if __name__ == "__main__":
    sys.exit(main())
