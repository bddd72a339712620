"""The suite of images: AutoAttack, checks for gradient masking, and the follow-up attacks that these call for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from sparring.attacks.autoattack import AutoAttackResult, autoattack, ensemble
from sparring.attacks.norms import Norm
from sparring.attacks.result import Result
from sparring.attacks.stochastic_models import is_stochastic
from sparring.attacks.surrogate import bf16_surrogate
from sparring.attacks.threat_for import is_mnist_like, threat_for
from sparring.attacks.threat_model import Threat
from sparring.commands.attacking.alternatives import image_alternatives, image_forms
from sparring.commands.attacking.load_target import Target
from sparring.commands.attacking.memory_layout import in_channels_last
from sparring.commands.attacking.resumable import ResumableParts
from sparring.commands.attacking.suites.base import (
    AttackContext,
    Outcome,
    Suite,
    check_clean,
    predicted,
    require_correct,
    robust_by_class,
)
from sparring.commands.attacking.try_target import adapted, explain_foreign_errors, try_out
from sparring.commands.training.interrupt import Stopped
from sparring.engine.errors import UsageError
from sparring.engine.image_io import grid, to_uint8, with_header
from sparring.engine.seeds import mix
from sparring.measure.classifier.attack_summary import AttackSummary, fooled, samples, summarize
from sparring.measure.diagnostics.finding import Finding
from sparring.report.blocks import Picture
from sparring.report.format import csv_text
from sparring.report.image_attack_section import ImageAttackDetails, image_sections

CHUNK_IMAGES = {"cpu": 250, "cuda": 2500}
"""Images after which results are saved, by device type."""
PER_ATTACK, MAX_ATTACKS = "attacks", 10
"""Folder of the results of single attacks on a chunk, and the most attacks on one."""
GRID_IMAGES = 12
"""Images on the page."""
INPUTS = "images float32 [B, C, H, W] of any B (--size and --mode change C, H and W)"


class ImageAttack:
    """AutoAttack on a subset of images."""

    def __init__(self, context: AttackContext) -> None:
        flags, self.context = context.flags.image, context
        norm, box = cast(Norm, context.flags.ball.norm), flags.box
        Threat(norm, 0.0, *box)
        ensemble(flags.version or "standard", norm)
        if context.target.classifier is not None and box != (0.0, 1.0):
            raise UsageError("--box is for models of other tools: a run is attacked in pixels from 0 to 1")
        self.x = in_box(context.subset.rows, box, context.hardware.device)
        spec, eps = context.subset.spec, context.flags.ball.eps
        self.threat = threat_for(spec, self.x, eps, norm=norm, box=box)
        self.notes: list[str] = []
        if eps is None:
            kind = "small grey images" if is_mnist_like(spec) else "such images"
            self.notes.append(f"--eps was not given: {self.threat.eps:.4g}, the usual radius for {kind}")
        target = adapted(image_target(context.target), self.x, context.subset.classes)
        self.target = in_channels_last(target, self.x)
        self.notes += self.target.notes
        self.logits = try_out(self.target, self.x, context.subset.classes, INPUTS, image_forms(self.x))
        with explain_foreign_errors(self.target, INPUTS):
            self.version, note = _version(flags.version, self.target, self.x)
        self.notes += note
        self.bf16 = context.hardware.bf16 and self.target.gradients
        if self.bf16:
            self.notes.append("the search ran in bf16, which may miss a few images: all verdicts are in float32")

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that another report must share to be comparable."""
        return {"norm": self.threat.norm, "eps": self.threat.eps, "box": list(self.context.flags.image.box),
                "version": self.version}  # fmt: skip

    def run(self) -> Outcome:
        """Run or resume AutoAttack and the masking checks."""
        subset = self.context.subset
        with explain_foreign_errors(self.target, INPUTS):
            parts = self._parts()
            findings = self._findings()
            summary = self._summary(parts)
        result = summary.result
        details = ImageAttackDetails(
            summary.checks,
            summary.draws,
            float(result.queries.double().mean()),
            float(result.gradients.double().mean()),
        )
        follow_up = (
            " and the follow-up attacks of failed checks" if any(check.follow_up for check in summary.checks) else ""
        )
        header = ("name", "label", "broken_by", "queries", "gradients")
        return Outcome(
            attack=f"AutoAttack {self.version}{follow_up}, {self.threat.norm} {self.threat.eps:.4g}",
            clean=summary.clean,
            robust=summary.robust,
            details=details,
            sections=lambda report: image_sections(details, self._picture(result)),
            by_class=robust_by_class(subset.labels, result.robust.tolist()),
            curve=summary.curve,
            per_attack=summary.per_attack,
            files={"samples.csv": csv_text(header, samples(subset.names, subset.labels, result))},
            findings=findings,
            notes=[*self.notes, *result.notes],
        )

    def _findings(self) -> list[Finding]:
        """Return the findings on clean images; raises UsageError where none is classified correctly."""
        context, subset = self.context, self.context.subset
        box = context.flags.image.box
        x = in_box(subset.checked_rows, box, context.hardware.device)
        findings = check_clean(context, self.target, x, image_alternatives(x, box))
        if self.version != "rand":
            correct = predicted(self.target.model, self.x) == subset.y
            require_correct(self.target, correct, subset.description, findings)
        return findings

    def _summary(self, parts: ResumableParts[AutoAttackResult]) -> AttackSummary:
        context = self.context
        result = AutoAttackResult.join(self._chunks(parts, parts.of(Result, PER_ATTACK)))
        context.progress.info("checking for gradient masking ...")
        with _keeping(parts):
            return summarize(
                self.target.model, self.x, context.subset.y, self.threat, result, context.seed, context.progress.info
            )

    def _parts(self) -> ResumableParts[AutoAttackResult]:
        settings = {**self.settings, "chunk": self._chunk_images(), "bf16": self.bf16}
        return self.context.parts(AutoAttackResult, settings, self.logits)

    def _chunk_images(self) -> int:
        return CHUNK_IMAGES.get(self.context.hardware.device.type, CHUNK_IMAGES["cpu"])

    def _chunks(
        self, parts: ResumableParts[AutoAttackResult], attacks: ResumableParts[Result]
    ) -> list[AutoAttackResult]:
        """Attack chunk by chunk; of a chunk that was interrupted, the results of whole attacks are kept."""
        model, y, chunk = self.target.model, self.context.subset.y, self._chunk_images()
        surrogate, progress = bf16_surrogate(model) if self.bf16 else None, self.context.progress

        def attack(number: int, idx: Tensor) -> AutoAttackResult:
            def on_progress(name: str, unbroken: int) -> None:
                first = number * chunk + 1
                progress.info(f"images {first:,} to {first + len(idx) - 1:,}: {name}, {unbroken:,} unbroken")

            def keep(part: int, compute: Callable[[], Result]) -> Result:
                return attacks.keep(number * MAX_ATTACKS + part, compute, self.x.device)

            return autoattack(
                model, self.x[idx], y[idx], self.threat, version=self.version, seed=mix(self.context.seed, number),
                batch_size=chunk, surrogate=surrogate, keep=keep, on_progress=on_progress,
            )  # fmt: skip

        return parts.map(attack, len(self.x), chunk, self.x.device)

    def _picture(self, result: AutoAttackResult) -> Picture | None:
        """Return some images that an attack broke, above their adversarial examples."""
        idx = fooled(result, GRID_IMAGES)
        if not idx:
            return None
        low, high = self.context.flags.image.box
        adv = to_uint8((result.adv[idx] - low) / (high - low) * 2 - 1)
        subset, answers = self.context.subset, predicted(self.target.model, result.adv[idx]).tolist()
        names = [f"{subset.labels[k]} as {subset.classes[answer]}" for k, answer in zip(idx, answers, strict=True)]
        return Picture(with_header(grid(np.concatenate([subset.rows[idx], adv]), len(idx)), names))


def in_box(pixels: Any, box: tuple[float, float], device: torch.device) -> Tensor:
    """Convert uint8 pixels `[B, H, W, C]` to float32 `[B, C, H, W]` in the box."""
    low, high = box
    x = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float() / 255 * (high - low) + low
    return x.clamp(low, high)


def image_target(target: Target) -> Target:
    """Return the target as a model of pixels in its box: a run's classifier expects [-1, 1], and its box is [0, 1]."""
    if target.classifier is None:
        return target
    logits = target.classifier.logits
    return replace(target, model=lambda x: logits(x * 2 - 1))


IMAGES = Suite("images", 1000, ImageAttack, to_certify=image_target)


def _version(version: str | None, target: Target, x: Tensor) -> tuple[str, list[str]]:
    """Return the version of AutoAttack, chosen for the model unless given, and notes on the choice."""
    if target.gradients:
        if version is None and is_stochastic(target.model, x[: CHUNK_IMAGES["cpu"]]):
            return "rand", [
                "the model is stochastic: its mean probability of an error is reported, with AutoAttack rand"
            ]
        return version or "standard", []
    if version not in (None, "square"):
        raise UsageError(f"{target.name} gives no gradients, and --version {version} needs them: leave it out")
    return "square", [
        "an ONNX file gives no gradients, so Square alone attacks it: give the model itself (module:callable, "
        "torch.export)"
    ]


@contextmanager
def _keeping(parts: ResumableParts[Any]) -> Iterator[None]:
    """Explain, after Ctrl-C during the checks, that the results of AutoAttack are saved."""
    try:
        yield
    except KeyboardInterrupt:
        saved = f"the results of AutoAttack are kept in {parts.folder}: the same command goes on with the checks"
        raise Stopped(f"stopped during the masking checks; {saved}") from None
