"""Words in the names of folders and files: splits, masks, shards, dates, and marks for no value."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

from sparring.data.tables.cells import MISSING, NOT_A_NUMBER

Split = Literal["train", "test"]
SPLITS: dict[str, Split] = {
    "train": "train", "training": "train", "trainval": "train", "trn": "train",
    "test": "test", "testing": "test", "tst": "test", "t10k": "test",
    "val": "test", "valid": "test", "validation": "test",
    "dev": "test", "devel": "test", "eval": "test", "evaluation": "test", "holdout": "test", "heldout": "test",
    "pred": "test", "prediction": "test",
}  # fmt: skip
"""Word -> split. All that is not for training is for testing."""
UNLABELLED = frozenset({"unlabelled", "unlabeled", "unsup"})
"""Folders of examples that have no class."""
GENERIC = frozenset({
    "", "image", "images", "img", "imgs", "picture", "pictures", "pic", "pics", "photo", "photos", "data", "set",
    "dataset", "files", "all", "raw", "input", "inputs", "rgb", "jpegimages", "leftimg8bit", "audio", "wav", "wavs",
    "clips", "sounds", "recordings", "x", "split", "digits", "new", "full", "final",
})  # fmt: skip
"""What says nothing about the content of a folder."""
MASKS = frozenset({
    "groundtruth", "gt", "gtfine", "gtcoarse", "annotation", "annotations", "segmentation", "segmentations",
    "segmentationclass", "segmentationobject", "trimap", "trimaps",
})  # fmt: skip
"""Folders of pictures that annotate others, whatever lies beside them."""
MASKS_BESIDE_IMAGES = frozenset({"mask", "masks", "label", "labels", "seg", "segs", "target", "targets", "output"})
"""Folders of such pictures, where a folder of images lies beside them."""
MASK_END = re.compile(
    r"[._ -](mask|masks|gt|seg|segmentation|label|labels|labelids|trimap|annotation|superpixels|instanceids)\d*$", re.I
)
"""End of the stem of a picture that annotates another."""
INPUT_END = re.compile(r"[._ -](input|image|img|rgb|photo|orig|original)$", re.I)
BESIDE = frozenset({"doc", "docs", "figures", "figs", "assets", "screenshots", "examples", "demo", "readme"})
"""Folders of pictures that lie beside a data set in a repository."""
SHARD = re.compile(
    r"(batch|part|shard|chunk|fold|split|volume|vol|archive|block|slice|subset|images?|imgs?|pics|photos|data|files|"
    r"train|test|val)[_ -]?\d+",
    re.I,
)
"""Numbered parts of one set."""
DATE = re.compile(r"(19|20)\d\d([-_.]?(0[1-9]|1[0-2]))?([-_.]?(0[1-9]|[12]\d|3[01]))?")
MONTH_OR_DAY = re.compile(r"0[1-9]|[12]\d|3[01]|[1-9]")
SPEAKER = re.compile(r"(actor|speaker|spk|subject|participant)[_ -]?\d+", re.I)
CACHED_NAMES = 1 << 14
"""Names whose words are kept: those of folders come again and again."""
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
_NOTHING = MISSING | NOT_A_NUMBER | {"-1", "nat", "nil"}


class SplitWord(NamedTuple):
    """A name that holds the word of a split."""

    split: Split
    rest: str
    """The name without the word and what joins them."""
    exact: bool
    """True where the word is the whole name."""


def is_nothing(text: str) -> bool:
    """Return True for what stands for no value, in tables, arrays and names alike."""
    return text.strip().casefold() in _NOTHING


@lru_cache(CACHED_NAMES)
def plain(name: str) -> str:
    """Return a name in lower case, letters and digits alone."""
    return re.sub(r"[\W_]", "", name).lower()


@lru_cache(CACHED_NAMES)
def split_word(name: str) -> SplitWord | None:
    """Return the word of a split in a name, which may have a prefix, a suffix or a year; None without one.

    Words of both splits in one name (`train_test`) name none, but for `train_val`, which is train.
    """
    if word := SPLITS.get(plain(name)):
        return SplitWord(word, "", True)
    parts = list(_PARTS.finditer(name))
    words = {part: SPLITS[part[0].lower()] for part in parts if part[0].lower() in SPLITS}
    if not words or (len(set(words.values())) > 1 and not any(p[0].lower().startswith("val") for p in words)):
        return None
    split: Split = "train" if "train" in words.values() else "test"
    rest = "".join(name[a:b] for a, b in _gaps(name, [part.span() for part in words]))
    return SplitWord(split, rest.strip("_-. "), False)


def split_of_path(name: str) -> Split:
    """Return the split of a file that holds many examples, by its name or else the outermost folder that names one."""
    *folders, file = name.split("/")
    words = [split_word(part) for part in (file.partition(".")[0], *file.split(".")[1:], *folders)]
    return next((word.split for word in words if word), "train")


def _gaps(name: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the stretches of a name outside of some spans."""
    edges = [0, *(edge for span in spans for edge in span), len(name)]
    return list(zip(edges[::2], edges[1::2], strict=True))
