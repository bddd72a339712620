"""A classifier whose feature is one of a few codes, a finite alphabet."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import one_hot

from sparring.nets.layers import Head


class CodedClassifier(nn.Module):
    """Examples -> logits by way of a code; `features` are one-hot codes `[B, codes]`.

    `encoder` is a classifier whose last layer gives the scores of the codes.
    """

    def __init__(self, encoder: nn.Module, codes: int, classes: int) -> None:
        super().__init__()
        self.encoder, self.codes = encoder, codes
        self.head = Head(codes, classes)

    def scores(self, x: Tensor) -> Tensor:
        """Map examples to the scores of the codes, `[B, codes]`."""
        scores: Tensor = self.encoder(x)
        return scores

    def features(self, x: Tensor) -> Tensor:
        """Map examples to one-hot codes; gradients are those of the softmax (straight-through)."""
        return self.choose(self.scores(x))

    def choose(self, scores: Tensor) -> Tensor:
        """Return the code of the highest score as one-hot, with the gradient of the softmax."""
        soft = scores.softmax(1)
        hard = one_hot(scores.argmax(1), self.codes).to(soft)
        return hard + soft - soft.detach() if soft.requires_grad else hard

    def forward(self, x: Tensor) -> Tensor:
        """Map examples to logits."""
        logits: Tensor = self.head(self.features(x))
        return logits
