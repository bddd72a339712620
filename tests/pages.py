"""The pages for people, and the commands and Python code in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")])
HISTORY = {"CHANGELOG.md", "lab-notebook.md"}
"""Pages that name what was there at the time."""
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"(?:\.venv/bin/|srun |until |torchrun .*-m )?sparring (.*?)(?:; do)?$")


def prose(page: Path) -> str:
    """The text of a page without its blocks of code."""
    return BLOCK.sub("", page.read_text(encoding="utf-8"))


def commands(page: Path) -> Iterator[str]:
    """The arguments of each `sparring` command in blocks without a language, in their order."""
    for language, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        lines = block.replace("\\\n", " ").splitlines() if language in ("", "bash") else []
        yield from (match[1] for line in lines if (match := COMMAND.match(line)))


def inline_commands(page: Path) -> Iterator[str]:
    """The arguments of each `sparring` command within a sentence, complete or not."""
    for code in re.findall(r"`([^`]+)`", prose(page)):
        if code.startswith("sparring "):
            yield code.removeprefix("sparring ").replace("\n", " ")


def python(page: Path) -> Iterator[str]:
    """The blocks of Python code."""
    return (block for language, block in BLOCK.findall(page.read_text(encoding="utf-8")) if language == "python")


def shortened(args: list[str]) -> list[str]:
    """The arguments of a training with 64 examples in place of its length."""
    kept = [arg for k, arg in enumerate(args) if not {"--minutes", "--images"} & {arg, args[k - 1] if k else ""}]
    return [*kept, "--images", "64", "--device", "cpu"]
