import pytest
import torch
from torch import Tensor
from torchmetrics.image.kid import KernelInceptionDistance

from sparring.measure.scores import kid as kernel
from sparring.measure.scores.kid import kernel_distance


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_definition(x: Tensor, y: Tensor) -> float:
    """Compute the distance by its definition, over all pairs."""
    d = x.shape[1]

    def k(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / d + 1) ** 3

    n, m = len(x), len(y)
    xx, yy = k(x, x), k(y, y)
    within = (xx.sum() - xx.trace()) / (n * (n - 1)) + (yy.sum() - yy.trace()) / (m * (m - 1))
    return float(within - 2 * k(x, y).mean())


def test_equals_the_definition() -> None:
    x, y = normal(70, 5), normal(50, 5, seed=1) * 1.2 + 0.1
    assert kernel_distance(x, y).value == pytest.approx(by_definition(x, y), rel=1e-10)


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance`")
def test_equals_torchmetrics() -> None:
    class Values(torch.nn.Module):
        num_features = 12

        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1)

    metric = KernelInceptionDistance(feature=Values(), subsets=1, subset_size=150, normalize=True)
    x, y = normal(150, 3, 2, 2) * 1.3 + 0.2, normal(150, 3, 2, 2, seed=1)
    metric.update(x, real=True)
    metric.update(y, real=False)
    assert kernel_distance(x.flatten(1), y.flatten(1)).value == pytest.approx(float(metric.compute()[0]), rel=1e-4)


def test_influence_is_the_change_by_a_row() -> None:
    x, y = normal(60, 4), normal(80, 4, seed=1) + 0.5
    estimate = kernel_distance(x, y)
    without = [kernel_distance(torch.cat([x[:k], x[k + 1 :]]), y).value for k in range(60)]
    influences = 59 * (estimate.value - torch.tensor(without))
    assert torch.corrcoef(torch.stack([influences - influences.mean(), estimate.x]))[0, 1] > 0.99
    assert float(estimate.x.std()) == pytest.approx(float(influences.std()), rel=0.1)


def test_blocks_are_disjoint(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = normal(90, 3), normal(61, 3, seed=1)
    monkeypatch.setattr(kernel, "BLOCK_ROWS", 31)
    result = kernel_distance(x, y)
    parts = zip(x.tensor_split(3), y.tensor_split(3), strict=True)
    assert result.value == pytest.approx(sum(by_definition(a, b) for a, b in parts) / 3)
    assert (len(result.x), len(result.y)) == (90, 61)


def test_unbiased_for_equal_distributions() -> None:
    values = [kernel_distance(normal(30, 4, seed=k), normal(30, 4, seed=k + 1000)).value for k in range(200)]
    mean, error = torch.tensor(values).mean(), torch.tensor(values).std() / 200**0.5
    assert abs(mean) < 3 * error


def test_one_row_is_too_few() -> None:
    with pytest.raises(ValueError, match="2 rows"):
        kernel_distance(normal(1, 3), normal(5, 3))
