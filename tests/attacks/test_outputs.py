"""What models return: logits pass, and everything else is refused in words that name the way out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from sparring.attacks.outputs import check_logits, tensors_in
from sparring.engine.errors import UsageError

LOGITS = torch.randn(4, 7, generator=torch.Generator().manual_seed(0))
REFUSED: dict[str, tuple[Any, str]] = {
    "classes": (LOGITS.argmax(1), "which look like classes"),
    "classes as floats": (LOGITS.argmax(1).double(), "which look like classes"),
    "classes [B, 1]": (LOGITS.argmax(1, keepdim=True), "which look like classes"),
    "decisions": (LOGITS[:, 0] > 0, "which look like classes"),
    "one logit": (LOGITS[:, 0], "give two logits"),
    "one logit [B, 1, 1]": (LOGITS[:, :1, None], "give two logits"),
    "one probability": (LOGITS[:, 0].sigmoid(), "leave the sigmoid out"),
    "a mean over the batch": (LOGITS.mean(), "a single number for 4 rows"),
    "a mean over rows": (LOGITS.mean(0), r"\[7\] for 4 rows"),
    "two axes of one": (LOGITS[:, :, None, None], r"net\(x\)\.flatten\(1\)"),
    "an axis of one in front": (LOGITS[:, None], r"net\(x\)\.flatten\(1\)"),
    "time steps": (LOGITS[:, None].repeat(1, 9, 1), r"9 places, steps or boxes.*net\(x\)\.mean\(1\)"),
    "a segmentation": (LOGITS[:, :, None, None].repeat(1, 1, 5, 6), r"5 x 6 places.*flatten\(2\)\.mean\(2\)"),
    "volumes": (LOGITS[:, :, None, None, None].repeat(1, 1, 2, 3, 4), "2 x 3 x 4 places"),
    "half of the rows": (LOGITS[:2], r"\[2, 7\] for 4 rows"),
    "no classes": (LOGITS[:, :0], "no classes"),
    "complex numbers": (LOGITS.to(torch.complex128), r"net\(x\)\.real"),
    "whole numbers": ((LOGITS * 100).to(torch.int8), r"int8.*net\(x\)\.float\(\)"),
    "truth": (LOGITS > 0, r"bool.*net\(x\)\.float\(\)"),
    "probabilities": (LOGITS.softmax(1), "returns probabilities"),
    "infinite": (LOGITS.index_fill(1, torch.tensor(2), torch.inf), "not finite at row 0"),
    "nothing": (None, "let its forward end with a return"),
    "an array": (LOGITS.numpy(), r"torch\.as_tensor.*Square"),
    "lists": (LOGITS.tolist(), "must return a tensor"),
    "a list of tensors": ([LOGITS, LOGITS], r"net\(x\)\[0\].*1: \[4, 7\]"),
    "a dict": ({"scores": LOGITS}, r"net\(x\)\['scores'\]"),
    "an object": (SimpleNamespace(logits=LOGITS), r"net\(x\)\.logits"),
    "a string": ("cat", "returns str"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_logits_is_refused_with_the_way_out(name: str) -> None:
    outputs, words = REFUSED[name]
    with pytest.raises(UsageError, match=f"(?s)^odd:net returns .*{words}|{words}"):
        check_logits(outputs, 4, "odd:net")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("classes", [2, 7])
def test_logits_pass(dtype: torch.dtype, classes: int) -> None:
    logits = LOGITS[:, :classes].to(dtype)
    assert check_logits(logits, 4) is logits
    assert check_logits(logits.log_softmax(1), 4).shape == (4, classes)


def test_tensors_are_looked_for_in_what_holds_them() -> None:
    assert list(tensors_in((1, LOGITS, None, LOGITS))) == [1, 3]
    assert list(tensors_in({"a": LOGITS, "b": np.zeros(3)})) == ["a"]
    assert tensors_in(LOGITS) == tensors_in("cat") == tensors_in(None) == {}
