"""Hints: closed forms of violations and excess, and parsing."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck

from sparring.engine.errors import SparringError, UsageError
from sparring.games.hints import (
    HINTS,
    MIN_SCALE,
    Hint,
    Violation,
    excess,
    mirror,
    palette,
    parse_hint,
    parse_hints,
    smooth,
    tileable,
)

RED_WHITE = palette(["ff0000", "#FFFFFF"])
ALL: dict[str, Violation] = {**HINTS, "palette": RED_WHITE}
NET = nn.Identity()
values = st.lists(st.integers(-80, 80).map(lambda k: k / 8), min_size=6, max_size=6).map(torch.tensor)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


# violations


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 5), (2, 5, 1), (4, 7, 6), (5, 2, 3)])
@pytest.mark.parametrize("name", ALL)
def test_any_size_and_channel_count(name: str, shape: tuple[int, int, int]) -> None:
    x = noise(4, *shape).float().requires_grad_()
    told = ALL[name](x)
    assert told.shape == (4,) and told.dtype == torch.float32 and (told >= 0).all()
    told.sum().backward()
    assert x.grad is not None and torch.isfinite(x.grad).all()


@pytest.mark.parametrize("name", ALL)
def test_violations_do_not_depend_on_other_images(name: str) -> None:
    x = noise(5, 3, 6, 5)
    torch.testing.assert_close(ALL[name](x), torch.cat([ALL[name](part) for part in x.split(1)]))


@pytest.mark.parametrize("name", sorted(ALL.keys() - {"tileable"}))
def test_first_and_second_derivatives(name: str) -> None:
    x = noise(2, 3, 3, 4).requires_grad_()
    assert gradcheck(ALL[name], x)
    assert gradgradcheck(lambda x: ALL[name](x.square()), x)


def test_derivatives_at_the_seams() -> None:
    """Top and bottom differ by 2 |edge|: away from the corners, each column's fifth of it counts half."""
    edges, inside = noise(2, 1, 1, 5, seed=1).requires_grad_(), noise(2, 1, 3, 5) * 0.01
    (gradient,) = torch.autograd.grad(tileable(torch.cat([edges, inside, -edges], 2)).sum(), edges)
    torch.testing.assert_close(gradient[..., 1:-1], edges.sign()[..., 1:-1] * 2 / 5 / 2)


def test_mirror_measures_the_difference_to_the_mirror_image() -> None:
    half = noise(3, 2, 4, 3)
    assert torch.equal(mirror(torch.cat([half, half.flip(3)], 3)), torch.zeros(3, dtype=torch.float64))
    left_white = torch.tensor([[1.0, 0.0, -1.0]]).expand(2, 1, 4, 3)
    torch.testing.assert_close(mirror(left_white), torch.full((2,), 4 / 3))


def test_a_ramp_has_a_known_seam() -> None:
    """Of 5 columns each 0.3 higher: the seam jumps 1.2, the inside 0.3, and the other direction not at all."""
    ramp = (0.3 * torch.arange(5.0)).expand(2, 3, 4, 5)
    torch.testing.assert_close(tileable(ramp), torch.full((2,), (1.2 - 0.3) / 2))
    torch.testing.assert_close(tileable(ramp.transpose(2, 3)), torch.full((2,), (1.2 - 0.3) / 2))
    torch.testing.assert_close(smooth(ramp), torch.full((2,), 0.3 / 2))


def test_a_periodic_wave_has_no_seam() -> None:
    """A periodic triangle wave has equal steps around the cycle; a truncated one has not."""
    wave = torch.tensor([0, 1, 2, 3, 4, 3, 2, 1]) / 4
    tile = (wave[:, None] + wave).expand(1, 2, 8, 8) / 2
    assert float(tileable(tile)) == 0
    torch.testing.assert_close(tileable(tile[..., :5]), torch.tensor([(4 - 1) / 8 / 2]))


def test_roughening_the_inside_has_no_gradient() -> None:
    ramp = torch.linspace(-1, 1, 8).repeat(1, 1, 8, 1).requires_grad_()
    (gradient,) = torch.autograd.grad(tileable(ramp).sum(), ramp)
    assert not gradient[..., 1:-1].any() and gradient[..., 0].all() and gradient[..., -1].all()


@pytest.mark.parametrize("side", [(1, 4), (4, 1), (1, 1)])
def test_a_side_of_one_pixel_has_no_violation(side: tuple[int, int]) -> None:
    flat = torch.full((1, 2, *side), 0.5)
    assert float(tileable(flat)) == float(smooth(flat)) == 0


def test_palette_colours_have_no_violation() -> None:
    colours = torch.tensor([[255, 0, 0], [255, 255, 255]])[torch.randint(2, (2, 4, 5))]
    x = colours.permute(0, 3, 1, 2).float() / 127.5 - 1
    assert torch.equal(RED_WHITE(x), torch.zeros(2))
    black = torch.full((1, 3, 2, 2), -1.0)  # nearest is red, by one channel of three
    torch.testing.assert_close(RED_WHITE(black), torch.tensor([2 / 3]))
    assert torch.equal(RED_WHITE(torch.cat([x, torch.rand(2, 1, 4, 5)], 1)), torch.zeros(2))  # alpha is free


def test_grey_images_are_compared_with_luminance() -> None:
    red = torch.full((1, 1, 3, 3), 76.0) / 127.5 - 1  # 0.299 of 255
    assert float(RED_WHITE(red)) == 0
    torch.testing.assert_close(RED_WHITE(red + 0.1), torch.tensor([0.1]))
    assert float(RED_WHITE(torch.cat([red, red * 0], 1))) == 0


# excess


@given(values, st.permutations(range(6)))
def test_the_same_set_in_any_order_has_no_excess(real: Tensor, order: list[int]) -> None:
    assert float(excess(real[order], real)) == 0


@given(values, values, st.permutations(range(6)))
def test_excess_is_nonnegative_monotone_and_order_free(fake: Tensor, real: Tensor, order: list[int]) -> None:
    paid = excess(fake, real)
    assert paid >= 0
    assert excess(fake[order], real) == excess(fake, real[order]) == paid
    assert excess(fake + noise(6).abs(), real) >= paid >= excess(fake, real + noise(6).abs())
    torch.testing.assert_close(excess(fake + 100, real), (fake + 100 - real).mean())  # all above: the means' distance


@given(values, st.lists(st.integers(0, 9), min_size=6, max_size=6).map(torch.tensor))
def test_smaller_violations_have_no_excess(real: Tensor, less: Tensor) -> None:
    assert float(excess(real - less, real)) == 0


def test_fakes_do_not_compensate_and_a_real_outlier_excuses_one() -> None:
    real, fake = torch.tensor([1.0, 1.0, 1.0, 9.0]), torch.tensor([0.0, 0.0, 3.0, 9.0])
    assert fake.mean() == real.mean() and fake.max() == real.max()  # sums and maxima are equal
    assert float(excess(fake, real)) == 0.5


def test_only_the_excess_has_a_gradient() -> None:
    fake = torch.tensor([5.0, 0.5, 2.5, 1.0], requires_grad=True)
    excess(fake, torch.tensor([1.0, 2.0, 3.0, 4.0])).backward()  # sorted pairs: 0.5-1, 1-2, 2.5-3, 5-4
    assert fake.grad is not None and fake.grad.tolist() == [0.25, 0, 0, 0]


def test_derivatives_of_the_excess() -> None:
    fake, real = noise(7).requires_grad_(), noise(7, seed=1)
    assert gradcheck(lambda f: excess(f, real), fake)


# the term


@given(st.integers(-1, 6))
def test_the_unit_of_a_violation_does_not_matter(power: int) -> None:
    fake, real = noise(8, 1, 4, 4), noise(8, 1, 4, 4, seed=1) * 0.5
    told = Hint("mirror", lambda x: mirror(x) * 4.0**power)(NET, fake, real)
    torch.testing.assert_close(told, Hint("mirror", mirror)(NET, fake, real))
    assert told > 0


def test_data_without_violations_keep_the_loss_bounded() -> None:
    real, fake = torch.zeros(4, 1, 3, 3), noise(4, 1, 3, 3).float().requires_grad_()
    paid = Hint("mirror", mirror)(NET, fake, real)
    torch.testing.assert_close(paid, mirror(fake).mean() / MIN_SCALE)
    (gradient,) = torch.autograd.grad(paid, fake)
    assert gradient.abs().sum() <= 2 / MIN_SCALE
    assert float(Hint("mirror", mirror)(NET, real, real)) == 0


def test_weight_and_batches_of_one_image() -> None:
    fake, real = noise(1, 3, 4, 4), noise(1, 3, 4, 4, seed=3) * 0.2
    one, three = Hint("mirror", mirror)(NET, fake, real), Hint("mirror", mirror, 3.0)(NET, fake, real)
    assert one.shape == () and one > 0
    torch.testing.assert_close(three, 3 * one)


def test_float32_under_autocast_and_a_gradient_to_the_generator_only() -> None:
    net, real = nn.Linear(2, 16), torch.zeros(8, 1, 4, 4, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        paid = Hint("mirror", lambda x: (x.flatten(1) @ torch.eye(16)).abs().mean(1))(
            net, torch.tanh(net(torch.randn(8, 2))).view(8, 1, 4, 4), real
        )
    assert paid.dtype == torch.float32
    paid.backward()
    assert net.weight.grad is not None and net.weight.grad.any() and real.grad is None


def test_a_violation_must_give_one_number_per_image() -> None:
    with pytest.raises(SparringError, match=r"'mean'.*\[\].*\[4\]"):
        Hint("mean", lambda x: x.mean())(NET, noise(4, 1, 2, 2), noise(4, 1, 2, 2))


def test_a_linear_generator_learns_as_much_symmetry_as_the_data_have() -> None:
    """Symmetric bars, slightly tilted to either side, and a hint without a discriminator.

    The generator starts far more asymmetric, reaches the level of the data and stays there.
    """
    draw = torch.Generator().manual_seed(0)

    def bars(count: int) -> Tensor:
        half = torch.randint(0, 2, (count, 1, 1, 4), generator=draw) - 0.5
        tilt = (0.2 + 0.2 * torch.rand(count, 1, 1, 1, generator=draw)) * torch.linspace(-1, 1, 8)
        return (torch.cat([half, half.flip(3)], 3) + tilt).repeat(1, 1, 8, 1)

    generator = nn.Linear(2, 64)
    nn.init.normal_(generator.weight, 0, 1, draw)
    nn.init.normal_(generator.bias, 0, 1, draw)
    optimizer, hint = torch.optim.Adam(generator.parameters(), 0.01, (0.0, 0.99)), Hint("mirror", mirror)

    def fakes(count: int) -> Tensor:
        x: Tensor = torch.tanh(generator(torch.randn(count, 2, generator=draw)))
        return x.view(-1, 1, 8, 8)

    def levels() -> tuple[float, float]:
        return float(mirror(fakes(2000)).detach().mean()), float(mirror(bars(2000)).mean())

    before, of_data = levels()
    paid = []
    for _ in range(500):
        loss = hint(generator, fakes(64), bars(64))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        paid.append(float(loss.detach()))
    after, of_data = levels()
    assert before > 2 * of_data and 0.75 * of_data < after < 1.05 * of_data, (before, after, of_data)
    assert sum(paid[-20:]) < 0.1 * sum(paid[:20])


# words


def test_parsing_of_hints() -> None:
    assert parse_hint("mirror", 2.0) == ("hint_mirror", Hint("mirror", mirror, 2.0))
    assert parse_hint(" smooth * 1.5", 2.0) == ("hint_smooth", Hint("smooth", smooth, 3.0))
    name, term = parse_hint("palette:ff0000, ffffff*2", 0.5)
    assert name == "hint_palette" and term.weight == 1.0
    red = torch.tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1)
    assert float(term.violation(red)) == 0 < float(term.violation(-red))
    assert list(parse_hints("mirror+tileable*3", 1.0)) == ["hint_mirror", "hint_tileable"]
    assert parse_hints("", 1.0) == {}


def test_a_custom_hint_is_registered_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def dark(x: Tensor) -> Tensor:
        return (x.mean((1, 2, 3)) + 1) / 2

    with pytest.raises(UsageError, match=r"sparring\.HINTS"):
        parse_hint("dark", 1.0)
    monkeypatch.setitem(HINTS, "dark", dark)
    assert parse_hint("dark*2", 1.0) == ("hint_dark", Hint("dark", dark, 2.0))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("miror", "did you mean 'mirror'"),
        ("zzz", "known: mirror, palette, smooth, tileable"),
        ("", "known: mirror"),
        ("mirror:3", "takes no argument"),
        ("mirror*", "must follow \\*"),
        ("mirror*x", "not 'x'"),
        ("mirror*0", "above 0"),
        ("mirror*-1", "above 0"),
        ("mirror*nan", "above 0"),
        ("mirror*inf", "above 0"),
        ("mirror*2*3", "not '2\\*3'"),
        ("palette", "needs colours"),
        ("palette:", "needs colours"),
        ("palette:red", "'red' is no colour"),
        ("palette:ff0000,", "'' is no colour"),
        ("palette:ff00001", "is no colour"),
        ("palette:fg0000", "is no colour"),
    ],
)
def test_invalid_hints(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_hint(text, 1.0)


def test_the_same_hint_twice() -> None:
    with pytest.raises(UsageError, match="'mirror' is given twice"):
        parse_hints("mirror+smooth+mirror*2", 1.0)
