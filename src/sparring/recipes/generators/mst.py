"""MST: private synthetic tables from noisy marginals along trees (McKenna, Miklau and Sheldon 2021, arXiv:2108.04978).

All that is known of the data is released once with noise (`privacy/marginals.py`); nothing is trained. Differences to
the paper: where the schema names the column of the class, each class has a tree, which costs no privacy more; numbers
are cut at public edges; a tree is sampled from its root, without graphical-model inference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from torch import nn

from sparring.engine.data_spec import TableSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.loop import System
from sparring.nets.marginal_trees import MarginalTrees
from sparring.recipes.recipe import Unconditional, check_positive

STRUCTURES = ("trees", "star")


@dataclass(frozen=True, kw_only=True)
class MST(Unconditional):
    """A tree of noisy marginals for each class."""

    name: ClassVar[str] = "mst"
    paper: ClassVar[str] = "McKenna et al. 2021, arXiv:2108.04978"
    kinds: ClassVar[tuple[str, ...]] = ("table",)
    labels: ClassVar[bool] = True
    mirror: ClassVar[bool] = False
    batch_size: ClassVar[int] = 1
    accumulation_steps: ClassVar[int] = 1

    structure: Literal["trees", "star"] = "trees"
    """Columns given the class: joined by trees of the most dependent pairs, or a star, which is noisy naive Bayes."""
    bins: int = 32
    """Ranges of equal width of a column of numbers for which the schema gives no edges."""
    class_column: str = ""
    """Column with a tree for each of its values. Empty: that of --label, else the schema's label."""

    def __post_init__(self) -> None:
        check_positive(self, "bins")
        if self.structure not in STRUCTURES:
            raise UsageError(f"--structure must be one of {', '.join(STRUCTURES)}, not {self.structure}")

    def resolve(self, spec: Any, hardware: Hardware) -> Self:
        """Return the recipe itself."""
        return self

    def sizes(self, spec: TableSpec) -> list[int]:
        """Return the number of codes of each column."""
        return [len(column.categories) or self.bins for column in spec.columns]

    def class_index(self, spec: TableSpec) -> int | None:
        """Return the position of the column with a tree for each value; None without one."""
        return next((k for k, column in enumerate(spec.columns) if column.name == self.class_column), None)

    def nets(self, spec: TableSpec) -> dict[str, nn.Module]:
        """Return the sampler, of columns that are independent and even."""
        columns = spec.columns
        positions = [column.indices for column in columns]
        integer = [None if column.categories else column.is_integer for column in columns]
        return {"generator": MarginalTrees(self.sizes(spec), positions, integer, self.class_index(spec))}

    def system(self, spec: TableSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Raise UsageError: there is nothing to train."""
        raise UsageError(
            "mst is not trained: `sparring train TABLE --private EPSILON --schema FILE` releases it at once"
        )
