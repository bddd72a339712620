"""An episodic memory for a classifier: embeddings of its training data, and examples that users add to it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from sparring.nets.lda import LDA

NEIGHBOURS = 3
"""Index k of the nearest neighbour that `familiarity` uses."""
SAME_IMAGE_COSINE = 1 - 1e-6
"""Cosine above which two feature vectors count as the same image."""
CHUNK_ROWS = 500
"""Number of examples that are written at once."""


class Memory(nn.Module):
    """A key-value memory on features (Kaiser et al. 2017, "Learning to remember rare events", section 2).

    `classes` models the classes of the training data; `reference` holds normalised OOD embeddings (`nets.ood_features`)
    of training images in half precision. Each added example has its features in `keys`, its embedding in `embeddings`
    and its class in `values`.
    """

    reference: Tensor
    keys: Tensor
    embeddings: Tensor
    values: Tensor

    def __init__(self, classes: LDA, reference: Tensor) -> None:
        """Take the fitted `classes` and `reference` embeddings `[M, E]` of training images, which are normalised."""
        super().__init__()
        self.classes = classes
        self.register_buffer("reference", normalize(reference.float(), dim=1).half())
        self.register_buffer("keys", classes.means.new_empty(0, classes.means.shape[1]))
        self.register_buffer("embeddings", self.keys.new_empty(0, reference.shape[1]))
        self.register_buffer("values", torch.empty(0, dtype=torch.int64, device=self.reference.device))

    def __len__(self) -> int:
        return len(self.keys)

    @torch.no_grad()
    def write(self, features: Tensor, embeddings: Tensor, values: Tensor) -> None:
        """Add examples: `features` `[N, F]`, OOD `embeddings` `[N, E]` and classes `values` `[N]`.

        An example replaces earlier ones with the same features, whatever their class.
        """
        columns = (features.float(), normalize(embeddings.float(), dim=1), values.to(self.values.device))
        for keys, directions, classes in zip(*(torch.split(column, CHUNK_ROWS) for column in columns), strict=True):
            kept, last = ~_same_image(self.keys, keys).any(1), ~_same_image(keys, keys).triu(1).any(1)
            self.keys = torch.cat([self.keys[kept], keys[last]])
            self.embeddings = torch.cat([self.embeddings[kept], directions[last]])
            self.values = torch.cat([self.values[kept], classes[last]])

    def forget(self, value: int | None = None) -> None:
        """Remove the examples of class `value`, or all."""
        kept = self.values != value if value is not None else torch.zeros_like(self.values, dtype=torch.bool)
        self.keys, self.embeddings, self.values = self.keys[kept], self.embeddings[kept], self.values[kept]

    def holds(self, features: Tensor) -> Tensor:
        """Return a mask `[B]` of features `[B, F]` that are those of an added example."""
        return _same_image(features.float(), self.keys).any(1)

    @torch.no_grad()
    def evidence(self, features: Tensor, classes: int) -> Tensor:
        """Return log p(x / remembered class) - max log p(x / learned class), `[B, classes]`, of features `[B, F]`.

        It is -inf for classes without examples. The density of a class is that of `LDA.log_density`, or that at its
        nearest example if larger, so that one example suffices for near-duplicates.
        """
        whitened, keys = self.classes.whiten(features), self.classes.whiten(self.keys)
        out = whitened.new_full([len(whitened), classes], -torch.inf)
        for value in torch.unique(self.values).tolist():
            examples = keys[self.values == value]
            nearest = -torch.cdist(whitened, examples, compute_mode="donot_use_mm_for_euclid_dist").square().amin(1) / 2
            out[:, value] = torch.maximum(self.classes.log_density(whitened, examples), nearest)
        return out - self.classes.max_log_density(whitened)[:, None]

    @torch.no_grad()
    def familiarity(self, embeddings: Tensor) -> Tensor:
        """Return the cosine similarity `[B]` of OOD embeddings `[B, E]` to the third nearest reference embedding.

        Source: Sun et al. 2022, "Out-of-distribution detection with deep nearest neighbors", Eq. 3. Added examples
        count with their nearest neighbour.
        """
        directions = normalize(embeddings.float(), dim=1)
        cosines = (directions @ self.reference.float().T).topk(min(NEIGHBOURS, len(self.reference)), 1).values[:, -1]
        if not len(self.embeddings):
            return cosines
        return torch.maximum(cosines, (directions @ self.embeddings.T).amax(1))


def _same_image(first: Tensor, second: Tensor) -> Tensor:
    """Return a mask `[N, M]` of the pairs of `[N, F]` and `[M, F]` that are features of one image."""
    return normalize(first, dim=1) @ normalize(second, dim=1).T > SAME_IMAGE_COSINE
