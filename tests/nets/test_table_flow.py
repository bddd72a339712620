"""The flow of tables: columns of all kinds, their marginal distributions, splines and the sum of probabilities."""

import math

import pytest
import torch
from torch import Tensor

from sparring.engine.data_spec import Column, TableSpec
from sparring.engine.errors import UsageError
from sparring.nets.spline import parameter_count, spline
from sparring.nets.table_flow import Marginals, TableFlow

CATEGORY = Column("c", (0, 1, 2), ("x", "y", "z"), False, 0, 1)
INTEGER = Column("i", (3,), (), True, -1, 2)
NUMBER = Column("n", (4,), (), False, -3.0, 3.0)
CONSTANT = Column("k", (5,), (), False, 2.5, 2.5)
COLUMNS = (CATEGORY, INTEGER, NUMBER, CONSTANT)


def table(count: int) -> Tensor:
    """Rows in which the whole number follows the category."""
    generator = torch.Generator().manual_seed(1)
    category = torch.randint(3, (count,), generator=generator)
    integer = (category - (torch.rand(count, generator=generator) < 0.2).long()).float()
    number = torch.randn(count, generator=generator) + integer
    constant = torch.full((count,), 2.5)
    return torch.cat([torch.eye(3)[category], torch.stack([integer, number, constant], 1)], 1)


def flow(columns: tuple[Column, ...] = COLUMNS, classes: int = 0) -> TableFlow:
    torch.manual_seed(0)
    net = TableFlow(columns, hidden=12, bins=5, classes=classes)
    for parameter in net.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.3)
    return net


def test_splines_are_monotone_and_invert() -> None:
    torch.manual_seed(0)
    x = torch.rand(50, 4, dtype=torch.float64, requires_grad=True)
    raw = 2 * torch.randn(50, 4, parameter_count(6), dtype=torch.float64)
    y, log_slope = spline(x, raw)
    (slope,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(slope.log(), log_slope, rtol=1e-9, atol=1e-9)
    again, inverse_log_slope = spline(y, raw, inverse=True)
    torch.testing.assert_close(again, x, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(inverse_log_slope, -log_slope, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(spline(x, 0 * raw)[0], x)
    torch.testing.assert_close(spline(torch.tensor([0.0, 1.0]), torch.randn(2, 7))[0], torch.tensor([0.0, 1.0]))


def test_marginals_are_distribution_functions() -> None:
    layer = Marginals(torch.tensor([0.0, -5.0]), torch.tensor([1000.0, 5.0])).double()
    v = torch.stack([torch.rand(2000).double() ** 8 * 1000, torch.randn(2000).double()], 1)
    layer.start(v)
    points = torch.linspace(-40, 1040, 4001, dtype=torch.float64)[:, None].expand(-1, 2).clone().requires_grad_()
    u, log_density = layer(points)
    assert (u.diff(dim=0) >= 0).all()
    (slope,) = torch.autograd.grad(u.sum(), points)
    inside = (u > 1e-5).all(1) & (u < 1 - 1e-5).all(1)
    torch.testing.assert_close(slope[inside].log().sum(1), log_density[inside])
    assert abs(layer(v)[0].mean() - 0.5) < 0.02
    torch.testing.assert_close(layer.inverse(layer(v)[0]), v)


@pytest.mark.parametrize("classes", [0, 2])
def test_discrete_probabilities_sum_to_one_and_are_those_of_samples(classes: int) -> None:
    net = flow((CATEGORY, INTEGER), classes).train()
    net.log_prob(table(500)[:, :4], torch.zeros(500, dtype=torch.long) if classes else None)
    net.eval().double()
    rows = torch.cat([torch.eye(3).repeat_interleave(4, 0), torch.arange(-1.0, 3).repeat(3)[:, None]], 1).double()
    label = torch.ones(1, dtype=torch.long)
    line = torch.special.ndtri((torch.arange(64.0, dtype=torch.float64) + 0.5) / 64)
    noise = torch.cartesian_prod(line, line).repeat_interleave(len(rows), 0)  # an integral over the noise
    with torch.no_grad():
        y = label.expand(len(noise)) if classes else None
        probabilities = net.bound(rows.repeat(64**2, 1), noise, y).view(64**2, -1).exp().mean(0)
        y = label.expand(20_000) if classes else None
        samples = net(torch.randn(20_000, 2, dtype=torch.float64), y)
    assert float(probabilities.sum()) == pytest.approx(1, abs=0.015)  # densities jump within the cells of the integral
    found = (samples[:, None] - rows).abs().amax(2).argmin(1).bincount(minlength=12) / 20_000
    assert (found - probabilities).abs().max() < 0.02


def test_a_training_finds_what_columns_have_in_common() -> None:
    torch.manual_seed(0)
    net, x = TableFlow(COLUMNS, hidden=32, bins=8).train(), table(2000)
    optimizer, generator = torch.optim.Adam(net.parameters(), 1e-2), torch.Generator().manual_seed(0)
    losses = []
    for _ in range(200):
        loss = -net.bound(x, torch.randn(2000, 3, generator=generator)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    true = math.log(3) - 0.2 * math.log(0.2) - 0.8 * math.log(0.8) + 0.5 * math.log(2 * math.pi * math.e)
    assert losses[0] > true + 0.3 and true - 0.05 < losses[-1] < true + 0.12
    samples = net.eval().requires_grad_(False)(torch.randn(500, 3))
    spec = TableSpec(COLUMNS, "")
    assert (spec.decode(samples) == samples.numpy()).all() and (samples[:, 5] == 2.5).all()
    difference = samples[:, :3].argmax(1) - samples[:, 3]
    assert ((difference == 0) | (difference == 1)).float().mean() > 0.9
    figures = net.diagnostics(x[:50], generator)
    assert figures["finite_proportion"] == 1 and figures["round_trip"] < 1e-3
    assert net.encode(x).shape == (2000, 3) and torch.isfinite(net.encode(x)).all()


def test_codes_and_diagnostics_of_a_model_with_classes_need_no_labels() -> None:
    net, rows = flow(COLUMNS, 2).eval(), table(50)
    assert net.encode(rows).shape == (50, 3) and torch.isfinite(net.encode(rows)).all()
    assert net.diagnostics(rows, torch.Generator().manual_seed(0))["finite_proportion"] == 1


def test_values_that_cannot_be_have_no_probability() -> None:
    net, rows = flow().eval(), table(3)
    rows[1, 5] = 7
    assert torch.isfinite(net.log_prob(rows)).tolist() == [True, False, True]
    with pytest.raises(UsageError, match=r"shape \(6,\), not \(5,\)"):
        net.log_prob(rows[:, :5])
    with pytest.raises(UsageError, match="every column of the table has one value only"):
        TableFlow((CONSTANT,))


def test_large_whole_numbers_keep_their_noise() -> None:
    net = flow((Column("id", (0,), (), True, 0, 1.5e7),)).eval()
    x = torch.tensor([[12_345_677.0], [3.0]])
    v = net.columns(x, torch.tensor([[0.25], [0.75]]))
    assert v.dtype == torch.float64 and v.flatten().tolist() == [12_345_676.75, 3.25]
    torch.testing.assert_close(net.columns.inverse(v), x)


def test_it_runs_on_the_meta_device() -> None:
    net = flow(COLUMNS, 2).to("meta")
    y = torch.zeros(4, dtype=torch.long, device="meta")
    assert net.log_prob(torch.zeros(4, 6, device="meta"), y).shape == (4,)
    assert net(torch.zeros(4, 3, device="meta"), y).shape == (4, 6)
