import pytest
import torch
from torch import Tensor

from sparring.measure.diagnostics.memorisation import closest_pairs, copying_test, memorisation


def normal(n: int, d: int, seed: int) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


TRAINING, HELD_OUT, FRESH = normal(1500, 16, 0), normal(500, 16, 1), normal(1000, 16, 2)


def with_copies(share: float, noise: float = 0.0) -> Tensor:
    samples = FRESH.clone()
    count = int(share * len(samples))
    samples[:count] = TRAINING[:count] + noise * normal(count, 16, 3)
    return samples


@pytest.mark.parametrize("held_out", [HELD_OUT, None])
def test_fresh_rows_are_no_copies(held_out: Tensor | None) -> None:
    found = memorisation(FRESH, TRAINING, held_out)
    assert found.p_value > 0.05
    assert found.copied_fraction == found.duplicates == 0
    assert "no nearer" in found.message and "None is a copy" in found.message
    assert ("the others" in found.message) == (held_out is None)


@pytest.mark.parametrize("held_out", [HELD_OUT, None])
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_one_copy_in_ten_is_found(held_out: Tensor | None, noise: float) -> None:
    found = memorisation(with_copies(0.1, noise), TRAINING, held_out)
    assert found.p_value < 0.01
    assert found.copied_fraction == pytest.approx(0.1, abs=0.02)
    assert "nearer to the training rows" in found.message


def test_a_generator_that_only_copies() -> None:
    found = memorisation(with_copies(1, 0.01), TRAINING, HELD_OUT)
    assert found.p_value < 1e-20
    assert found.c_t < -5
    assert found.copied_fraction == 1


def test_samples_that_miss_the_data() -> None:
    found = memorisation(FRESH + 5, TRAINING, HELD_OUT)
    assert found.p_value > 0.999
    assert found.copied_fraction == 0
    assert "not quite where data lie" in found.message


def test_real_digits_do_not_copy_each_other() -> None:
    digits = torch.tensor(pytest.importorskip("sklearn.datasets").load_digits().data).float()
    digits = digits[torch.randperm(len(digits), generator=torch.Generator().manual_seed(0))]
    for held_out in (digits[1200:], None):
        found = memorisation(digits[:600], digits[600:1200], held_out)
        assert found.p_value > 0.01
        assert found.copied_fraction < 0.02
        assert found.duplicates <= 1


@pytest.mark.parametrize("noise", [0.0, 1e-3])
def test_a_collapsed_generator_repeats_itself(noise: float) -> None:
    samples = FRESH[:50].repeat(20, 1) + noise * normal(1000, 16, 4)
    found = memorisation(samples, TRAINING, HELD_OUT)
    assert found.duplicates == 50 * 20 * 19 // 2
    assert "about 53 different ones" in found.message
    assert found.p_value > 0.001  # Fifty rows say no more than fifty, however often they are said.


def test_data_that_hold_rows_twice_may_have_samples_that_do() -> None:
    real = torch.cat([TRAINING[:500], TRAINING[:500]])
    assert memorisation(FRESH, real, HELD_OUT).duplicates == 0
    assert memorisation(torch.cat([FRESH[:500], FRESH[:500]]), real, HELD_OUT).duplicates <= 20


def test_constant_rows_say_nothing() -> None:
    same = torch.ones(60, 3)
    for held_out in (same, None):
        found = memorisation(same, same, held_out)
        assert (found.p_value, found.c_t, found.copied_fraction, found.duplicates) == (0.5, 0, 0, 0)


def test_ties_are_corrected_for() -> None:
    """By the formula of Mann and Whitney's U with ties, by hand: 1 1 2 2 against 1 2 2 3, many times over."""
    a, b = torch.tensor([1.0, 1, 2, 2]).repeat(10), torch.tensor([1.0, 2, 2, 3]).repeat(10)
    above = float((a[:, None] > b).sum() + 0.5 * (a[:, None] == b).sum())
    ties = sum(count**3 - count for count in (30, 40, 10))
    deviation = (40 * 40 / 12 * (81 - ties / (80 * 79))) ** 0.5
    cells = torch.zeros(40, dtype=torch.long)
    c_t, of = copying_test(a, b, cells, cells)
    assert of == 1
    assert c_t == pytest.approx((above - 800) / deviation)


def test_cells_count_by_their_fresh_rows() -> None:
    """Two cells that say opposite things, the second with three times the fresh rows; a third is too small to count."""
    near, far = torch.arange(20.0), torch.arange(20.0) + 100
    samples = torch.cat([near, far, near[:5]])
    fresh = torch.cat([far, near.repeat(3), far[:5]])
    of_samples = torch.tensor([0] * 20 + [1] * 20 + [2] * 5)
    of_fresh = torch.tensor([0] * 20 + [1] * 60 + [2] * 5)
    c_t, of = copying_test(samples, fresh, of_samples, of_fresh)
    first = copying_test(near, far, of_samples[:20], of_fresh[:20])[0]
    second = copying_test(far, near.repeat(3), of_samples[:20], torch.zeros(60, dtype=torch.long))[0]
    assert c_t == pytest.approx((first + 3 * second) / 4)
    assert of == pytest.approx(10**0.5 / 4)


def test_the_closest_pairs_are_the_copies() -> None:
    samples = FRESH.clone()
    samples[[7, 70]] = TRAINING[[40, 4]] + torch.tensor([[0.0], [1e-3]])
    (first, second, third) = closest_pairs(samples, TRAINING, 3)
    assert first == (7, 40, 0)
    assert second[:2] == (70, 4)
    assert second[2] == pytest.approx(4e-3, rel=1e-3)
    assert third[2] > 1


@pytest.mark.parametrize("which", [0, 1, 2])
def test_too_few_rows_are_refused_with_the_number_needed(which: int) -> None:
    sets = [FRESH, TRAINING, HELD_OUT]
    sets[which] = sets[which][:19]
    with pytest.raises(ValueError, match=r"needs 20 .* or more, not 19"):
        memorisation(sets[0], sets[1], sets[2])


@pytest.mark.slow
@pytest.mark.parametrize("held_out", [True, False])
@pytest.mark.parametrize("d", [2, 10])
def test_honest_samples_are_suspected_as_often_as_the_p_value_says(held_out: bool, d: int) -> None:
    generator = torch.Generator().manual_seed(0)
    p_values = []
    for _ in range(300):
        training, fresh, samples = (torch.randn(n, d, generator=generator) for n in (400, 250, 300))
        p_values.append(memorisation(samples, training, fresh if held_out else None).p_value)
    suspected = sum(p < 0.05 for p in p_values) / len(p_values)
    print(held_out, d, suspected)
    assert 0.02 <= suspected <= 0.085
