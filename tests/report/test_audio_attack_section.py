from __future__ import annotations

from dataclasses import replace

from sparring.report.audio_attack_section import Audio, Whisper, Whispered, by_pair, median, whispered_sections
from sparring.stats.proportion import Proportion

ONE = Whisper("a.wav", "<b>yes</b>", "no", "yes", 0.9, "no", 0.6, True, -31.0, 25.0, 0.2)
LOST = replace(ONE, said="up", heard="up", success=False, db=None, snr=None)


def test_hits_are_counted_by_pair() -> None:
    assert by_pair([ONE, ONE, LOST]) == {"<b>yes</b>": {"no": (2, 2)}, "up": {"no": (0, 1)}}
    assert median([None, 1.0, 3.0]) == 2 and median([None]) is None


def test_the_page_shows_words_as_text_and_every_sound() -> None:
    found = Whispered(
        "run", "out", "source", -30.0, True, "both", 0, 2, Proportion.count(1, 2), by_pair([ONE, LOST]), -31.0, 25.0, 0.2, [ONE, LOST]
    )  # fmt: skip
    audio = {k: Audio(b"one", b"two", b"three", 34.0) for k in (0, 1)}
    told = "".join(section.__html__() for section in whispered_sections(found, audio))
    assert "<b>yes" not in told and "&lt;b&gt;yes" in told
    assert told.count("<audio") == 6 and "below its masking threshold" in told and "nothing changed" in told
