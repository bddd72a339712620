import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from sparring.nets.layers import Head, LabelEmbedding, VectorEmbedding, halvings
from sparring.nets.mlp import Maxout


@given(st.integers(1, 600), st.integers(1, 600), st.integers(1, 8))
def test_halvings_end_at_the_smallest_side(height: int, width: int, smallest: int) -> None:
    sizes = halvings(height, width, smallest)
    assert sizes[0] == (height, width)
    for high, low in zip(sizes, sizes[1:], strict=False):
        assert low == (high[0] // 2, high[1] // 2) and min(low) >= smallest
    assert min(sizes[-1]) // 2 < smallest


def test_unlabelled_has_an_embedding() -> None:
    embedding = LabelEmbedding(3, 5)
    out = embedding(torch.tensor([0, 2, -1, -1]))
    assert torch.equal(out, embedding.weight[[0, 2, 3, 3]])


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_a_logit_keeps_the_precision_of_its_weights(kind: torch.dtype) -> None:
    head, x = Head(8, 1).to(kind), torch.randn(3, 8)
    with torch.autocast("cpu", torch.bfloat16):
        h = nn.Linear(8, 8)(x)
        out = head(h)
    assert h.dtype == torch.bfloat16 and out.dtype == kind
    assert torch.equal(out, nn.functional.linear(h.to(kind), head.weight, head.bias))


def test_a_head_on_the_meta_device() -> None:
    with torch.device("meta"):
        assert Head(8, 2)(torch.zeros(3, 8, device="meta")).shape == (3, 2)


def test_maxout_is_the_largest_piece() -> None:
    layer = Maxout(4, 3, pieces=2)
    x = torch.randn(5, 4)
    pieces = layer.linear(x)
    assert torch.equal(layer(x), torch.maximum(pieces[:, 0::2], pieces[:, 1::2]))


def test_embeddings_do_not_depend_on_units() -> None:
    """Ages of about 40 years and fractions of about 0.5 in other units have the same embedding."""
    one = VectorEmbedding([(40.0, 10.0), (0.5, 0.25)], 400)
    other = VectorEmbedding([(480.0, 120.0), (50.0, 25.0)], 400)
    other.load_state_dict({**one.state_dict(), "mean": other.mean, "std": other.std})
    y = torch.tensor([[40.0, 0.5], [20.0, 1.0], [55.0, 0.1]])
    torch.testing.assert_close(other(y * torch.tensor([12.0, 100.0])), one(y))


def test_embedded_vectors_have_about_unit_variance() -> None:
    torch.manual_seed(0)
    for length in (1, 40):
        h = VectorEmbedding([(3.0, 2.0)] * length, 300)(torch.randn(300, length) * 2 + 3)
        assert 0.5 < h.std() < 1.5
