"""Print the results as a table in Markdown, or write the tables of docs/results.md from the JSON files.

python benchmarks/table.py
python benchmarks/table.py --write

In the page, what lies between `<!-- begin NAME -->` and `<!-- end NAME -->` is the table that the function NAME of
page_generators.py, page_classifiers.py or page_others.py makes. Only the text around it is typed.
"""

from __future__ import annotations

import argparse
import json
import re

import page_classifiers
import page_generators
import page_others
from record import HERE, RESULTS, markdown

PAGE = HERE.parent / "docs" / "results.md"
TABLES = page_generators.TABLES | page_classifiers.TABLES | page_others.TABLES
MARKED = re.compile(r"(<!-- begin (\w+) -->\n\n).*?(\n\n<!-- end \2 -->)", re.DOTALL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write the tables of docs/results.md")
    if parser.parse_args().write:
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(summary())


def written(page: str) -> str:
    """Return the page with each marked table made anew."""
    return MARKED.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], page)


def summary() -> str:
    """Return one row for each JSON file."""
    rows = []
    for path in sorted(RESULTS.glob("*.json")):
        of = json.loads(path.read_text(encoding="utf-8"))
        machine = of["hardware"]
        gpu = f"{machine['gpu']}, " if machine.get("gpu") else ""
        amx = ", AMX" if machine["amx_bf16"] else ""
        on = f"{gpu}{machine['cores']} cores, {machine['cpu']}{amx}; {of['date'][:10]}"
        link = f"[{of['benchmark']}](results/{path.name})"
        rows.append((link, of["result"], of["target"], "yes" if of["met"] else "**no**", on))
    return markdown(("benchmark", "result", "target", "met", "on"), rows)


if __name__ == "__main__":
    main()
