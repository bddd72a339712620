from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sparring.measure.domains.choice import CandidateScores, choose, find_vetoes, mean_ranks
from sparring.measure.domains.label_shift import LabelShift

SHIFT = LabelShift(("a", "b"), (0.5, 0.5), (0.4, 0.6), (0.35, 0.55), (0.45, 0.65))


def scores(name: str = "dann", **values: Any) -> CandidateScores:
    given: dict[str, Any] = {
        "source_accuracy": 0.95, "source_rows": 10_000,
        "weighted_risk": 0.2, "dev": 0.2, "information": 0.5, "entropy": 0.1, "density": 1.0,
        "estimated_accuracy": 0.9, "shares": (0.45, 0.55),
    }  # fmt: skip
    return CandidateScores(name, **{**given, **values})


BASELINE = scores("source_only")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"source_accuracy": 0.91}, "4.0 points below source only"),
        ({"information": 0.4}, "information 0.40 nats, source only has 0.50"),
        ({"shares": (0.05, 0.95)}, "class 'a' has 5.0% of the answers, 35.0% to 50.0% are plausible"),
        ({"critic": (0.51, 0.5, 0.49)}, "dead"),
        ({"critic": (0.6, 0.8, 0.999)}, "saturated"),
    ],
)
def test_what_collapsed_is_refused(values: dict[str, Any], reason: str) -> None:
    assert reason in " ".join(find_vetoes(scores(**values), BASELINE, SHIFT))


def test_what_is_sound_passes_and_source_only_always_does() -> None:
    assert find_vetoes(scores(critic=(0.9, 0.6, 0.52), source_accuracy=0.925), BASELINE, SHIFT) == ()
    assert find_vetoes(replace(BASELINE, shares=(0.0, 1.0)), BASELINE, SHIFT) == ()


def test_a_loss_within_the_error_of_few_rows_is_no_collapse() -> None:
    few = scores(source_accuracy=0.9, source_rows=60)
    assert find_vetoes(few, replace(BASELINE, source_rows=60), SHIFT) == ()
    assert find_vetoes(replace(few, source_accuracy=0.7), replace(BASELINE, source_rows=60), SHIFT)


def test_the_estimate_and_the_sources_shares_are_both_plausible() -> None:
    wrong = replace(SHIFT, target=(0.0, 1.0), low=(0.0, 1.0), high=(0.0, 1.0))
    assert find_vetoes(scores(shares=(0.5, 0.5)), BASELINE, wrong) == ()


def test_shares_that_a_poor_classifier_estimates_are_less_certain() -> None:
    rare = scores(shares=(0.05, 0.95))
    assert "35.0% to 50.0% are plausible" in find_vetoes(rare, BASELINE, SHIFT)[0]
    poor = replace(SHIFT, trust=0.0)  # of an estimated accuracy of 80 % or less
    assert poor.errors == pytest.approx(0.2)
    assert find_vetoes(rare, BASELINE, poor)  # .30 of the answers are missing
    assert find_vetoes(rare, BASELINE, replace(poor, low=(0.2, 0.45))) == ()  # .15


def test_one_answer_for_all_is_refused_whatever_the_estimate() -> None:
    even = (0.1,) * 10
    poor = LabelShift(tuple("abcdefghij"), even, even, even, even, trust=0.0)
    assert find_vetoes(scores(shares=(1.0, *(0.0,) * 9)), BASELINE, poor)


def test_a_class_that_is_rare_by_chance_may_have_an_even_share_of_the_answers() -> None:
    ends = ((0.05, 0.95),) * 4
    assert find_vetoes(scores(shares=(0.3, 0.7)), BASELINE, LabelShift(("a", "b"), *ends)) == ()
    assert find_vetoes(scores(shares=(0.6, 0.4)), BASELINE, LabelShift(("a", "b"), *ends))


def test_a_critic_at_chance_for_a_while_is_not_dead() -> None:
    assert find_vetoes(scores(critic=(0.5, 0.9, 0.5)), BASELINE, SHIFT) == ()


@pytest.mark.parametrize("score", ["source_accuracy", "information", "estimated_accuracy"])
def test_ranks_are_means_and_ties_share_them(score: str) -> None:
    every = [scores(name, **{score: value}) for name, value in (("a", 0.3), ("b", 0.1), ("c", 0.2))]
    assert mean_ranks(every) == pytest.approx([5 / 3, 7 / 3, 2])


def test_the_lowest_rank_wins_then_information_then_simplicity() -> None:
    every = [scores("teacher", rank=1.5), scores("coral", rank=1.5), scores("mcc", rank=None, vetoes=("dead",))]
    assert choose(every) == "coral"
    assert choose([*every, scores("mcd", rank=1.0)]) == "mcd"
    assert choose([*every, scores("cdan", rank=1.5, information=0.6)]) == "cdan"
    assert choose([scores("source_only", rank=2.0), scores("own", rank=2.0, information=0.51)]) == "source_only"


def test_json_and_back() -> None:
    import json
    from dataclasses import asdict

    given = scores(vetoes=("x",), critic=(0.5, 0.6), rank=1.5)
    assert CandidateScores.from_json(json.loads(json.dumps(asdict(given)))) == given
