"""What an image shows does not change when it is turned a little: labels for the unlabelled out of the classifier's own mouth.

An averaged teacher (Tarvainen and Valpola 2017, "Mean teachers are better role models") says what an image shows as it
is; where it is sure, the classifier must say the same of the image changed strongly (Sohn et al. 2020, "FixMatch", Eq. 4).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sparring.engine.game import Batch, Stats
from sparring.games.semi_supervised import Change


class Consistency(nn.Module):
    """A term of `FewLabels`: weight * mean over the batch of [teacher is sure] * cross entropy with its answer.

    The teacher's shares of the classes are brought to equal ones before it counts as sure (Berthelot et al. 2020, "ReMixMatch",
    section 3.1), if `even`: with one label a class it would else call all images by the few names it is sure of. `shares`
    is the running mean of what it says, the module's one buffer.
    """

    shares: Tensor

    def __init__(
        self, teacher: nn.Module, classes: int, weak: Change, strong: Change,
        *, weight: float = 1.0, sure: float = 0.95, even: bool = True, memory: float = 0.99, alone: bool = False,
    ) -> None:  # fmt: skip
        """With `alone` the classifier is shown none but the images that the teacher is sure of, none at all maybe.

        The loss is the same, for less work; for classifiers that answer on each image by itself, where no graph is captured.
        """
        super().__init__()
        self._teacher = (teacher,)  # no submodule: its weights are the running average's
        self.weak, self.strong = weak, strong
        self.weight, self.sure, self.even, self.memory, self.alone = weight, sure, even, memory, alone
        self.register_buffer("shares", torch.full((classes,), 1 / classes))

    def forward(self, classifier: nn.Module, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """The term, and the share of images that the teacher is `sure` of."""
        with torch.no_grad():
            says = self._teacher[0](self.weak(batch.x, batch)).float().softmax(1)
            if self.even:
                self.shares.lerp_(says.mean(0), 1 - self.memory)
                says = says / (len(self.shares) * self.shares).clamp_min(0.1)
                says = says / says.sum(1, keepdim=True)
            confidence, answer = says.max(1)
            sure = confidence >= self.sure
        seen, share = self.strong(batch.x, batch), sure.float().mean()
        if self.alone:
            seen, answer, sure = seen[sure], answer[sure], sure[sure]
        loss = (cross_entropy(classifier(seen).float(), answer, reduction="none") * sure).sum() / len(batch)
        return self.weight * loss, {"sure": share}
