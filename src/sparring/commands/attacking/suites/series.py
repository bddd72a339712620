"""The suite of series: PGD on standardised values, where a mask allows changes, over several radii."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from sparring.attacks.norms import Norm
from sparring.attacks.threat_for import threat_for
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import check_inputs, frozen
from sparring.commands.attacking.alternatives import series_alternatives, series_forms
from sparring.commands.attacking.suites.base import (
    AttackContext,
    Outcome,
    Suite,
    check_clean,
    predicted,
    require_correct,
    robust_by_class,
)
from sparring.commands.attacking.try_target import adapted, explain_foreign_errors, require_gradients, try_out
from sparring.engine.data_spec import SeriesSpec
from sparring.engine.errors import UsageError, did_you_mean
from sparring.measure.classifier.robustness import ATTACK, LEVELS, robustness
from sparring.report.format import csv_text
from sparring.report.series_attack_section import PAGE_SERIES, ChangedSeries, SeriesAttackDetails, series_sections
from sparring.stats.proportion import CurvePoint, Proportion

CHUNK_SERIES = 250
INPUTS = "series float32 [B, C, T], each channel standardised"


@dataclass(frozen=True, eq=False)
class AttackedChunk:
    """Results of one chunk."""

    hits: Tensor
    """Unbroken series at each radius, int64 `[1, radii]`."""
    broken: Tensor
    """Whether each series was classified correctly and broke at eps, bool `[B]`."""
    adv: Tensor
    """Adversarial series `[B, C, T]`; the series itself where it did not break."""


class SeriesAttack:
    """PGD on a subset of series."""

    def __init__(self, context: AttackContext) -> None:
        self.context, subset = context, context.subset
        self.spec: SeriesSpec = subset.spec
        self.channels, self.steps = _channels(context, self.spec), _steps(context, self.spec)
        self.x = self.spec.encode(subset.rows, context.hardware.device)
        mask = torch.zeros(self.x.shape[1:], device=self.x.device)
        numbers = [self.spec.channels.index(name) for name in self.channels]
        mask[numbers, self.steps[0] : self.steps[1] + 1] = 1
        self.mask = mask
        self.threat = self._threat(context.flags.ball.eps)
        self.eps = float(self.threat.eps)
        if not self.eps:
            raise UsageError("--eps must be above 0")
        self.target = adapted(context.target, self.x, subset.classes)
        require_gradients(self.target, "the attack on series")
        self.logits = try_out(self.target, self.x, subset.classes, INPUTS, series_forms(self.x))

    def _threat(self, eps: float | None) -> Threat:
        norm = cast(Norm, self.context.flags.ball.norm)
        return threat_for(self.spec, self.x, eps, norm=norm, mask=self.mask)

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that another report must share to be comparable."""
        return {"norm": self.threat.norm, "eps": self.eps, "channels": self.channels, "steps": list(self.steps)}

    def run(self) -> Outcome:
        """Run or resume the attack."""
        subset, model = self.context.subset, self.target.model
        with explain_foreign_errors(self.target, INPUTS), frozen(model, self.context.seed):
            check_inputs(model, self.x[:2], subset.y[:2], self.threat)
            correct = predicted(model, self.x) == subset.y
            x = self.spec.encode(subset.checked_rows, self.x.device)
            alternatives = series_alternatives(self.spec)
            findings = check_clean(self.context, self.target, x, alternatives)
            require_correct(self.target, correct, subset.description, findings)
            chunks = self._search()
        broken, adv = (torch.cat([getattr(chunk, name) for chunk in chunks]) for name in ("broken", "adv"))
        hits = torch.cat([chunk.hits for chunk in chunks]).sum(0).tolist()
        robust, total = correct & ~broken, len(correct)
        success = Proportion.count(int(broken.sum()), int(correct.sum()))
        details = SeriesAttackDetails(success, self.channels, self.steps)
        radii = (0.0, *(level * self.eps for level in LEVELS))
        change = (adv - self.x).abs().flatten(1).amax(1).tolist()
        lines = zip(
            subset.names, subset.labels, ("yes" if each else "no" for each in broken.tolist()), change, strict=True
        )
        return Outcome(
            attack=f"{ATTACK}, {self.threat.norm} {self.eps:g}",
            clean=Proportion.count(int(correct.sum()), total),
            robust=Proportion.count(int(robust.sum()), total),
            details=details,
            sections=lambda report: series_sections(self._changed(broken, adv)),
            by_class=robust_by_class(subset.labels, robust.tolist()),
            curve=[CurvePoint.count(radius, count, total) for radius, count in zip(radii, hits, strict=True)],
            files={"samples.csv": csv_text(("name", "label", "broken", "largest_change"), lines)},
            findings=findings,
            notes=list(self.target.notes),
        )

    def _search(self) -> list[AttackedChunk]:
        context, y = self.context, self.context.subset.y

        def attack(number: int, idx: Tensor) -> AttackedChunk:
            x = self.x[idx]
            result = robustness(self.target.model, x, y[idx], self._threat, self.eps)
            broken, adv = torch.zeros(len(x), dtype=torch.bool, device=x.device), x.clone()
            broken[result.fooled], adv[result.fooled] = True, result.adv
            return AttackedChunk(torch.tensor([[round(level.accuracy.hits) for level in result.levels]]), broken, adv)

        parts = context.parts(AttackedChunk, self.settings, self.logits)
        on_progress = context.progress.callback("attacking", "series")
        return parts.map(attack, len(self.x), CHUNK_SERIES, self.x.device, on_progress, "series")

    def _changed(self, broken: Tensor, adv: Tensor) -> list[ChangedSeries]:
        """Return the most changed channel of some broken series, in the units of the source."""
        subset = self.context.subset
        shown = []
        for row in broken.nonzero().squeeze(1)[:PAGE_SERIES].tolist():
            channel = int((adv[row] - self.x[row]).abs().amax(1).argmax())
            after = self.spec.decode(adv[row : row + 1])[0, channel]
            title = f"{subset.names[row]}, {self.spec.channels[channel]} ({subset.labels[row]})"
            shown.append(ChangedSeries(title, subset.rows[row][channel].tolist(), after.tolist()))
        return shown


SERIES = Suite("series", 1000, SeriesAttack)


def _channels(context: AttackContext, spec: SeriesSpec) -> list[str]:
    """Return the channels that may change; raises UsageError on an unknown one."""
    names = context.flags.series.channels
    if unknown := next((name for name in names if name not in spec.channels), None):
        raise UsageError(f"there is no channel '{unknown}': {did_you_mean(unknown, spec.channels)}")
    return list(names or spec.channels)


def _steps(context: AttackContext, spec: SeriesSpec) -> tuple[int, int]:
    """Return the first and last time step that may change; raises UsageError where there is none."""
    first, last = context.flags.series.steps or (0, spec.length - 1)
    if not 0 <= first <= last < spec.length:
        raise UsageError(f"--steps are two time steps from 0 to {spec.length - 1}, not {first} {last}")
    return first, last
