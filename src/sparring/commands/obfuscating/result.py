"""The result of `sparring obfuscate`: what adversaries predict before and after, and the cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sparring.measure.leakage.result import SHUFFLED, Leak

ORIGINAL, NOISE, OBFUSCATED, CLASS_ALONE = "original", "noise", "obfuscated", "class alone"


@dataclass(frozen=True)
class Audit:
    """What fresh adversaries predict from versions of the same examples."""

    leaks: Mapping[str, Leak]
    """Version -> how well the group is predicted: `original`, `noise` of the same distortion, `obfuscated`, the last
    with shuffled groups, and `class alone`, which is what the true class reveals of the group."""
    utility: Mapping[str, Leak]
    """Version -> how well the class is predicted; empty without classes."""
    distortion: float
    """Mean squared distance of obfuscated and original examples, in units of the data's variance."""


@dataclass(frozen=True)
class Obfuscation:
    """A trained obfuscator with its audit."""

    run: str
    recipe: str
    seed: int
    protect: str
    """Protected column, or pattern of names."""
    groups: dict[str, int]
    """Group -> number of audited examples."""
    audit: Audit
    bits: float
    """Upper limit of the bits that an obfuscated example holds of the original."""
    minutes: float
    notes: list[str] = field(default_factory=list)

    @property
    def leak(self) -> Leak:
        """How well a fresh adversary predicts the group from obfuscated examples."""
        return self.audit.leaks[OBFUSCATED]

    @property
    def message(self) -> str:
        """Summary of the leak and of the cost of hiding."""
        return " ".join([_leak_sentence(self.audit.leaks), *_cost(self)])

    def to_json(self) -> dict[str, Any]:
        """Return the figures by name."""
        audit = self.audit
        return {
            "run": self.run, "recipe": self.recipe, "seed": self.seed, "protect": self.protect, "groups": self.groups,
            "message": self.message, "distortion": round(audit.distortion, 4), "bits": round(self.bits, 2),
            "minutes": self.minutes, "notes": self.notes,
            "group": {name: leak.to_json() for name, leak in audit.leaks.items()},
            "class": {name: leak.to_json() for name, leak in audit.utility.items()},
        }  # fmt: skip


def _leak_sentence(leaks: Mapping[str, Leak]) -> str:
    leak, alone = leaks[OBFUSCATED], leaks.get(CLASS_ALONE)
    before = f"{leaks[ORIGINAL].auc.value:.3f} from the originals, {leaks[SHUFFLED].auc.value:.3f} with {SHUFFLED}"
    if leak.auc.low <= 0.5:
        return f"No fresh adversary predicts the group better than chance: AUC {leak.auc.text(3, 1)}; {before}."
    text = f"A fresh adversary ({leak.adversary}) predicts the group with an AUC of {leak.auc.text(3, 1)}; {before}."
    if alone is not None and alone.auc.low > 0.5:
        beyond = "no more than" if leak.auc.low <= alone.auc.high else "more than"
        text += f" That is {beyond} the true class reveals ({alone.auc.text(3, 1)})."
    return text


def _cost(report: Obfuscation) -> list[str]:
    audit = report.audit
    kept = 1 - audit.distortion
    near = f"keeps {100 * kept:.0f} % of the variance" if kept > 0 else "is further from the original than the mean is"
    texts = [f"An obfuscated example {near}, and holds at most {report.bits:.1f} bits of it."]
    if audit.utility:
        before, after = (audit.utility[name].balanced_accuracy for name in (ORIGINAL, OBFUSCATED))
        texts.insert(0, f"The class is predicted with a balanced accuracy of {after.text()} %, {before.text()} before.")
    return texts


def to_text(report: Obfuscation) -> str:
    """Return the lines that the command prints."""
    groups = ", ".join(f"{name} ({count:,})" for name, count in report.groups.items())
    head = f"{'':12}{'':16}{'class, balanced %':22}{'group, AUC':26}{'group, balanced %':22}adversary"
    lines = [f"run         {report.run}", f"hidden      {report.protect}: {groups} audited", head]
    for name, leak in report.audit.leaks.items():
        predicted = report.audit.utility.get(name)
        utility = predicted.balanced_accuracy.text() if predicted else ""
        auc = f"{leak.auc.value:.3f} ({leak.auc.low:.3f} to {leak.auc.high:.3f})"
        lines.append(f"{'audit':12}{name:16}{utility:22}{auc:26}{leak.balanced_accuracy.text():22}{leak.adversary}")
    original = report.audit.utility.get(ORIGINAL)
    chance = f"{100 / len(original.recalls):.1f}" if original else ""
    lines += [
        f"{'audit':12}{'chance':16}{chance:22}{0.5:<26}{100 / len(report.groups):<22.1f}",
        f"result      {report.message}",
        f"report      {report.run}/report.html",
        f"use         sparring encode {report.run} SOURCE --out PATH",
    ]
    return "\n".join(lines)
