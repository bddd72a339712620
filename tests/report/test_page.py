import base64
import io
import math
import re
import wave
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from markupsafe import Markup
from PIL import Image

from sparring.measure.diagnostics.finding import Finding
from sparring.measure.scores.evaluation import ComparedScore, Evaluation, Memorisation, Score, TwoSampleResult
from sparring.report.blocks import (
    PICTURE_SIDE,
    Animation,
    Block,
    Cell,
    Gallery,
    Picture,
    Sound,
    Table,
    Text,
    protocol_table,
)
from sparring.report.format import markup
from sparring.report.page import Page, Section, page_html
from sparring.report.run_sections import (
    animation_section,
    curves_section,
    evaluation_sections,
    findings_section,
    protocol_section,
    samples_section,
)
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


def animation() -> bytes:
    content = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    frames[0].save(content, "WEBP", save_all=True, append_images=frames[1:], duration=40, lossless=True)
    return content.getvalue()


FINDINGS = (
    Finding("done", "ok", "All is well.", "0.0213"),
    Finding("overfit", "problem", "The generator reproduces the training images.", "3.3 against 0.9", "--augment ada"),
    Finding("leak", "notice", "Some samples are rotated.", "4 %"),
)
EVALUATION = Evaluation(
    protocol={"reference": {"split": "test", "count": 10000}, "truncation": None, "crop": True, "shape": [28, 28]},
    scores=(
        Score("fd[trained-1a2b]", 0.438123, 0.401, 0.477, 0.08512),
        Score("sliced_wasserstein", math.nan, math.nan, math.nan, None),
    ),
    two_sample=TwoSampleResult(0.687, 0.671, 0.703, 5000, "trees", 0.52, 0.214, "They can be distinguished at times."),
    memorisation=Memorisation(0.31, -0.49, 0.0123, 2, 3, "No sign of copying."),
    warnings=("class 'seven' is small",),
)  # fmt: skip


def sections(evaluation: Evaluation = EVALUATION) -> list[Section]:
    return [
        findings_section(FINDINGS),
        samples_section((Picture(picture(), "zero", "Samples zero"), Picture(picture(), "one", "Samples one"))),
        animation_section(animation()),
        *evaluation_sections(evaluation, [Picture(picture(), "0.1000")]),
        curves_section((curve("Loss", {"generator": [(0, 1.0), (9, 2.0)]}), Markup(""))),
        protocol_section(evaluation),
    ]


def full() -> Page:
    facts = {"Recipe": "r3", "Images trained": "1,200,000"}
    return Page("mnist-r3", facts, sections(), True, "sparring evaluate runs/mnist-r3", "0.1.0")


def html(*content: Section) -> Reader:
    return Reader(page_html(Page("page", {}, content)))


def test_every_section_in_its_order() -> None:
    assert Reader(page_html(full())).words["h2"] == [
        "Diagnosis", "Samples", "Samples over the training", "Scores", "Classifier two-sample test", "Memorisation",
        "Training curves", "Protocol",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "empty",
    [
        findings_section(()),
        samples_section(()),
        animation_section(None),
        curves_section((Markup(""),)),
        *evaluation_sections(Evaluation({}, ())),
        protocol_section(Evaluation({}, ())),
    ],
    ids=lambda section: section.title,
)
def test_a_section_with_nothing_in_it_is_left_out(empty: Section) -> None:
    assert "h2" not in html(empty).words


def test_warnings_and_pairs_are_shown_by_themselves() -> None:
    scores, *_, memorisation = evaluation_sections(
        replace(EVALUATION, scores=(), memorisation=None), [Picture(picture())]
    )
    assert html(scores).words["li"] == ["class 'seven' is small"] and "table" not in html(scores).words
    assert html(memorisation).words["h2"] == ["Memorisation"]


def test_scores_of_a_kind_stand_beside_the_baselines() -> None:
    nan = float("nan")
    shapes = ComparedScore("shapes", 0.9, 0.8, 0.95, "1 is best.", {"real halves": 0.99, "copies": 1.0})
    auc = ComparedScore("auc", 0.7, nan, nan, "0.5 is best.", {"copies": 0.5})
    words = html(*evaluation_sections(replace(EVALUATION, kind_scores=(shapes, auc)))).words
    table = [word for word in words["th"] if word in ("real halves", "copies", "shapes", "auc")]
    assert table == ["real halves", "copies", "shapes", "auc"]
    assert "0.8000 to 0.9500" in words["td"] and "unknown" in words["td"] and "-" in words["td"]


def test_it_loads_nothing() -> None:
    page = page_html(full())
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


def test_hostile_names_are_escaped() -> None:
    evaluation = Evaluation(
        {HOSTILE: {HOSTILE: [HOSTILE, {HOSTILE: HOSTILE}]}},
        (Score(f"{HOSTILE}[{HOSTILE}]", 1.0, 0.5, 2.0, 0.1),),
        TwoSampleResult(0.5, 0.4, 0.6, 10, HOSTILE, 0.9, None, HOSTILE),
        Memorisation(0.5, 0.0, 0.0, 0, 0, HOSTILE),
        (HOSTILE,),
    )
    content = [
        findings_section((Finding(HOSTILE, "problem", HOSTILE, HOSTILE, HOSTILE),)),
        samples_section((Picture(picture(), HOSTILE),)),
        *evaluation_sections(evaluation, (Picture(picture(), HOSTILE),)),
        curves_section((curve(HOSTILE, {HOSTILE: [(0, 1.0)]}, unit=HOSTILE),)),
        protocol_section(evaluation),
        Section(HOSTILE, Text(HOSTILE), Table((HOSTILE,), [(HOSTILE, Cell(HOSTILE, "changed"))])),
    ]
    page = page_html(Page(HOSTILE, {HOSTILE: HOSTILE}, content, True, HOSTILE, HOSTILE))
    reader = Reader(page)
    assert "script" not in {tag for tag, _ in reader.tags}
    assert reader.words["h1"] == ["<script>alert('x')</script>\"&��"]
    assert page.encode() and "\x00" not in page


def test_problems_come_first_and_are_not_marked_by_colour_alone() -> None:
    page = page_html(full())
    reader = Reader(page)
    marks = re.findall(r'class="mark"><span aria-hidden="true">(.)</span>(\w+)<', page)
    assert marks == [("✕", "Problem"), ("!", "Notice"), ("✓", "OK")]
    assert reader.words["strong"][0] == "The generator reproduces the training images."
    assert reader.words["code"] == ["--augment ada", "sparring evaluate runs/mnist-r3"]


def test_a_likelihood_has_no_baseline() -> None:
    scores = (Score("nll[nats]", 26.3, 25.7, 26.9, None),)
    with_one = str(page_html(Page("r", {}, evaluation_sections(replace(EVALUATION, scores=scores), []), False)))
    without = str(page_html(Page("r", {}, evaluation_sections(EVALUATION, []), False)))
    assert "has no such baseline: the lower it is, the better" in with_one and "no such baseline" not in without


def test_scores_and_unknown_values() -> None:
    reader = html(*evaluation_sections(EVALUATION))
    assert reader.words["td"][:3] == ["0.4381", "0.4010 to 0.4770", "0.08512"]
    assert reader.words["td"][4:7] == ["undefined", "unknown", "unknown"]
    assert reader.words["th"][5:] == ["fd[trained-1a2b]", "sliced_wasserstein"]
    assert "class 'seven' is small" in reader.words["li"]


def test_the_protocol_has_a_row_for_each_key() -> None:
    settings = {"a": {"b": 1, "c": {"d": 2.5}}, "e": [1, 2], "f": [{"g": 3}], "h": {}, "i": None, "j": False, "k": []}
    reader = html(Section("Protocol", protocol_table(settings)))
    assert dict(zip(reader.words["th"], reader.words["td"], strict=True)) == {
        "a.b": "1", "a.c.d": "2.5", "e": "1, 2", "f.0.g": "3", "h": "none", "i": "none", "j": "no", "k": "none",
    }  # fmt: skip


def test_the_two_sample_test_and_memorisation() -> None:
    words = " ".join(html(*evaluation_sections(EVALUATION)).words["section"])
    for expected in (
        "They can be distinguished at times.",
        "Best judgetreesDetectable with 80 %52.0\u00a0%Duality gap of the game0.2140",
        "No sign of copying.",
        "Copied fraction1.2\u00a0%Samples equal to a training row2",
        "Duplicates among the samples3p-value0.3100Test statistic C_T−0.4900",
    ):
        assert expected in words


def test_undefined_numbers() -> None:
    nan = math.nan
    evaluation = Evaluation(
        {"a": nan},
        (Score("fd", math.inf, 0, math.inf, nan),),
        TwoSampleResult(nan, nan, nan, 0, "", nan, nan),
        Memorisation(nan, nan, nan, 0, 0),
    )
    page = page_html(
        Page("p", {}, [*evaluation_sections(evaluation), curves_section([curve("c", {"a": [(nan, nan)]})])])
    )
    words = Reader(page).words["section"]
    assert "∞" in words[0] and "undefined" in words[1] and "<p></p>" not in page


def test_drawings_are_well_formed() -> None:
    drawings = re.findall(r"<svg.*?</svg>", page_html(full()), re.DOTALL)
    assert len(drawings) == 3  # a score, the line of the two-sample test, a curve; an undefined score has none
    assert all(ElementTree.fromstring(drawing) is not None for drawing in drawings)


def test_a_table() -> None:
    table = Table(("name", Cell("", "drawing")), [("a", Cell(markup("<b>{}</b>", "<i>"), "drawing"))], "bars", True)
    assert table.__html__() == (
        '<div class="scroll"><table class="bars"><thead><tr><th>name</th><th class="drawing"></th></tr></thead>'
        '<tbody><tr><th>a</th><td class="drawing"><b>&lt;i&gt;</b></td></tr></tbody></table></div>'
    )


def test_sounds_are_wav_files() -> None:
    samples = np.arange(8, dtype=np.int16)
    sound = Sound.of_samples(samples, 8000, "<one>")
    with wave.open(io.BytesIO(sound.wav)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (8000, 2, 1)
        assert file.readframes(8) == samples.tobytes()
    page = html(Section("Sounds", Gallery([sound], "pairs")))
    assert page.words["figcaption"] == ["<one>"]
    assert [attributes["src"] for tag, attributes in page.tags if tag == "audio"] == [sound.uri]


def images_of(*blocks: Block) -> list[Image.Image]:
    sources = [attributes["src"] or "" for tag, attributes in html(Section("Images", *blocks)).tags if tag == "img"]
    return [Image.open(io.BytesIO(base64.b64decode(source.partition("base64,")[2]))) for source in sources]


def test_pictures_are_held_by_the_page() -> None:
    (small,) = images_of(Picture(picture(64, 32)))
    assert (small.format, small.size) == ("PNG", (64, 32))
    (large,) = images_of(Picture(picture(4000, 2000)))
    assert (large.format, large.size) == ("WEBP", (PICTURE_SIDE, PICTURE_SIDE // 2))


def test_an_animation_has_a_still_for_paper() -> None:
    moving, still = images_of(Animation(animation()))
    assert getattr(moving, "n_frames", 1) == 3
    assert still.convert("RGB").getpixel((4, 4)) == (0, 0, 255)
