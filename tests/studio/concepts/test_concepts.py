"""Questions on handles, and the routes of the Concepts page."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from random import Random

import pytest
import torch

import sparring
from sparring.engine.errors import UsageError
from sparring.engine.safetensors_io import write_tensors
from sparring.recipes.generators.r3 import R3
from sparring.studio.concepts.quiz import Claim, Quizzes, question_of

from ..client import Client

CLAIMS = [
    Claim("handle 1 raises ink", "ink", 1),
    Claim("handle 2 lowers ink", "ink", -1),
    Claim("handle 3 raises slant", "slant", 1),
]


def test_no_other_option_is_described_by_the_sentence() -> None:
    for seed in range(200):
        question = question_of(CLAIMS, False, Random(seed))
        claims = {(CLAIMS[k].reading, CLAIMS[k].sign * sign) for k, sign in question.options}
        handle, sign = question.options[question.answer]
        assert sign == 1 and question.sentence == CLAIMS[handle].sentence
        described = [(CLAIMS[k].reading, CLAIMS[k].sign * s) for k, s in question.options]
        assert described.count((CLAIMS[handle].reading, CLAIMS[handle].sign)) == 1
        assert len(set(question.options)) == 4 and len(claims) >= 2


def test_places_of_the_answer_are_even_and_the_control_permutes() -> None:
    places = Counter(question_of(CLAIMS, False, Random(seed)).answer for seed in range(2000))
    assert all(400 < places[k] < 600 for k in range(4))
    for seed in range(50):
        question = question_of(CLAIMS, True, Random(seed))
        handle, _ = question.options[question.answer]
        assert CLAIMS[handle].reading not in question.sentence


def test_too_few_handles_are_refused() -> None:
    with pytest.raises(UsageError, match="too few"):
        question_of(CLAIMS[:1], False, Random(0))
    with pytest.raises(UsageError, match="too few"):
        question_of([], False, Random(0))


def test_answers_count_once_and_by_sitting() -> None:
    quizzes, question = Quizzes(), question_of(CLAIMS, False, Random(0))
    first, second, other = quizzes.ask("a", question), quizzes.ask("a", question), quizzes.ask("b", question)
    assert quizzes.answer(first, question.answer)["right"]
    result = quizzes.answer(second, (question.answer + 1) % 4)
    assert (result["right"], result["hits"], result["count"], result["chance"]) == (False, 1, 2, 0.25)
    assert result["low"] < 0.5 < result["high"]
    assert quizzes.answer(other, question.answer)["count"] == 1
    with pytest.raises(UsageError, match="answered before"):
        quizzes.answer(first, 0)


def write_handles(run: Path, latent_dim: int = 8) -> None:
    """Write what `sparring explain` would, of three handles."""
    rate = {"hits": 40, "total": 50, "low": 0.67, "high": 0.89, "method": "wilson", "value": 0.8}
    handles = [
        {
            "name": f"handle {k}", "layers": "the whole latent", "step": 1.0, "sentence": claim.sentence,
            "reading": claim.reading, "sign": claim.sign, "rate": rate, "p_value": 0.01, "beyond_chance": True,
        }
        for k, claim in enumerate(CLAIMS)
    ]  # fmt: skip
    (run / "explain.json").write_text(json.dumps({"format": 2, "handles": handles}))
    write_tensors({"directions": torch.eye(latent_dim)[:3].clone()}, run / "explain.safetensors")


def test_the_routes_of_a_run(tmp_path: Path) -> None:
    run = tmp_path / "runs/r3"
    sparring.train("digits", R3(width=4, latent_dim=8, batch_size=8), images=32, out=run)
    client = Client(tmp_path / "runs")
    assert client.get("concepts", run="r3")["explanation"] is None
    assert "explain" in client.refused("POST", "walk", json={"run": "r3", "points": [{"seed": 1, "moves": {"0": 1}}]})
    write_handles(run)
    assert len(client.get("concepts", run="r3")["explanation"]["handles"]) == 3
    still, moved = (client.post("walk", run="r3", points=[{"seed": 1, "moves": m}]).content for m in ({}, {"0": 3}))
    assert still != moved
    question = client.post("question", run="r3")
    assert question["sentence"] in [claim.sentence for claim in CLAIMS] and len(question["options"]) == 4
    assert "answer" not in question
    assert client.post("answer", question=question["question"], choice=2)["count"] == 1
    assert "unknown finder 'x'" in client.refused("POST", "explain", json={"run": "r3", "finder": "x"})
    write_handles(run, 9)
    refusal = client.refused("POST", "walk", json={"run": "r3", "points": [{"seed": 1, "moves": {"0": 1}}]})
    assert "another generator" in refusal
    (run / "explain.json").write_text("{")
    answer = client.send("GET", "concepts", params={"run": "r3"})
    assert answer.status_code == 500 and "damaged" in answer.json()["error"]
