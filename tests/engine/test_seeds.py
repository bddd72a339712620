import itertools

from hypothesis import given
from hypothesis import strategies as st

from sparring.engine.seeds import mix

numbers = st.lists(st.integers(-100, 10_000_000), max_size=4).map(tuple)


@given(st.sets(numbers, min_size=2, max_size=200))
def test_small_tuples_do_not_collide(tuples: set[tuple[int, ...]]) -> None:
    assert len({mix(*numbers) for numbers in tuples}) == len(tuples)


def test_no_collision_among_all_small_tuples() -> None:
    tuples = [t for length in range(4) for t in itertools.product(range(-3, 30), repeat=length)]
    assert len({mix(*t) for t in tuples}) == len(tuples)


@given(st.lists(st.integers(-(1 << 70), 1 << 70), max_size=5))
def test_a_seed_is_valid_for_torch_and_numpy(numbers: list[int]) -> None:
    assert 0 <= mix(*numbers) < 1 << 63


def test_neighbours_differ_in_half_of_their_bits() -> None:
    flips = [(mix(0, k) ^ mix(0, k + 1)).bit_count() for k in range(1000)]
    assert 30 < sum(flips) / len(flips) < 33
