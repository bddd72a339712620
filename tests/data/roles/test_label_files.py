"""Labels and splits from files beside the examples, and archives, links and parts as sources."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest
from makers import encoded, pixels, write_files, write_tar, write_zip

from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions
from sparring.data.summary import check_readable, summary
from sparring.engine.errors import SparringError, UsageError

IMAGES = [encoded(image) for image in pixels(24, 6, 6)]
NAMES = [f"{k // 8:05d}/img{k:08d}.png" for k in range(24)]
FLAT = {f"{k:03d}.png": image for k, image in enumerate(IMAGES)}


def classes(source: Path, **options: object) -> dict[str, int]:
    return open_source(source, ReadOptions(**options)).report.classes  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("labels", "expected", "vectors"),
    [
        ([[name, k % 4] for k, name in enumerate(NAMES)], {"0": 6, "1": 6, "2": 6, "3": 6}, 0),
        (None, {}, 0),
        ([[name, [k / 3, 1.0]] for k, name in enumerate(NAMES)], {}, 2),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_dataset_json(labels: object, expected: dict[str, int], vectors: int, packed: bool, tmp_path: Path) -> None:
    files = dict(zip(NAMES, IMAGES, strict=True)) | {"dataset.json": json.dumps({"labels": labels}).encode()}
    source = write_zip(tmp_path / "s.zip", files) if packed else write_files(tmp_path / "s", files)
    report = open_source(source).report
    assert report.classes == expected and report.vectors == vectors and report.used == 24
    assert any("dataset.json gives" in note for note in report.notes)


TABLES = {
    "metadata.csv": "file_name,label\n" + "".join(f"{name},{'ab'[k % 2]}\n" for k, name in enumerate(FLAT)),
    "train.tsv": "breed\tid\n" + "".join(f"{'ab'[k % 2]}\t{name[:-4]}\n" for k, name in enumerate(FLAT)),
    "metadata.jsonl": "".join(json.dumps({"file_name": n, "label": "ab"[k % 2]}) + "\n" for k, n in enumerate(FLAT)),
    "l.csv": "bild;art\n" + "".join(f"C:\\x\\{name};{'ab'[k % 2]}\n" for k, name in enumerate(FLAT)),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_beside_the_files(name: str, tmp_path: Path) -> None:
    report = open_source(write_files(tmp_path / "s", FLAT | {name: TABLES[name].encode()})).report
    assert report.classes == {"a": 12, "b": 12} and report.skipped == {}
    assert any(f"labels are those of {name}" in note for note in report.notes)


def test_a_table_beside_folders_of_classes_counts_on_request(tmp_path: Path) -> None:
    files = {f"{'xy'[k % 2]}/{name}": image for k, (name, image) in enumerate(FLAT.items())}
    rows = "".join(f"{name},{'ab'[k // 12]},{k}\n" for k, name in enumerate(FLAT))
    source = write_files(tmp_path / "s", files | {"t.csv": f"id,kind,age\n{rows}".encode()})
    assert classes(source) == {"x": 12, "y": 12}
    assert classes(source, label="kind") == {"a": 12, "b": 12}
    with pytest.raises(UsageError, match=r"--label size: t\.csv has no column 'size'"):
        classes(source, label="size")


@pytest.mark.parametrize(
    ("suffix", "content"),
    [(".cls", "{}"), (".json", '{{"label": {}}}'), (".txt", "{}"), (".xml", "<a><name>{}</name></a>")],
)
def test_a_file_of_each_stem_holds_its_label(suffix: str, content: str, tmp_path: Path) -> None:
    files = FLAT | {f"{name[:-4]}{suffix}": content.format(k % 3).encode() for k, name in enumerate(FLAT)}
    assert classes(write_tar(tmp_path / "s.tar", files)) == {"0": 8, "1": 8, "2": 8}


def test_lists_of_splits_mark_files(tmp_path: Path) -> None:
    files = {f"{'xy'[k % 2]}/{name}": image for k, (name, image) in enumerate(FLAT.items())}
    listed = "\n".join(name.removesuffix(".png") for name in list(files)[:6]).encode()
    report = open_source(write_files(tmp_path / "s", files | {"meta/testing_list.txt": listed})).report
    assert report.splits == {"train": 18, "test": 6}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("{label}_*.png", {"p": 12, "q": 12}),
        ("*_{label}.png", {"0": 8, "1": 8, "2": 8}),
        ("{label}/*", {"in": 24}),
        ("none", {}),
    ],
)
def test_labels_in_the_names(pattern: str, expected: dict[str, int], tmp_path: Path) -> None:
    files = {f"in/{'pq'[k % 2]}_{k:02d}_{k % 3}.png": image for k, image in enumerate(IMAGES)}
    assert classes(write_files(tmp_path / "s", files), label_from=pattern) == expected


def test_patterns_that_do_not_fit(tmp_path: Path) -> None:
    source = write_files(tmp_path / "s", FLAT)
    for pattern, words in (("x_{label}.png", "does not fit most names, such as 000.png"), ("*.png", "has no {label}")):
        with pytest.raises(UsageError, match=words):
            classes(source, label_from=pattern)


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_a_folder_of_archives_is_one_source(write: object, tmp_path: Path) -> None:
    kind = "zip" if write is write_zip else "tar"
    (tmp_path / "s").mkdir()
    for split, part in (("train", IMAGES[:16]), ("test", IMAGES[16:])):
        write(tmp_path / f"s/{split}.{kind}", {f"{'ab'[k % 2]}/{k}.png": one for k, one in enumerate(part)})  # type: ignore[operator]
    (tmp_path / "s/README.md").write_text("#")
    report = open_source(tmp_path / "s").report
    assert report.splits == {"train": 16, "test": 8} and report.classes == {"a": 12, "b": 12}


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX links")
def test_links_are_followed_on_every_way_and_never_back(tmp_path: Path) -> None:
    write_files(tmp_path, {f"pool/{k}.png": image for k, image in enumerate(IMAGES[:6])})
    write_files(tmp_path / "s", {f"bird/{k}.png": image for k, image in enumerate(IMAGES[6:12])})
    for name in ("cat", "dog"):
        (tmp_path / "s" / name).symlink_to("../pool")
    (tmp_path / "s/bird/back").symlink_to(tmp_path / "s")
    report = open_source(tmp_path / "s").report
    assert report.classes == {"bird": 6, "cat": 6}
    assert report.emptied == ["class 'dog' is empty: none of its 6 images is used (copies of others, or damaged)"]
    assert any("dog/ leads to the same folder as cat/" in note for note in report.notes)
    assert report.copies == {f"dog/{k}.png": f"cat/{k}.png" for k in range(6)}


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("gbk", ("猫咪", "小狗")), ("cp932", ("表示", "表現", "予算")), ("utf-8", ("café", "thé", "猫")),
        ("cp1252", ("Größe", "Höhe")),
    ],
)  # fmt: skip
def test_names_in_a_zip_without_a_stated_encoding(encoding: str, names: tuple[str, ...], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for k, name in enumerate(names):
            info = zipfile.ZipInfo("x" * (len(name.encode(encoding)) + 6))
            info.filename = info.orig_filename = "x" * (len(name.encode(encoding)) - 1) + f"{k}/{k}.png"
            archive.writestr(info, IMAGES[k])
    content = (tmp_path / "a.zip").read_bytes()
    for k, name in enumerate(names):
        raw = name.encode(encoding)
        content = content.replace(b"x" * (len(raw) - 1) + f"{k}/".encode(), raw + b"/")
    (tmp_path / "a.zip").write_bytes(content)
    assert set(classes(tmp_path / "a.zip")) == set(names)


def test_most_files_unreadable_stops_unless_forced(tmp_path: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    files = {f"{'ab'[k % 2]}/{k}.png": IMAGES[k] if k < 4 else pointer for k in range(24)}
    report = open_source(write_files(tmp_path / "s", files)).report
    assert "4 images (2 classes: a 2, b 2); train 4, test 0; 20 of 24 left out" in summary(report)
    with pytest.raises(SparringError, match=r"20 of 24 images in .* cannot be read.*--force goes on with the 4"):
        check_readable(report, force=False)
    check_readable(report, force=True)


def test_one_line_says_what_is_used(tmp_path: Path) -> None:
    files = {f"train/{'abcdefgh'[k % 8]}/{k}.png": image for k, image in enumerate(IMAGES[:20])}
    files |= {f"test/a/{k}.png": image for k, image in enumerate(IMAGES[20:])}
    line = summary(open_source(write_files(tmp_path / "s", files)).report)
    assert line == "24 images (8 classes: a 7, b 3, c 3, d 3, e 2, f 2, ...); train 20, test 4"
