"""Tables out of CSV files: words, numbers, gaps, quotes, odd rows; names in place of column numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparring.attacks import TabularConstraints
from sparring.data.tabular import Table, read_table
from sparring.engine.errors import SparringError, UsageError

PEOPLE = """age,job,pay,"home, town",class
30, nurse ,10.5,"Rome, GA",yes
41,?,11.5,Oslo,no

22,smith,9,"Rome, GA",no
63,nurse,12,Oslo,yes
"""


def write(folder: Path, text: str | bytes, name: str = "people.csv") -> Path:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / name


@pytest.fixture
def people(tmp_path: Path) -> Table:
    return read_table(write(tmp_path, PEOPLE), "class")


def test_what_is_in_it(people: Table) -> None:
    age, job, pay, town = people.columns
    assert [column.name for column in people.columns] == ["age", "job", "pay", "home, town"]
    assert (age.indices, age.categories, age.is_integer, age.low, age.high) == ((0,), (), True, 22, 63)
    assert (job.indices, job.categories) == ((1, 2, 3), ("nurse", "smith", "?"))
    assert (pay.indices, pay.is_integer) == ((4,), False)
    assert (town.indices, town.categories) == ((5, 6), ("Oslo", "Rome, GA"))
    assert people.classes == ("no", "yes") and people.y.tolist() == [1, 0, 0, 1] and people.y.dtype == torch.int64
    assert people.x.tolist() == [
        [30, 1, 0, 0, 10.5, 0, 1], [41, 0, 0, 1, 11.5, 1, 0], [22, 0, 1, 0, 9, 0, 1], [63, 1, 0, 0, 12, 1, 0]
    ]  # fmt: skip
    assert people.x.dtype == torch.float32 and people.skipped == {}
    assert people.told(people.x[0]) == {"age": 30.0, "job": "nurse", "pay": 10.5, "home, town": "Rome, GA"}


def test_names_become_numbers(people: Table) -> None:
    columns = people.constraints(immutable=("job",), increasing=("age",), decreasing=("pay",))
    assert columns == TabularConstraints(
        immutable=(1, 2, 3), increasing=(0,), decreasing=(4,), integer=(0,), one_hot=((5, 6),)
    )
    assert people.constraints() == TabularConstraints(integer=(0,), one_hot=((1, 2, 3), (5, 6)))
    threat = people.threat("L0", 2, columns)
    assert torch.as_tensor(threat.low).tolist() == [22, 0, 0, 0, 9, 0, 0]
    assert torch.as_tensor(threat.high).tolist() == [63, 1, 1, 1, 12, 1, 1]
    assert threat.allows(people.x, people.x).all()


def test_a_word_for_another_is_one_change(people: Table) -> None:
    adv = people.x.clone()
    adv[0, 1:4] = torch.tensor([0.0, 1, 0])
    adv[1, 0], adv[1, 4], adv[1, 5:] = 42, 11, torch.tensor([0.0, 1])
    assert people.changed(adv, people.x).tolist() == [1, 3, 0, 0]


def test_a_test_set_is_coded_like_its_training_set(people: Table, tmp_path: Path) -> None:
    text = "class,pay,job,age,\"home, town\",more\nyes.,20,smith,19,Oslo,1\nno.,9,cook,20,Oslo,2\nno,,nurse,20,Oslo,3\nno,5,nurse,x,Oslo,4\nmaybe,5,nurse,1,Oslo,5\n?,5,nurse,1,Oslo,6\n"  # fmt: skip
    test = read_table(write(tmp_path, text, "test.csv"), "class", like=people)
    assert test.x.tolist() == [[19, 0, 1, 0, 20, 1, 0]] and test.y.tolist() == [1] and test.classes == people.classes
    assert (test.columns[0].low, test.columns[0].high, test.columns[2].high) == (19, 63, 20)  # of both
    assert test.skipped == {
        "unknown word 'cook' in 'job'": [3],
        "no number in 'pay'": [4],
        "'x' is no number in 'age'": [5],
        "unknown class 'maybe' in 'class'": [6],
        "no class in 'class'": [7],
    }


def test_odd_rows_are_left_out_and_told(tmp_path: Path) -> None:
    path = write(tmp_path, "|1x3 Cross validator\n1, a, yes\n2, b\n3, b, no, 4\n,a,no\n5,b,no\n")
    table = read_table(path, "y", names=("n", "w", "y"))
    assert table.x[:, 0].tolist() == [1, 5]
    assert table.skipped == {
        "1 fields in place of 3": [1],
        "2 fields in place of 3": [3],
        "4 fields in place of 3": [4],
        "no number in 'n'": [5],
    }


def test_a_question_mark_that_is_a_word_is_that_of_what_is_missing(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a,y\n?,0\nb,1\nNA,1\n"), "y", missing=("NA",))
    assert table.columns[0].categories == ("?", "b") and table.x.tolist() == [[1, 0], [0, 1], [1, 0]]


def test_names_may_come_one_by_one(people: Table) -> None:
    assert people.constraints(immutable=(name for name in ["age"])).immutable == (0,)


def test_what_never_changes_never_moves(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b,c,y\n1,x,0,0\n1,x,1,1\n")
    table = read_table(path, "y", words=("c",))
    assert table.columns[2].categories == ("0", "1")
    columns = table.constraints(increasing=("a",))
    assert columns == TabularConstraints(immutable=(0, 1), one_hot=((2, 3),))
    threat = table.threat("L2", 1.0, columns)
    assert threat.allows(table.x, table.x).all()
    assert threat.around(table.x).high[:, 0].tolist() == [1, 1]


def test_what_only_python_takes_for_a_number_is_a_word_and_huge_numbers_are_not_whole(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a,b,y\n1_0,16777217,0\n1_1,5,1\n"), "y")
    assert [bool(column.categories) for column in table.columns] == [True, False]
    assert not table.columns[1].is_integer


@pytest.mark.parametrize(
    "void", ["nan", "NaN", "-nan", "NA", "N/A", "null", "None", "<NA>", "inf", "-Infinity", "1e300"]
)
def test_one_void_among_numbers_leaves_out_its_row_and_makes_no_words(void: str, tmp_path: Path) -> None:
    path = write(tmp_path, f"age,job,y\n30,cook,0\n{void},{void},1\n50,{void},1\n")
    table = read_table(path, "y")
    assert table.columns[0].categories == () and table.columns[0].is_integer and table.x[:, 0].tolist() == [30, 50]
    assert table.skipped == {f"'{void}' is no number in 'age'": [3]}
    assert set(table.columns[1].categories) == {"cook", void}  # among words it is one
    assert set(read_table(path, "y", words=("age",)).columns[0].categories) == {"30", "50", void}


def test_void_is_no_class_among_numbers_and_one_among_words(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a,y\n1,0\n2,nan\n3,1\n"), "y")
    assert table.classes == ("0", "1") and table.skipped == {"unknown class 'nan' in 'y'": [3]}
    assert read_table(write(tmp_path, "a,y\n1,hail\n2,none\n"), "y").classes == ("hail", "none")


def test_a_column_of_nothing_but_void_is_words(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a,b,y\nnan,1,0\nNA,2,1\n"), "y")
    assert table.columns[0].categories == ("NA", "nan")


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-999, 999), st.sampled_from(["a", "b,c", 'd"e', "f g"])), min_size=2, max_size=20)
)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str]]) -> None:
    import csv

    path = tmp_path_factory.mktemp("csv") / "t.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("n", "w", "y"), *((n, w, k % 2) for k, (n, w) in enumerate(rows))])
    table = read_table(path, "y")
    assert [table.told(row) for row in table.x] == [{"n": float(n), "w": w} for n, w in rows]


@pytest.mark.parametrize(
    ("text", "given", "error", "words"),
    [
        ("a,y\n1,0\n2,1\n", {"target": "z"}, UsageError, "has no column 'z'"),
        ("a,y\n1,0\n2,1\n", {"drop": ("b",)}, UsageError, "has no column 'b'"),
        ("age,y\n1,0\n2,1\n", {"words": ("agee",)}, UsageError, "did you mean 'age'"),
        ("a,y\n1,0\n2,1\n", {"drop": "a"}, UsageError, r"give \('a',\)"),
        ("a,y\n1,0\n2,1\n", {"missing": "NA"}, UsageError, r"give \('NA',\)"),
        ("a,y\n1,0\n2,1\n", {"drop": ("a",)}, UsageError, "nothing but 'y' is left"),
        ("a,a,y\n1,2,0\n", {}, UsageError, "two columns 'a'"),
        ("a,y\n1,0\n2,1\n", {"delimiter": ";;"}, UsageError, "delimiter is one letter"),
        ("", {}, SparringError, "is empty"),
        ("a,y\n", {}, SparringError, "no line has 2 fields"),
        ("a;y\n1;0\n", {"names": ("a", "y")}, SparringError, "is the delimiter right"),
        ("a,y\n1,0\n2,0\n", {}, SparringError, "all rows are of one class, y = 0"),
        ("a,y\n1,0\n,1\n2,\n", {"target": "a"}, SparringError, None),
        ("a,y\n" + "".join(f"1,{k}\n" for k in range(300)), {}, UsageError, "'y' has 300 different values, too many for classes"),
        ('a,y\n"1,0\n', {}, SparringError, "no CSV table"),
        (b"a,y\n\xff\xfe,0\n", {}, SparringError, "no CSV table in UTF-8"),
        ("a,y\n" + "".join(f"w{k},{k % 2}\n" for k in range(300)), {}, UsageError, r"300 different words, 'w0' in line 2: leave it out \(--drop 'a', or drop=\('a',\)\)"),
        ("a,y\n" + "".join(f"{k},{k % 2}\n" for k in range(300)), {"words": ("a",)}, UsageError, "300 different words, all of them numbers"),
    ],
)  # fmt: skip
def test_bad_files_and_calls(
    text: str | bytes, given: dict[str, Any], error: type[Exception], words: str | None, tmp_path: Path
) -> None:
    path = write(tmp_path, text)
    if words is None:
        assert read_table(path, "a").skipped  # rows without a class
        return
    with pytest.raises(error, match=words):
        read_table(path, **{"target": "y", **given})


def test_more_bad_calls(people: Table, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no .*nowhere\.csv"):
        read_table(tmp_path / "nowhere.csv", "y")
    with pytest.raises(SparringError, match="no CSV table"):
        read_table(tmp_path, "y")
    with pytest.raises(UsageError, match="has no column 'job', which the table has"):
        read_table(write(tmp_path, 'age,pay,"home, town",class\n1,2,Oslo,yes\n', "b.csv"), "class", like=people)
    with pytest.raises(SparringError, match="no row is left; 2 of them: unknown word 'cook'"):
        read_table(write(tmp_path, 'age,job,pay,"home, town",class\n' + "1,cook,2,Oslo,yes\n" * 2, "c.csv"), "class", like=people)  # fmt: skip
    with pytest.raises(UsageError, match="no column 'agee': did you mean 'age'"):
        people.constraints(immutable=("agee",))
    with pytest.raises(UsageError, match=r"'job' cannot be increasing: it holds words \(nurse"):
        people.constraints(increasing=("job",))
    with pytest.raises(UsageError, match=r"\('age',\)"):
        people.constraints(immutable="age")
    with pytest.raises(UsageError, match="'age' is told to be immutable and increasing"):
        people.constraints(immutable=("age",), increasing=("age",))


def test_only_what_is_movable_moves(people: Table) -> None:
    named = people.constraints(movable=("job",), increasing=("age",))
    assert named == TabularConstraints(immutable=(4, 5, 6), increasing=(0,), integer=(0,), one_hot=((1, 2, 3),))
    assert people.constraints(movable=()).immutable == tuple(range(7))
    same = people.constraints(movable=iter(["home, town", "pay", "job", "age"]))
    assert same == people.constraints()
    with pytest.raises(UsageError, match="no column 'agee': did you mean 'age'"):
        people.constraints(movable=("agee",))
    for ways in ({"movable": ("age",), "immutable": ("age",)}, {"increasing": ("age",), "decreasing": ("age",)}):
        with pytest.raises(UsageError, match=r"'age' is told to be (immutable and movable|increasing and decreasing)"):
            people.constraints(**ways)


def test_rows_keep_their_lines(people: Table, tmp_path: Path) -> None:
    assert people.lines == (2, 3, 5, 6)
    some = people.take(torch.tensor([2, 0]))
    assert some.lines == (5, 2) and some.y.tolist() == [0, 1] and torch.equal(some.x, people.x[[2, 0]])
    assert some.columns == people.columns and some.classes == people.classes
    torn = read_table(write(tmp_path, 'a,b,y\n1,x,0\n,x,0\n3,"two\nlines",1\n'), "y")
    assert torn.lines == (2, 5)  # of a row of several lines the last


def test_which_columns_differ(people: Table) -> None:
    adv = people.x[:1].clone()
    adv[0, 1:4] = torch.tensor([0.0, 1, 0])
    assert people.differs(adv, people.x[:1]).tolist() == [[False, True, False, False]]
