from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from sparring.measure.effects.directions import WHOLE, class_means, principal, regression, sefa
from sparring.measure.effects.latents import Latents, Layers, layers_of
from sparring.nets.biggan import Generator as BigGANGenerator
from sparring.nets.strided_gan import Generator


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def cosine(a: Tensor, b: Tensor) -> float:
    return abs(float(a @ b / a.norm() / b.norm()))


def test_sefa_gives_the_right_singular_vectors_of_the_first_layer() -> None:
    weight = normal(20, 5)
    _, _, right = torch.linalg.svd(weight)
    directions = sefa([Layers("project", torch.arange(5), weight)], 5, 3)
    for direction, vector in zip(directions, right, strict=False):
        assert cosine(direction.vector, vector) == pytest.approx(1, abs=1e-4)
        assert direction.layers == WHOLE


def test_the_first_layer_of_r3_is_its_projection_without_the_part_of_the_label() -> None:
    net = Generator((1, 16, 16), 6, 8, 16, classes=3)
    latents = Latents(normal(4, 6), torch.tensor([0, 1, 2, 0]))
    (layers,) = layers_of(net, lambda each: net(each.z, each.y), latents)
    assert layers.name == "project"
    assert layers.columns.tolist() == list(range(6))
    assert torch.equal(layers.weight, net.project.weight[:, :6])


def test_each_part_of_a_hierarchical_latent_has_its_own_layers() -> None:
    net = BigGANGenerator((1, 16, 16), 12, 8, 16, 3, 4).eval()
    latents = Latents(normal(4, 12), torch.tensor([0, 1, 2, 0]))
    layers = layers_of(net, lambda each: net(each.z, each.y), latents)
    assert [each.name for each in layers] == ["project", "blocks.0", "blocks.1"]
    assert [each.columns.tolist() for each in layers] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    directions = sefa(layers, 12, 4)
    assert [each.layers for each in directions] == [
        "layers project", "layers blocks.0", "layers blocks.1", "layers project",
    ]  # fmt: skip
    assert bool((directions[1].vector[:4] == 0).all())


def test_networks_without_a_linear_first_layer_have_none() -> None:
    net = nn.Sequential(nn.Tanh(), nn.Linear(3, 2))
    assert layers_of(net, lambda each: net(each.z), Latents(normal(4, 3), torch.full((4,), -1))) == []


def test_means_and_regression_find_the_direction_of_a_reading() -> None:
    z, truth = normal(4000, 6), normal(6, seed=1)
    readings = torch.stack([z @ truth + 0.1 * normal(4000, seed=2), normal(4000, seed=3)], 1)
    assert cosine(class_means(z, readings, 2)[0].vector, truth) > 0.99
    assert cosine(regression(z, readings, 2)[0].vector, truth) > 0.99


def test_regression_leaves_the_other_reading_where_the_means_move_it() -> None:
    z = normal(4000, 6)
    both, other = z[:, 0] + z[:, 1], z[:, 1]
    readings = torch.stack([both, other], 1)
    by_means, by_regression = class_means(z, readings, 2)[0].vector, regression(z, readings, 2)[0].vector
    assert float(by_means[1] / by_means.sum()) > 0.4
    assert abs(float(by_regression[1] / by_regression[0])) < 0.2


def test_principal_directions_are_those_of_a_linear_generator_in_their_order() -> None:
    z = normal(4000, 4)
    examples = z @ torch.diag(torch.tensor([1.0, 5.0, 0.5, 3.0])) @ torch.linalg.qr(normal(9, 4, seed=1))[0].T
    first, second = principal(z, examples, 2)
    assert cosine(first.vector, torch.eye(4)[1]) > 0.99
    assert cosine(second.vector, torch.eye(4)[3]) > 0.99


def test_a_reading_that_nothing_moves_has_no_direction() -> None:
    z = normal(100, 3)
    assert len(regression(z, torch.zeros(100, 2), 2)) == 0
