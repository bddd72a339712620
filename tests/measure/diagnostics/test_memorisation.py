import pytest
import torch
from torch import Tensor

from sparring.measure.diagnostics.memorisation import closest_pairs, copied_fraction, copying_test, memorisation


def normal(n: int, d: int, seed: int) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


TRAINING, HELD_OUT, FRESH = normal(1500, 16, 0), normal(500, 16, 1), normal(1000, 16, 2)


def with_copies(fraction: float, noise: float = 0.0) -> Tensor:
    samples = FRESH.clone()
    count = int(fraction * len(samples))
    samples[:count] = TRAINING[:count] + noise * normal(count, 16, 3)
    return samples


@pytest.mark.parametrize("held_out", [HELD_OUT, None])
def test_fresh_rows_are_not_copies(held_out: Tensor | None) -> None:
    result = memorisation(FRESH, TRAINING, held_out)
    assert result.p_value > 0.05
    assert result.copied_fraction == result.duplicates == 0
    assert "no nearer" in result.message and "No copies" in result.message
    assert ("other training rows" in result.message) == (held_out is None)


@pytest.mark.parametrize("held_out", [HELD_OUT, None])
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_ten_percent_copies_are_detected(held_out: Tensor | None, noise: float) -> None:
    result = memorisation(with_copies(0.1, noise), TRAINING, held_out)
    assert result.p_value < 0.01
    assert result.copied_fraction == pytest.approx(0.1, abs=0.02)
    assert "nearer to the training rows" in result.message


@pytest.mark.parametrize("held_out", [HELD_OUT, None])
def test_half_a_percent_of_exact_copies_is_detected(held_out: Tensor | None) -> None:
    result = memorisation(with_copies(0.005), TRAINING, held_out, equal=(5, 0, 10_000))
    assert result.copied_fraction == pytest.approx(0.005, abs=0.003) and result.equal == 5
    assert "5 of 1,000 samples are equal to a training row" in result.message


def test_equal_rows_are_no_copies_where_held_out_rows_are_equal_as_often() -> None:
    result = memorisation(FRESH, TRAINING, HELD_OUT, equal=(60, 110, 2000))
    assert result.copied_fraction == 0 and result.equal == 60
    assert "of 2,000 real rows, 110 are equal" in result.message


def test_the_copied_fraction_is_positive_by_chance_at_its_level() -> None:
    generator = torch.Generator().manual_seed(0)
    draws = [copied_fraction(*torch.rand(2, 400, generator=generator), level=0.05) > 0 for _ in range(400)]
    assert sum(draws) <= 0.05 * 400


def test_copies_only() -> None:
    result = memorisation(with_copies(1, 0.01), TRAINING, HELD_OUT)
    assert result.p_value < 1e-20
    assert result.c_t < -5
    assert result.copied_fraction == 1


def test_samples_that_miss_the_data() -> None:
    result = memorisation(FRESH + 5, TRAINING, HELD_OUT)
    assert result.p_value > 0.999
    assert result.copied_fraction == 0
    assert "miss the data" in result.message


def test_real_digits_do_not_copy_each_other() -> None:
    digits = torch.tensor(pytest.importorskip("sklearn.datasets").load_digits().data).float()
    digits = digits[torch.randperm(len(digits), generator=torch.Generator().manual_seed(0))]
    for held_out in (digits[1200:], None):
        result = memorisation(digits[:600], digits[600:1200], held_out)
        assert result.p_value > 0.01
        assert result.copied_fraction < 0.02
        assert result.duplicates <= 1


@pytest.mark.parametrize("noise", [0.0, 1e-3])
def test_a_collapsed_generator_has_duplicates(noise: float) -> None:
    samples = FRESH[:50].repeat(20, 1) + noise * normal(1000, 16, 4)
    result = memorisation(samples, TRAINING, HELD_OUT)
    assert result.duplicates == 50 * 20 * 19 // 2
    assert "about 53 distinct samples" in result.message
    assert result.p_value > 0.001  # fifty distinct rows are no more evidence when repeated


def test_duplicates_in_the_data_are_subtracted() -> None:
    real = torch.cat([TRAINING[:500], TRAINING[:500]])
    assert memorisation(FRESH, real, HELD_OUT).duplicates == 0
    assert memorisation(torch.cat([FRESH[:500], FRESH[:500]]), real, HELD_OUT).duplicates <= 20


def test_constant_rows() -> None:
    same = torch.ones(60, 3)
    for held_out in (same, None):
        result = memorisation(same, same, held_out)
        assert (result.p_value, result.c_t, result.copied_fraction, result.duplicates) == (0.5, 0, 0, 0)


def test_mann_whitney_corrects_for_ties() -> None:
    """Mann-Whitney U with ties, by hand: 1 1 2 2 against 1 2 2 3, repeated."""
    a, b = torch.tensor([1.0, 1, 2, 2]).repeat(10), torch.tensor([1.0, 2, 2, 3]).repeat(10)
    above = float((a[:, None] > b).sum() + 0.5 * (a[:, None] == b).sum())
    ties = sum(count**3 - count for count in (30, 40, 10))
    deviation = (40 * 40 / 12 * (81 - ties / (80 * 79))) ** 0.5
    cells = torch.zeros(40, dtype=torch.long)
    c_t, sd = copying_test(a, b, cells, cells)
    assert sd == 1
    assert c_t == pytest.approx((above - 800) / deviation)


def test_cells_are_weighted_by_their_fresh_rows() -> None:
    """Two cells of opposite sign, the second with three times the fresh rows; a third is too small to count."""
    near, far = torch.arange(20.0), torch.arange(20.0) + 100
    samples = torch.cat([near, far, near[:5]])
    fresh = torch.cat([far, near.repeat(3), far[:5]])
    sample_cells = torch.tensor([0] * 20 + [1] * 20 + [2] * 5)
    fresh_cells = torch.tensor([0] * 20 + [1] * 60 + [2] * 5)
    c_t, sd = copying_test(samples, fresh, sample_cells, fresh_cells)
    first = copying_test(near, far, sample_cells[:20], fresh_cells[:20])[0]
    second = copying_test(far, near.repeat(3), sample_cells[:20], torch.zeros(60, dtype=torch.long))[0]
    assert c_t == pytest.approx((first + 3 * second) / 4)
    assert sd == pytest.approx(10**0.5 / 4)


def test_closest_pairs_are_the_copies() -> None:
    samples = FRESH.clone()
    samples[[7, 70]] = TRAINING[[40, 4]] + torch.tensor([[0.0], [1e-3]])
    (first, second, third) = closest_pairs(samples, TRAINING, 3)
    assert first == (7, 40, 0)
    assert second[:2] == (70, 4)
    assert second[2] == pytest.approx(4e-3, rel=1e-3)
    assert third[2] > 1


@pytest.mark.parametrize("which", [0, 1, 2])
def test_too_few_rows_are_refused(which: int) -> None:
    sets = [FRESH, TRAINING, HELD_OUT]
    sets[which] = sets[which][:19]
    with pytest.raises(ValueError, match=r"needs 20 .* or more, not 19"):
        memorisation(sets[0], sets[1], sets[2])


@pytest.mark.slow
@pytest.mark.parametrize("held_out", [True, False])
@pytest.mark.parametrize("d", [2, 10])
def test_p_values_are_calibrated(held_out: bool, d: int) -> None:
    generator = torch.Generator().manual_seed(0)
    p_values = []
    for _ in range(300):
        training, fresh, samples = (torch.randn(n, d, generator=generator) for n in (400, 250, 300))
        p_values.append(memorisation(samples, training, fresh if held_out else None).p_value)
    rejected = sum(p < 0.05 for p in p_values) / len(p_values)
    print(held_out, d, rejected)
    assert 0.02 <= rejected <= 0.085
