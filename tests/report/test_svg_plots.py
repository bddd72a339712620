import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparring.report.format import number, percent, safe, short, shortened
from sparring.report.svg_plots import COLOURS, MAX_POINTS, bar, curve, fraction_line, interval, thinned, ticks

VALUES = st.floats()
SERIES = st.lists(st.tuples(st.one_of(st.integers(0, 10**12), VALUES), VALUES), max_size=60)


def words(svg: str) -> list[str]:
    return ["".join(found.itertext()) for found in ElementTree.fromstring(svg).iter("text")]


def lines(svg: str) -> list[list[list[tuple[float, float]]]]:
    """Per series, per unbroken run, the points in pixels."""
    paths = re.findall(r'<path d="([^"]*)" style="stroke:[^"]*" fill="none"[^>]*stroke-width="1.8"', svg)
    return [
        [[tuple(map(float, at.split())) for at in run.split("L")] for run in path.split("M")[1:]]  # type: ignore[misc]
        for path in paths
    ]


@given(st.dictionaries(st.text(max_size=80), SERIES, max_size=7), st.text(max_size=90), st.none() | VALUES)
def test_any_series_is_drawn_inside_its_frame(
    series: dict[str, list[tuple[float, float]]], title: str, mark: float | None
) -> None:
    svg = curve(title, series, mark=mark)
    shown = [points for points in series.values() if any(abs(x) < 1e100 and abs(y) < 1e100 for x, y in points)]
    assert bool(svg) == bool(shown)
    if not svg:
        return
    root = ElementTree.fromstring(svg)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    found = lines(svg)
    assert len(found) == len(shown)
    assert not any(word in path.attrib["d"] for path in root.iter("path") for word in ("nan", "inf"))
    for run in (run for line in found for run in line):
        assert all(0 <= x <= width and 0 <= y <= height for x, y in run)
        assert [x for x, _ in run] == sorted(x for x, _ in run)


@given(st.floats(-1e90, 1e90), st.floats(-1e90, 1e90))
def test_ticks_cover_what_they_measure(one: float, other: float) -> None:
    low, high = sorted((one, other))
    found = ticks(low, high)
    room = max(abs(low), abs(high)) * 1e-9
    assert found[0] <= low + room and found[-1] >= high - room
    assert found == sorted(found) and 2 <= len(found) <= 8
    assert len({short(tick) for tick in found}) == len(found)


def test_ticks_are_round() -> None:
    assert ticks(0, 1_200_000, 8) == [0, 200_000, 400_000, 600_000, 800_000, 1_000_000, 1_200_000]
    assert ticks(0.013, 0.48) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert [short(x) for x in (0, 50_000, 100_000, 1_000_000, 1_500_000, 0.1 * 3, -20, 2e9, 3e-7)] == [
        "0", "50k", "100k", "1M", "1.5M", "0.3", "−20", "2G", "3 × 10⁻⁷",
    ]  # fmt: skip


def test_the_words_around_a_line() -> None:
    svg = curve("Distance", {"held out": [(0, 0.5), (500_000, 0.25), (1_000_000, 0.125)]}, unit="m", mark=500_000)
    assert words(svg)[:2] == ["Distance (m)", "held out 0.1250"]
    assert {"0", "200k", "1M", "best", "images"} <= set(words(svg))
    label = ElementTree.fromstring(svg).attrib["aria-label"]
    assert label == (
        "Distance (m). held out: 0.5000 at 0 images, 0.1250 at 1M, lowest 0.1250, highest 0.5000. Best at 500k images"
    )
    assert "best" not in words(curve("Distance", {"a": [(0, 1.0)]}, mark=math.nan))


def test_higher_values_stand_higher() -> None:
    ((run,),) = lines(curve("c", {"a": [(0, 0.0), (10, 1.0)]}))
    (left, low), (right, high) = run
    assert left < right and low > high


def test_what_is_not_finite_leaves_a_gap() -> None:
    points = [(k, math.nan if k in (3, 4) else math.inf if k == 7 else 1.0 * k) for k in range(10)]
    ((*runs,),) = lines(curve("c", {"a": points}))
    assert [len(run) for run in runs] == [3, 2, 2]


def test_a_point_alone_and_a_constant_are_seen() -> None:
    one = curve("c", {"a": [(100, 3.5)]})
    assert "h0" in one and words(one)[1] == "a 3.500"
    ((run,),) = lines(curve("c", {"a": [(k, 0.5) for k in range(9)]}))
    assert len({y for _, y in run}) == 1
    assert curve("c", {"a": [(0, 0.0)]})


def test_an_empty_series_is_left_out() -> None:
    assert curve("c", {}) == curve("c", {"a": [], "b": [(1, math.nan)]}) == ""
    assert words(curve("c", {"a": [], "b": [(1, 2.0)]}))[1] == "b 2.000"


def test_each_series_has_its_colour_and_its_shape() -> None:
    svg = curve("c", {str(k): [(0, k), (1, k)] for k in range(5)})
    assert all(svg.count(f"fill:var(--s{k + 1},{colour})") == 2 for k, colour in enumerate(COLOURS))


def test_a_long_legend_takes_more_rows() -> None:
    svg = curve("c", {f"a name of some length {k}": [(0, k), (1, k)] for k in range(5)})
    found = [part for part in ElementTree.fromstring(svg).iter("text") if "some length" in "".join(part.itertext())]
    assert [float(part.attrib["y"]) for part in found] == [40, 40, 60, 60, 80]
    assert float(svg.split('viewBox="0 0 480 ')[1].split('"')[0]) == 80 + 20 + 170 + 46


def test_a_name_is_cut_off_where_its_row_ends_and_not_before() -> None:
    name = "share of unlabelled images the teacher is sure of"
    assert words(curve("c", {"a": [(0, 1.0)], name: [(0, 0.25)]}))[1:3] == ["a 1.000", f"{name} 0.2500"]
    (cut,) = [word for word in words(curve("c", {"n" * 99: [(0, 0.25)]})) if "n…" in word]
    assert 460 - 7 < 8 + 11 + 7 * len(cut) <= 480


def test_thinning_keeps_the_spikes_and_the_end() -> None:
    points = [(k, math.sin(k / 1000)) for k in range(100_000)]
    points[54_321] = (54_321, 9.0)
    points[12_345] = (12_345, -9.0)
    points[70_000:80_000] = [(k, math.nan) for k in range(70_000, 80_000)]
    kept = thinned(points)
    assert len(kept) <= MAX_POINTS
    assert points[54_321] in kept and points[12_345] in kept and kept[-1] == points[-1]
    assert kept == sorted(kept, key=lambda point: point[0]) and any(math.isnan(y) for _, y in kept)


@given(st.lists(st.tuples(st.integers(0, 10**9), VALUES), max_size=300), st.integers(8, 40))
def test_thinning_any_series(points: list[tuple[float, float]], most: int) -> None:
    kept = thinned(points, most)
    assert len(kept) <= max(most, 0)
    seen = [y for _, y in points if abs(y) < 1e100]
    left = [y for _, y in kept if not math.isnan(y)]
    assert bool(seen) == bool(left)
    if seen:
        assert (min(left), max(left)) == (min(seen), max(seen))


def test_numbers_for_people() -> None:
    values = (0, 0.43812, 1234567.8, 999.96, 0.0000213, -0.5, 12.0, 3e20, math.nan, math.inf, -math.inf)
    assert [number(value) for value in values] == [
        "0", "0.4381", "1,234,568", "1000", "2.13 × 10⁻⁵", "−0.5000", "12.00", "3 × 10²⁰", "undefined", "∞", "−∞",
    ]  # fmt: skip
    assert percent(0.6312) == "63.1\u00a0%" and percent(math.nan) == "undefined"


def test_words_are_safe_anywhere() -> None:
    assert safe("<a href='x'>&\x00\udcff") == "&lt;a href=&#39;x&#39;&gt;&amp;��"
    assert shortened("abcdef", 6) == "abcdef" and shortened("abc defg", 5) == "abc…"


@given(VALUES, VALUES, VALUES, st.none() | VALUES)
def test_an_interval_is_drawn_inside_its_frame(value: float, low: float, high: float, baseline: float | None) -> None:
    svg = interval(value, low, high, baseline)
    assert bool(svg) == (abs(value) < 1e100)
    if svg:
        (dot,) = ElementTree.fromstring(svg).iter("circle")
        assert 6 <= float(dot.attrib["cx"]) <= 234


def test_a_bar_is_as_long_as_its_share_with_its_interval() -> None:
    def ends(svg: str) -> list[list[float]]:
        return [[float(x) for x in re.findall(r"[MH]([\d.]+)", path)] for path in re.findall(r'<path d="([^"]*)"', svg)]

    whole, half, _ = ends(bar(0.5))
    assert half[0] == whole[0] and half[1] == sum(whole) / 2
    assert ends(bar(1.0))[1] == whole and ends(bar(0.0))[1] == [whole[0], whole[0]]
    low, left, right, high = ends(bar(0.5, 0.25, 0.75))[2]
    assert low == left < half[1] < right == high and low - whole[0] == whole[1] - high
    ElementTree.fromstring(bar(0.3, 0.2, 0.4))


def test_a_share_on_its_line() -> None:
    svg = fraction_line(0.75, 0.7, 0.8, "guessing", "told apart")
    (dot,) = ElementTree.fromstring(svg).iter("circle")
    assert float(dot.attrib["cx"]) == 240  # half-way between one half and all
    assert words(svg) == ["50 %", "60 %", "70 %", "80 %", "90 %", "100 %", "guessing", "told apart", "75.0\u00a0%"]
    assert words(fraction_line(0.48, 0.41, 0.55, "guessing", "told apart"))[0] == "40 %"
    assert fraction_line(math.nan, 0.4, 0.5, "", "") == ""


def test_the_axis_need_not_be_images() -> None:
    drawn = curve("Right", {"pgd": [(0.0, 99.0), (0.3, 90.0)]}, axis="eps <of pixels>")
    assert ">eps &lt;of pixels&gt;</text>" in drawn and "images" not in drawn
    assert "90.00 at 0.3 eps" in drawn or "99.00 at 0 eps" in drawn


def test_a_mark_of_another_name_and_a_legend_without_values() -> None:
    drawn = curve("Right", {"pgd": [(0.0, 99.0), (0.3, 90.0)]}, axis="eps", mark=0.3, mark_name="eps 0.3", latest=False)
    assert ">eps 0.3</text>" in drawn and "best" not in drawn and "Eps 0.3 at 0.3 eps" in drawn
    assert "90.00</tspan>" not in drawn and "90.00</tspan>" in curve("Right", {"pgd": [(0.0, 99.0), (0.3, 90.0)]})
