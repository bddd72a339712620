"""What `sparring predict` prints of likelihoods."""

import pytest

from sparring.commands.predict import RowDensities, RowDensity, to_text


def densities(held_out_count: int, *p_values: float, ratio: float | None = None) -> str:
    rows = [RowDensity(f"{k}.png", 4.0, 1.0, round(p, 6), None, ratio) for k, p in enumerate(p_values)]
    return to_text(RowDensities(rows, "bits/dim", 3.9, held_out_count, {}, []))


@pytest.mark.parametrize(
    ("count", "p_values", "line"),
    [
        (500, (1 / 501, 5 / 501, 6 / 501), "2 of 3 are less typical than 99% of 500 held-out examples"),
        (64, (1 / 65, 2 / 65), "1 of 2 are less typical than 98% of 64 held-out examples"),
        (2, (1 / 3, 1.0), "1 of 2 are less typical than 67% of 2 held-out examples"),
    ],
)
def test_untypical_examples_are_counted_where_few_are_held_out(
    count: int, p_values: tuple[float, ...], line: str
) -> None:
    assert line in densities(count, *p_values)


def test_the_ratio_to_a_background_model_is_printed() -> None:
    assert "ratio -0.2500" in densities(64, 0.5, ratio=-0.25) and "ratio" not in densities(64, 0.5)
