"""Public schemas: what they accept and refuse, codes of cells, and specs of samples."""

import json

import pytest

from sparring.data.tables.schema import EXAMPLE, read_schema
from sparring.engine.errors import UsageError


def schema_of(tmp_path, *columns, **more):
    path = tmp_path / "schema.json"
    path.write_text(json.dumps({"columns": columns, **more}))
    return read_schema(path, 32)


def test_the_example_of_the_messages_is_a_schema(tmp_path):
    (tmp_path / "example.json").write_text(EXAMPLE)
    schema = read_schema(tmp_path / "example.json", 32)
    assert [column.name for column in schema.columns] == ["age", "hours", "height", "income"]
    assert schema.label == "income" and schema.columns[1].edges == (0, 20, 35, 40, 41, 50, 60, 100)
    assert schema.columns[0].edges[0] == 17 and schema.columns[0].edges[-1] == 91  # 90 is a value
    assert all(edge == round(edge) for edge in schema.columns[0].edges)
    spec = schema.spec(10)
    assert spec.shape == (5,) and spec.count == 10 and spec.columns[3].categories == ("<=50K", ">50K")


def test_codes(tmp_path):
    schema = schema_of(
        tmp_path,
        {"name": "b", "kind": "category", "values": ["x", "?"]},
        {"name": "a", "kind": "integer", "edges": [0, 10, 20]},
    )
    header, rows = ["a", "other", "b"], [["3", "", "x"], ["10", "", ""], ["-5", "", "?"], ["999", "", "x"]]
    assert schema.codes(header, rows).tolist() == [[0, 0], [1, 1], [1, 0], [0, 1]]  # beyond the edges: at the edge


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ({"kind": "number", "low": 0, "high": 1}, "has no name"),
        ({"name": "a", "kind": "text"}, "kind 'text': one of integer, number, category"),
        ({"name": "a", "kind": "number", "low": 3, "high": 3}, "`low` below `high`"),
        ({"name": "a", "kind": "number", "low": 0}, "`low` below `high`"),
        ({"name": "a", "kind": "number", "edges": [0, 2, 1]}, "ascending `edges`"),
        ({"name": "a", "kind": "number", "edges": list(range(40))}, "39 ranges: --bins allows 32"),
        ({"name": "a", "kind": "category", "values": []}, "needs `values`"),
        ({"name": "a", "kind": "category", "values": ["x", "x"]}, "different words"),
        ({"name": "a", "kind": "category", "low": 1, "values": ["x"]}, "has a field 'low': values"),
    ],
)
def test_wrong_columns(tmp_path, column, message):
    with pytest.raises(UsageError, match=message):
        schema_of(tmp_path, column)


def test_wrong_files(tmp_path):
    path = tmp_path / "schema.json"
    for content, message in (("{", "is no JSON"), ("[]", "must hold `columns`"), ('{"columns": []}', "must hold")):
        path.write_text(content)
        with pytest.raises(UsageError, match=message):
            read_schema(path, 32)
    words = {"name": "w", "kind": "category", "values": ["x", "y"]}
    with pytest.raises(UsageError, match="label 'a' is no category column"):
        schema_of(tmp_path, words, {"name": "a", "kind": "number", "low": 0, "high": 1}, label="a")
    with pytest.raises(UsageError, match="names a column twice"):
        schema_of(tmp_path, words, words)
    with pytest.raises(UsageError, match="needs a public schema"):
        read_schema(None, 32)
