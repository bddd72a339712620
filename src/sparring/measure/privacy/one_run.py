"""A lower bound of epsilon from one training (Steinke, Nasr and Jagielski 2023, arXiv:2305.08846, Theorem 5.2).

Of m canaries each entered the training by a coin flip. An auditor guesses r of them, r fixed before it looks at any
score: the r/2 highest as members, the r/2 lowest as others. If the training is (epsilon, delta)-private the number of
right guesses is at most a binomial one with probability e^epsilon / (1 + e^epsilon), up to a term in delta.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparring.stats.intervals import LEVEL

MAX_EPSILON = 60.0


@dataclass(frozen=True)
class OneRunAudit:
    """Result of an audit from one run, beside what it could have shown at best."""

    canaries: int
    guesses: int
    right: int
    """Number of right guesses."""
    epsilon: float
    """Largest epsilon that is refuted with 95 % confidence; 0: none."""
    ceiling: float
    """The same if all guesses were right: the audit can show no more."""
    delta: float

    def message(self, theoretical: float) -> str:
        """Return the result beside the theoretical epsilon, with the audit's ceiling."""
        shown = f"at least {self.epsilon:.2f}" if self.epsilon > 0 else "nothing shown (which proves nothing)"
        return (
            f"epsilon: {shown} from {self.right:,} right of {self.guesses:,} guesses on {self.canaries:,} canaries; "
            f"theoretical {theoretical:g}; ceiling of this audit {self.ceiling:.2f}"
            + ("; THE PRIVACY GUARANTEE IS BROKEN" if self.epsilon > theoretical else "")
        )


def one_run_audit(scores: NDArray[np.float64], entered: NDArray[np.bool_], guesses: int, delta: float) -> OneRunAudit:
    """Return the audit of canaries with `scores` `[m]`, higher for members, and whether each `entered`.

    `guesses` is fixed before the scores are known; half of them are for members. Ties are cut in the order of rows.
    """
    count = len(scores)
    if not 2 <= guesses <= count:
        raise ValueError(f"guesses must be from 2 to the {count} canaries, not {guesses}")
    order = np.argsort(scores, kind="stable")
    lowest, highest = order[: guesses // 2], order[count - (guesses - guesses // 2) :]
    right = int((~entered[lowest]).sum() + entered[highest].sum())
    shown, ceiling = (epsilon_bound(count, guesses, v, delta) for v in (right, guesses))
    return OneRunAudit(count, guesses, right, shown, ceiling, delta)


def epsilon_bound(canaries: int, guesses: int, right: int, delta: float) -> float:
    """Return the largest epsilon at which this number of right guesses has a probability of 5 % at most; 0: none."""
    if p_value(canaries, guesses, right, 0.0, delta) > 1 - LEVEL:
        return 0.0
    low, high = 0.0, MAX_EPSILON
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if p_value(canaries, guesses, right, middle, delta) <= 1 - LEVEL else (low, middle)
    return low


def p_value(canaries: int, guesses: int, right: int, epsilon: float, delta: float) -> float:
    """Return beta + 2 m delta max_i (P[Bin >= v - i] - beta) / i, with beta = P[Bin(r, q) >= v]."""
    log_q, log_other = -math.log1p(math.exp(-epsilon)), -math.log1p(math.exp(epsilon))
    k = np.arange(guesses + 1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, guesses + 1)))])
    log_pmf = log_factorial[-1] - log_factorial - log_factorial[::-1] + k * log_q + (guesses - k) * log_other
    tail = np.minimum(np.cumsum(np.exp(log_pmf)[::-1])[::-1], 1.0)  # P[Bin >= k]
    beta = float(tail[right]) if right > 0 else 1.0
    steps = np.arange(1, right + 1)
    worst = float(((tail[right - steps] - beta) / steps).max()) if right > 0 else 0.0
    return min(beta + 2 * canaries * delta * worst, 1.0)


def expected_bound(canaries: int, guesses: int, epsilon: float, delta: float) -> float:
    """Return the bound where the proportion of right guesses is that of an optimal attack on pure `epsilon`.

    The power of the audit: what it shows of a mechanism whose every guess is right with e^epsilon / (1 + e^epsilon).
    """
    return epsilon_bound(canaries, guesses, round(guesses / (1 + math.exp(-epsilon))), delta)
