from sparring.report.format import csv_text


def test_csv_text() -> None:
    assert csv_text(("a", "b"), [("x,y", 1), ('"', "")]) == 'a,b\n"x,y",1\n"""",\n'
