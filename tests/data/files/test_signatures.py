"""What a file is by its first bytes, in every container, and what readers do with files that only look like theirs."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from makers import encoded, pixels, write_files, write_tar, write_zip
from speaking import speak

from sparring.data.files.packed import open_container
from sparring.data.files.signatures import BY_SUFFIX, HEAD_BYTES, explain, stand_in, what_is
from sparring.data.open import open_source
from sparring.engine.errors import SparringError

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
PAGE = b"\n<!DOCTYPE html>\n<html><body>404</body></html>"
HEADS = {
    "Git LFS": LFS,
    "a web page": PAGE,
    "git-annex": b"../../.git/annex/objects/Xx/kJ/SHA256E-s3--ab.png/SHA256E-s3--ab.png",
    "empty": b"",
    "zero bytes": bytes(2 * HEAD_BYTES),
    "AppleDouble": b"\0\5\x16\7" + bytes(90),
    "HEIC": b"\0\0\0\x24ftypmif1" + bytes(30),
    "a film": b"\0\0\0\x24ftypmp42" + bytes(30),
    "a sound in a format": b"\0\0\0\x24ftypM4A " + bytes(30),
    "DICOM": bytes(128) + b"DICM" + bytes(500),
    "NIfTI": struct.pack("<i", 348) + bytes(340) + b"n+1\0",
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(30),
    "MATLAB": b"MATLAB 5.0 MAT-file, Platform: PCWIN64" + bytes(99),
    "7z": b"7z\xbc\xaf\x27\x1c" + bytes(30),
    "RAR": b"Rar!\x1a\x07\1\0" + bytes(30),
    "Zstandard": b"\x28\xb5\x2f\xfd" + bytes(30),
    "pickle": b"\x80\4\x95" + bytes(30),
    "torch.save": b"PK\3\4" + bytes(26) + b"archive/data.pkl" + bytes(90),
    "Excel": b"PK\3\4" + bytes(26) + b"[Content_Types].xml" + bytes(90),
    "a PDF": b"%PDF-1.4\n",
    "JPEG XL": b"\xff\x0a" + b"\1" * 30,
    "Arrow": b"ARROW1\0\0" + bytes(30),
    "LMDB": bytes(16) + b"\xde\xc0\xef\xbe" + bytes(30),
    "SVG": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
    "Photoshop": b"8BPS\0\1" + bytes(30),
    "SQLite": b"SQLite format 3\0",
}
"""Words of what it is -> first bytes."""
SUFFIXES = "", ".png", ".npz", ".parquet", ".zip", ".tar.gz", ".csv", ".wav", "-idx3-ubyte", ".bin"


@pytest.mark.parametrize("words", HEADS)
def test_what_is_tells_by_bytes_whatever_the_name(words: str) -> None:
    for name in ("x", *(f"dir/x{suffix}" for suffix in SUFFIXES)):
        what = what_is(HEADS[words], name)
        assert what is not None and words in what.name and what.advice
        if len(HEADS[words]) > 20:
            packed = what_is(gzip.compress(HEADS[words], mtime=0), name)
            assert packed is not None and words in packed.name


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_explain_reads_from_every_container(kind: str, tmp_path: Path) -> None:
    files = {f"a/{k}.dat": head for k, head in enumerate(HEADS.values())}
    write: Callable[[Path, dict[str, bytes]], Path]
    write = {"folder": write_files, "zip": write_zip, "tar": write_tar}[kind]
    container = open_container(write(tmp_path / kind, files))
    for (words, _), name in zip(HEADS.items(), files, strict=True):
        assert words in str(explain(container, name))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("words", ["Git LFS", "a web page", "empty", "zero bytes", "HDF5"])
def test_a_source_of_one_false_file_is_told_for_what_it_is(words: str, suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"x{suffix}").write_bytes(HEADS[words])
    with pytest.raises(SparringError) as refused:
        open_source(tmp_path / f"x{suffix}")
    assert words in str(refused.value)
    assert "An archive inside" not in str(refused.value)


@pytest.mark.parametrize("ending", sorted(BY_SUFFIX))
def test_foreign_suffixes_have_a_way_out(ending: str, tmp_path: Path) -> None:
    for k in range(3):
        write_files(tmp_path / "set", {f"{k}{ending}": b"\1\2\3 no known head"})
    with pytest.raises(SparringError, match=f"holds 3 x {ending}") as refused:
        open_source(tmp_path / "set")
    assert BY_SUFFIX[ending].name in str(refused.value)


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


JUNK = {
    "index.idx": b"0 1024", "pack-1.idx": b"\xfftOc\0\0\0\2", "t-ubyte": b"text", "data_batch_1": b"some text",
    "test_batch": LFS, "data_batch_2.bin": b"1", "train": b"a", "test": b"b", "meta": b"m", "train.bin": b"1",
    "test.bin": b"2", "labels.npz": LFS, "x.npy": PAGE, "t.parquet": PAGE, "y.parquet": b"",
}  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_pictures_win_over_files_that_only_sound_like_data(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    names = rng.permutation(list(JUNK))[: int(rng.integers(1, len(JUNK)))]
    images = {f"{'ab'[k % 2]}/{k}.png": encoded(image) for k, image in enumerate(pixels(8, seed=seed))}
    data = open_source(write_files(tmp_path / "set", images | {name: JUNK[name] for name in names}))
    assert (data.report.used, data.report.classes) == (8, {"a": 4, "b": 4})
    assert sorted(name for some in data.skipped.values() for name in some) == sorted(names)


HIDDEN = "._{}", "__MACOSX/._{}", "@eaDir/{}", ".git/objects/{}", ".ipynb_checkpoints/{}", ".Trash/{}"


@pytest.mark.parametrize("pattern", HIDDEN)
@pytest.mark.parametrize("form", ["png", "npy", "idx", "parquet", "wav", "csv"])
def test_hidden_files_are_no_data_of_any_reader(form: str, pattern: str, tmp_path: Path) -> None:
    if form == "wav":
        names = [f"{path.name}" for path in speak(tmp_path / "set", takes=6).iterdir()]
        files = {name: (tmp_path / "set" / name).read_bytes() for name in names}
    else:
        idx = b"\0\0\x08\3" + struct.pack(">3I", 9, 5, 5) + pixels(9, 5, 5, 1).tobytes()
        csv = "a,b\n" + "".join(f"{k},{k % 3}\n" for k in range(20))
        files = {
            "png": {f"{k}.png": encoded(image) for k, image in enumerate(pixels(4))},
            "npy": {"data.npy": npy(pixels(4))}, "idx": {"a-idx3-ubyte": idx}, "csv": {"a.csv": csv.encode()},
            "parquet": {"train.parquet": parquet()},
        }[form]  # fmt: skip
    want = open_source(write_files(tmp_path / "plain", files))
    messy = files | {pattern.format(name): b"\0\5\x16\7" + bytes(50) for name in files}
    for source in (write_files(tmp_path / "messy", messy), write_zip(tmp_path / "messy.zip", messy)):
        data = open_source(source)
        assert data.fingerprint == want.fingerprint or form == "wav"
        assert data.report.used == want.report.used
        assert list(data.skipped) == ["is hidden"]


def parquet() -> bytes:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    buffer = io.BytesIO()
    images = [{"bytes": encoded(image), "path": None} for image in pixels(4)]
    pq.write_table(pa.table({"image": images}), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["w:xz", "w:bz2", "w:gz"])
def test_packed_tars_are_read(mode: str, tmp_path: Path) -> None:
    files = {f"{'ab'[k % 2]}/{k}.png": encoded(image) for k, image in enumerate(pixels(4))}
    data = open_source(write_tar(tmp_path / "a.packed", files, mode))
    assert data.fingerprint == open_source(write_files(tmp_path / "a", files)).fingerprint
    content = (tmp_path / "a.packed").read_bytes()
    (tmp_path / "torn").write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(SparringError, match=r"torn.* is damaged|torn.*breaks off|torn.* is compressed by"):
        open_source(tmp_path / "torn")


@pytest.mark.parametrize(("method", "words"), [(9, "Deflate64"), (93, "Zstandard"), (98, "PPMd"), (77, "method 77")])
def test_methods_of_packing_are_named(method: int, words: str, tmp_path: Path) -> None:
    files = {f"{k}.png": encoded(image) for k, image in enumerate(pixels(4))}
    content = bytearray(write_zip(tmp_path / "a.zip", files).read_bytes())
    with zipfile.ZipFile(io.BytesIO(bytes(content))) as archive:
        members = archive.infolist()
    at = -1
    for info in members[:3]:
        at = content.index(b"PK\1\2", at + 1)
        content[at + 10 : at + 12] = content[info.header_offset + 8 : info.header_offset + 10] = struct.pack(
            "<H", method
        )
    (tmp_path / "a.zip").write_bytes(content)
    data = open_source(tmp_path / "a.zip")
    (reason,) = data.skipped
    assert data.report.used == 1 and len(data.skipped[reason]) == 3
    assert f"is packed by {words}: unpack the archive" in reason


@pytest.mark.parametrize("form", ["parquet", "npz", "npy"])
def test_torn_arrays_and_tables_are_called_so(form: str, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, x=pixels(40))
    content = {"parquet": parquet, "npz": buffer.getvalue, "npy": lambda: npy(pixels(40))}[form]()
    (tmp_path / f"a.{form}").write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(SparringError, match=rf"a\.{form} .*[Ww]as the download complete\?"):
        open_source(tmp_path / f"a.{form}")


@pytest.mark.parametrize("part", [0.2, 0.5, 0.99])
def test_a_zip_cut_short_is_called_so(part: float, tmp_path: Path) -> None:
    files = {f"{k}.png": encoded(image) for k, image in enumerate(pixels(4))}
    content = write_zip(tmp_path / "a.zip", files).read_bytes()
    (tmp_path / "a.zip").write_bytes(content[: int(part * len(content))])
    with pytest.raises(SparringError, match=r"is no whole zip file: it lacks its end\. Was the download complete\?"):
        open_source(tmp_path / "a.zip")


def test_what_stands_in_for_a_model_is_told_from_models(tmp_path: Path) -> None:
    for words, head in HEADS.items():
        (tmp_path / "m.pt").write_bytes(head)
        told = words in ("Git LFS", "git-annex", "a web page", "empty", "zero bytes")
        assert bool(stand_in(tmp_path / "m.pt")) is told
    assert stand_in(tmp_path / "gone.pt") is None


@pytest.mark.parametrize("ending", [".npz", ".npy", ".parquet", ".zip", ".tar.gz", ".png"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"message": "Not Found", "status": "404"}\n', "is a text, not what its name promises: look into it"),
        ("Zugriff verweigert: fällig\n".encode() * 40, "is a text, not what its name promises: look into it"),
        (
            b"\x12\xfe\x99\x01" * 40,
            r"is no \.\w+ file by its first bytes: is it damaged, or encrypted|no image that Pillow",
        ),
    ],
)
def test_unknown_content_is_not_called_what_its_name_says(
    ending: str, content: bytes, words: str, tmp_path: Path
) -> None:
    (tmp_path / f"x{ending}").write_bytes(content)
    with pytest.raises(SparringError, match=words if ending != ".png" else "no image that Pillow|is a text"):
        open_source(tmp_path / f"x{ending}")


def test_photos_that_icloud_keeps_and_shortcuts_are_counted(tmp_path: Path) -> None:
    files = {f"a/.{k}.jpg.icloud": b"bplist00" for k in range(7)} | {"a/x.lnk": b"L\0\0\0", "a/.DS_Store": b"\0"}
    files |= {f"a/{k}.png": encoded(image) for k, image in enumerate(pixels(2))}
    skipped = open_source(write_files(tmp_path / "set", files)).skipped
    counts = {reason.partition(":")[0]: len(names) for reason, names in skipped.items()}
    assert counts == {
        "is a stand-in for a file that iCloud keeps elsewhere": 7, "is a shortcut, not the file itself": 1,
        "is hidden": 1,
    }  # fmt: skip
