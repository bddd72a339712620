"""Audit features: attack them, the raw data and shuffled groups; certify them where they are finite codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.measure.leakage.adversaries import BOOSTING, FAMILIES, Array, Groups, available
from sparring.measure.leakage.attack import FOLDS, MIN_GROUP_ROWS, attack
from sparring.measure.leakage.certificate import certificate, codes_of
from sparring.measure.leakage.result import FEATURES, RAW, SHUFFLED, Certificate, Leak, LeakageReport
from sparring.stats.intervals import LEVEL

MAX_ONE_HOT = 256
"""Largest number of codes that adversaries get one-hot beside the features."""
MAX_COLUMNS = 1024
"""Columns beyond which features are projected at random to this number."""
NO_BOUND = "Other adversaries may predict more: only finite codes have a bound for all of them."


@dataclass(frozen=True)
class Audited:
    """Rows of an audit, with the names of groups and classes."""

    features: Array
    """`[N, d]`."""
    groups: Groups
    """Number of the group of each row, `[N]`, from 0 to K - 1."""
    names: Sequence[str]
    """Names of the groups."""
    raw: Array | None = None
    """Raw data of the same rows, `[N, D]`."""
    labels: Groups | None = None
    """Number of the class of each row, `[N]`."""
    label_names: Sequence[str] = ()


def audit(
    rows: Audited, *, seed: int = 0, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> LeakageReport:
    """Return how well fresh adversaries predict the groups, in all rows and, where there are labels, in each class.

    The rows must not be training rows of the model that computed the features. Classes in which a group has
    too few rows are left out, with a warning. Raises ValueError where a group has too few rows in all.
    """
    codes = codes_of(rows.features)
    features = _with_codes(rows.features, codes)
    sides, warnings = _sides(rows)
    attacks = list(_attacks(rows, features, sides, seed))
    leaks = []
    for k, (attacked, label, idx, x, groups) in enumerate(attacks):

        def advance(done: int, total: int, k: int = k) -> None:
            on_progress(k * total + done, len(attacks) * total)

        leaks.append(
            attack(_projected(x[idx], seed), groups, rows.names, attacked=attacked, label=label, seed=seed,
                   on_progress=advance)
        )  # fmt: skip
    certificates = [
        certificate(codes[idx], rows.groups[idx], rows.names, label, len(sides))
        for label, idx in sides
        if codes is not None
    ]
    if BOOSTING not in available():
        warnings.append(f"{BOOSTING}: left out, they need scikit-learn (pip install 'sparring[demo]')")
    return LeakageReport(
        _protocol(rows, codes, seed), _message(rows, leaks, certificates), tuple(leaks), tuple(certificates),
        tuple(warnings),
    )  # fmt: skip


def _sides(rows: Audited) -> tuple[list[tuple[str | None, Groups]], list[str]]:
    """Return all rows, and those of each class in which all groups are large enough, with warnings on the others."""
    sides: list[tuple[str | None, Groups]] = [(None, np.arange(len(rows.groups)))]
    warnings = []
    for k, name in enumerate(rows.label_names if rows.labels is not None else ()):
        idx = np.flatnonzero(rows.labels == k)
        sizes = np.bincount(rows.groups[idx], minlength=len(rows.names))
        if sizes.min() < MIN_GROUP_ROWS:
            least = rows.names[int(sizes.argmin())]
            warnings.append(f"class {name}: left out, only {sizes.min():,} of its rows are of the group {least}")
        else:
            sides.append((name, idx))
    return sides, warnings


def _attacks(
    rows: Audited, features: Array, sides: list[tuple[str | None, Groups]], seed: int
) -> Iterator[tuple[str, str | None, Groups, Array, Groups]]:
    """Yield what is attacked, within which class, by which rows, with which values and groups."""
    for label, idx in sides:
        groups = rows.groups[idx]
        yield FEATURES, label, idx, features, groups
        if rows.raw is not None:
            yield RAW, label, idx, rows.raw, groups
        if label is None:
            yield SHUFFLED, label, idx, features, np.random.default_rng([seed, 3]).permutation(groups)


def _with_codes(x: Array, codes: NDArray[np.int64] | None) -> Array:
    """Return finite codes with a column for each: a linear adversary can then use all of them."""
    if codes is None or codes.max() >= MAX_ONE_HOT or codes.max() == 0:
        return x
    return np.concatenate([x, np.eye(int(codes.max()) + 1, dtype=np.float32)[codes]], 1)


def _projected(x: Array, seed: int) -> Array:
    """Return at most MAX_COLUMNS columns, of many a random projection."""
    if x.shape[1] <= MAX_COLUMNS:
        return x
    w = np.random.default_rng([seed, 4]).normal(0, x.shape[1] ** -0.5, (x.shape[1], MAX_COLUMNS))
    return np.asarray(x @ w.astype(np.float32))


def _protocol(rows: Audited, codes: NDArray[np.int64] | None, seed: int) -> dict[str, Any]:
    sizes = np.bincount(rows.groups, minlength=len(rows.names))
    return {
        "rows": len(rows.groups),
        "features": rows.features.shape[1],
        "raw": None if rows.raw is None else rows.raw.shape[1],
        "codes": None if codes is None else int(codes.max()) + 1,
        "groups": {name: int(size) for name, size in zip(rows.names, sizes, strict=True)},
        "adversaries": f"{', '.join(available())}; family and settings by AUC in {FOLDS}-fold cross-validation in one "
        "half of the rows, scored once on the other half",
        "families": len(available()) / len(FAMILIES),
        "intervals": f"{LEVEL:.0%}; AUC: DeLong; recalls: Clopper-Pearson; certificate: McDiarmid and Bonferroni",
        "seed": seed,
    }


def _message(rows: Audited, leaks: Sequence[Leak], certificates: Sequence[Certificate]) -> str:
    """Return a summary of the attacks on all rows, and of the certificates where there are any."""
    by_name = {leak.attacked: leak for leak in leaks if leak.label is None}
    leak = by_name[FEATURES]
    beside = [
        f"{f'from {what}' if what == RAW else f'with {what}'} {by_name[what].auc.value:.3f}"
        for what in (RAW, SHUFFLED)
        if what in by_name
    ]
    if leak.auc.low > 0.5:
        lines = [f"A fresh adversary ({leak.adversary}) predicts the group with an AUC of {leak.auc.text(3, 1)}"]
    else:
        lines = [f"No fresh adversary predicts the group better than chance: AUC {leak.auc.text(3, 1)}"]
    lines[0] += f"; {', '.join(beside)}."
    if leak.gap and leak.gap.low > 0:
        lines.append(f"As a user of the features it treats the groups differently: a gap of {leak.gap.text()} points.")
    lines += [_sentence(each) for each in certificates] or [NO_BOUND]
    return " ".join(lines)


def _sentence(each: Certificate) -> str:
    within = f"Within the class {each.label}, no" if each.label is not None else "No"
    if each.bound >= 1:
        return f"The certificate of the {each.codes:,} codes is empty: there are too few rows."
    return (
        f"{within} decision from these {each.codes:,} codes alone differs by more than {100 * each.bound:.1f} points "
        f"between two groups (95 % confidence)."
    )
