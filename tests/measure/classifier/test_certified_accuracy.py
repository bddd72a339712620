"""Brackets of a linear model, where all is known: the truth is between the ends, the attack is the shortest way."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from sparring.attacks.smoothing import predict, smoothed_model
from sparring.engine.errors import UsageError
from sparring.measure.classifier.certified_accuracy import Brackets, CertificationReport, Row, brackets
from sparring.report.certificate_section import certified_sections
from sparring.stats.proportion import CurvePoint

W = torch.tensor([3.0, 4.0])
SIGMA = 0.1
RADII = (0.0, 0.1, 0.2, 0.4)


def linear(x: Tensor) -> Tensor:
    """Class 1 where 3 a + 4 b is above 3.5; the boundary is at |3 a + 4 b - 3.5| / 5, in noise as without."""
    said = x @ W.to(x) - 3.5
    return torch.stack([-said, said], 1)


def rows(count: int = 24) -> tuple[Tensor, Tensor, Tensor]:
    """Rows inside the box, their labels, and how far each is from the boundary."""
    x = 0.3 + 0.4 * torch.rand(count, 2, generator=torch.Generator().manual_seed(0))
    said = x @ W - 3.5
    return x, (said > 0).long(), said.abs() / 5


def test_the_truth_lies_between_certificate_and_attack() -> None:
    x, y, truth = rows()
    found = brackets(linear, x, y, SIGMA, RADII, n=4000)
    sure = truth > 0.03  # nearer ones may be left undecided
    assert found.correct[sure].all() and not torch.isinf(found.upper[sure]).any()
    assert (found.lower[found.correct] <= truth[found.correct]).all()
    assert (found.upper[sure] >= truth[sure]).all()
    assert (found.lower[sure] > truth[sure] - 0.03).all()
    assert (found.upper[sure] < truth[sure] + 0.04).all()  # a vote must be clear, and the way is halved five times


def test_adversaries_are_where_they_are_said_to_be_and_break_the_vote() -> None:
    x, y, _ = rows()
    found = brackets(linear, x, y, SIGMA, RADII, n=1000)
    broke = (found.upper > 0) & torch.isfinite(found.upper)
    assert broke.any() and (found.adv >= 0).all() and (found.adv <= 1).all()
    torch.testing.assert_close((found.adv - x).norm(dim=1).double()[broke], found.upper[broke], rtol=1e-4, atol=1e-6)
    assert (predict(linear, found.adv[broke], SIGMA, n=4000, seed=9) == 1 - y[broke]).all()
    assert torch.equal(found.adv[~broke], x[~broke])


def test_a_wrong_label_is_broken_at_0_and_no_certificate() -> None:
    x, y, truth = rows()
    far = truth > 0.1
    found = brackets(linear, x[far], 1 - y[far], SIGMA, (0.0, 0.2), n=500)
    assert not found.correct.any() and (found.lower == 0).all() and (found.upper == 0).all()
    assert found.certified(0.0).accuracy.hits == found.attacked(0.0).accuracy.hits == 0


def test_shares_fall_with_the_radius_and_attacked_are_never_fewer_than_certified() -> None:
    x, y, _ = rows(60)  # more than fit into one part
    found = brackets(linear, x, y, SIGMA, RADII, n=1000)
    for levels in ([found.certified(r) for r in RADII], [found.attacked(r) for r in RADII]):
        counts = [level.accuracy.hits for level in levels]
        assert counts == sorted(counts, reverse=True) and all(level.accuracy.total == 60 for level in levels)
    assert all(found.attacked(r).accuracy.hits >= found.certified(r).accuracy.hits for r in RADII)
    again = brackets(linear, x, y, SIGMA, RADII, n=1000)
    assert torch.equal(found.lower, again.lower) and torch.equal(found.upper, again.upper)


def test_the_soft_vote_is_the_mean_of_probabilities() -> None:
    x = torch.tensor([[0.5, 0.5]]).double()
    logits = smoothed_model(linear, SIGMA, 100_000)(x.requires_grad_())
    noise = SIGMA * torch.randn(100_000, 2, generator=torch.Generator().manual_seed(3)).double()
    want = (x + noise).matmul(W.double()).sub(3.5).mul(2).sigmoid().mean()
    torch.testing.assert_close(logits.exp()[0, 1], want, atol=0.005, rtol=0)
    (slope,) = torch.autograd.grad(logits[0, 1], x)
    assert torch.nn.functional.cosine_similarity(slope, W[None].double()).item() > 0.9999


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"radii": ()}, "radii must be numbers of 0 or more, not none"),
        ({"radii": (-1.0,)}, "radii must be numbers of 0 or more"),
        ({"radii": (float("nan"),)}, "radii must be numbers of 0 or more"),
        ({"radii": (9.0,)}, "the radius 9 is beyond the whole box, which is 1.41"),
        ({"sigma": 0.0}, "sigma"),
        ({"n": 0}, "1 or more"),
        ({"y": torch.tensor([0, 2])}, "the label 2"),
        ({"x": torch.tensor([[3.0, 0.0], [0.0, 0.0]])}, "outside the box"),
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, Any], words: str) -> None:
    given = {"x": torch.full((2, 2), 0.5), "y": torch.tensor([0, 1]), "sigma": SIGMA, "radii": RADII, **change}
    with pytest.raises(UsageError, match=words):
        brackets(linear, given.pop("x"), given.pop("y"), given.pop("sigma"), given.pop("radii"), **given)


def test_levels_count_both_ends() -> None:
    found = Brackets(
        torch.tensor([True, True, False]), torch.tensor([0.5, 0.0, 0.0]),
        torch.tensor([0.75, torch.inf, 0.0]), torch.zeros(3, 1)
    )  # fmt: skip
    assert [found.certified(r).accuracy.hits for r in (0.0, 0.5, 0.6)] == [2, 1, 0]
    assert [found.attacked(r).accuracy.hits for r in (0.0, 0.7, 0.75)] == [2, 2, 1]


def certified(rows: list[Row]) -> CertificationReport:
    levels = [CurvePoint.count(0.0, 9, 10), CurvePoint.count(0.5, 4, 10)]
    stood = [CurvePoint.count(0.0, 10, 10), CurvePoint.count(0.5, 6, 10)]
    return CertificationReport(
        "runs/<b>",
        "mnist",
        "3 test images",
        {},
        0.25,
        1000,
        0.001,
        "an attack",
        levels,
        stood,
        rows,
        0,
        "out",
        ["odd & told"],
    )


def test_the_page_brackets_every_image_and_shows_names_as_text() -> None:
    page = "".join(
        section.__html__()
        for section in certified_sections(
            certified([Row("<i>.png", "3", 0.25, 0.5), Row("b", "4", None, 0.0), Row("c", "5", 0.75, None)])
        )
    )
    assert "&lt;i&gt;.png" in page and "<i>" not in page and "odd &amp; told" in page
    assert "<td>0.250</td><td>0.500</td>" in page and "<td>not certified</td><td>misclassified</td>" in page
    assert "<td>0.750</td><td>none found</td>" in page and "1 images have both a certified radius" in page
    assert "90.0\u00a0%" in page and "40.0\u00a0%" in page and "60.0\u00a0%" in page


def test_a_page_without_brackets() -> None:
    assert "No image has both" in certified_sections(certified([]))[1].__html__()
