"""Pages of attacks on every kind of data: what they hold, and that names are shown as text."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from PIL import Image

from sparring.attacks.masking_checks import MaskingCheck
from sparring.report.attack_report import FORMAT, AttackDetails, AttackReport, robust_interval
from sparring.report.attack_section import attack_page
from sparring.report.audio_attack_section import AudioAttackDetails, SoundAttack, SoundFiles, audio_sections, median
from sparring.report.blocks import Picture, Sound
from sparring.report.image_attack_section import ImageAttackDetails, image_sections
from sparring.report.series_attack_section import ChangedSeries, SeriesAttackDetails, series_sections
from sparring.report.table_attack_section import (
    PAGE_CELLS,
    PAGE_COLUMNS,
    PAGE_ROWS,
    ChangedRow,
    TableAttackDetails,
    table_sections,
)
from sparring.stats.proportion import CurvePoint, Proportion

CHECKS = [MaskingCheck("gradients", True, "0 of 9 rows"), MaskingCheck("steady", False, "50 %", "apgd then broke 3")]
IMAGES = ImageAttackDetails(CHECKS, 100, 1234.0, 56.0)


def report(details: AttackDetails, kind: str = "image", **fields: Any) -> AttackReport:
    given: dict[str, Any] = {
        "settings": {"kind": kind, "norm": "Linf"},
        "by_class": {"<b>": Proportion.count(1, 2), "c": Proportion.count(0, 8)},
        **fields,
    }
    clean, robust = Proportion.count(9, 10), Proportion.count(1, 10)
    return AttackReport(
        kind, "m:<i>", "data & more", "10 test images", "an attack", clean, robust, details, seed=3, out="out", **given
    )


def test_the_shared_part_of_a_page() -> None:
    curve = [CurvePoint.count(0.0, 9, 10), CurvePoint.count(0.3, 1, 10)]
    shown = report(IMAGES, curve=curve, per_attack={"apgd": 6, "square": 2}, notes=["a <note>"], failures=["too low"])
    page = attack_page(shown, image_sections(IMAGES))
    assert "90.0 %" in page.replace("\u00a0", " ") and "a &lt;note&gt;" in page and "too low" in page
    assert "<td>6</td><td>3</td>" in page and "<td>2</td><td>1</td>" in page and "Accuracy under attack" in page
    assert "m:&lt;i&gt; under attack" in page and "&lt;b&gt;" in page and "<b>" not in page
    text = shown.to_text()
    assert "apgd 6, square 2" in text and "check    FAIL  steady: 50 %; apgd then broke 3" in text
    written = json.loads(json.dumps(shown.to_json()))
    assert written["format"] == FORMAT and written["robust"]["total"] == 10 and written["details"]["draws"] == 100
    assert robust_interval(written) == (shown.robust.low, shown.robust.high)


def test_classes_in_order_and_beside_the_commonest() -> None:
    by_class = {name: Proportion.count(0, total) for name, total in {"10": 2, "9": 5, "1": 3}.items()}
    shown = report(IMAGES, by_class=by_class)
    page = attack_page(shown, [])
    places = [page.index(f"<th>{name}</th>") for name in ("1", "9", "10")]
    assert places == sorted(places) and "Always answering “9”" in page and shown.majority == ("9", 0.5)


def test_images() -> None:
    page = attack_page(report(IMAGES), image_sections(IMAGES, Picture(Image.new("L", (8, 8)))))
    assert "1,234 forward and 56 backward passes" in page and "mean probability over 100 passes" in page
    assert "Adversarial examples" in page and "steady: no" in page and "data:image/png" in page


def sound(name: str, label: str, target: str, success: bool) -> SoundAttack:
    return SoundAttack(name, label, target, label, 0.9, target, 0.8, success, -30.5, 31.2, 0.02, f"{name}-{target}.wav")


def test_sounds() -> None:
    attacks = [
        sound("<i>.wav", "yes", "no", True),
        sound("b.wav", "yes", "no", False),
        sound("c.wav", "no", "yes", True),
    ]
    details = AudioAttackDetails.summarize(attacks)
    assert details.by_pair == {"yes": {"no": (1, 2)}, "no": {"yes": (1, 1)}} and details.median_db == -30.5
    wav = Sound.of_samples(np.zeros(8, np.int16), 8000).wav
    settings = {"kind": "audio", "db": -30.0, "masked": True, "channel": "both"}
    shown = report(details, "audio", settings=settings)
    page = attack_page(shown, audio_sections(shown, details, {0: SoundFiles(wav, wav, wav, 12.0)}))
    assert page.count("data:audio/wav;base64,") == 3 and "1 of 2" in page and "&lt;i&gt;.wav" in page
    assert "at least 30 dB below" in page and "masking threshold" in page and "through the channel both" in page
    assert "success  2 of 3 targeted attacks" in shown.to_text()
    assert median([None, 3.0, 1.0]) == 2 and median([None]) is None


def table(columns: int, broken: int) -> TableAttackDetails:
    names = [f"c{k}" for k in range(columns)]
    changed = dict.fromkeys(names[1:], broken) if broken else {}
    return TableAttackDetails(
        Proportion.count(broken, 100), 1.0 if broken else None, changed, names, {name: [] for name in names}, 5.0
    )


def test_tables() -> None:
    details = table(PAGE_COLUMNS + 5, 40)
    values = ["1"] * len(details.columns)
    rows = [ChangedRow(f"line {k}", "<no>", "yes", values, ["1", "<2>", *values[2:]]) for k in range(40)]
    page = attack_page(report(details, "table"), table_sections(details, rows))
    assert page.count("<ins>") == 2 * PAGE_ROWS and "&lt;2&gt;" in page and "4 more columns are in report.json" in page
    assert f"{len(details.columns) - PAGE_CELLS} more columns" in page and "May change, but never did: c0." in page
    assert "line 0" in page and "line 35" in page


def test_a_table_without_broken_rows() -> None:
    details = table(2, 0)
    page = attack_page(report(details, "table"), table_sections(details, []))
    assert "No row broke. Columns that may change: c0, c1." in page and "Rows before and after" not in page


def test_series() -> None:
    details = SeriesAttackDetails(Proportion.count(2, 9), ["a"], (0, 3))
    series = [ChangedSeries("<i>, a", [1.0, 2.0, 3.0], [1.0, 2.5, 3.0])]
    page = attack_page(report(details, "series"), series_sections(series))
    assert "Adversarial series" in page and "&lt;i&gt;, a" in page and "original" in page and "attacked" in page
    assert "Adversarial series" not in attack_page(report(details, "series"), series_sections([]))
