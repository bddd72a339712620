"""Explain a classifier: edit examples, write sentences on its answers, test them on fresh examples."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparring.commands.explaining.result import NAME
from sparring.commands.predict import open_like
from sparring.commands.reporting.progress import Progress
from sparring.commands.training.run_settings import open_run_data
from sparring.data.dataset import Dataset
from sparring.engine.errors import UsageError
from sparring.engine.run_folder import Run
from sparring.measure.effects.answers import Answered, AnswerEffects, measure_answers
from sparring.measure.effects.edits import Edit, edits_for
from sparring.measure.effects.effects import DOSES
from sparring.models.answers import Answers
from sparring.models.capabilities import Predictor

RANDOM_EDITS, RANDOM_EXAMPLES = 200, 100
"""Random edits; examples from which their sentences are written, and others on which they are tested."""
SHOWN_EXAMPLES = 8
LEAST_EXAMPLES = 20


@dataclass(frozen=True)
class EditedExamples:
    """Examples before and after an edit, as stored rows `[N, ...]` each, with the answers after it."""

    before: NDArray[Any]
    after: NDArray[Any]
    answers: list[str]


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
        rate, chance = self.effects.rate, self.effects.chance
        verb = "is above" if self.effects.is_beyond_chance else "is within"
        return (
            f"The sentences hold in {rate.text()} % of {self.effects.count:,} fresh examples for each edit, which "
            f"{verb} chance, {chance.level:.1%}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return all of it, for JSON."""
        effects = self.effects
        edits = [
            {
                "name": each.name, "sentence": each.text, "rate": each.rate.to_json(),
                "p_value": round(each.p_value, 5), "beyond_chance": each.is_beyond_chance,
                "log_odds": round(each.log_odds, 4), "refused": each.refused.to_json(), "size": round(each.size, 5),
            }
            for each in effects.edits
        ]  # fmt: skip
        return {
            "run": str(self.run), "verdict": self.verdict, "rate": effects.rate.to_json(),
            "chance": {**asdict(effects.chance), "level": effects.chance.level},
            "beyond_chance": effects.is_beyond_chance,
            "doses": {f"{dose:g}": effects.doses[dose].to_json() for dose in DOSES},
            "edits": edits, "protocol": self.protocol,
        }  # fmt: skip

    def to_text(self) -> str:
        """Return the lines that the command prints; sentences that failed are among them."""
        lines = [f"{self.verdict}.", ""]
        for each in self.effects.edits:
            mark = "above chance" if each.is_beyond_chance else "chance level"
            lines.append(f"{mark}  {each.rate.text()}  {each.text}; none of these: {each.refused.value:.1%}")
        chance = self.effects.chance
        lines += [
            "", f"chance   sentences of other edits {chance.permuted:.1%}, random edits {chance.random:.1%}",
            "doses    " + ", ".join(f"{dose:g}: {self.effects.doses[dose].text()} %" for dose in DOSES),
            f"report   {self.run / f'{NAME}.html'}",
        ]  # fmt: skip
        return "\n".join(lines)

    def save(self) -> None:
        """Write explain.json into the run folder."""
        Run(self.run).write_json(NAME, self.to_json())


def classifier_effects(
    model: Predictor, run: Path, source: str | Path | None, n: int, seed: int, progress: Progress
) -> tuple[AnswerEffects, list[EditedExamples], dict[str, Any]]:
    """Return the effects of edits on `n` fresh examples of `source`, some of them to show, and the examples' protocol.

    `source` None: the data of the run. Raises UsageError on too few examples, and on kinds of data without edits.
    """
    data, split = _examples(model, run, source)
    order = np.random.default_rng(seed).permutation(len(data))[: 2 * n]
    if len(order) < 2 * LEAST_EXAMPLES:
        raise UsageError(f"{len(order)} examples are too few: {2 * LEAST_EXAMPLES} or more are needed")
    x = model.spec.encode(data[np.sort(order)])
    x = x[torch.from_numpy(np.random.default_rng(seed).permutation(len(x)))]
    written, fresh = x[: len(x) // 2], x[len(x) // 2 :]
    edits = edits_for(model.spec, written)
    effects = measure_answers(
        lambda each: _answered(model.predict(each)), edits, model.predict(written[:1]).classes, written, fresh,
        random_edits=RANDOM_EDITS, few=RANDOM_EXAMPLES, seed=seed,
        on_progress=progress.callback("random edits", "edits"),
    )  # fmt: skip
    shown = [_edited(model, each, fresh[:SHOWN_EXAMPLES]) for each in edits]
    protocol = {
        "examples": f"{data.report.source}, {split}", "seed": seed,
        "fresh examples": len(fresh), "random edits": RANDOM_EDITS,
        "examples of a random edit": min(RANDOM_EXAMPLES, len(written)),
    }  # fmt: skip
    return effects, shown, protocol


def _examples(model: Predictor, run: Path, source: str | Path | None) -> tuple[Dataset, str]:
    """Return the test examples where there is a test split, else all."""
    data = open_run_data(Run(run)) if source is None else open_like(model, source)
    if data.report.splits.get("test"):
        return data.split("test"), "test split"
    return data.split(None), "all examples: if the classifier was trained on these, they flatter it"


def _answered(answers: Answers) -> Answered:
    classes = len(answers.classes)
    return Answered(answers.probabilities[:, :classes].clamp_min(1e-30).log().cpu(), answers.unknown.cpu())


def _edited(model: Predictor, edit: Edit, x: Tensor) -> EditedExamples:
    after = edit.function(x, 1.0)
    return EditedExamples(model.spec.decode(x), model.spec.decode(after), model.predict(after).labels)
