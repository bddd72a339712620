import base64
import io
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from sparring.measure.diagnostics.findings import Finding
from sparring.measure.scores.evaluation import Evaluation, Memorisation, Nash, Score
from sparring.report.html import PAIR_SIDE, PICTURE_SIDE, Page, Picture, pairs, report_page
from sparring.report.svg_plots import curve

VOID = {"meta", "img", "wbr", "br"}
DRAWN = {"path", "circle"}
HOSTILE = "<script>alert('x')</script>\"&\x00\udcff"


class Reader(HTMLParser):
    """Sees to it that every tag is closed in turn; keeps tags, words by tag, and rows of the tables."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, Mapping[str, str | None]]] = []
        self.words: dict[str, list[str]] = {}
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
            self.words.setdefault(tag, []).append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in DRAWN
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.words[tag][-1] += data


def digits(count: int, side: int = 28, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, channels), dtype=np.uint8)


def picture(width: int = 64, height: int = 32) -> Image.Image:
    return Image.new("L", (width, height), 200)


def film() -> bytes:
    content = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    frames[0].save(content, "WEBP", save_all=True, append_images=frames[1:], duration=40, lossless=True)
    return content.getvalue()


def full() -> Page:
    return Page(
        title="mnist-r3",
        about={"Recipe": "r3", "Images trained": "1,200,000"},
        findings=(
            Finding("done", "well", "All is well.", "0.0213"),
            Finding("overfit", "ill", "It knows the training images by heart.", "3.3 against 0.9", "--augment ada"),
            Finding("leak", "notice", "Some samples are turned.", "4 %"),
        ),
        samples=(Picture(picture(), "zero"), Picture(picture(), "one")),
        film=film(),
        evaluation=Evaluation(
            protocol={"reference": {"split": "test", "count": 10000}, "truncation": None, "crop": True, "shape": [28, 28]},
            scores=(
                Score("fd[trained-1a2b]", 0.438123, 0.401, 0.477, 0.08512),
                Score("sliced_wasserstein", math.nan, math.nan, math.nan, None),
            ),
            nash=Nash(0.687, 0.671, 0.703, 5000, 0.214, "They can be told apart at times."),
            memorisation=Memorisation(0.31, -0.49, 0.0123, 3, "No sign of copying."),
            warnings=("class 'seven' is small",),
        ),
        pairs=pairs(digits(3), digits(3), [0.1, 0.25, 1.5]),
        curves=(curve("Loss", {"generator": [(0, 1.0), (9, 2.0)]}), ""),
        version="0.1.0",
        command="sparring evaluate runs/mnist-r3",
    )  # fmt: skip


def headings(page: Page) -> list[str]:
    return Reader(report_page(page)).words.get("h2", [])


def test_every_section_in_its_order() -> None:
    assert headings(full()) == [
        "The doctor's words", "Samples", "The film", "Scores", "Can they be told apart?", "Are they copies?", "Curves", "Protocol",
    ]  # fmt: skip


def test_a_section_with_nothing_in_it_is_left_out() -> None:
    assert headings(Page("nothing", {})) == []
    page, found = full(), full().evaluation
    assert found
    for field, empty, gone in (
        ("findings", (), "The doctor's words"),
        ("samples", (), "Samples"),
        ("film", None, "The film"),
        ("curves", ("",), "Curves"),
        ("evaluation", replace(found, scores=(), warnings=()), "Scores"),
        ("evaluation", replace(found, nash=None), "Can they be told apart?"),
        ("evaluation", replace(found, protocol={}), "Protocol"),
    ):
        left = headings(replace(page, **{field: empty}))  # type: ignore[arg-type]
        assert gone not in left and len(left) == 7
    assert "Are they copies?" in headings(replace(page, evaluation=None))
    assert "Are they copies?" not in headings(replace(page, evaluation=None, pairs=()))
    assert "Scores" in headings(replace(page, evaluation=replace(found, scores=())))


def test_it_asks_no_one_for_anything() -> None:
    page = report_page(full())
    assert "http://" not in page and "https://" not in page and "@import" not in page and "url(" not in page
    reader = Reader(page)
    tags = {tag for tag, _ in reader.tags}
    assert tags.isdisjoint({"script", "link", "iframe", "object", "embed", "base", "a", "form"})
    for tag, attributes in reader.tags:
        assert not any(name.startswith("on") or name in ("href", "srcset", "action") for name in attributes)
        if tag == "img":
            assert (attributes["src"] or "").startswith("data:image/") and attributes["alt"]
    policy = [attributes["content"] for _, attributes in reader.tags if attributes.get("http-equiv")]
    assert policy == ["default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"]


def test_hostile_names_stay_words() -> None:
    found = Evaluation(
        {HOSTILE: {HOSTILE: [HOSTILE, {HOSTILE: HOSTILE}]}},
        (Score(f"{HOSTILE}[{HOSTILE}]", 1.0, 0.5, 2.0, 0.1),),
        Nash(0.5, 0.4, 0.6, 10, None, HOSTILE),
        Memorisation(0.5, 0.0, 0.0, 0, HOSTILE),
        (HOSTILE,),
    )
    page = report_page(
        Page(
            HOSTILE, {HOSTILE: HOSTILE}, (Finding(HOSTILE, "ill", HOSTILE, HOSTILE, HOSTILE),), (Picture(picture(), HOSTILE),),
            None, found, (Picture(picture(), HOSTILE),), (curve(HOSTILE, {HOSTILE: [(0, 1.0)]}, unit=HOSTILE),), HOSTILE, HOSTILE,
        )
    )  # fmt: skip
    reader = Reader(page)
    assert "script" not in {tag for tag, _ in reader.tags}
    assert reader.words["h1"] == ["<script>alert('x')</script>\"&��"]
    assert page.encode() and "\x00" not in page


def test_the_doctor_names_the_illness_first_and_not_by_colour_alone() -> None:
    page = report_page(full())
    reader = Reader(page)
    marks = re.findall(r'class="mark"><span aria-hidden="true">(.)</span>(\w+)<', page)
    assert marks == [("✕", "Ill"), ("!", "Notice"), ("✓", "Healthy")]
    assert reader.words["strong"][0] == "It knows the training images by heart."
    assert reader.words["code"] == ["--augment ada", "sparring evaluate runs/mnist-r3"]


def test_scores_and_what_is_not_known_of_them() -> None:
    cells = Reader(report_page(full())).words["td"]
    assert cells[:3] == ["0.4381", "0.4010 to 0.4770", "0.08512"]
    assert cells[4:7] == ["undefined", "unknown", "unknown"]
    assert "class 'seven' is small" in Reader(report_page(full())).words["li"]


def test_the_protocol_is_told_key_by_key() -> None:
    found = Evaluation(
        {"a": {"b": 1, "c": {"d": 2.5}}, "e": [1, 2], "f": [{"g": 3}], "h": {}, "i": None, "j": False, "k": []}, ()
    )
    reader = Reader(report_page(Page("p", {}, evaluation=found)))
    assert dict(zip(reader.words["th"], reader.words["td"], strict=True)) == {
        "a.b": "1", "a.c.d": "2.5", "e": "1, 2", "f.0.g": "3", "h": "none", "i": "none", "j": "no", "k": "none",
    }  # fmt: skip


def test_nash_and_memorisation_in_words() -> None:
    words = " ".join(Reader(report_page(full())).words["section"])
    for told in (
        "They can be told apart at times.",
        "Duality gap of the game0.2140",
        "No sign of copying.",
        "Copied share1.2\u00a0%Duplicates among the samples3p-value0.3100Test statistic C_T−0.4900",
    ):
        assert told in words


def test_undefined_numbers_break_nothing() -> None:
    nan = math.nan
    found = Evaluation(
        {"a": nan},
        (Score("fd", math.inf, 0, math.inf, nan),),
        Nash(nan, nan, nan, 0, nan),
        Memorisation(nan, nan, nan, 0),
    )
    page = report_page(Page("p", {}, evaluation=found, curves=[curve("c", {"a": [(nan, nan)]})]))
    words = Reader(page).words["section"]
    assert "∞" in words[0] and "undefined" in words[1] and "<p></p>" not in page


def test_drawings_are_well_formed() -> None:
    drawings = re.findall(r"<svg.*?</svg>", report_page(full()), re.DOTALL)
    assert len(drawings) == 3  # a score, the line of the Nash check, a curve; an undefined score has none
    assert all(ElementTree.fromstring(drawing) is not None for drawing in drawings)


def images_of(page: Page) -> list[Image.Image]:
    sources = [attributes["src"] or "" for tag, attributes in Reader(report_page(page)).tags if tag == "img"]
    return [Image.open(io.BytesIO(base64.b64decode(source.partition("base64,")[2]))) for source in sources]


def test_pictures_are_held_by_the_page() -> None:
    (small,) = images_of(Page("p", {}, samples=[Picture(picture(64, 32))]))
    assert (small.format, small.size) == ("PNG", (64, 32))
    (large,) = images_of(Page("p", {}, samples=[Picture(picture(4000, 2000))]))
    assert (large.format, large.size) == ("WEBP", (PICTURE_SIDE, PICTURE_SIDE // 2))


def test_the_film_moves_and_has_a_still_for_paper() -> None:
    moving, still = images_of(Page("p", {}, film=film()))
    assert getattr(moving, "n_frames", 1) == 3
    assert still.convert("RGB").getpixel((4, 4)) == (0, 0, 255)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_pairs_lie_side_by_side(channels: int) -> None:
    one, other = digits(2, 40, channels), digits(2, 40, channels) // 2
    first, second = pairs(one, other, [0.5, math.nan])
    assert (first.caption, second.caption) == ("0.5000", "undefined")
    assert first.image.size == (80, 40)
    shown = np.asarray(first.image).reshape(40, 80, -1)
    assert (shown[:, :40] == one[0][..., : shown.shape[2]]).all() and (
        shown[:, 40:] == other[0][..., : shown.shape[2]]
    ).all()
    assert len(images_of(Page("p", {}, pairs=[first, second]))) == 2


def test_pairs_of_large_images_are_made_small() -> None:
    (pair,) = pairs(digits(1, 1024), digits(1, 1024), [1.0])
    assert pair.image.size == (PAIR_SIDE, PAIR_SIDE // 2)
    with pytest.raises(ValueError, match="shorter"):
        pairs(digits(2), digits(2), [1.0])
