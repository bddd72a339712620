"""What a classifier knows by heart: what it has seen, and examples that it was told of, which it knows at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

NEIGHBOURS = 3
ALIKE = 1 - 1e-6
"""Cosine above which two rows are of one image."""
AT_ONCE = 500


class Memory(nn.Module):
    """A key-value memory on features (Kaiser et al. 2017, "Learning to remember rare events", section 2): it learns by writing.

    `prototypes` are the mean directions of the classes that were learnt, `typical` the directions of images that were learnt
    from. `keys` are the examples that were told, `values` their classes. All of them are unit vectors, no gradient moves any.
    """

    prototypes: Tensor
    typical: Tensor
    keys: Tensor
    values: Tensor

    def __init__(self, prototypes: Tensor, typical: Tensor) -> None:
        """`prototypes` `[K, F]` of the K classes that are known, `typical` `[M, F]`; both are brought to unit length."""
        super().__init__()
        self.register_buffer("prototypes", normalize(prototypes.float(), dim=1))
        self.register_buffer("typical", normalize(typical.float(), dim=1))
        self.register_buffer("keys", self.prototypes.new_empty(0, self.prototypes.shape[1]))
        self.register_buffer("values", torch.empty(0, dtype=torch.int64, device=self.prototypes.device))

    def __len__(self) -> int:
        return len(self.keys)

    @torch.no_grad()
    def write(self, features: Tensor, values: Tensor) -> None:
        """Remember `features` `[N, F]` as of classes `values` `[N]`.

        What was told last holds: the same features are written over, of whatever class, those of earlier rows too.
        """
        keys, values = normalize(features.float(), dim=1), values.to(self.values.device)
        for new, told in zip(torch.split(keys, AT_ONCE), torch.split(values, AT_ONCE), strict=True):
            kept = ~(self.keys @ new.T > ALIKE).any(1)
            last = ~(new @ new.T > ALIKE).triu(1).any(1)  # no later row is the same
            self.keys = torch.cat([self.keys[kept], new[last]])
            self.values = torch.cat([self.values[kept], told[last]])

    def forget(self, value: int | None = None) -> None:
        """Drop what was remembered of class `value`, or all of it."""
        kept = self.values != value if value is not None else torch.zeros_like(self.values, dtype=torch.bool)
        self.keys, self.values = self.keys[kept], self.values[kept]

    @torch.no_grad()
    def learnt(self, features: Tensor) -> Tensor:
        """The cosine `[B]` of each row `[B, F]` with the nearest prototype."""
        return (normalize(features.float(), dim=1) @ self.prototypes.T).amax(1)

    @torch.no_grad()
    def remembered(self, features: Tensor, classes: int) -> Tensor:
        """The cosine of each row `[B, F]` with what is remembered of each class, `[B, classes]`; -1 where nothing is.

        Of a class its mean direction counts, and its nearest example: one alone is its own mean.
        """
        unit = normalize(features.float(), dim=1)
        found = unit.new_full([len(unit), classes], -1.0)
        for value in torch.unique(self.values).tolist():
            keys = self.keys[self.values == value]
            every = torch.cat([keys, normalize(keys.mean(0, keepdim=True), dim=1)])
            found[:, value] = (unit @ every.T).amax(1)
        return found

    @torch.no_grad()
    def familiarity(self, features: Tensor) -> Tensor:
        """How like anything it has seen or was told of each row `[B, F]` is, a cosine `[B]`: to its third nearest neighbour.

        Sun et al. 2022, "Out-of-distribution detection with deep nearest neighbors", Eq. 3; of what was told one is enough.
        """
        unit = normalize(features.float(), dim=1)
        seen = (unit @ self.typical.T).topk(min(NEIGHBOURS, len(self.typical)), 1).values[:, -1]
        return torch.maximum(seen, (unit @ self.keys.T).amax(1)) if len(self.keys) else seen
