from __future__ import annotations

from dataclasses import replace

from test_page import HOSTILE, Reader, picture

from sparring.measure.classifier.calibration import Bin, ClassificationReport
from sparring.report.blocks import Picture
from sparring.report.classifier_section import classified_sections
from sparring.report.page import Page, page_html
from sparring.report.svg_plots import reliability_diagram
from sparring.stats.proportion import Proportion

FOUND = ClassificationReport(
    "run", "consistent", 4.96, 1_234, 0, ("cat", "dog", "fox"), 0.5, "run/to_label.csv", ["the labels are uneven"],
    Proportion.count(7, 1_030), "test images", [[500, 4, 0], [0, 300, 1], [2, 0, 223]],
    [Bin(30, 0.45, 0.5), Bin(1_000, 0.98, 0.99)], 0.0112, 12,
)  # fmt: skip


def page(found: ClassificationReport, unsure: Picture | None = None) -> Reader:
    return Reader(page_html(Page("run", {}, classified_sections(found, unsure))))


def test_the_errors_the_confusion_and_the_calibration_are_told() -> None:
    told = page(FOUND, Picture(picture()))
    assert told.words["h2"] == [
        "Errors",
        "Confusion",
        "Calibration",
        "What to label next",
    ]
    words = " ".join(told.words["p"]).replace("\xa0", " ")
    assert "Trained with 1,234 labels, the classifier is wrong on 7 of 1,030 test images: 0.7 %" in words
    assert "95 % interval 0.3 % to 1.4 %" in words and "(expected calibration error) is 1.1 %" in words
    assert told.words["li"][:1] == ["the labels are uneven"]
    assert told.words["li"][1:] == [
        "4 × cat classified as dog",
        "2 × fox classified as cat",
        "1 × dog classified as fox",
    ]  # the worst first
    assert [cell for cell in told.words["td"] if cell] == ["500", "4", "300", "1", "2", "223"]
    assert told.words["b"] == ["4", "1", "2"]  # what is wrong
    assert "12" in told.words["dd"] and "5.0" in told.words["dd"]


def test_what_was_not_tested_is_said_to_be_so() -> None:
    told = page(ClassificationReport("run", "improved", 1.0, 9, 0, ("a", "b"), 1.0, "x"))
    assert told.words["h2"] == ["Errors"] and "no example with a known label" in " ".join(told.words["p"])


def test_words_taken_for_none_are_errors() -> None:
    told = page(replace(FOUND, confusion=[[3, 0, 0, 2], [0, 2, 0, 0], [0, 0, 1, 0]], notes=[]))
    assert told.words["li"] == ["2 × cat classified as none of these"] and "none of these" in told.words["th"]


def test_nothing_wrong_and_many_classes() -> None:
    told = page(replace(FOUND, confusion=[[3, 0, 0], [0, 2, 0], [0, 0, 1]], notes=[]))
    assert "No image is classified as another class." in told.words["p"] and "li" not in told.words
    many = tuple(f"class {k}" for k in range(50))
    table = [[int(i == j) + (i == 3 and j == 7) for j in range(50)] for i in range(50)]
    told = page(replace(FOUND, classes=many, confusion=table, notes=[]))
    assert "td" not in told.words and told.words["li"] == ["1 × class 3 classified as class 7"]


def test_hostile_names_stay_words() -> None:
    hostile = replace(FOUND, classes=(HOSTILE, "dog", HOSTILE), notes=[HOSTILE], tested_on=HOSTILE, run=HOSTILE)
    told = page(hostile, Picture(picture(), HOSTILE))
    assert "script" not in {tag for tag, _ in told.tags}
    assert all(name not in ("onload", "onerror") for _, attributes in told.tags for name in attributes)
    assert told.words["th"][1] == "<script>alert('x')</script>\"&��"


def test_the_drawing_puts_each_bin_where_it_belongs() -> None:
    told = Reader(reliability_diagram([Bin(1, 0.0, 1.0), Bin(9, 1.0, 0.0)]))
    dots = [attributes for tag, attributes in told.tags if tag == "circle"]
    assert [(dot["cx"], dot["cy"]) for dot in dots] == [("44.0", "44.0"), ("264.0", "264.0")]
    assert float(str(dots[0]["r"])) < float(str(dots[1]["r"]))
    (svg,) = [attributes for tag, attributes in told.tags if tag == "svg"]
    assert (
        str(svg["aria-label"])
        .replace("\xa0", " ")
        .startswith("Reliability: confidence 0.0 %, accuracy 100.0 %; confidence 100.0 %")
    )
    assert Reader(reliability_diagram([])).tags
