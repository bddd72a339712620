"""Measure how often sentences about a classifier's answers to edited examples hold, beside chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sparring.engine.seeds import mix
from sparring.measure.effects.edits import Edit
from sparring.measure.effects.effects import (
    DOSES,
    SIGNIFICANCE,
    Chance,
    HitRates,
    OnProgress,
    holm,
    p_value_of,
    random_level,
)
from sparring.stats.intervals import Interval, ends_of, resampled_means
from sparring.stats.proportion import Proportion

MIN_OF_CLASS = 10
"""Fewest examples of a class that a sentence may name."""
SMOOTHNESS = (1, 2, 4)
"""Pixels of a random edit that change together, side by side."""
SCALING_ROUNDS = 3


@dataclass(frozen=True)
class Answered:
    """What a classifier answers to N examples."""

    log_odds: Tensor
    """Log-probabilities of the classes, `[N, K]`."""
    refused: Tensor
    """Whether it answers "none of these", bool `[N]`."""

    @property
    def label(self) -> Tensor:
        """Likeliest class, `[N]`."""
        return self.log_odds.argmax(1)


Classify = Callable[[Tensor], Answered]


@dataclass(frozen=True)
class AnswerSentence:
    """What an edit does to the answer."""

    before: int | None
    """Class of the examples that it is about. None: all of them."""
    after: int | None
    """Class that it is turned into. None: the answer stays."""

    def text(self, edit: str, classes: Sequence[str]) -> str:
        """Return the sentence in words."""
        if self.before is None or self.after is None:
            return f"{edit} leaves the answer"
        return f"{edit} turns {classes[self.before]} into {classes[self.after]}"

    def scope(self, before: Answered) -> Tensor:
        """Return the examples that it is about, bool `[N]`: answered, and of its class."""
        of_class = torch.ones_like(before.refused) if self.before is None else before.label == self.before
        return of_class & ~before.refused

    def hits(self, before: Answered, after: Answered) -> Tensor:
        """Return where the stated answer comes, and is not refused, bool `[N]`."""
        stated = before.label if self.after is None else torch.full_like(before.label, self.after)
        return self.scope(before) & (after.label == stated) & ~after.refused

    def change(self, before: Answered, after: Answered) -> float:
        """Return the mean change of the log-odds of the two classes named, in nats.

        The odds are those of the class after the edit against that before it, or of the answer against the next class.
        """
        scope = self.scope(before)
        if not bool(scope.any()):
            return 0.0
        best = before.log_odds.topk(2, 1).indices
        first = best[:, 0] if self.after is None else torch.full_like(best[:, 0], self.after)
        other = best[:, 1] if self.after is None else best[:, 0]

        def odds(answered: Answered) -> Tensor:
            rows = answered.log_odds.clamp_min(-100)
            return (rows.gather(1, first[:, None]) - rows.gather(1, other[:, None]))[:, 0]

        return float((odds(after) - odds(before))[scope].mean())


def best_answer_sentence(before: Answered, after: Answered) -> AnswerSentence:
    """Return the sentence that holds most often among the examples that it is about.

    Those that name classes are about 10 examples or more.
    """
    stays = AnswerSentence(None, None)
    candidates = [stays]
    known = before.label[~before.refused]
    for label in sorted(set(known.tolist())):
        of_class = (before.label == label) & ~before.refused
        others = after.label[of_class & ~after.refused & (after.label != label)]
        if int(of_class.sum()) >= MIN_OF_CLASS and len(others):
            candidates.append(AnswerSentence(label, int(others.mode().values)))
    return max(candidates, key=lambda each: _rate(each, before, after))


def _rate(sentence: AnswerSentence, before: Answered, after: Answered) -> float:
    scope = int(sentence.scope(before).sum())
    return int(sentence.hits(before, after).sum()) / scope if scope else 0.0


@dataclass(frozen=True)
class EditEffect:
    """An edit with its sentence, and how often that holds."""

    name: str
    sentence: AnswerSentence
    text: str
    """The sentence in words."""
    rate: Proportion
    """Fresh examples on which it holds, of those that it is about."""
    p_value: float
    """p-value that a random edit of equal change does as well, by Holm's correction for all edits."""
    log_odds: float
    """Mean change of the log-odds of the two classes named, in nats."""
    refused: Proportion
    """Examples that it turns into "none of these": out of the distribution, and no hits."""
    size: float
    """Root mean square change of the values."""

    @property
    def is_beyond_chance(self) -> bool:
        """Return whether the sentence holds more often than those of random edits."""
        return self.p_value <= SIGNIFICANCE


@dataclass(frozen=True, kw_only=True)
class AnswerEffects(HitRates):
    """Edits with the hit rate of their sentences."""

    edits: tuple[EditEffect, ...]


def measure_answers(
    classify: Classify,
    edits: Sequence[Edit],
    classes: Sequence[str],
    written: Tensor,
    fresh: Tensor,
    *,
    random_edits: int = 200,
    few: int = 100,
    seed: int = 0,
    on_progress: OnProgress = lambda done, total: None,
) -> AnswerEffects:
    """Write a sentence for each edit from the examples `written` `[N, ...]`, and count its hits on `fresh` ones.

    Random edits are written from `few` examples, and tested on as many. Each class needs 10 of them to be named.
    """
    before_written, before = classify(written), classify(fresh)
    sentences = [best_answer_sentence(before_written, classify(each.function(written, 1.0))) for each in edits]
    after = {dose: [classify(each.function(fresh, dose)) for each in edits] for dose in DOSES}
    sizes = [float((each.function(written, 1.0) - written).square().mean().sqrt()) for each in edits]
    scope = torch.stack([each.scope(before) for each in sentences], 1)
    hits = {
        dose: torch.stack([s.hits(before, a) for s, a in zip(sentences, after[dose], strict=True)], 1) for dose in DOSES
    }
    random = _random_rates(classify, sizes, written[:few], fresh[:few], random_edits, seed, on_progress)
    rates = [float(h.sum() / max(int(s.sum()), 1)) for h, s in zip(hits[1.0].T, scope.T, strict=True)]
    p_values = holm([p_value_of(rate, random) for rate in rates])
    effects = tuple(
        EditEffect(
            edit.name, sentences[k], sentences[k].text(edit.name, classes), _proportion(hits[1.0][:, k], scope[:, k]),
            p_values[k], sentences[k].change(before, after[1.0][k]),
            _proportion(after[1.0][k].refused & ~before.refused, ~before.refused), sizes[k],
        )
        for k, edit in enumerate(edits)
    )  # fmt: skip
    permuted = [
        _rate(sentence, before, after[1.0][k])
        for j, sentence in enumerate(sentences)
        for k in range(len(edits))
        if j != k
    ]
    return AnswerEffects(
        edits=effects, rate=ratio(hits[1.0], scope), count=len(fresh),
        chance=Chance(sum(permuted) / max(len(permuted), 1), random_level(random)),
        doses={dose: ratio(hits[dose], scope) for dose in DOSES},
    )  # fmt: skip


def ratio(hits: Tensor, scope: Tensor, seed: int = 0) -> Interval:
    """Return hits per case in `scope`, `[N, K]` each, with a bootstrap interval over the N examples."""
    cases = scope.double().sum(1)
    if not float(cases.sum()):
        return Interval(0.0, 0.0, 1.0)
    resampled = resampled_means(hits.double().sum(1), seed) / resampled_means(cases, seed).clamp_min(1e-9)
    return Interval(float(hits.sum() / cases.sum()), *ends_of(resampled))


def random_edit(shape: Sequence[int], seed: int) -> Callable[[Tensor, float], Tensor]:
    """Return an edit that adds one pattern of normal noise, smooth or not, to all images, of a given size."""
    generator = torch.Generator().manual_seed(seed)
    smooth = SMOOTHNESS[int(torch.randint(len(SMOOTHNESS), (1,), generator=generator))]
    height, width = (-(-side // smooth) for side in shape[1:])
    pattern = torch.randn(1, shape[0], height, width, generator=generator)
    noise = interpolate(pattern, list(shape[1:]), mode="bilinear") if smooth > 1 else pattern
    return lambda x, size: (x + size * noise.to(x)).clamp(-1, 1)


def _random_rates(
    classify: Classify,
    sizes: Sequence[float],
    written: Tensor,
    fresh: Tensor,
    count: int,
    seed: int,
    on_progress: OnProgress,
) -> Tensor:
    """Return hit rates `[K, n]` of n random edits that change the values as much as edit k."""
    per_edit = -(-count // len(sizes))
    before_written, before = classify(written), classify(fresh)
    rates = []
    for number in range(per_edit * len(sizes)):
        edit = random_edit(written.shape[1:], mix(seed, number))
        strength = _scale(edit, written, sizes[number % len(sizes)])
        sentence = best_answer_sentence(before_written, classify(edit(written, strength)))
        rates.append(_rate(sentence, before, classify(edit(fresh, strength))))
        on_progress(number + 1, per_edit * len(sizes))
    return torch.tensor(rates, dtype=torch.float64).view(per_edit, len(sizes)).T


def _scale(edit: Callable[[Tensor, float], Tensor], x: Tensor, size: float) -> float:
    """Return the strength of an edit whose root mean square change is `size`."""
    strength = size
    for _ in range(SCALING_ROUNDS):
        strength *= size / max(float((edit(x, strength) - x).square().mean().sqrt()), 1e-9)
    return strength


def _proportion(hits: Tensor, of: Tensor) -> Proportion:
    """Return hits among the rows `of`; 0 of 1 where there are none."""
    total = int(of.sum())
    return Proportion.count(int(hits.sum()), total) if total else Proportion(0, 1, 0.0, 1.0)
