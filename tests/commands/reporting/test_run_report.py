"""The words on a run's page."""

from sparring.commands.reporting.run_report import CURVES
from sparring.report.svg_plots import curve


def test_every_line_of_a_curve_is_called_by_its_whole_name() -> None:
    for title, names in CURVES.items():
        drawn = curve(title, {words: [(0, 0.12345)] for words in names.values()})
        assert "…" not in drawn and all(f">{words} <" in drawn for words in names.values()), title
