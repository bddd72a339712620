"""Pairs of two sources: which examples come together, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from speaking import WORDS, speak

import sparring
from sparring.data.pairs import halves_of
from sparring.engine.data_spec import PairSpec, spec_from_json, spec_to_json

NAMES = tuple(WORDS)


def draw(path: Path, classes: tuple[str, ...] = NAMES, count: int = 80) -> Path:
    """Images of 8x8 in folders: class k is bright in row 2k. Every fifth is for testing."""
    rng = np.random.default_rng(0)
    from PIL import Image

    for k in range(count):
        label = k % len(classes)
        pixels = rng.integers(0, 60, (8, 8), np.uint8)
        pixels[2 * label] += 180
        file = path / ("test" if k % 5 == 0 else "train") / classes[label] / f"{k}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    return path


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return speak(tmp_path_factory.mktemp("sounds") / "words")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("images") / "rows")


def paired(first: Path, second: Path, by: str | None = None) -> sparring.Dataset:
    return sparring.open(first, sparring.ReadOptions(pair_with=str(second), by=by))


def test_halves_of_a_pair_have_one_class_and_one_split(sounds: Path, images: Path) -> None:
    data, (own_sounds, own_images) = paired(sounds, images), halves_of(paired(sounds, images))
    assert data.spec.names == ("audio", "image") and data.spec.classes == own_sounds.spec.classes
    seen = set()
    for split, first, second in (
        (data, own_sounds, own_images),
        (data.split("test"), own_sounds.split("test"), own_images.split("test")),
    ):
        rows = split[np.arange(len(split))]
        for k, (sound, image) in enumerate(zip(rows["first"], rows["second"], strict=True)):
            label = data.spec.classes[split.labels[k]]
            j = next(j for j in range(len(first)) if (first[np.array([j])][0] == sound).all())
            assert first.spec.classes[first.labels[j]] == label
            bright = int(image.reshape(8, 8).sum(1).argmax())
            assert NAMES[bright // 2] == label
            seen.add(image.tobytes())
        counts = [max((a.labels == a.spec.classes.index(name)).sum() for a in (first, second)) for name in NAMES]
        assert len(split) == sum(counts)
    assert len(seen) == 80  # all images, which are more than the sounds, are in pairs


def test_the_second_open_is_the_first_and_copies_no_rows(sounds: Path, images: Path) -> None:
    data, again = paired(sounds, images), paired(sounds, images, "label")
    assert (data[np.arange(9)] == again[np.arange(9)]).all() and data.names == again.names
    assert not (data.folder / "rows.bin").exists()
    assert data.report.evidence == "joined by label" and data.report.unit == "pairs"
    some = data.select(np.array([3, 1]))
    assert (some[np.arange(2)] == data[np.array([3, 1])]).all() and some.labels.tolist() == data.labels[[3, 1]].tolist()


def test_encode_and_decode_are_inverse_and_a_spec_survives_json(sounds: Path, images: Path) -> None:
    data = paired(sounds, images)
    rows = data[np.arange(5)]
    x = data.spec.encode(rows)
    assert x.shape == (5, *data.spec.shape) and (data.spec.decode(x) == rows).all()
    assert spec_from_json(spec_to_json(data.spec)) == data.spec
    assert PairSpec((data.spec.halves[1],) * 2).names == ("image_1", "image_2")


def test_by_name_each_file_has_its_own_partner(sounds: Path, tmp_path: Path) -> None:
    from PIL import Image

    files = sorted(sounds.iterdir())
    for k, file in enumerate(files[:-2]):
        Image.fromarray(np.full((8, 8), k, np.uint8)).save(tmp_path / f"{file.stem}.png")
    Image.fromarray(np.full((8, 8), 255, np.uint8)).save(tmp_path / "stranger.png")
    data = paired(sounds, tmp_path, "name")
    assert len(data) + len(data.split("test")) == len(files) - 2
    for split in (data, data.split("test")):
        for name, row in zip(split.names, split[np.arange(len(split))]["second"], strict=True):
            stem = name.split(".wav")[0]
            assert name == f"{stem}.wav + {stem}.png"
            assert files[int(row.flat[0])].stem == stem
    assert data.skipped["has no partner of its name"] == [files[-2].name, files[-1].name, "stranger.png"]
    own = sparring.open(sounds)  # the sounds decide what is for testing
    assert {name.split(" + ")[0] for name in data.names} <= set(own.names)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "colour"}, "--by is label or name, not colour"),
        ({"kind": "audio"}, "--kind audio is for one source, and pairs have two"),
        ({"time": "date"}, "--time has no meaning for pairs of audio and image data: leave it out"),
        ({"by": "name"}, "no name of .* is one of .*: pairs by name have files of one name and two suffixes"),
    ],
)
def test_what_does_not_fit_is_named(sounds: Path, images: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(sparring.UsageError, match=message):
        sparring.open(sounds, sparring.ReadOptions(**{"pair_with": str(images), **options}))  # type: ignore[arg-type]


def test_sources_that_share_nothing_are_refused(sounds: Path, tmp_path: Path) -> None:
    others = draw(tmp_path / "others", ("x", "y"), 20)
    with pytest.raises(sparring.UsageError, match=r"cannot be joined by label, their classes differ .*: --by name"):
        paired(sounds, others, "label")
    with pytest.raises(sparring.UsageError, match=r"--by name is for pairs: --with SOURCE names the other half"):
        sparring.open(sounds, sparring.ReadOptions(by="name"))
    for k, folder in enumerate(("a", "b")):
        (tmp_path / "twice" / folder).mkdir(parents=True)
        from PIL import Image

        Image.fromarray(np.full((8, 8), k, np.uint8)).save(tmp_path / "twice" / folder / "low_ada_1.png")
    with pytest.raises(sparring.UsageError, match="'low_ada_1' is the name of several examples of"):
        paired(sounds, tmp_path / "twice", "name")


def test_options_hold_for_the_source_that_has_them(sounds: Path, images: Path) -> None:
    data = sparring.open(sounds, sparring.ReadOptions(pair_with=str(images), size=(4, 6)))
    assert data.spec.halves[1].shape == (1, 4, 6)
