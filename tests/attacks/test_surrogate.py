"""Surrogates search, and the model verifies."""

from __future__ import annotations

from functools import partial

import torch
from problems import convnet, data, mlp
from torch import Tensor

from sparring.attacks import Threat, apgd, autoattack
from sparring.attacks.surrogate import bf16_surrogate, reevaluate, search_with_surrogate

LINF = Threat("Linf", 0.03)


def test_a_perfect_surrogate_gives_the_same_result_with_one_more_query() -> None:
    model, x = mlp(64, 10, seed=5), data(7, 12, 1, 8, 8)
    y = model(x).argmax(1)
    alone, with_it = (
        apgd(model, x, y, LINF, seed=3),
        search_with_surrogate(mlp(64, 10, seed=5), apgd)(model, x, y, LINF, seed=3),
    )
    assert 0 < int(alone.success.sum()) < 12
    for name in ("adv", "success", "iterations", "gradients", "loss"):
        assert torch.equal(getattr(alone, name), getattr(with_it, name))
    assert torch.equal(alone.queries + 1, with_it.queries)


def test_false_successes_of_the_surrogate_are_attacked_again() -> None:
    model, x = mlp(64, 10, seed=5), data(7, 12, 1, 8, 8)
    y = model(x).argmax(1)

    def wrong(x: Tensor) -> Tensor:  # misclassifies every row
        return -model(x)

    alone, with_it = apgd(model, x, y, LINF, seed=3), search_with_surrogate(wrong, apgd)(model, x, y, LINF, seed=3)
    assert torch.equal(alone.success, with_it.success) and torch.equal(alone.adv, with_it.adv)
    assert (with_it.queries > alone.queries).all()


def test_reevaluate_requires_the_threat_model() -> None:
    model, x = mlp(64, 10, seed=5), data(7, 6, 1, 8, 8)
    y = model(x).argmax(1)
    result = apgd(model, x, y, Threat("Linf", 0.9), seed=0)
    assert result.success.all()
    assert not reevaluate(result, model, x, y, LINF, seed=0).success.any()


def test_results_agree_with_the_model_alone_up_to_one_row() -> None:
    net, x = convnet(1, 10), data(7, 16, 1, 8, 8)
    y = net.eval()(x).argmax(1)
    net.train()
    threat = Threat("Linf", 0.03)
    attacks = partial(autoattack, net, x, y, threat, batch_size=9)
    alone, quick = attacks(), attacks(surrogate=bf16_surrogate(net))
    assert 0 < int(alone.robust.sum()) < 16
    assert int((alone.robust != quick.robust).sum()) <= 1
    assert net.training and all(p.requires_grad and p.grad is None for p in net.parameters())
    assert torch.equal(net.eval()(quick.adv).argmax(1) == y, quick.robust)
    assert threat.allows(quick.adv, x).all()


def test_bf16_surrogate_rounds_and_returns_the_dtype_of_the_data() -> None:
    net, x = convnet(1, 10).eval(), data(7, 4, 1, 8, 8)
    logits = bf16_surrogate(net)(x)
    assert logits.dtype == x.dtype
    assert 0 < float((logits - net(x)).detach().abs().max()) < 0.05
