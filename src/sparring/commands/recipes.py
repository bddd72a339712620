"""`sparring recipes`: list what can be trained."""

from __future__ import annotations

from sparring.recipes import RECIPES, Entry, recipes_for

TITLES = {
    "train": "Generators and density models", "classify": "Classifiers", "regress": "Regressors",
    "obfuscate": "Obfuscators", "harden": "Robust classifiers",
}  # fmt: skip


def recipes() -> dict[str, Entry]:
    """Return all recipes by name."""
    return dict(RECIPES)


def to_json(entries: dict[str, Entry]) -> dict[str, str]:
    """Return name -> summary."""
    return {name: entry.summary for name, entry in entries.items()}


def to_text(entries: dict[str, Entry]) -> str:
    """Return the recipes as text, by the command that trains them."""
    lines = []
    for command, title in TITLES.items():
        lines.append(f"{title} (sparring {command}):")
        lines += [f"  {name:17} {entries[name].summary}" for name in recipes_for(command) if name in entries]
    return "\n".join(lines)
