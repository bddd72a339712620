"""Results of `sparring explain`: as text, as JSON, and as files."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparring.engine.atomic_io import atomic_replace
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.run_folder import Run, read_json
from sparring.engine.safetensors_io import load_file, write_tensors
from sparring.measure.effects.answers import AnswerEffects, EditEffect
from sparring.measure.effects.effects import DOSES, Chance, Effects, Handle, HitRates
from sparring.measure.effects.path_length import LINEAR
from sparring.stats.intervals import Interval
from sparring.stats.proportion import Proportion

NAME = "explain"
"""Stem of the files in the run folder."""


@dataclass(frozen=True)
class Slider:
    """A handle as a slider needs it: `z + amount * slider.step * slider.direction` moves a latent by `amount`."""

    name: str
    layers: str
    """Layers that read the coordinates that it changes."""
    direction: Tensor
    """Unit vector `[d]`, float32."""
    step: float
    """One standard deviation of the latents along the direction."""
    sentence: str
    reading: str
    """Reading that the sentence names."""
    rate: Proportion
    """Fresh latents on which the sentence holds, with its interval."""
    is_beyond_chance: bool
    """Whether the sentence holds more often than those of random directions."""


@dataclass(frozen=True)
class Explanation:
    """Handles of a generator, their sentences, and how often these hold."""

    run: Path
    """Run folder, with explain.json, explain.safetensors and explain.html."""
    effects: Effects
    path_length: Interval
    """How evenly samples change between two latents; 1.23 for a linear generator, more where samples jump."""
    protocol: dict[str, Any]
    """All settings on which the figures depend."""

    @property
    def sliders(self) -> list[Slider]:
        """The handles."""
        return [
            Slider(
                each.name, each.layers, each.direction, each.step, each.text,
                self.effects.readings[each.sentence.reading], each.rate, each.is_beyond_chance,
            )
            for each in self.effects.handles
        ]  # fmt: skip

    @property
    def verdict(self) -> str:
        """The hit rate against chance, in a sentence."""
        return _verdict(self.effects, "fresh samples for each handle")

    def to_json(self) -> dict[str, Any]:
        """Return all of it but the directions, for JSON."""
        effects = self.effects
        handles = [
            {
                "name": each.name, "layers": each.layers, "step": each.step, "sentence": each.text,
                "reading": effects.readings[each.sentence.reading], "sign": each.sentence.sign,
                "rate": each.rate.to_json(), "p_value": round(each.p_value, 5),
                "beyond_chance": each.is_beyond_chance, "size": round(each.size, 5),
                "change": {name: round(value, 4) for name, value in zip(
                    effects.readings, each.change.tolist(), strict=True)},
            }
            for each in effects.handles
        ]  # fmt: skip
        return {
            "run": str(self.run), "verdict": self.verdict, **_rates_to_json(effects),
            "path_length": self.path_length.to_json(),
            "by_label": {str(label): round(rate, 4) for label, rate in effects.by_label.items()},
            "readings": list(effects.readings), "handles": handles, "protocol": self.protocol,
        }  # fmt: skip

    def to_text(self) -> str:
        """Return the lines that the command prints; sentences that failed are among them."""
        effects, doses = self.effects, self.effects.doses
        return "\n".join([
            f"{self.verdict}.", "",
            *(f"{mark_of(each)}  {each.rate.text()}  {each.text}" for each in effects.handles), "",
            _chance_line(effects.chance, "handles", "directions"),
            "steps    " + ", ".join(f"{dose:g} sd {doses[dose].text()} %" for dose in DOSES),
            f"path     length {self.path_length.text(2, 1)}; a linear generator has {LINEAR:.2f}",
            _report_line(self.run),
        ])  # fmt: skip

    def save(self) -> None:
        """Write explain.json and explain.safetensors into the run folder."""
        with atomic_replace(self.run / f"{NAME}.safetensors") as temporary:
            write_tensors({"directions": torch.stack([h.direction for h in self.effects.handles])}, temporary)
        Run(self.run).write_json(NAME, self.to_json())


@dataclass(frozen=True)
class AnswerExplanation:
    """Edits of a classifier's examples, sentences on its answers, and how often these hold."""

    run: Path
    """Run folder, with explain.json and explain.html."""
    effects: AnswerEffects
    protocol: dict[str, Any]
    """All settings on which the figures depend."""

    @property
    def verdict(self) -> str:
        """The hit rate against chance, in a sentence."""
        return _verdict(self.effects, "fresh examples for each edit")

    def to_json(self) -> dict[str, Any]:
        """Return all of it, for JSON."""
        edits = [
            {
                "name": each.name, "sentence": each.text, "rate": each.rate.to_json(),
                "p_value": round(each.p_value, 5), "beyond_chance": each.is_beyond_chance,
                "log_odds": round(each.log_odds, 4), "refused": each.refused.to_json(), "size": round(each.size, 5),
            }
            for each in self.effects.edits
        ]  # fmt: skip
        return {
            "run": str(self.run), "verdict": self.verdict, **_rates_to_json(self.effects),
            "edits": edits, "protocol": self.protocol,
        }  # fmt: skip

    def to_text(self) -> str:
        """Return the lines that the command prints; sentences that failed are among them."""
        effects, doses = self.effects, self.effects.doses
        sentences = [
            f"{mark_of(each)}  {each.rate.text()}  {each.text}; none of these: {each.refused.value:.1%}"
            for each in effects.edits
        ]
        return "\n".join([
            f"{self.verdict}.", "", *sentences, "", _chance_line(effects.chance, "edits", "edits"),
            "doses    " + ", ".join(f"{dose:g}: {doses[dose].text()} %" for dose in DOSES), _report_line(self.run),
        ])  # fmt: skip

    def save(self) -> None:
        """Write explain.json into the run folder."""
        Run(self.run).write_json(NAME, self.to_json())


def mark_of(effect: Handle | EditEffect) -> str:
    """Return in words whether a sentence holds more often than by chance."""
    return "above chance" if effect.is_beyond_chance else "chance level"


def _verdict(rates: HitRates, cases: str) -> str:
    verb = "is above" if rates.is_beyond_chance else "is within"
    return (
        f"The sentences hold in {rates.rate.text()} % of {rates.count:,} {cases}, which {verb} chance, "
        f"{rates.chance.level:.1%}"
    )


def _rates_to_json(rates: HitRates) -> dict[str, Any]:
    return {
        "rate": rates.rate.to_json(), "chance": {**asdict(rates.chance), "level": rates.chance.level},
        "beyond_chance": rates.is_beyond_chance,
        "doses": {f"{dose:g}": rates.doses[dose].to_json() for dose in DOSES},
    }  # fmt: skip


def _chance_line(chance: Chance, others: str, random: str) -> str:
    return f"chance   sentences of other {others} {chance.permuted:.1%}, random {random} {chance.random:.1%}"


def _report_line(run: Path) -> str:
    return f"report   {run / f'{NAME}.html'}"


def read_handles(run: str | Path) -> list[Slider]:
    """Return the handles that `sparring explain` saved in a run folder.

    Raises UsageError where there are none, SparringError where the files are damaged.
    """
    folder = Path(run)
    path = folder / f"{NAME}.json"
    if not path.exists():
        raise UsageError(f"{folder} has no {NAME}.json: `sparring explain {folder}` writes it")
    saved = read_json(path, "explanation")
    if "edits" in saved:
        raise UsageError(
            f"{folder} holds a classifier, which has no handles: they are directions of a generator's latent"
        )
    try:
        directions = load_file(folder / f"{NAME}.safetensors")["directions"]
        return [
            Slider(
                each["name"], each["layers"], direction, each["step"], each["sentence"], each["reading"],
                Proportion.from_json(each["rate"]), each["beyond_chance"],
            )
            for each, direction in zip(saved["handles"], directions, strict=True)
        ]  # fmt: skip
    except Exception as error:  # whatever a damaged file makes the parser raise
        raise SparringError(f"{path} is damaged ({error}): `sparring explain {folder}` writes it anew") from error
