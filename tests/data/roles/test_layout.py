"""Trees of folders with known roles: split and class of each file come out, whatever the tree looks like."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparring.data.roles.layout import Layout, understand
from sparring.engine.errors import SparringError

CLASSES = st.lists(
    st.sampled_from(["apple", "Pear", "plum_2", "quince", "fig tree", "x-ray", "7up"]),
    min_size=2,
    max_size=4,
    unique=True,
)
TOPS = st.sampled_from(["", "my set/", "repo-1.0/deep/data/"])
JOINTS = st.sampled_from(["", "_", "-"])
PAIRS = st.sampled_from([("train", "test"), ("Training", "Validation"), ("train", "dev"), ("TRAIN", "eval")])
AFFIXES = st.sampled_from(["", "_set", "_images", "2017", "-2020", "_data"])
PREFIXES = st.sampled_from(["", "seg_", "my-", "2021_"])
ORDERS = st.sampled_from(["split/class", "split/split/class", "class/split", "split/images/class"])


def result(names: list[str]) -> tuple[Layout, Counter[tuple[str, str | None]]]:
    layout = understand(names)
    return layout, Counter((layout.splits[k], layout.labels[k]) for k in layout.splits)


@settings(deadline=None, max_examples=150)
@given(CLASSES, TOPS, PAIRS, PREFIXES, AFFIXES, ORDERS, st.data())
def test_splits_and_classes_in_any_order(
    classes: list[str], top: str, pair: tuple[str, str], prefix: str, affix: str, order: str, data: st.DataObject
) -> None:
    names, expected = [], Counter[tuple[str, str | None]]()
    for kind, word in zip(("train", "test"), pair, strict=True):
        split = f"{prefix}{word}{affix}"
        for label in classes:
            count = data.draw(st.integers(3, 9))
            folders = order.replace("split", split).replace("class", label)
            names += [f"{top}{folders}/{k}.png" for k in range(count)]
            expected[kind, label] += count
    layout, counts = result(names)
    assert counts == expected and not layout.left_out


@settings(deadline=None, max_examples=80)
@given(CLASSES, TOPS, st.integers(20, 40))
def test_stray_files_beside_a_data_set_change_nothing(classes: list[str], top: str, count: int) -> None:
    names = [f"{top}data/{label}/{k}.png" for label in classes for k in range(count)]
    stray = [f"{top}LICENSE", f"{top}screenshot.png", f"{top}docs/img/1.png", f"{top}docs/img/2.png"]
    for extra in ([stray[0]], [stray[1]], stray[2:]):
        layout = understand(names + extra)
        assert [layout.labels[k] for k in range(len(names))] == [PurePosixPath(n).parent.name for n in names]
        assert all(layout.labels.get(len(names) + k) is None for k in range(len(extra)))


SHARDS = {
    "wide numbers": [f"{k // 20:05d}/{k:08d}.png" for k in range(70)],
    "steps": [f"{k // 10 * 10:06d}/f{k:06d}.png" for k in range(50)],
    "any names": [f"{k // 20:04d}/{hash((k, 1)) % 10**12:x}x.png" for k in range(60)],
    "chunks": [f"chunk_{k % 4}/{k}.png" for k in range(40)],
    "parts": [f"set/Part-{k % 4:03d}/{k}.png" for k in range(40)],
    "days": [f"2021-0{k % 3 + 1}-17/{k}.png" for k in range(40)],
    "years, months, days": [f"{2018 + k % 2}/{k % 12 + 1:02d}/{k % 28 + 1:02d}/{k}.png" for k in range(90)],
    "hashes": [f"{k:02x}/{k:02x}{k * 7919:010x}.png" for k in range(0, 200, 3)],
    "one class over all": [f"train/photos/{k}.png" for k in range(20)] + [f"test/photos/{k}.png" for k in range(5)],
}


@pytest.mark.parametrize("kind", SHARDS)
def test_folders_that_count_or_sort_are_no_classes(kind: str) -> None:
    layout, _ = result(SHARDS[kind])
    assert set(layout.labels.values()) == {None} and len(layout.labels) == len(SHARDS[kind])
    assert layout.notes, "what was decided is in a note"


CLASSES_ALL_THE_SAME = {
    "digits": [f"{k % 10}/{k}.png" for k in range(100)],
    "numbers of uneven size": [f"{k * k // 500:05d}/{k % 7}.png" for k in range(100)],
    "ten by two digits": [f"{d:02d}/{k}.png" for d in range(10) for k in range(9)],
    "vehicles": [f"{c}/{k}.png" for c in ("train", "car", "plane") for k in range(9)],
    "masked faces": [f"{c}/{k}.png" for c in ("with_mask", "without_mask") for k in range(9)],
    "mask or not": [f"{c}/{k}.png" for c in ("mask", "no_mask") for k in range(9)],
    "stations": [f"{c}/{k}.png" for c in ("train_station", "test_track", "airport") for k in range(9)],
    "few of one": [f"cat/{k}.png" for k in range(95)] + [f"dog/{k}.png" for k in range(5)],
    "letters": [f"{c}/{c}_{k}.png" for c in "abc" for k in range(9)],
}


@pytest.mark.parametrize("kind", CLASSES_ALL_THE_SAME)
def test_classes_whose_names_look_like_something_else(kind: str) -> None:
    names = CLASSES_ALL_THE_SAME[kind]
    layout, _ = result(names)
    assert [layout.labels[k] for k in range(len(names))] == [name.split("/")[0] for name in names]
    assert set(layout.splits.values()) == {"train"}


def test_an_index_of_first_letters_is_passed_over() -> None:
    names = [f"{c[0]}/{c}/{k}.png" for c in ("abbey", "alley", "bar", "cave") for k in range(9)]
    assert result(names)[1] == {("train", c): 9 for c in ("abbey", "alley", "bar", "cave")}


def test_domains_in_the_names_of_splits_are_classes() -> None:
    names = [f"{s}{d}/{k}.png" for s in ("train", "test") for d in ("X", "Y") for k in range(9)]
    assert result(names)[1] == {(s, d): 9 for s in ("train", "test") for d in ("X", "Y")}


@pytest.mark.parametrize("word", ["holdout", "hold_out", "challenge", "round2"])
def test_a_folder_with_the_classes_of_train_is_a_split(word: str) -> None:
    names = [f"{s}/{c}/{k}.png" for s in ("train", "val", word) for c in ("p", "q") for k in range(9)]
    assert result(names)[1] == {("train", "p"): 9, ("train", "q"): 9, ("test", "p"): 18, ("test", "q"): 18}


@pytest.mark.parametrize("place", ["test/pics", "test/unknown", "validation/all"])
def test_test_files_in_a_folder_of_no_class_are_unlabelled(place: str) -> None:
    names = [f"train/{c}/{k}.png" for c in "ab" for k in range(9)] + [f"{place}/{k}.png" for k in range(4)]
    layout, counts = result(names)
    assert counts["test", None] == 4 and any("have no label" in note for note in layout.notes)


MASKS = {
    "anomalies": ([f"{c}/{s}/ok/{k}.png" for c in ("nut", "cable") for s in ("train", "test") for k in range(9)],
                  [f"{c}/ground_truth/cut/{k}_mask.png" for c in ("nut", "cable") for k in range(4)]),
    "streets": ([f"images/{s}/{k}.png" for s in ("train", "val") for k in range(9)],
                [f"gtFine/{s}/{k}.png" for s in ("train", "val") for k in range(9)]),
    "beside": ([f"{c}/{k}.png" for c in "ab" for k in range(9)], [f"{c}/{k}_mask.png" for c in "ab" for k in range(9)]),
    "images and masks": ([f"images/{k}.png" for k in range(9)], [f"masks/{k}.png" for k in range(9)]),
    "lesions": ([f"ISIC_{k}.jpg" for k in range(9)], [f"ISIC_{k}_segmentation.png" for k in range(9)]),
}  # fmt: skip


@pytest.mark.parametrize("kind", MASKS)
def test_masks_are_left_out(kind: str) -> None:
    pictures, masks = MASKS[kind]
    layout, _ = result(pictures + masks)
    assert sorted(layout.left_out) == list(range(len(pictures), len(pictures) + len(masks)))
    assert any("masks are left out" in note for note in layout.notes)


def test_several_data_sets_are_named() -> None:
    names = [f"{d}/{s}/{c}/{k}.png" for d, cs in (("shoes", "ab"), ("hats", "cd")) for s in ("train", "test")
             for c in cs for k in range(5)]  # fmt: skip
    with pytest.raises(SparringError, match=r"several data sets \(shoes, hats\).*--part 'shoes'"):
        understand(names)


@pytest.mark.parametrize(
    ("names", "roles"),
    [
        (
            [f"{s}/{c}/{k}.png" for s in ("train", "test") for c in "ab" for k in range(20 if s == "train" else 5)],
            {"train/": "name; 50 of 50 files lie in splits", "a/": "name of a folder, as for 50 of 50 files"},
        ),
        (
            [f"{k:02}/{s}/{n}.png" for k in range(42) for s in ("train", "test")[: 1 + (k > 0)] for n in range(3)],
            {"*/train/": "name; in 42 of 42 folders", "*/test/": "name; in 41 of 42 folders"},
        ),
        (
            [f"data/{c}/{k}.png" for c in "ab" for k in range(50)] + ["docs/shot.png"],
            {"docs/": "data/ holds 100 of 101 files"},
        ),
        ([f"2019-0{m}/{k}.png" for m in (1, 2, 3) for k in range(9)], {"2019-01/": "dates: 3 of 3 folders"}),
        (
            [f"{k}{end}.png" for k in range(40) for end in ("", "_mask")] + ["x_mask.png"],
            {"*": "names such as 0_mask beside the pictures: 40 of 41"},
        ),
        (
            [f"{c}/{k}.png" for c in "ab" for k in range(50)] + ["loose.png"],
            {"a/": "name of a folder, as for 100 of 101 files"},
        ),
    ],
)  # fmt: skip
def test_evidence_counts_what_supports_it(names: list[str], roles: dict[str, str]) -> None:
    evidence = {role.place: role.evidence for role in understand(names).roles}
    assert roles.items() <= evidence.items(), evidence
