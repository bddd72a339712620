import pytest

from sparring.engine.schedules import constant, cosine, steps, triangle, warm_cosine


def test_constant() -> None:
    assert {constant(0.3)(at) for at in (0.0, 0.5, 1.0)} == {0.3}


def test_cosine() -> None:
    schedule = cosine(1.0, 0.2)
    assert [schedule(at) for at in (0.0, 0.5, 1.0)] == pytest.approx([1.0, 0.6, 0.2])
    values = [schedule(k / 100) for k in range(101)]
    assert values == sorted(values, reverse=True)


def test_cosine_that_ends_early() -> None:
    schedule = cosine(0.0, 4.0, until=0.5)
    assert [schedule(at) for at in (0.25, 0.5, 0.8)] == pytest.approx([2.0, 4.0, 4.0])


def test_triangle() -> None:
    schedule = triangle(5.0, 0.4)
    assert [schedule(at) for at in (0.0, 0.2, 0.4, 0.7, 1.0)] == pytest.approx([0.0, 2.5, 5.0, 2.5, 0.0])


def test_warm_cosine() -> None:
    schedule = warm_cosine(1.0, 0.2, 0.2)
    assert [schedule(at) for at in (0.0, 0.1, 0.2, 0.6, 1.0)] == pytest.approx([0.2, 0.6, 1.0, 0.6, 0.2])


def test_steps() -> None:
    schedule = steps({0.0: 1.0, 0.55: 0.1, 0.9: 0.01})
    assert [schedule(at) for at in (0.0, 0.54, 0.55, 0.89, 0.9, 1.0)] == [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]
