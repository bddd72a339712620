"""Tables: words, numbers, gaps, quotes, encodings, delimiters, odd rows; the same for csv, parquet and arrays."""

from __future__ import annotations

import csv
import gzip
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparring.data.dataset import Dataset
from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions
from sparring.engine.data_spec import ImageSpec, TableSpec
from sparring.engine.errors import SparringError, UsageError

PEOPLE = """age,job,pay,"home, town",class
30, nurse ,10.5,"Rome, GA",yes
41,?,11.5,Oslo,no

22,smith,9,"Rome, GA",no
63,nurse,12,Oslo,yes
"""
HEAD, LEFT = "a,b,y\n", "1,x,0\n2,x,1\n"


def write(folder: Path, text: str | bytes, name: str = "people.csv") -> Path:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / name


def table(path: Path, label: str | None = None, like: TableSpec | None = None, **options: Any) -> Dataset:
    return open_source(path, ReadOptions(kind="table", label=label, **options), like=like).split(None)


def cells(data: Dataset) -> list[list[float]]:
    rows: list[list[float]] = data[np.arange(len(data))].tolist()
    return rows


@pytest.fixture
def people(tmp_path: Path) -> Dataset:
    return table(write(tmp_path, PEOPLE), "class")


def test_what_is_in_it(people: Dataset) -> None:
    spec = people.spec
    assert isinstance(spec, TableSpec)
    age, job, pay, town = spec.columns
    assert [column.name for column in spec.columns] == ["age", "job", "pay", "home, town"] and spec.target == "class"
    assert (age.indices, age.categories, age.is_integer, age.low, age.high) == ((0,), (), True, 22, 63)
    assert (job.indices, job.categories) == ((1, 2, 3), ("nurse", "smith", "?"))
    assert (pay.indices, pay.is_integer) == ((4,), False)
    assert (town.indices, town.categories) == ((5, 6), ("Oslo", "Rome, GA"))
    assert spec.classes == ("no", "yes") and people.labels.tolist() == [1, 0, 0, 1]
    assert cells(people) == [
        [30, 1, 0, 0, 10.5, 0, 1], [41, 0, 0, 1, 11.5, 1, 0], [22, 0, 1, 0, 9, 0, 1], [63, 1, 0, 0, 12, 1, 0]
    ]  # fmt: skip
    assert people[np.arange(1)].dtype == np.float32 and people.skipped == {}
    first = people[np.arange(1)][0]
    assert spec.to_dict(first) == {"age": 30.0, "job": "nurse", "pay": 10.5, "home, town": "Rome, GA"}
    assert people.names == ["line 2", "line 3", "line 5", "line 6"]
    assert torch.equal(spec.encode(people[np.arange(4)]), torch.tensor(cells(people)))


def test_a_test_set_is_coded_like_its_training_set(people: Dataset, tmp_path: Path) -> None:
    text = (
        'class,pay,job,age,"home, town",more\nyes.,20,smith,19,Oslo,1\nno.,9,cook,20,Oslo,2\nno,,nurse,20,Oslo,3\n'
        "no,5,nurse,x,Oslo,4\nmaybe,5,nurse,1,Oslo,5\n?,5,nurse,1,Oslo,6\n"
    )
    test = table(write(tmp_path, text, "test.csv"), like=people.spec)
    assert cells(test) == [[19, 0, 1, 0, 20, 1, 0]] and test.labels.tolist() == [1]
    assert test.spec.classes == people.spec.classes
    age, _, pay, _ = test.spec.columns
    assert (age.low, age.high, pay.high) == (19, 63, 20)  # of both
    assert test.skipped == {
        "unknown category 'cook' in 'job'": ["line 3"],
        "no number in 'pay'": ["line 4"],
        "'x' is no number in 'age'": ["line 5"],
        "unknown class 'maybe' in 'class'": ["line 6"],
        "no class in 'class'": ["line 7"],
    }


def test_new_rows_need_no_class(people: Dataset, tmp_path: Path) -> None:
    new = table(write(tmp_path, 'age,job,pay,"home, town"\n1,nurse,2,Oslo\n', "new.csv"), like=people.spec)
    assert new.spec.classes == () and new.labels.tolist() == [-1] and cells(new) == [[1, 1, 0, 0, 2, 1, 0]]


def test_odd_rows_are_skipped_and_named(tmp_path: Path) -> None:
    path = write(tmp_path, "|1x3 Cross validator\n1, a, yes\n2, b\n3, b, no, 4\n,a,no\n5,b,no\n")
    data = table(path, "y", names=("n", "w", "y"))
    assert [row[0] for row in cells(data)] == [1, 5]
    assert data.skipped == {
        "has 1 cell in place of 3": ["line 1"],
        "has 2 cells in place of 3": ["line 3"],
        "has 4 cells in place of 3": ["line 4"],
        "no number in 'n'": ["line 5"],
    }


def test_without_a_header_columns_are_called_by_position(tmp_path: Path) -> None:
    path = write(tmp_path, "|1x3 Cross validator\n39, Private, <=50K.\n50, State-gov, >50K.\n38, Private, <=50K.\n")
    data = table(path, "2")
    assert [c.name for c in data.spec.columns] == ["0", "1"] and data.spec.classes == ("<=50K.", ">50K.")
    assert "it has no header: columns are named by their position, 0 to 2" in data.notes
    named = table(write(tmp_path, PEOPLE, "b.csv"), "4")
    assert named.spec.target == "class"
    assert [c.name for c in table(path, "2", drop=("0",)).spec.columns] == ["1"]


def test_a_header_over_words_alone_is_known_by_its_words(tmp_path: Path) -> None:
    with_header = table(write(tmp_path, "cap,gill\nx,p\ny,q\nx,q\n"))
    assert with_header.spec.columns[0].name == "cap" and len(with_header) == 3
    without = table(write(tmp_path, "x,p\ny,q\nx,q\n", "b.csv"))
    assert without.spec.columns[0].name == "0" and len(without) == 3


def test_what_only_python_takes_for_a_number_is_a_word_and_huge_numbers_are_not_whole(tmp_path: Path) -> None:
    data = table(write(tmp_path, "a,b,y\n1_0,16777217,0\n1_1,5,1\n"), "y")
    assert [bool(column.categories) for column in data.spec.columns] == [True, False]
    assert not data.spec.columns[1].is_integer


@pytest.mark.parametrize(
    "void", ["nan", "NaN", "-nan", "NA", "N/A", "null", "None", "<NA>", "inf", "-Infinity", "1e300"]
)
def test_one_void_among_numbers_skips_its_row_and_makes_no_words(void: str, tmp_path: Path) -> None:
    path = write(tmp_path, f"age,job,y\n30,cook,0\n{void},{void},1\n50,{void},1\n")
    data = table(path, "y")
    age, job = data.spec.columns
    assert age.categories == () and age.is_integer and [row[0] for row in cells(data)] == [30, 50]
    assert data.skipped == {f"'{void}' is no number in 'age'": ["line 3"]}
    assert set(job.categories) == {"cook", void}  # among words it is one
    assert set(table(path, "y", categorical=("age",)).spec.columns[0].categories) == {"30", "50", void}


def test_void_is_no_class_among_numbers_and_one_among_words(tmp_path: Path) -> None:
    data = table(write(tmp_path, "a,y\n1,0\n2,nan\n3,1\n"), "y")
    assert data.spec.classes == ("0", "1") and data.skipped == {"unknown class 'nan' in 'y'": ["line 3"]}
    assert table(write(tmp_path, "a,y\n1,hail\n2,none\n", "b.csv"), "y").spec.classes == ("hail", "none")


def test_of_a_row_of_several_lines_the_last_counts(tmp_path: Path) -> None:
    assert table(write(tmp_path, 'a,b,y\n1,x,0\n,x,0\n3,"two\nlines",1\n'), "y").names == ["line 2", "line 5"]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-999, 999), st.sampled_from(["a", "b,c", 'd"e', "f g"])), min_size=2, max_size=20)
)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str]]) -> None:
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("n", "w", "y"), *((n, w, k % 2) for k, (n, w) in enumerate(rows))])
    data = table(path, "y")
    assert [data.spec.to_dict(row) for row in data[np.arange(len(data))]] == [{"n": float(n), "w": w} for n, w in rows]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_delimiters_are_guessed(delimiter: str, tmp_path: Path) -> None:
    text = "a,b,y\n1,x z,0\n2,y,1\n".replace(",", delimiter)
    assert cells(table(write(tmp_path, text), "y")) == [[1, 1, 0], [2, 0, 1]]
    assert cells(table(write(tmp_path, text.replace("x z", '"x,z"')), "y", delimiter=delimiter)) == [
        [1, 1, 0],
        [2, 0, 1],
    ]


@pytest.mark.parametrize(
    ("content", "note"),
    [
        ("ort,y\nKöln,0\nBonn,1\n".encode("cp1252"), "is no UTF-8: it was read as Windows-1252"),
        ("ort,y\nKöln,0\nBonn,1\n".encode("utf-16"), "was read as UTF-16"),
        ("ort,y\nKöln,0\nBonn,1\n".encode("utf-8-sig"), None),
        ("ort,y\r\nKöln,0\r\nBonn,1\r\n".encode(), None),
    ],
)
def test_encodings(content: bytes, note: str | None, tmp_path: Path) -> None:
    data = table(write(tmp_path, content), "y")
    assert data.spec.columns[0].name == "ort" and data.spec.columns[0].categories == ("Bonn", "Köln")
    assert note is None or any(note in one for one in data.notes)


def test_the_same_table_in_other_wrappings(people: Dataset, tmp_path: Path) -> None:
    (tmp_path / "p.csv.gz").write_bytes(gzip.compress(PEOPLE.encode()))
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.writestr("in/p.csv", PEOPLE)
    for name in ("p.csv.gz", "p.zip"):
        data = open_source(tmp_path / name, ReadOptions(label="class")).split(None)
        assert data.report.kind == "table" and cells(data) == cells(people) and data.spec == people.spec
    torn = gzip.compress(PEOPLE.encode())[:-12]
    with pytest.raises(SparringError, match=r"torn.csv.gz is damaged"):
        table(write(tmp_path, torn, "torn.csv.gz"), "class")


def test_train_and_test_files_with_the_same_columns(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    write(folder, HEAD + LEFT * 3, "train.csv")
    write(folder, HEAD + LEFT, "test.csv")
    write(folder, "id,guess\n1,0\n", "sample_submission.csv")
    data = open_source(folder, ReadOptions(label="y"))
    assert (len(data), len(data.split("test"))) == (6, 2) and data.names[0] == "train.csv line 2"
    assert data.skipped == {"has other columns than train.csv": ["sample_submission.csv"]}


def test_the_two_files_of_uci_are_the_splits_and_a_full_stop_ends_a_class(tmp_path: Path) -> None:
    folder = tmp_path / "people"
    folder.mkdir()
    write(folder, "30,red,yes\n40,blue,no\n50,red,yes\n", "people.data")
    write(folder, "a remark\n60,blue,no.\n70,red,yes.\n", "people.test")
    write(folder, "age: continuous.\n", "people.names")
    data = open_source(folder, ReadOptions(label="2"))
    test = data.split("test")
    assert (data.spec.classes, len(data), test.labels.tolist()) == (("no", "yes"), 3, [0, 1])
    assert data.skipped == {"is no table": ["people.names"], "has 1 cell in place of 3": ["people.test line 1"]}


def test_parquet(people: Dataset, tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {
        "age": [30, 41, 22, 63], "job": ["nurse", None, "smith", "nurse"], "pay": [10.5, 11.5, 9.0, 12.0],
        "home, town": ["Rome, GA", "Oslo", "Rome, GA", "Oslo"], "class": ["yes", "no", "no", "yes"],
    }  # fmt: skip
    pq.write_table(pa.table(columns), tmp_path / "p.parquet")
    data = open_source(tmp_path / "p.parquet", ReadOptions(label="class")).split(None)
    assert data.report.kind == "table" and cells(data) == cells(people)
    assert data.names[0] == "row 0"
    pq.write_table(pa.table({**columns, "tags": [["a"], [], ["b", "c"], []]}), tmp_path / "n.parquet")
    with pytest.raises(UsageError, match=r"column 'tags' holds list<.*--drop 'tags' leaves it out"):
        table(tmp_path / "n.parquet", "class")
    assert cells(table(tmp_path / "n.parquet", "class", drop=("tags",))) == cells(people)
    with pytest.raises(SparringError, match="no whole parquet"):
        table(write(tmp_path, b"PAR1 torn", "t.parquet"))


def test_arrays(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32), np.arange(30) % 3
    np.savez(tmp_path / "a.npz", x_train=x[:20], y_train=y[:20], x_test=x[20:], y_test=y[20:])
    data = open_source(tmp_path / "a.npz")
    assert data.report.kind == "table" and (len(data), len(data.split("test"))) == (20, 10)
    assert np.array_equal(data[np.arange(20)], x[:20]) and data.labels.tolist() == y[:20].tolist()
    np.save(tmp_path / "b.npy", x)
    bare = open_source(tmp_path / "b.npy").split(None)
    assert len(bare) == 30 and bare.spec.classes == () and [c.name for c in bare.spec.columns] == list("0123")
    with pytest.raises(SparringError, match=r"a table is an array \[N, F\] of numbers"):
        np.save(tmp_path / "c.npy", np.zeros((3, 4, 4), np.float32))
        table(tmp_path / "c.npy")


def test_columns_of_names_are_left_out_and_slips_are_refused(tmp_path: Path) -> None:
    names = "".join(f"w{k},{k},{k % 2}\n" for k in range(300))
    data = table(write(tmp_path, "a,b,y\n" + names), "y")
    assert [c.name for c in data.spec.columns] == ["b"]
    assert any("more than 200 different words were left out: 'a'; --drop" in note for note in data.notes)
    slip = "".join(f"{k},{k % 2}\n" for k in range(300)) + "4O,1\n"
    with pytest.raises(
        UsageError, match=r"column 'a' has more than 200 different words, '4O' in line 302: correct it, or"
    ):
        table(write(tmp_path, "a,y\n" + slip), "y")


@pytest.mark.parametrize(
    ("text", "options", "error", "words"),
    [
        ("a,y\n1,0\n2,1\n", {"label": "z"}, UsageError, "--label z: people.csv has no column 'z'"),
        ("a,y\n1,0\n2,1\n", {"label": "7"}, UsageError, "has no column '7'"),
        ("a,y\n1,0\n2,1\n", {"drop": ("b",)}, UsageError, "--drop b: people.csv has no column 'b'"),
        ("age,y\n1,0\n2,1\n", {"categorical": ("agee",)}, UsageError, "did you mean 'age'"),
        ("a,y\n1,0\n2,1\n", {"drop": ("a",)}, UsageError, "no column is left to learn from"),
        ("a,a,y\n1,2,0\n", {}, UsageError, "two columns 'a'"),
        ("a,y\n1,0\n2,1\n", {"delimiter": ";;"}, UsageError, "--delimiter is one character"),
        ("", {}, SparringError, "people.csv is empty"),
        ("\n \n", {}, SparringError, "people.csv is empty"),
        ("a,y\n", {}, SparringError, "has a header and no rows"),
        ("a;y\n1;0\n", {"names": ("a", "y"), "delimiter": ","}, SparringError,
         "nothing usable in .* has 1 cell in place of 2"),
        ("a,y\n" + "".join(f"1,w{k}\n" for k in range(300)), {}, UsageError,
         "'y' has more than 200 different values, too many for classes"),
        ('a,y\n"1,0\n', {}, SparringError, "is no table that can be read"),
        (b"a,y\n\x81\x8d,0\n", {}, SparringError, "is no text in UTF-8, UTF-16 or Windows-1252"),
        (b"a,y\n\0\0,0\n", {}, SparringError, "is no text: it holds zero bytes"),
        ("a,b,y\n" + "1,x,0\n2;x;1\n" * 9, {}, SparringError,
         "mixes delimiters: 5.% of its lines are split by a comma, 4.% by a semicolon"),
        ("a,y\n" + "".join(f"{k},{k % 2}\n" for k in range(300)), {"categorical": ("a",)}, UsageError,
         "more than 200 different words, all of them numbers"),
    ],
)  # fmt: skip
def test_bad_files_and_calls(
    text: str | bytes, options: dict[str, Any], error: type[Exception], words: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=words):
        table(write(tmp_path, text), **{"label": "y", **options})


def test_more_bad_calls(people: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no '.*nowhere\.csv'"):
        table(tmp_path / "nowhere.csv", "y")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SparringError, match=r"it is empty. Tables are looked for"):
        table(tmp_path / "empty", "y")
    with pytest.raises(UsageError, match="has no column 'job', which the model was trained with"):
        table(write(tmp_path, 'age,pay,"home, town",class\n1,2,Oslo,yes\n', "b.csv"), like=people.spec)
    rows = 'age,job,pay,"home, town",class\n' + "1,cook,2,Oslo,yes\n" * 2
    with pytest.raises(SparringError, match=r"none of 2 rows can be read .the first: line 2 unknown category 'cook'"):
        table(write(tmp_path, rows, "c.csv"), like=people.spec)
    with pytest.raises(UsageError, match=r"holds tables \(.*\), the model was trained on images"):
        open_source(write(tmp_path, PEOPLE), like=ImageSpec(8, 8, 1, (), 1))
    with pytest.raises(UsageError, match="--size is for images, and the source is read as tables"):
        open_source(write(tmp_path, PEOPLE), ReadOptions(size=(8, 8)))
    with pytest.raises(SparringError, match=r"holds 1 x .csv. Images, .* are read"):
        open_source(write(tmp_path, PEOPLE), ReadOptions(kind="image"))


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on memory there")
def test_memory_does_not_grow_with_rows(tmp_path: Path) -> None:
    code = (
        "import resource, sys\nfrom sparring.data.open import open_source\n"
        "from sparring.data.reader_api import ReadOptions\n"
        "data = open_source(sys.argv[1], ReadOptions(label='y'))\n"
        "print(len(data), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = []
    for rows in (1_000, 60_000):
        text = "n,y\n" + "".join(f"{k}.5,{k % 2}\n" for k in range(rows))
        path = write(tmp_path, text, f"{rows}.csv")
        done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout.split()[1]))
    per_row = (peaks[1] - peaks[0]) * (1 if sys.platform == "darwin" else 1024) / 59_000
    assert per_row < 600  # bytes: its name, its result, its number and label


@pytest.mark.parametrize(
    ("table_file", "labels_file"),
    [("gene_inputs.csv", "gene_outputs.csv"), ("X_train.csv", "y_train.csv"), ("values.tsv", "diagnosis.txt.csv")],
)
def test_labels_in_a_file_of_their_own(tmp_path: Path, table_file: str, labels_file: str) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    separator = "\t" if table_file.endswith("tsv") else ","
    write(folder, "".join(separator.join([f"{k}.5", f"{k * k}.25", "7.5"]) + "\n" for k in range(10)), table_file)
    write(folder, "".join(f"{1 + k % 2}.000000e+00\n" for k in range(10)), labels_file)
    data = open_source(folder, ReadOptions()).split(None)
    assert (data.spec.classes, data.spec.shape, data.report.skipped) == (("1", "2"), (3,), {})
    by_row = {float(row[0]): data.spec.classes[y] for row, y in zip(data[np.arange(10)], data.labels, strict=True)}
    assert by_row == {k + 0.5: str(1 + k % 2) for k in range(10)}
    assert any(f"labels are from {labels_file}" in note for note in data.notes)
    named = open_source(folder, ReadOptions(label=data.spec.target)).split(None)
    assert (named.spec.classes, named.spec.target) == (data.spec.classes, data.spec.target)


def test_labels_of_both_splits_are_one_column(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for split, count in (("train", 20), ("test", 8)):
        write(folder, "a,b\n" + "".join(f"{k}.5,7.5\n" for k in range(count)), f"x_{split}.csv")
        write(folder, "y\n" + "".join(f"{k % 2}\n" for k in range(count)), f"y_{split}.csv")
    for label in (None, "y"):
        data = open_source(folder, ReadOptions(label=label))
        assert (data.spec.target, data.spec.classes, data.report.skipped) == ("y", ("0", "1"), {})
        assert data.report.splits == {"train": 20, "test": 8}


def test_a_column_of_another_length_or_of_no_table_is_no_label(tmp_path: Path) -> None:
    for name, lines, reason in (
        ("y_train.csv", 9, "holds one column of 9 rows, and x_train.csv has 10: these are no labels"),
        ("notes-of-mine.csv", 10, "holds one column, and belongs to no table by its name"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        for split in ("train", "test"):
            write(folder, "".join(f"{k},{k * k}\n" for k in range(10)), f"x_{split}.csv")
        write(folder, "1\n" * lines, name)
        data = open_source(folder, ReadOptions())
        assert data.skipped == {reason: [name]} and not data.spec.classes


def test_a_wide_table_is_opened_in_a_moment(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(6, 4000))
    path = write(tmp_path, "\n".join(",".join(f"{value:.3f}" for value in row) for row in rows), "wide.csv")
    begin = time.process_time()
    assert open_source(path, ReadOptions()).spec.shape == (4000,)
    assert time.process_time() - begin < 5


@pytest.mark.parametrize("options", [{"drop": ("3",)}, {"drop": ("1",)}, {}], ids=["last", "middle", "wordy"])
def test_a_file_without_names_is_read_again_by_its_model(options: dict[str, tuple[str, ...]], tmp_path: Path) -> None:
    """Columns that were left out, by a flag or by themselves, are left out again; more columns are refused."""
    rows = [f"{k % 2},{k / 7:.3f},{k * k % 11},word {k}" for k in range(300)]
    (tmp_path / "a.csv").write_text("\n".join(rows))
    data = open_source(tmp_path / "a.csv", ReadOptions(kind="table", label="0", **options))  # type: ignore[arg-type]
    again = open_source(tmp_path / "a.csv", like=data.spec)
    assert np.array_equal(data.split(None)[np.arange(9)], again.split(None)[np.arange(9)])
    assert again.spec == replace(data.spec, count=again.spec.count)


def test_a_line_may_be_longer_than_what_is_looked_at_first(tmp_path: Path) -> None:
    """Arrays of genes have lines of 300 kB."""
    rows = np.random.default_rng(0).normal(size=(6, 12_000))
    text = "\n".join(",".join(f"{value:.22f}" for value in row) for row in rows)
    assert len(text) > 6 * (1 << 18)
    data = table(write(tmp_path, text), window=None)
    assert len(data.spec.columns) == 12_000 and data.report.used == 6
