import pytest

from sparring.report.format import csv_text, markup, with_code


def test_csv_text() -> None:
    assert csv_text(("a", "b"), [("x,y", 1), ('"', "")]) == 'a,b\n"x,y",1\n"""",\n'


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("try `sparring inspect` first", "try <code>sparring inspect</code> first"),
        ("`<b>` and <i>", "<code>&lt;b&gt;</code> and &lt;i&gt;"),
        ("one ` alone, `` none", "one ` alone, `` none"),
        (markup("<b>{}</b>", "`x`"), "<b>`x`</b>"),
    ],
)
def test_what_is_in_backticks_is_code(text: str, html: str) -> None:
    assert str(with_code(text)) == html
