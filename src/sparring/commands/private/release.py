"""Release what training needs of private rows, once and with noise: moments of images, or marginals of a table."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sparring.commands.private.images import open_private_images
from sparring.commands.reporting.progress import Progress
from sparring.data.dataset import Dataset, SourceReport
from sparring.data.open import open_rows
from sparring.data.reader_api import ReadOptions
from sparring.data.tables.schema import Schema, check_label, read_schema
from sparring.engine.data_spec import ImageSpec, spec_to_json
from sparring.engine.errors import SparringError, UsageError
from sparring.games.moments import MomentCritic
from sparring.nets.marginal_trees import MarginalTrees
from sparring.privacy.accountant import gaussian_noise, zcdp_rho
from sparring.privacy.ledger import Budget, Ledger, Release
from sparring.privacy.marginals import release_classes, release_tree
from sparring.privacy.mechanisms import Gaussian
from sparring.privacy.secret import SecretNoise
from sparring.recipes.generators.mst import MST

COUNT_WEIGHT = 0.2
"""Size of a row's count in its class, beside its moments of size sqrt(1 - 0.2^2): together of norm 1."""
CLASS_FRACTION = 0.05
"""Fraction of rho that the numbers of rows of the classes of a table cost."""
CHUNK_ROWS = 250


@dataclass(frozen=True)
class PrivateData:
    """What is public of private rows: a spec, a digest that only the key's holder can repeat, and their number."""

    spec: Any
    fingerprint: str
    report: SourceReport

    def __len__(self) -> int:
        return int(self.spec.count)

    @classmethod
    def of(cls, source: str, spec: Any, fingerprint: str, unit: str) -> PrivateData:
        """Return what is public, with a report of nothing else."""
        report = SourceReport(
            source, spec.kind, "", "", unit, used=spec.count, skipped={}, shape=spec.shape, mode="", shapes_found={},
            classes={}, unlabelled=0, splits={"train": spec.count, "test": 0}, notes=[], fingerprint=fingerprint,
            spec=spec_to_json(spec),
        )  # fmt: skip
        return cls(spec, fingerprint, report)


def open_images(source: str, options: ReadOptions, progress: Progress) -> Dataset:
    """Open the private images of a generator (`open_private_images`).

    Messages hold the number, the size and the classes of the images alone.
    """
    data = open_private_images(source, options, progress).without_vectors()
    spec: ImageSpec = data.spec
    if len(data) < 2:
        raise SparringError(f"{source} has fewer than two usable images: a private release needs hundreds or more")
    data.spec = replace(spec, unlabelled=0)
    size = f"{spec.height}x{spec.width}"
    progress.info(f"{len(data):,} private images of {size}, {len(spec.classes)} classes")
    return data


def release_moments(
    data: Dataset, critic: MomentCritic, budget: Budget, secret: SecretNoise, progress: Progress
) -> Ledger:
    """Fill the critic's moments with noise by the analytic Gaussian mechanism; return the ledger.

    A row adds to the sum of its class a vector of norm 1 at most: moments times sqrt(1 - w^2), and a count times w.
    """
    classes, frequencies, _ = critic.moments.shape
    sums = torch.zeros(classes, 2 * frequencies, dtype=torch.float64)
    labels = data.labels if classes > 1 else np.zeros(len(data), np.int64)
    scale = math.sqrt(1 - COUNT_WEIGHT**2) * (1 - 1e-6)  # the margin covers rounding
    progress.begin("releasing moments", len(data), 0, "images")
    for first in range(0, len(data), CHUNK_ROWS):
        idx = np.arange(first, min(first + CHUNK_ROWS, len(data)))
        idx = idx[labels[idx] >= 0]
        with torch.no_grad():
            phi = critic.features(data.spec.encode(data[idx])).flatten(1).double() * scale
        sums.index_add_(0, torch.from_numpy(labels[idx]), phi)
        progress.update(first, {})
    progress.end()
    counts = np.bincount(labels[labels >= 0], minlength=classes) * COUNT_WEIGHT
    mechanism = Gaussian(gaussian_noise(budget.epsilon, budget.delta))
    released = np.concatenate([sums.numpy(), counts[:, None]], 1)
    released += mechanism.noise_multiplier * secret.normal(released.shape, "moments")
    counts = np.maximum(released[:, -1] / COUNT_WEIGHT, 1.0)
    critic.moments.copy_(torch.from_numpy(released[:, :-1] / scale / counts[:, None]).view_as(critic.moments))
    critic.noise_variance.copy_(torch.from_numpy((mechanism.noise_multiplier / scale / counts) ** 2))
    critic.class_counts.copy_(torch.from_numpy(counts.round()))
    what = "sum over the images of each class of features of norm 1, and their number"
    public = (
        f"the number of images, {len(data):,}", "the size and the mode of the images", "the names of the classes",
    )  # fmt: skip
    return Ledger(budget, public=public).add(Release(what, mechanism, 1.0))


def moment_notes(critic: MomentCritic) -> list[str]:
    """Return a remark where the noise in the moments of a class is larger than what can be learnt from them."""
    noise = float((2 * critic.moments.shape[1] * critic.noise_variance.mean()).sqrt())
    if noise < 0.5:
        return []
    return [
        f"the noise in the moments is {noise:.1f} times their largest size: samples will show little of the data. A "
        "larger epsilon, more images, fewer classes or fewer --frequencies help"
    ]


def read_table(
    source: str, options: ReadOptions, path: str | Path | None, recipe: MST
) -> tuple[Schema, MST, NDArray[np.int64]]:
    """Return the public schema, the recipe with the column of the class, and the codes `[N, columns]` of the rows."""
    if options.drop or options.categorical:
        raise UsageError("the schema names the columns and their kinds: leave --drop and --categorical out")
    schema = read_schema(path, recipe.bins)
    label = recipe.class_column or options.label or schema.label
    check_label(label, schema.columns)
    header, rows = open_rows(source, options)
    codes = schema.codes(header, rows)
    if len(codes) < 2:
        raise SparringError(f"{source} has fewer than two rows: a private release needs hundreds or more")
    return schema, replace(recipe, class_column=label), codes


def codes_digest(schema: Schema, codes: NDArray[np.int64]) -> str:
    """Return a digest of private codes: for the key's holder alone."""
    content = hashlib.blake2b(repr(schema).encode(), digest_size=16)
    content.update(codes.tobytes())
    return content.hexdigest()


def release_marginals(
    codes: NDArray[np.int64], schema: Schema, recipe: MST, net: MarginalTrees, budget: Budget, secret: SecretNoise
) -> Ledger:
    """Fill the trees of `net` with noisy marginals; return the ledger."""
    rows = len(codes)
    sizes = [len(column.values) or len(column.edges) - 1 for column in schema.columns]
    for j, column in enumerate(schema.columns):
        if column.edges:
            net.edges[j, : len(column.edges)] = torch.tensor(column.edges)
    pairs = recipe.structure == "trees" and len(net.columns) > 1
    rho = zcdp_rho(budget.epsilon, budget.delta) if pairs else 0.5 / gaussian_noise(budget.epsilon, budget.delta) ** 2
    public = (
        f"the number of rows, {rows:,}", "the schema: names of columns, their ranges and values",
    )  # fmt: skip
    ledger, totals = Ledger(budget, public=public), np.array([float(rows)])
    label = np.zeros(rows, np.int64)
    if net.split_on is not None:
        label = codes[:, net.split_on]
        totals, release = release_classes(label, sizes[net.split_on], CLASS_FRACTION * rho, secret)
        ledger, rho = ledger.add(release), (1 - CLASS_FRACTION) * rho
        net.class_weights.copy_(torch.from_numpy(totals))
    if not net.columns:
        return ledger
    for k, total in enumerate(totals):
        of_class = codes[label == k][:, net.columns]
        tree, releases = release_tree(
            of_class, tuple(sizes[j] for j in net.columns), total, rho, secret, k, pairs=pairs
        )  # fmt: skip
        net.set_tree(k, tree.order, tree.parents, [torch.from_numpy(table) for table in tree.tables])
    in_class = " in each class, where a row is in one class" if len(totals) > 1 else ""
    return ledger.add(*(replace(release, what=release.what + in_class) for release in releases))
