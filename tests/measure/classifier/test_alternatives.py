"""A model that expects something else is found out, and an honest one is left alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

from sparring.commands.attacking.alternatives import (
    Groups,
    audio_alternatives,
    class_orders,
    image_alternatives,
    image_forms,
    series_alternatives,
    table_alternatives,
)
from sparring.engine.data_spec import SeriesSpec
from sparring.measure.classifier.alternatives import (
    MAX_ROWS,
    batch_dependence,
    better_fit,
    class_order,
    evenly,
    far_better,
    predictions,
)

Change = Callable[[Tensor], Tensor]
NAMES = tuple(str(k) for k in range(12))


def rows(shape: Sequence[int], noise: float = 0.3, count: int = 300, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Prototypes of twelve classes in [0, 1], rows around them, and the labels."""
    generator = torch.Generator().manual_seed(seed)
    prototypes = torch.rand((len(NAMES), *shape), generator=generator) ** 3
    y = torch.arange(count) % len(NAMES)
    x = prototypes[y] + noise * torch.randn((count, *shape), generator=generator)
    return prototypes, x.clamp(0, 1), y


def nearest(prototypes: Tensor, change: Change = lambda x: x) -> Callable[[Tensor], Tensor]:
    """The classifier by the nearest prototype, of inputs that are changed."""
    expected = change(prototypes).flatten(1)
    return lambda x: -torch.cdist(x.flatten(1), expected)


def normalised(mean: float, std: float) -> Change:
    return lambda x: (x - mean) / std


def tried(model: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, box: tuple[float, float] = (0.0, 1.0)) -> Groups:
    return [class_orders(NAMES, class_order(model, x, y, len(NAMES))), *image_alternatives(x, box)]


@pytest.mark.parametrize(
    "change",
    [normalised(0.5, 0.5), normalised(0.3, 0.2), normalised(0.45, 0.6), normalised(0, 1 / 255), normalised(0.2, 0.31),
     normalised(0.2, 1 / 127.5), normalised(1, -1)],
)  # fmt: skip
def test_a_model_of_normalised_images_is_recognised(change: Change) -> None:
    prototypes, x, y = rows((1, 6, 6))
    model = nearest(prototypes, change)
    fit = better_fit(model, x, y, tried(model, x, y))
    assert fit is not None and fit.accuracy.value > 0.85 and fit.before.value < 0.8
    assert fit.accuracy.total == MAX_ROWS and "let the model begin with it" in fit.advice


def test_the_box_is_what_pixels_are_measured_in() -> None:
    prototypes, x, y = rows((1, 6, 6))
    model = nearest(prototypes, normalised(0, 1 / 255))
    x = x * 2 - 1
    fit = better_fit(model, x, y, tried(model, x, y, (-1.0, 1.0)))
    assert fit is not None and fit.names == ("pixels from 0 to 255",)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: x.flip(1), "BGR"),
        (lambda x: x.transpose(2, 3), "rows and columns exchanged"),
        (lambda x: x.permute(0, 2, 3, 1), "channels last"),
        (lambda x: 1 - x, "1 - x"),
    ],
)
def test_orders_of_channels_and_axes(change: Change, words: str) -> None:
    prototypes, x, y = rows((3, 6, 6))
    model = nearest(prototypes, change)
    fit = better_fit(model, x, y, tried(model, x, y))
    assert fit is not None and len(fit.names) == 1 and words in fit.names[0]


def test_two_things_at_once() -> None:
    prototypes, x, y = rows((3, 6, 6), noise=0.2)
    model = nearest(prototypes, lambda x: x.flip(1) * 255)
    fit = better_fit(model, x, y, tried(model, x, y))
    assert fit is not None and len(fit.names) == 2 and fit.accuracy.value > 0.95


@pytest.mark.parametrize("side", [28, 64])
def test_sizes(side: int) -> None:
    class Sized(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x) if x.shape[-1] == side else torch.zeros(len(x), len(NAMES)).index_fill(
                1, torch.tensor([0]), 1
            )  # fmt: skip

    prototypes, x, y = rows((1, 12, 12))
    model = Sized()
    model.inner = nearest(prototypes, lambda x: nn.functional.interpolate(x, (side, side), mode="bilinear"))
    fit = better_fit(model, x, y, image_alternatives(x, (0.0, 1.0)))
    assert fit is not None and fit.advice == (f"give --size {side}x{side}",)


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ([NAMES.index(name) for name in sorted(NAMES)], r"sorted() (0, 1, 10, 11, 2,"),
        ([*range(11, -1, -1)], "its answers show"),
        ([11, *range(11)], "counted from 1"),
        ([*range(1, 12), 0], "counted from -1"),
    ],
)
def test_orders_of_classes(order: list[int], words: str) -> None:
    prototypes, x, y = rows((1, 6, 6))
    honest = nearest(prototypes)
    model = lambda x: honest(x)[:, order]  # noqa: E731
    fit = better_fit(model, x, y, tried(model, x, y))
    assert fit is not None and len(fit.names) == 1 and words in fit.names[0]
    assert fit.accuracy.value == pytest.approx(float((predictions(honest, x) == y)[evenly(300, 256)].float().mean()))


@pytest.mark.parametrize("noise", [0.05, 0.3, 0.5, 0.8, 1.2, 2.0, 6.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_honest_models_are_left_alone(noise: float, channels: int) -> None:
    """Of accuracies from 99 % to chance, and a linear one as well."""
    for seed in range(2):
        _, x, y = rows((channels, 6, 6), noise, seed=seed)
        means = torch.stack([x[y == k].mean(0) for k in range(len(NAMES))])
        weight = means.flatten(1)
        for model in (nearest(means), lambda x, w=weight: x.flatten(1) @ w.T - (w**2).sum(1) / 2):
            assert better_fit(model, x, y, tried(model, x, y)) is None


def test_a_constant_answer_fits_nothing() -> None:
    """Under standardised columns this model has one answer, which is right wherever one class is frequent."""
    x = torch.linspace(0, 100, 200)[:, None]
    y = (torch.arange(200) % 10 == 0).long()
    assert better_fit(lambda x: torch.cat([40 - x, x - 40], 1), x, y, table_alternatives(x)) is None


def test_few_rows_prove_nothing() -> None:
    prototypes, x, y = rows((1, 6, 6), count=6)
    model = nearest(prototypes, normalised(0, 1 / 255))
    assert better_fit(model, x, y, tried(model, x, y)) is None
    wrong, right = torch.tensor([False] * 3 + [True] * 97), torch.ones(100, dtype=torch.bool)
    assert not far_better(wrong, right) and not far_better(right, right) and far_better(~right, right, 30)


def test_tables_sounds_and_series() -> None:
    prototypes, x, y = rows((9,), noise=0.1)
    scale = torch.logspace(0, 4, 9)
    x, prototypes = x * scale, prototypes * scale
    model = nearest((prototypes - x.mean(0)) / x.std(0))
    fit = better_fit(model, x, y, table_alternatives(x))
    assert fit is not None and "columns standardised" in fit.names[0]
    prototypes, x, y = rows((1, 40), noise=0.1)
    fit = better_fit(nearest(prototypes * 32768), x, y, audio_alternatives())
    assert fit is not None and "-32768" in fit.names[0]
    spec = SeriesSpec(("a", "b"), 20, mean=(3.0, -50.0), std=(2.0, 20.0))
    prototypes, x, y = rows((2, 20), noise=0.1)
    units = lambda x: x * torch.tensor([[2.0], [20.0]]) + torch.tensor([[3.0], [-50.0]])  # noqa: E731
    fit = better_fit(nearest(prototypes, units), x, y, series_alternatives(spec))
    assert fit is not None and "units of the source" in fit.names[0]


def test_answers_that_depend_on_the_batch() -> None:
    prototypes, x, y = rows((1, 6, 6))
    honest = nearest(prototypes)
    assert batch_dependence(honest, x, y) is None and batch_dependence(honest, x[:1], y[:1]) is None
    shifted = lambda x: honest(x - x.mean(0) + prototypes.mean(0))  # noqa: E731
    together, single = batch_dependence(shifted, x, y) or (None, None)
    assert together is not None and single is not None and together.value > 0.8 and single.value < 0.3
    assert batch_dependence(lambda x: honest(x + torch.randn_like(x)), x, y) is None  # it differs anyway


def test_shapes_that_a_model_may_accept() -> None:
    names = {form.name: form for form in image_forms(torch.rand(2, 1, 8, 8))}
    assert {"images [B, 8, 8, 1]", "images [B, 64]", "images [B, 3, 224, 224]", "images [B, 1, 32, 32]"} <= set(names)
    assert names["images [B, 3, 224, 224]"].advice == "give --mode RGB --size 224x224"
    for form in names.values():
        shape = form.wrap(lambda x: x)(torch.rand(2, 1, 8, 8)).shape
        assert f"[B, {', '.join(map(str, shape[1:]))}]" in form.name
