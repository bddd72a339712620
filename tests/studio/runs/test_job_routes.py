"""The form of a new training: what it offers for each kind of data."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..client import Client


@pytest.mark.parametrize(
    ("source", "field", "recipe"), [("digits", "size", "improved"), ("people.csv", "label", "tabular_mlp")]
)
def test_the_form_offers_the_fields_and_recipes_of_the_kind(
    source: str, field: str, recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [f"{k % 70},{'f' if k % 3 else 'm'},{'yes' if k % 2 else 'no'}" for k in range(200)]
    Path("people.csv").write_text("\n".join(["age,sex,income", *lines]))
    client = Client(tmp_path)
    choices, kinds = client.get("choices"), client.post("inspect", source=source)["kinds"]
    fields = {name for name in ("size", "label") if set(choices["kinds_of_field"][name]) & set(kinds)}
    assert fields == {field}
    classifiers = {name for name, each in choices["commands"]["classify"].items() if set(each["kinds"]) & set(kinds)}
    assert classifiers & {"improved", "tabular_mlp", "speech_cnn"} == {recipe}
