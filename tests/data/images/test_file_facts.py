"""Facts on image files beside their pixels: sizes, formats and EXIF; gaps where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from sparring.data.files.packed import open_container
from sparring.data.images.file_facts import file_facts


def test_facts_are_numbers_or_codes_and_gaps(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0110], exif[0x0132] = "M2", "2024:05:01 10:00:00"
    Image.new("RGB", (4, 6)).save(tmp_path / "a.jpg", exif=exif)
    exif[0x0132] = "2024:04:01 10:00:00"
    Image.new("RGB", (5, 6)).save(tmp_path / "b.jpg", exif=exif)
    Image.new("RGB", (4, 6)).save(tmp_path / "c.png")
    (tmp_path / "d.png").write_bytes(b"none")
    facts = file_facts(open_container(tmp_path), ["a.jpg", "b.jpg", "c.png", "d.png"])
    np.testing.assert_array_equal(facts["width"], [4, 5, 4, np.nan])
    np.testing.assert_array_equal(facts["format"], [0, 0, 1, 1])
    np.testing.assert_array_equal(facts["camera"], [0, 0, np.nan, np.nan])
    np.testing.assert_array_equal(facts["time"], [1, 0, np.nan, np.nan])
    assert "software" not in facts  # no file has one
