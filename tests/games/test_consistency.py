from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sparring.engine.game import Batch
from sparring.games.consistency import Consistency
from sparring.nets.cnn_classifier import CNNClassifier

LOGITS = torch.tensor([[9.0, 0.0, 0.0], [0.3, 0.2, 0.1], [0.0, 8.0, 0.0], [0.0, 0.0, 1.0]])
"""Logits of four images. The first and the third are confident."""


class Says(nn.Module):
    """Logits that do not depend on the image, as a parameter."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits.clone())

    def forward(self, x: Tensor) -> Tensor:
        return self.logits + 0 * x.mean()


def same(x: Tensor, batch: Batch) -> Tensor:
    return x


def batch() -> Batch:
    return Batch(torch.randn(4, 1, 2, 2), torch.full((4,), -1), seed=3)


def term(teacher: nn.Module, **options: object) -> Consistency:
    return Consistency(teacher, 3, same, same, **{"balance_classes": False, **options})  # type: ignore[arg-type]


def test_only_confident_pseudo_labels_count() -> None:
    student = Says(torch.randn(4, 3))
    loss, told = term(Says(LOGITS), weight=0.5)(student, batch(), 0.0)
    expected = (
        cross_entropy(student.logits[[0, 2]], torch.tensor([0, 1]), reduction="sum") / 4
    )  # Eq. 4: over all images
    torch.testing.assert_close(loss, 0.5 * expected)
    assert told["confident"] == 0.5
    loss.backward()
    assert student.logits.grad is not None
    assert torch.equal(student.logits.grad.abs().sum(1) > 0, torch.tensor([True, False, True, False]))


def test_the_teacher_has_no_gradient_and_is_no_submodule() -> None:
    teacher, student = Says(LOGITS), Says(torch.randn(4, 3))
    made = term(teacher)
    made(student, batch(), 0.0)[0].backward()
    assert teacher.logits.grad is None
    assert not list(made.parameters()) and made.state_dict().keys() == {"class_probs"}


def test_without_confident_pseudo_labels_the_loss_is_0() -> None:
    student = Says(torch.randn(4, 3))
    loss, told = term(Says(torch.zeros(4, 3)))(student, batch(), 0.0)
    assert loss == 0 and told["confident"] == 0


@pytest.mark.parametrize("even", [True, False])
def test_class_probs_are_a_running_mean(even: bool) -> None:
    made = term(Says(LOGITS), balance_classes=even, momentum=0.9)
    torch.testing.assert_close(made.class_probs, torch.full((3,), 1 / 3))
    made(Says(torch.zeros(4, 3)), batch(), 0.0)
    moved = 0.9 / 3 + 0.1 * LOGITS.softmax(1).mean(0)
    torch.testing.assert_close(made.class_probs, moved if even else torch.full((3,), 1 / 3))
    assert float(made.class_probs.sum()) == pytest.approx(1)


def test_pseudo_labels_are_balanced() -> None:
    """A too frequent class needs a higher probability: 0.7 of a class predicted for all images is not confident."""
    says = torch.tensor([[0.7, 0.3, 1e-9]] * 4).log()
    made = term(Says(says), balance_classes=True, confidence=0.4, momentum=0.0)  # the shares are the batch's own
    student = Says(torch.zeros(4, 3))
    with torch.no_grad():
        made.class_probs.copy_(torch.tensor([0.7, 0.3, 1e-9]))
    _loss, told = made(student, batch(), 0.0)
    assert told["confident"] == 1  # 0.7 / 0.7 and 0.3 / 0.3: the same
    made.confidence = 0.6
    assert made(student, batch(), 0.0)[1]["confident"] == 0


def test_teacher_and_classifier_get_weak_and_strong_augmentation() -> None:
    class Looks(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(float(x.mean()))
            return torch.zeros(len(x), 3)

    seen: list[float] = []
    made = Consistency(Looks(), 3, lambda x, b: x * 0 + 1, lambda x, b: x * 0 + 2)
    made(Looks(), batch(), 0.0)
    assert seen == [1, 2]


@pytest.mark.parametrize("logits", [LOGITS, torch.zeros(4, 3)])
def test_confident_only_gives_the_same_gradient(logits: Tensor) -> None:
    torch.manual_seed(0)
    student, images = CNNClassifier((1, 8, 8), 4, 8, 8, 3), Batch(torch.randn(4, 1, 8, 8), torch.full((4,), -1), seed=3)
    passed: list[int] = []
    student.register_forward_pre_hook(lambda _, given: passed.append(len(given[0])))
    found = []
    for alone in (False, True):
        loss, told = term(Says(logits), confident_only=alone)(student, images, 0.0)
        found.append((loss, told["confident"], *torch.autograd.grad(loss, list(student.parameters()))))
    assert passed == [4, round(4 * float(found[0][1]))]
    for whole, part in zip(*found, strict=True):
        torch.testing.assert_close(part, whole)
