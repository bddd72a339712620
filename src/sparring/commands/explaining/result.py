"""What `sparring explain` found out, and how it is saved."""

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
from sparring.measure.effects.effects import DOSES, Effects
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
        rate, chance = self.effects.rate, self.effects.chance
        verb = "is above" if self.effects.is_beyond_chance else "is within"
        return (
            f"The sentences hold in {rate.text()} % of {self.effects.count:,} fresh samples for each handle, which "
            f"{verb} chance, {chance.level:.1%}"
        )

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
            "run": str(self.run), "verdict": self.verdict, "rate": effects.rate.to_json(),
            "chance": {**asdict(effects.chance), "level": effects.chance.level},
            "beyond_chance": effects.is_beyond_chance,
            "doses": {f"{dose:g}": effects.doses[dose].to_json() for dose in DOSES},
            "by_label": {str(label): round(rate, 4) for label, rate in effects.by_label.items()},
            "readings": list(effects.readings), "handles": handles, "protocol": self.protocol,
        }  # fmt: skip

    def to_text(self) -> str:
        """Return the lines that the command prints; sentences that failed are among them."""
        lines = [f"{self.verdict}.", ""]
        for each in self.effects.handles:
            mark = "above chance" if each.is_beyond_chance else "chance level"
            lines.append(f"{mark}  {each.rate.text()}  {each.text}")
        chance = self.effects.chance
        lines += [
            "", f"chance   sentences of other handles {chance.permuted:.1%}, random directions {chance.random:.1%}",
            "steps    " + ", ".join(f"{dose:g} sd {_percent(self.effects.doses[dose])}" for dose in DOSES),
            f"report   {self.run / f'{NAME}.html'}",
        ]  # fmt: skip
        return "\n".join(lines)

    def save(self) -> None:
        """Write explain.json and explain.safetensors into the run folder."""
        with atomic_replace(self.run / f"{NAME}.safetensors") as temporary:
            write_tensors({"directions": torch.stack([h.direction for h in self.effects.handles])}, temporary)
        Run(self.run).write_json(NAME, self.to_json())


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


def _percent(rate: Interval) -> str:
    return f"{rate.text()} %"
