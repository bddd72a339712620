from __future__ import annotations

from dataclasses import replace

import pytest
from test_page import HOSTILE, Reader

from sparring.report.page import Page, page_html
from sparring.report.table_attack import TableAttack, Turned
from sparring.report.table_attack_section import ACROSS, BARS, SHOWN, tabled_sections
from sparring.stats.proportion import Proportion

HALF = Proportion.count(10, 20)
FOUND = TableAttack(
    table="rich.csv", label="rich", model="a network", tested_on="held-out rows", count=50, clean_accuracy=0.8, attacked=20,
    broken=10, success=HALF.value, low=HALF.low, high=HALF.high, changed_columns=1.2, changed={"hours": 9, "colour": 3},
    by_class={"no": (8, 12), "yes": (2, 8), "never": (0, 0)}, may_change=["hours", "wage", "colour"], increasing=["hours"],
    decreasing=[], most=2, queries=41.0, columns={"hours": [], "wage": [], "colour": ["red", "blue"]}, seed=3, out="out",
    notes=["rich.csv: 1 row left out"],
)  # fmt: skip
TURNED = [
    Turned(k, "no", "yes", ("40", "3.5", "red"), ("50", "3.5", "blue" if k == 2 else "red")) for k in range(2, 12)
]


def page(found: TableAttack, turned: list[Turned]) -> Reader:
    return Reader(page_html(Page("rich.csv", {}, tabled_sections(found, turned))))


def plain(words: list[str]) -> str:
    return " ".join(words).replace("\xa0", " ")


def test_the_shares_have_their_intervals() -> None:
    told = page(FOUND, TURNED)
    assert told.words["h2"] == ["Attack success", "Changed columns", "Rows before and after", "Protocol"]
    assert (
        plain(told.words["dd"])
        == "80.0 % (95 % interval 67.0 % to 88.8 %) 50.0 % (95 % interval 29.9 % to 70.1 %) 1.20"
    )
    assert (
        "predicted correctly for 40 of 50 held-out rows. Of these, 20 were attacked, and the answer for 10 changed"
        in plain(told.words["p"])
    )
    assert told.words["li"] == ["rich.csv: 1 row left out"]
    rows = plain(told.words["tr"])
    assert "no128 66.7 % 39.1 % to 86.2 %".replace(" ", "") in rows.replace(" ", "") and "never" not in rows


def test_columns_are_counted_and_those_that_never_changed_are_named() -> None:
    told = page(FOUND, TURNED)
    assert [plain([row]) for row in told.words["tr"] if row.startswith(("hours", "colour"))] == [
        "hours990.0 %", "colour330.0 %",
    ]  # fmt: skip
    assert "Columns that may change and never did: wage." in told.words["p"]
    assert [tag for tag, _ in told.tags].count("svg") == 2 + 2  # classes that were attacked, columns that changed
    assert all(attributes["aria-hidden"] for tag, attributes in told.tags if tag == "svg")
    many = {f"column {k}": 1 for k in range(BARS + 5)}
    told = page(replace(FOUND, changed=many, may_change=[*many, *(f"still {k}" for k in range(BARS + 7))]), TURNED)
    assert f"still {BARS - 1} and 7 more" in plain(told.words["p"]) and "5 more columns are in report.json" in plain(
        told.words["p"]
    )


def test_what_changed_in_a_row_is_marked_and_what_did_not_is_not() -> None:
    told = page(FOUND, TURNED)
    marked = sum(attributes.get("class") == "changed" for tag, attributes in told.tags if tag == "td")
    assert (
        marked == len(told.words["del"]) == len(told.words["ins"]) == 2 * SHOWN + 1
    )  # one row changed its colour, too
    assert told.words["del"][:3] == ["no", "40", "red"] and told.words["ins"][:3] == ["→ yes", "→ 50", "→ blue"]
    assert told.words["td"].count("3.5") == SHOWN and told.words["td"].count("red") == SHOWN - 1
    assert "linerich, answerhourscolourwage" in told.words["tr"]  # what stayed comes last
    assert f"{SHOWN} of the 10 successfully attacked rows" in plain(told.words["p"])


def test_few_of_many_columns_are_shown_and_those_that_changed_among_them() -> None:
    names = {f"c{k}": [] for k in range(40)}
    before = ["0"] * 40
    turned = [Turned(2, "no", "yes", before, [*before[:-1], "1"])]
    told = page(replace(FOUND, columns=names, changed={"c39": 1}, broken=1), turned)
    assert any(row.startswith("linerich, answerc39c0c1") for row in told.words["tr"])
    assert told.words["td"].count("0") == ACROSS - 1 and "and 30 more columns." in plain(told.words["p"])


def test_where_no_row_turns_none_is_shown() -> None:
    told = page(replace(FOUND, broken=0, changed={}, changed_columns=None, by_class={"no": (0, 20)}, notes=[]), [])
    assert told.words["h2"] == ["Attack success", "Changed columns", "Protocol"]
    assert told.words["dd"][-1] == "none" and "li" not in told.words
    assert "None: no answer changed. These columns may change: hours, wage, colour." in told.words["p"]


def test_the_settings_that_made_it() -> None:
    told = page(FOUND, TURNED).words["tr"]
    for row in ("may changehours, wage, colour", "only growhours", "only shrinknone", "columns at most2", "seed3"):
        assert row in told
    assert "columns at mostas many as it takes" in page(replace(FOUND, most=None), TURNED).words["tr"]


@pytest.mark.parametrize("hostile", [HOSTILE, "<td>" * 100])
def test_hostile_names_stay_words(hostile: str) -> None:
    found = replace(
        FOUND, table=hostile, label=hostile, model=hostile, notes=[hostile], may_change=[hostile, "other" + hostile],
        changed={hostile: 1}, by_class={hostile: (10, 20)}, columns={hostile: [hostile]},
    )  # fmt: skip
    told = page(found, [Turned(1, hostile, "other" + hostile, [hostile], ["a" + hostile])])
    assert "script" not in {tag for tag, _ in told.tags}
    assert len(told.words["del"]) == 2 and max(map(len, told.words["del"])) <= 40
