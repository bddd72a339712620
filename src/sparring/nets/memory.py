"""What a classifier knows by heart: what it has seen, and examples that it was told of, which it knows at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from sparring.nets.lda import LDA

NEIGHBOURS = 3
ALIKE = 1 - 1e-6
"""Cosine above which two rows are of one image."""
AT_ONCE = 500


class Memory(nn.Module):
    """A key-value memory on features (Kaiser et al. 2017, "Learning to remember rare events", section 2): it learns by writing.

    `classes` are those that were learnt, `typical` how images that were learnt from look (`nets.ood_features`), directions in half
    precision. `keys` are the features of the examples that were told, `told` how they look, `values` their classes. No
    gradient moves any of them.
    """

    typical: Tensor
    keys: Tensor
    told: Tensor
    values: Tensor

    def __init__(self, classes: LDA, typical: Tensor) -> None:
        """`typical` `[M, S]` are looks at images that were learnt from; they are brought to unit length."""
        super().__init__()
        self.classes = classes
        self.register_buffer("typical", normalize(typical.float(), dim=1).half())
        self.register_buffer("keys", classes.means.new_empty(0, classes.means.shape[1]))
        self.register_buffer("told", self.keys.new_empty(0, typical.shape[1]))
        self.register_buffer("values", torch.empty(0, dtype=torch.int64, device=self.typical.device))

    def __len__(self) -> int:
        return len(self.keys)

    @torch.no_grad()
    def write(self, features: Tensor, seen: Tensor, values: Tensor) -> None:
        """Remember `features` `[N, F]` that look like `seen` `[N, S]` as of classes `values` `[N]`.

        What was told last holds: the same features are written over, of whatever class, those of earlier rows too.
        """
        rows = (features.float(), normalize(seen.float(), dim=1), values.to(self.values.device))
        for keys, told, classes in zip(*(torch.split(column, AT_ONCE) for column in rows), strict=True):
            kept, last = ~_alike(self.keys, keys).any(1), ~_alike(keys, keys).triu(1).any(1)  # no later row is the same
            self.keys = torch.cat([self.keys[kept], keys[last]])
            self.told = torch.cat([self.told[kept], told[last]])
            self.values = torch.cat([self.values[kept], classes[last]])

    def forget(self, value: int | None = None) -> None:
        """Drop what was remembered of class `value`, or all of it."""
        kept = self.values != value if value is not None else torch.zeros_like(self.values, dtype=torch.bool)
        self.keys, self.told, self.values = self.keys[kept], self.told[kept], self.values[kept]

    @torch.no_grad()
    def evidence(self, features: Tensor, classes: int) -> Tensor:
        """How much likelier each row `[B, F]` is in what was told of each class than in any that was learnt, `[B, classes]`.

        In logarithms; -inf where nothing was told. Examples of a class make a Gaussian (`Discriminant.density`), and each of
        them is a place of its own besides, so that what was told once is known at once.
        """
        places, keys = self.classes.place(features), self.classes.place(self.keys)
        found = places.new_full([len(places), classes], -torch.inf)
        for value in torch.unique(self.values).tolist():
            examples = keys[self.values == value]
            near = -torch.cdist(places, examples).square().amin(1) / 2
            found[:, value] = torch.maximum(self.classes.density(places, examples), near)
        return found - self.classes.learnt(places)[:, None]

    @torch.no_grad()
    def familiarity(self, seen: Tensor) -> Tensor:
        """How like anything it has seen or was told of each row `[B, S]` is, a cosine `[B]`: to its third nearest neighbour.

        Sun et al. 2022, "Out-of-distribution detection with deep nearest neighbors", Eq. 3; of what was told one is enough.
        """
        unit = normalize(seen.float(), dim=1)
        found = (unit @ self.typical.float().T).topk(min(NEIGHBOURS, len(self.typical)), 1).values[:, -1]
        return torch.maximum(found, (unit @ self.told.T).amax(1)) if len(self.told) else found


def _alike(first: Tensor, second: Tensor) -> Tensor:
    """Which of `[N, F]` are of one image with which of `[M, F]`: bool `[N, M]`."""
    return normalize(first, dim=1) @ normalize(second, dim=1).T > ALIKE
