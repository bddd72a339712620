"""Names of published data sets, as people write them, and how those are had that Sparring does not fetch by name."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sparring.data.registry import DIGITS, KNOWN, STACKED


@dataclass(frozen=True)
class PublishedName:
    """A data set that has a name."""

    name: str
    aliases: tuple[str, ...] = ()
    """Other spellings; spaces, hyphens and letter case do not count."""
    by_hand: str = ""
    """Where it is published, if `sparring` does not fetch it by this name."""

    @property
    def is_fetched(self) -> bool:
        """Return True where the name is a SOURCE of every command."""
        return self.name in (*KNOWN, DIGITS, STACKED)


def _by_hand(name: str, where: str, *aliases: str) -> PublishedName:
    return PublishedName(name, aliases, where)


PUBLISHED: tuple[PublishedName, ...] = (
    PublishedName("mnist", ("handwritten mnist", "mnist digits")),
    PublishedName("fashion-mnist", ("fashion", "fmnist")),
    PublishedName("cifar10", ("cifar-10", "cifar")),
    PublishedName("digits", ("sklearn digits", "scikit-learn digits")),
    PublishedName("stacked-mnist"),
    _by_hand("cifar100", "https://www.cs.toronto.edu/~kriz/cifar.html", "cifar-100"),
    _by_hand("svhn", "http://ufldl.stanford.edu/housenumbers/", "street view house numbers"),
    _by_hand("stl10", "https://cs.stanford.edu/~acoates/stl10/", "stl-10"),
    _by_hand("imagenet", "https://image-net.org (an account is needed)", "ilsvrc", "imagenet-1k"),
    _by_hand("tiny-imagenet", "http://cs231n.stanford.edu/tiny-imagenet-200.zip", "tiny imagenet 200"),
    _by_hand("celeba", "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html", "celeb faces", "celeba-hq"),
    _by_hand("ffhq", "https://github.com/NVlabs/ffhq-dataset", "flickr faces"),
    _by_hand("lsun", "https://github.com/fyu/lsun", "lsun bedrooms"),
    _by_hand("omniglot", "https://github.com/brendenlake/omniglot"),
    _by_hand("emnist", "https://www.nist.gov/itl/products-and-services/emnist-dataset"),
    _by_hand("kmnist", "http://codh.rois.ac.jp/kmnist/", "kuzushiji mnist"),
    _by_hand("quickdraw", "https://github.com/googlecreativelab/quickdraw-dataset", "quick draw"),
    _by_hand("usps", "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/"),
    _by_hand("caltech101", "https://data.caltech.edu/records/mzrjq-6wc02", "caltech-101"),
    _by_hand("food101", "https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/", "food-101"),
    _by_hand("oxford-flowers", "https://www.robots.ox.ac.uk/~vgg/data/flowers/", "flowers102", "flowers-102"),
    _by_hand("oxford-pets", "https://www.robots.ox.ac.uk/~vgg/data/pets/", "oxford-iiit pets"),
    _by_hand("coco", "https://cocodataset.org", "ms-coco", "mscoco"),
    _by_hand("adult", "https://archive.ics.uci.edu/dataset/2/adult", "census income", "adult income"),
    _by_hand("iris", "https://archive.ics.uci.edu/dataset/53/iris"),
    _by_hand("wine", "https://archive.ics.uci.edu/dataset/109/wine", "wine recognition"),
    _by_hand("titanic", "https://www.openml.org/d/40945"),
    _by_hand("breast-cancer", "https://archive.ics.uci.edu/dataset/17", "breast cancer wisconsin"),
    _by_hand("covertype", "https://archive.ics.uci.edu/dataset/31/covertype", "forest covertype"),
    _by_hand("higgs", "https://archive.ics.uci.edu/dataset/280/higgs"),
    _by_hand("mushroom", "https://archive.ics.uci.edu/dataset/73/mushroom", "mushrooms"),
    _by_hand("california-housing", "https://www.openml.org/d/44025", "boston housing"),
    _by_hand("penguins", "https://github.com/allisonhorst/palmerpenguins", "palmer penguins"),
    _by_hand(
        "speech-commands", "http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz", "google speech commands",
        "sc09",
    ),
    _by_hand("spoken-digits", "https://github.com/Jakobovski/free-spoken-digit-dataset", "fsdd", "free spoken digits"),
    _by_hand("audiomnist", "https://github.com/soerenab/AudioMNIST", "audio mnist"),
    _by_hand("esc50", "https://github.com/karolpiczak/ESC-50", "esc-50"),
    _by_hand("urbansound8k", "https://urbansounddataset.weebly.com", "urban sound"),
    _by_hand("librispeech", "https://www.openslr.org/12"),
    _by_hand("etth1", "https://github.com/zhouhaoyi/ETDataset", "ett-h1"),
    _by_hand("m4", "https://github.com/Mcompetitions/M4-methods", "m4 competition"),
    _by_hand("20newsgroups", "http://qwone.com/~jason/20Newsgroups/", "20 newsgroups"),
)  # fmt: skip
"""Data sets by the names under which people ask for them."""
COMMON_NOUNS = frozenset(
    ["digits", "fashion", "adult", "iris", "wine", "titanic", "mushroom", "mushrooms", "penguins", "coco", "higgs"]
)
"""Normalised spellings that are nouns as well: beside a path or another name they are no data set."""
MIN_TYPO_LETTERS = 5
"""Letters of the shortest name that is known by a spelling with one letter wrong."""


def normalised(name: str) -> str:
    """Return a name without what spellings differ in: `CIFAR 10` and `cifar-10` become `cifar10`."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


NAMES = {
    normalised(spelling): published for published in PUBLISHED for spelling in (published.name, *published.aliases)
}
"""Normalised spelling -> data set."""


def find_name(text: str) -> tuple[PublishedName, str] | None:
    """Return the data set of this name, and the spelling that `text` was read as; None where there is none.

    One letter may be wrong, missing or too many in a name of MIN_TYPO_LETTERS or more. A digit may not.
    """
    key = normalised(text)
    if key in NAMES:
        return NAMES[key], key
    spelled = NAMES.keys() - COMMON_NOUNS  # "digit" is a word
    near = sorted(name for name in spelled if min(len(name), len(key)) >= MIN_TYPO_LETTERS and _is_typo(key, name))
    return (NAMES[near[0]], near[0]) if len({NAMES[name].name for name in near}) == 1 else None


def _is_typo(word: str, name: str) -> bool:
    """Return True where one edit turns `word` into `name`, and both have the same digits."""
    return re.findall(r"\d", word) == re.findall(r"\d", name) and one_edit(word, name)


def one_edit(a: str, b: str) -> bool:
    """Return True where one insertion, deletion, substitution or swap of neighbours turns `a` into `b`.

    >>> one_edit("clasify", "classify"), one_edit("form", "from"), one_edit("cat", "dog")
    (True, True, False)
    """
    if a == b or abs(len(a) - len(b)) > 1:
        return False
    start = next((k for k, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    rest_a, rest_b = a[start:], b[start:]
    swapped = rest_a[1::-1] + rest_a[2:] if len(rest_a) > 1 else rest_a
    return rest_a[1:] == rest_b[1:] or rest_a[1:] == rest_b or rest_a == rest_b[1:] or swapped == rest_b
