"""Tables with known labels: they come out whatever the delimiter, the header, the order and the way to name files."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparring.data.labels import read_labels
from sparring.engine.errors import UsageError

NAMES = [f"set/{k:04d}.jpg" for k in range(24)]
LABELS = [("sea", "land", "sky")[k * k % 3] for k in range(24)]
WAYS = {
    "whole": str,
    "last": lambda name: name.rpartition("/")[2],
    "stem": lambda name: name.rpartition("/")[2].rpartition(".")[0],
    "number": lambda name: str(int(name.rpartition("/")[2].rpartition(".")[0])),
    "root": lambda name: f"/home/me/{name}",
    "dot": lambda name: f"./{name}",
    "drive": lambda name: "D:\\data\\" + name.replace("/", "\\"),
    "case": str.upper,
    "other suffix": lambda name: name.replace(".jpg", ".png"),
}
HEADS = st.sampled_from([None, ("name", "label"), ("image_id", "breed"), ("file_name", "class"), ("img", "target"),
                         ("path", "y"), ("Datei", "Klasse")])  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(sorted(WAYS)), st.sampled_from(",;\t|"), HEADS, st.booleans(),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]), st.sampled_from(["\n", "\r\n"]),
    st.permutations(range(24)),
)  # fmt: skip
def test_tables_of_every_form(
    tmp_path_factory: pytest.TempPathFactory, way: str, delimiter: str, head: tuple[str, str] | None, first: bool,
    encoding: str, newline: str, order: list[int],
) -> None:  # fmt: skip
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=newline)
    rows = [(WAYS[way](NAMES[k]), LABELS[k].replace("sky", "ciél")) for k in order]
    for row in [*([head] if head else []), *rows]:
        writer.writerow(row if first else row[::-1])
    path = tmp_path_factory.getbasetemp() / "t.csv"
    path.write_bytes(text.getvalue().encode(encoding))
    labels, classes, _ = read_labels(path, NAMES, ())
    assert [classes[k].replace("ciél", "sky") for k in labels] == LABELS


@pytest.mark.parametrize("mark", ["nan", "NaN", "NA", "N/A", "None", "null", "?", "", "<NA>", "NaT"])
def test_marks_for_nothing_are_no_class(mark: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "name,label\n" + "".join(f"{n},{mark if k % 4 else LABELS[k]}\n" for k, n in enumerate(NAMES))
    )
    labels, classes, notes = read_labels(tmp_path / "t.csv", NAMES, ())
    assert set(classes) <= {"sea", "land", "sky"} and (labels < 0).sum() == 18
    assert not mark or any(f"18 are {mark}" in note for note in notes)


def test_one_hot_and_json_and_further_columns(tmp_path: Path) -> None:
    kinds = sorted(set(LABELS))
    hot = "image," + ",".join(kinds) + "\n"
    hot += "".join(
        f"{n}," + ",".join(str(int(label == kind)) for kind in kinds) + "\n"
        for n, label in zip(NAMES, LABELS, strict=True)
    )
    lines = "".join(json.dumps({"file_name": n, "label": label}) + "\n" for n, label in zip(NAMES, LABELS, strict=True))
    wide = "".join(f"{k},{n},{k / 7:.3f},{label}\n" for k, (n, label) in enumerate(zip(NAMES, LABELS, strict=True)))
    for text in (hot, lines, wide, json.dumps(dict(zip(NAMES, LABELS, strict=True)))):
        (tmp_path / "t.csv").write_text(text)
        labels, classes, _ = read_labels(tmp_path / "t.csv", NAMES, ())
        assert [classes[k] for k in labels] == LABELS


def test_rows_of_files_that_are_not_trained_on_are_counted(tmp_path: Path) -> None:
    rows = "".join(f"{n},{label}\n" for n, label in zip(NAMES, LABELS, strict=True))
    (tmp_path / "t.csv").write_text("name,label\n" + rows + "copy.jpg,land\ntorn.jpg,sea\ngone.jpg,sea\n")
    aliases = {"copy.jpg": NAMES[1], "torn.jpg": ""}
    labels, classes, notes = read_labels(tmp_path / "t.csv", NAMES, (), aliases)
    assert [classes[k] for k in labels] == LABELS and len(notes) == 2
    (tmp_path / "t.csv").write_text("name,label\n" + rows + "copy.jpg,sky\n")
    with pytest.raises(UsageError, match=r"is called 'land' in line 3 and 'sky' in line 26"):
        read_labels(tmp_path / "t.csv", NAMES, (), aliases)


def test_excel_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"PK\3\4" + bytes(99))
    with pytest.raises(Exception, match="is an Excel file or a zip, no text: save it as CSV"):
        read_labels(tmp_path / "t.csv", NAMES, ())


def test_several_columns_that_may_be_labels_are_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = "".join(f"{n},{rng.choice(['a', 'b'])},{rng.choice(['u', 'v'])}\n" for n in NAMES)
    (tmp_path / "t.csv").write_text("file,shape,colour\n" + rows)
    with pytest.raises(UsageError, match=r"several columns that may be labels \(shape, colour\)"):
        read_labels(tmp_path / "t.csv", NAMES, ())
