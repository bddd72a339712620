"""Print the table of results as Markdown.

python benchmarks/table.py
"""

from __future__ import annotations

import json

from record import RESULTS


def main() -> None:
    print("| benchmark | result | target | met | on |")
    print("|---|---|---|---|---|")
    for path in sorted(RESULTS.glob("*.json")):
        summary = json.loads(path.read_text(encoding="utf-8"))
        machine = summary["hardware"]
        gpu = f"{machine['gpu']}, " if machine.get("gpu") else ""
        amx = ", AMX" if machine["amx_bf16"] else ""
        on = f"{gpu}{machine['cores']} cores, {machine['cpu']}{amx}; {summary['date'][:10]}"
        met = "yes" if summary["met"] else "**no**"
        print(
            f"| [{summary['benchmark']}](results/{path.name}) | {summary['result']} | "
            f"{summary['target']} | {met} | {on} |"
        )


if __name__ == "__main__":
    main()
