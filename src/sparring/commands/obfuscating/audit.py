"""Audit an obfuscator: fresh adversaries read group and class from originals, noisy and obfuscated examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.commands.obfuscating.parts import AuditRows
from sparring.commands.obfuscating.result import CLASS_ALONE, NOISE, OBFUSCATED, ORIGINAL, Audit
from sparring.commands.reporting.progress import Progress
from sparring.commands.solving.checks import simple_features
from sparring.engine.data_spec import DataSpec, TableSpec
from sparring.measure.leakage.adversaries import FAMILIES, Adversary, network_of
from sparring.measure.leakage.attack import MIN_GROUP_ROWS, attack
from sparring.measure.leakage.result import SHUFFLED, Leak
from sparring.models.obfuscator import ObfuscatorModel
from sparring.recipes.features.networks import classifier_for, width_for

CONVOLUTIONAL = "convolutional network"
ON_VALUES = "network"


@singledispatch
def network_adversary(spec: DataSpec) -> dict[str, Adversary]:
    """Return the family of networks that read whole examples of a kind."""

    def build(outputs: int) -> Any:
        return classifier_for(replace(spec, classes=tuple(map(str, range(outputs)))), width_for(spec))  # type: ignore[type-var]

    return {CONVOLUTIONAL: Adversary({"": network_of(build, spec.shape)}, standardised=False)}


@network_adversary.register
def _(spec: TableSpec) -> dict[str, Adversary]:
    """Return the network on columns, one of the families for features."""
    return {ON_VALUES: FAMILIES[ON_VALUES]}


def audit(model: ObfuscatorModel, audited: AuditRows, seed: int, progress: Progress) -> Audit:
    """Return what fresh adversaries predict from each version of the audited examples, and the distortion."""
    spec, rows = model.spec, audited.rows
    distortion = model.distortion(rows, seed)
    versions = {
        ORIGINAL: rows,
        NOISE: model.with_noise(rows, distortion, seed),
        OBFUSCATED: model.obfuscate(rows, seed),
    }
    known, labelled = np.flatnonzero(audited.groups >= 0), _of_large_classes(audited.labels)
    groups, labels = audited.groups[known], audited.labels[labelled]
    has_classes = len(np.unique(labels)) > 1
    total = 4 + has_classes * 4
    done = iter(range(1, total + 1))
    advance = progress.callback("auditing", "attacks")
    leaks: dict[str, Leak] = {}
    utility: dict[str, Leak] = {}
    for name, version in versions.items():
        leaks[name] = read_group(spec, version[known], groups, spec.groups, name, seed)
        advance(next(done), total)
        if has_classes:
            utility[name] = read_class(spec, version[labelled], labels, spec.classes, name, seed)
            advance(next(done), total)
    shuffled = np.random.default_rng([seed, 3]).permutation(groups)
    leaks[SHUFFLED] = read_group(spec, versions[OBFUSCATED][known], shuffled, spec.groups, SHUFFLED, seed)
    advance(next(done), total)
    if has_classes:
        one_hot = np.eye(len(spec.classes) + 1, dtype=np.float32)[audited.labels[known]]
        leaks[CLASS_ALONE] = attack(one_hot, groups, spec.groups, attacked=CLASS_ALONE, seed=seed)
        advance(next(done), total)
    return Audit(leaks, utility, distortion)


def read_group(
    spec: Any, rows: NDArray[Any], groups: NDArray[np.int64], names: tuple[str, ...], version: str, seed: int
) -> Leak:
    """Return the attack of the best family: those of features on simple numbers, and the network of the kind.

    All learn from the same half of the rows, and the best one is chosen there.
    """
    simple = attack(simple_features(spec, rows), groups, names, attacked=version, seed=seed)
    network = _attack_by(network_adversary(spec), spec, rows, groups, names, version, seed)
    best = max((simple, network), key=lambda leak: max(leak.families.values()))
    return replace(best, families={**simple.families, **network.families})


def read_class(
    spec: Any, rows: NDArray[Any], labels: NDArray[np.int64], names: tuple[str, ...], version: str, seed: int
) -> Leak:
    """Return how well a fresh network of the kind predicts the class."""
    present, numbers = np.unique(labels, return_inverse=True)
    known = tuple(names[k] for k in present)
    return _attack_by(network_adversary(spec), spec, rows, numbers, known, version, seed)


def _attack_by(
    families: Mapping[str, Adversary], spec: Any, rows: NDArray[Any], groups: NDArray[np.int64],
    names: tuple[str, ...], version: str, seed: int,
) -> Leak:  # fmt: skip
    values = spec.encode(rows).numpy()
    x = np.ascontiguousarray(values.reshape(len(rows), -1))
    return attack(x, groups, names, attacked=version, seed=seed, families=families)


def _of_large_classes(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows of classes that are large enough to be predicted."""
    sizes = np.append(np.bincount(labels[labels >= 0]), 0)
    large: NDArray[np.int64] = np.flatnonzero((labels >= 0) & (sizes[labels] >= MIN_GROUP_ROWS))
    return large
