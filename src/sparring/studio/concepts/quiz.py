"""Questions on the sentences about handles: which of four examples does a sentence describe.

Each question shows a sample, the sentence of one of its handles, and four samples: the one to which the handle leads,
and three to which other handles lead, all from the sample by two steps. Without the sentence nothing tells them apart,
so chance is one in four. In the control the sentence is another handle's.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from sparring.engine.errors import UsageError
from sparring.stats.proportion import Proportion

OPTIONS = 4
STEPS = 2.0
"""Distance from the sample shown to each option, in steps of its handle."""
MAX_OPEN = 1000
"""Questions that wait for an answer, at most; older ones are dropped."""
TOO_FEW = "there are too few different handles for a test: explain the run with more --handles"
Move = tuple[int, int]
"""Number of a handle, and 1 or -1."""


@dataclass(frozen=True)
class Claim:
    """What the sentence of a handle states."""

    sentence: str
    reading: str
    sign: int
    """1: moving forwards raises the reading; -1: it lowers it."""


@dataclass(frozen=True)
class Question:
    """One question: the seed of the sample, the sentence, and the moves of the options."""

    seed: int
    sentence: str
    options: tuple[Move, ...]
    answer: int
    """Number of the option to which the handle leads."""


def question_of(claims: Sequence[Claim], control: bool, rng: Random) -> Question:
    """Return a question about one of the handles; raise UsageError where they are too few for four options.

    No other option is one that the sentence describes as well.
    """
    if not claims:
        raise UsageError(TOO_FEW)
    k = rng.randrange(len(claims))
    own = claims[k]
    others = [
        (j, sign) for j, claim in enumerate(claims) for sign in (1, -1)
        if (claim.reading, claim.sign * sign) != (own.reading, own.sign)
    ]  # fmt: skip
    shown = [claim.sentence for claim in claims if claim.reading != own.reading] if control else [own.sentence]
    if len(others) < OPTIONS - 1 or not shown:
        raise UsageError(TOO_FEW)
    moves = [(k, 1), *rng.sample(others, OPTIONS - 1)]
    rng.shuffle(moves)
    return Question(rng.randrange(2**31), rng.choice(shown), tuple(moves), moves.index((k, 1)))


class Quizzes:
    """Open questions, and the answers of each sitting."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, tuple[str, Question]] = OrderedDict()
        self._answers: defaultdict[str, list[bool]] = defaultdict(list)

    def ask(self, sitting: str, question: Question) -> str:
        """Return the id of a question in a sitting."""
        name = secrets.token_hex(8)
        self._open[name] = sitting, question
        if len(self._open) > MAX_OPEN:
            self._open.popitem(last=False)
        return name

    def answer(self, name: str, choice: int) -> dict[str, Any]:
        """Return whether an answer is right, the right one, and the rate of right answers in the sitting so far."""
        if name not in self._open:
            raise UsageError("this question was answered before, or is too old: take the next one")
        sitting, question = self._open.pop(name)
        answers = self._answers[sitting]
        answers.append(choice == question.answer)
        rate = Proportion.count(sum(answers), len(answers))
        return {
            "right": answers[-1], "answer": question.answer, "hits": sum(answers), "count": len(answers),
            "value": rate.value, "low": rate.low, "high": rate.high, "chance": 1 / OPTIONS,
        }  # fmt: skip
