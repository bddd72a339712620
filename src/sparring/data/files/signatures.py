"""What a file is, by its first bytes and, where these do not tell, by its suffix; and the line that helps.

One table for all readers: stand-ins for files (Git LFS, web pages, broken downloads) and formats that are not read.
"""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from sparring.data.files.archive import Container, suffix
from sparring.data.files.folder_listing import ICLOUD
from sparring.engine.errors import SparringError

HEAD_BYTES = 1024
"""Bytes that tell what a file is."""


class Signature(NamedTuple):
    """What a file is, in words that follow "is", and what to do about it."""

    name: str
    advice: str

    def __str__(self) -> str:
        return f"is {self.name}: {self.advice}"


FILM = "ffmpeg -i FILE frames/%06d.png makes pictures of it"
SOUND = "ffmpeg -i FILE FILE.wav makes a wav of it"
UNPACK = "unpack it, and name the folder"
ARRAYS = "np.savez('data.npz', x=..., y=...) in Python keeps its arrays"
EMPTY = Signature("empty (zero bytes)", "was the download complete?")
ZEROS = Signature("nothing but zero bytes", "the download or the disk failed: fetch it again")
LFS = Signature("a pointer of Git LFS, not the file itself", "`git lfs pull` in the repository fetches it")
ANNEX = Signature("a pointer of git-annex, not the file itself", "`git annex get` in the repository fetches it")
PAGE = Signature("a web page, not the file itself", "the download was answered by an error or a log-in: fetch it again")
PICKLE = Signature("a Python pickle, which can run code and is not read", ARRAYS)
TORCH = Signature("a file of torch.save, not data in a form that is read", ARRAYS)
EXCEL = Signature("an Excel or other Office file", "save the sheet as CSV (UTF-8)")
HDF5 = Signature("an HDF5 file", "np.savez('data.npz', x=h5py.File('FILE')['x'][:]) in Python makes a data set of it")
MATLAB = Signature(
    "a MATLAB file", "m = scipy.io.loadmat('FILE'); np.savez('data.npz', x=m['X'], y=m['y']) in Python makes a data set"
)
DICOM = Signature(
    "a DICOM image", "np.savez('data.npz', x=np.stack([pydicom.dcmread(f).pixel_array for f in files])) in Python"
)
NIFTI = Signature(
    "a NIfTI volume", "np.savez('data.npz', x=nibabel.load('FILE').get_fdata().T) in Python makes slices of it"
)
ARROW = Signature("an Arrow file, as of save_to_disk", "load_from_disk('FOLDER').to_parquet('data.parquet') in Python")
RECORDS = Signature("a TFRecord file", f"read it with tf.data.TFRecordDataset; {ARRAYS}")
HEIC = Signature("a HEIC photo", "`magick mogrify -format jpg *.heic`, or pillow-heif in Python, makes JPEGs of it")
RAW = Signature("a camera's raw photo", "`darktable-cli FILE FILE.jpg`, or rawpy in Python, makes a picture of it")
JXL = Signature("a JPEG XL image", "`djxl FILE FILE.png` makes a PNG of it")
VIDEO, AUDIO = Signature("a film", FILM), Signature("a sound in a format that is not read", SOUND)
SVG = Signature("a vector graphic (SVG)", "`rsvg-convert FILE -o FILE.png` makes a picture of it")
PARTIAL = Signature("an unfinished download", "fetch it again")
CLOUD = Signature("a stand-in for a file that iCloud keeps elsewhere", "download it in Finder or Photos")
SHORTCUT = Signature("a shortcut, not the file itself", "copy what it leads to")
SEVEN_ZIP, RAR = Signature("a 7z archive", f"`7z x FILE`: {UNPACK}"), Signature("a RAR archive", UNPACK)
ZSTD = Signature("compressed by Zstandard", f"`zstd -d FILE`: {UNPACK}")
ZIP, GZIP = Signature("a zip archive", UNPACK), Signature("compressed by gzip", UNPACK)
TAR = Signature("a tar archive", UNPACK)
XZ, BZIP2 = Signature("compressed by xz", UNPACK), Signature("compressed by bzip2", UNPACK)
PDF = Signature("a PDF", "`pdftoppm -png FILE page` makes pictures of its pages")
APPLE_DOUBLE = Signature("a side file of macOS (AppleDouble)", "the file without `._` holds the data")

STAND_INS = EMPTY, ZEROS, LFS, ANNEX, PAGE, PARTIAL

AT: Sequence[tuple[int, bytes, Signature]] = (
    (0, b"version https://git-lfs.github.com", LFS), (0, b"\0\5\x16\7", APPLE_DOUBLE),
    (0, b"\x89HDF\r\n\x1a\n", HDF5), (512, b"\x89HDF\r\n\x1a\n", HDF5), (0, b"MATLAB 5.0", MATLAB),
    (128, b"DICM", DICOM),
    (344, b"n+1\0", NIFTI), (344, b"ni1\0", NIFTI), (0, b"ARROW1", ARROW), (0, b"\xff\xff\xff\xff\x00", ARROW),
    (0, b"7z\xbc\xaf\x27\x1c", SEVEN_ZIP), (0, b"Rar!\x1a\x07", RAR), (0, b"\x28\xb5\x2f\xfd", ZSTD),
    (0, b"\xfd7zXZ\0", XZ), (0, b"BZh", BZIP2), (0, b"%PDF-", PDF),
    (0, b"\xff\x0a", JXL), (0, b"\0\0\0\x0cJXL ", JXL), (0, b"FUJIFILM", RAW), (8, b"CR\2", RAW),
    (0, b"8BPS", Signature("a Photoshop file", "`magick FILE[0] FILE.png` makes a picture of it")),
    (0, b"v/1\1", Signature("an OpenEXR image", "`magick FILE FILE.tif`, or OpenCV in Python, makes a TIFF of it")),
    (0, b"SIMPLE  =", Signature("a FITS image", "np.savez('data.npz', x=astropy.io.fits.getdata('FILE')) in Python")),
    (0, b"\x1aE\xdf\xa3", VIDEO), (8, b"AVI ", VIDEO), (0, b"\0\0\1\xba", VIDEO), (0, b"FLV\1", VIDEO),
    (16, b"\xde\xc0\xef\xbe", Signature("an LMDB database", f"read it with lmdb in Python; {ARRAYS}")),
    (0, b"SQLite format 3\0", Signature("an SQLite database", "`sqlite3 -header -csv FILE 'SELECT * FROM t' > t.csv`")),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", AUDIO), (0, b"#!AMR", AUDIO), (0, b"MAC ", AUDIO), (0, b"wvpk", AUDIO),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", EXCEL),
    (257, b"ustar", TAR),
)  # fmt: skip
"""Offset, bytes there, and what they tell."""
READ = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"PAR1": ".parquet", b"\x93NUMPY": ".npy", b"fLaC": ".flac"}
"""First bytes of what is read here -> its suffix."""
BRANDS: dict[bytes, Signature] = {
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"), HEIC),
    **dict.fromkeys((b"M4A ", b"M4B ", b"M4P "), AUDIO),
    b"crx ": RAW,
}
"""Brand of an ISO media file (bytes 8 to 11) -> what it is; others are films."""
BY_SUFFIX: dict[str, Signature] = {
    **dict.fromkeys((".heic", ".heif", ".hif"), HEIC),
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf", ".raw"), RAW),
    **dict.fromkeys((".mp4", ".mov", ".avi", ".mkv", ".webm", ".wmv", ".mpg", ".mpeg", ".flv"), VIDEO),
    **dict.fromkeys((".m4a", ".wma", ".aac", ".amr", ".ape", ".wv", ".ra", ".mka", ".3gp"), AUDIO),
    **dict.fromkeys((".crdownload", ".part", ".partial", ".download"), PARTIAL),
    **dict.fromkeys((".lnk", ".url", ".webloc", ".desktop"), SHORTCUT), ICLOUD: CLOUD,
    **dict.fromkeys((".tfrecord", ".tfrecords"), RECORDS), **dict.fromkeys((".pkl", ".pickle", ".joblib"), PICKLE),
    **dict.fromkeys((".xlsx", ".xls", ".ods"), EXCEL), **dict.fromkeys((".h5", ".hdf5", ".he5"), HDF5),
    ".mat": MATLAB, ".jxl": JXL, ".svg": SVG, ".arrow": ARROW, ".7z": SEVEN_ZIP, ".rar": RAR, ".zst": ZSTD,
}  # fmt: skip
"""Suffix -> what a file is whose first bytes do not tell."""
MAGIC = {
    ".npz": b"PK", ".npy": b"\x93NUMPY", ".parquet": b"PAR1", ".zip": b"PK", ".gz": b"\x1f\x8b", ".tgz": b"\x1f\x8b",
    ".png": b"\x89PNG", ".jpg": b"\xff\xd8", ".jpeg": b"\xff\xd8", ".flac": b"fLaC", ".ogg": b"OggS", ".tif": b"",
    ".tiff": b"", ".gif": b"GIF8", ".webp": b"RIFF", ".bmp": b"BM", ".xz": b"\xfd7zXZ", ".bz2": b"BZh", ".tar": b"",
}  # fmt: skip
"""Suffix of files that are no text -> their first bytes, where these are always the same."""
PICTURES = frozenset(name for name, what in BY_SUFFIX.items() if what in (HEIC, RAW, JXL, SVG))
SOUNDS = frozenset(name for name, what in BY_SUFFIX.items() if what is AUDIO)
"""Suffixes of examples in formats that are not read."""


def what_is(head: bytes, name: str = "") -> Signature | None:
    """Return what a file is that begins with `head` (all of it, if it is shorter); None for what is not in the table.

    Not in the table is also what is read here under any name: the reader that fails on it knows more.
    """
    if not head:
        return EMPTY
    if len(head) >= HEAD_BYTES // 2 and not head.strip(b"\0"):
        return ZEROS
    if head.startswith(b"PK\3\4"):
        return _of_zip(head)
    if head.startswith(b"\x1f\x8b"):
        return what_is(inner) if (inner := _unpacked(head)) else GZIP
    if head[4:8] == b"ftyp" and head[8:12] not in (b"avif", b"avis"):
        return BRANDS.get(head[8:12], BY_SUFFIX.get(suffix(name), VIDEO) if suffix(name) in SOUNDS else VIDEO)
    if ending := next((ending for magic, ending in READ.items() if head.startswith(magic)), None):
        fits = suffix(name) in ("", ending, ".jpeg", ".jpe", ".jfif", ".apng")
        return None if fits else Signature(f"a {ending[1:]} file by its content", f"give it the suffix {ending}")
    if known := next((what for at, magic, what in AT if head[at : at + len(magic)] == magic), None):
        return BY_SUFFIX.get(suffix(name), known) if known is HDF5 and suffix(name) == ".mat" else known
    if head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        return PICKLE
    return _of_text(head) or BY_SUFFIX.get(suffix(name)) or _of_false_name(head, suffix(name))


def explain(container: Container, name: str) -> str | None:
    """Return what a file is, and what to do, in words that follow its name; None where the table does not know it."""
    try:
        with container.open(name) as stream:
            head = stream.read(HEAD_BYTES)
    except Exception:  # zipfile's, and those of the packers in it
        return None
    what = what_is(head, name)
    return str(what).replace("FILE", name.rpartition("/")[2]) if what else None


def stand_in(path: Path) -> str | None:
    """Return what stands on the disk in place of a file, in words that follow its name; None where it is a file."""
    try:
        with open(path, "rb") as file:
            what = what_is(file.read(HEAD_BYTES), path.name)
    except OSError:
        return None
    return str(what) if what in STAND_INS else None


def begins(container: Container, name: str, magic: bytes) -> bool:
    """Return True where a file begins with these bytes, or cannot be read: then its reader will report it."""
    try:
        with container.open(name) as stream:
            return stream.read(len(magic)) == magic
    except Exception:  # zipfile's, and those of the packers in it
        return True


def refuse_foreign(container: Container, name: str) -> None:
    """Raise SparringError where a file is known not to be what its name promises."""
    if reason := explain(container, name):
        raise SparringError(f"{name} {reason}")


def _of_zip(head: bytes) -> Signature:
    first = head[30:160]
    if b"[Content_Types].xml" in first or b"_rels/" in first:
        return EXCEL
    return TORCH if b"data.pkl" in first else ZIP


def _of_text(head: bytes) -> Signature | None:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head")) or (text.startswith(b"<") and b"<html" in text[:400]):
        return PAGE
    if text.startswith((b"<svg", b"<?xml")):
        return SVG if b"<svg" in text else PAGE if b"<error" in text else None
    if len(head) < HEAD_BYTES and b"annex/objects/" in head:
        return ANNEX
    return None


def _of_false_name(head: bytes, ending: str) -> Signature | None:
    """Return what a file is that is not what its suffix promises."""
    if ending not in MAGIC or (MAGIC[ending] and head.startswith(MAGIC[ending])):
        return None
    with suppress(UnicodeDecodeError):
        if "".join(codecs.getincrementaldecoder("utf-8")().decode(head).split()).isprintable():
            return Signature("a text, not what its name promises", "look into it: it may tell why a download failed")
    if MAGIC[ending]:
        return Signature(f"no {ending} file by its first bytes", "is it damaged, or encrypted?")
    return None


def _unpacked(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, HEAD_BYTES)
    except zlib.error:
        return b""
