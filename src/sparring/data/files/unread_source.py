"""What a source holds in which no reader found anything, and what helps."""

from __future__ import annotations

from collections import Counter

from sparring.data.files.archive import Container, Skipped, suffix
from sparring.data.files.packed import Tar, Zip
from sparring.data.files.signatures import BZIP2, EXCEL, GZIP, HEAD_BYTES, TAR, TORCH, XZ, ZIP, explain, what_is
from sparring.engine.data_spec import KINDS

READABLE = {
    "image": "Images, IDX, CIFAR batches, .npy, .npz and parquet are read.",
    "audio": "Sounds in .wav, .flac, .ogg and .mp3 are read.",
    "series": "Series in .csv, .tsv, .parquet, .npy and .npz are read.",
    "table": "Tables in .csv, .tsv, .parquet, .npy and .npz are read.",
}
"""Kind -> what its readers read."""
OPENED = frozenset(map(str, (ZIP, GZIP, XZ, BZIP2, TAR)))
"""What `explain` tells of archives that are read where they are the source itself."""
ARCHIVES = frozenset([".zip", ".tar", ".gz", ".tgz", ".xz", ".bz2"])


def describe_unread(container: Container, kind: str) -> str:
    """Return what a source holds, what its first file is, where that is known, and what is read."""
    refused = [left for left in container.refused if left.reason != "is hidden"]
    if not container.names and not refused:
        return f"it is empty. {KINDS[kind].plural.capitalize()} are looked for in it and in the folders below"
    if container.path.is_file():
        return _of_file(container) or _counts(container, refused, kind)
    return _counts(container, refused, kind)


def _of_file(container: Container) -> str | None:
    """Return what a source of one file is, where that is known, an archive that is none of images included."""
    with open(container.path, "rb") as stream:
        what = what_is(stream.read(HEAD_BYTES), container.path.name)
    if what is None or (isinstance(container, Zip | Tar) and what not in (EXCEL, TORCH)):
        return None
    return f"it {what}".replace("FILE", container.path.name)


def _counts(container: Container, refused: list[Skipped], kind: str) -> str:
    first_of: dict[str, str] = {}
    for name in container.names:
        first_of.setdefault(suffix(name), name)
    kinds = Counter(map(suffix, container.names))
    parts = [f"{n} x {ending or f'files without suffix ({first_of[ending]})'}" for ending, n in kinds.most_common(6)]
    parts += ["other files"] * (len(kinds) > 6)
    if refused:
        parts.append(f"{len(refused)} refused ({refused[0].name} {refused[0].reason}{', ...' * (len(refused) > 1)})")
    helps = READABLE.get(kind, "")
    most = kinds.most_common(1)[0][0] if kinds else ""
    first = first_of.get(most)
    reason = explain(container, first) if first else None
    if reason and reason not in OPENED:
        helps = f"{first} {reason}"
    elif reason or most in ARCHIVES:
        one = f"unpack {container.path.name} and name that" if container.path.is_file() else "name it itself"
        helps += f" An archive inside is not opened: {one}."
    return f"it holds {', '.join(parts)}. {helps}"
