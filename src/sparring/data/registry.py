"""Data sets with a name: where they lie, the checksums of what was published, and how they are called offline."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """A published data set."""

    urls: tuple[str, ...]
    """Its files, each with `#sha256=...`."""
    local: tuple[str, ...]
    """Names under which `$SPARRING_DATA` may hold it, best first."""
    about: str
    licence: str = ""
    """Licence of the data; empty where the publisher states none."""


def _idx(base: str, *digests: str) -> tuple[str, ...]:
    names = [
        f"{part}-ubyte.gz" for split in ("train", "t10k") for part in (f"{split}-images-idx3", f"{split}-labels-idx1")
    ]
    return tuple(f"{base}/{name}#sha256={digest}" for name, digest in zip(names, digests, strict=True))


KNOWN = {
    "mnist": Known(
        _idx(
            "https://ossci-datasets.s3.amazonaws.com/mnist",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
        ("mnist",),
        "70,000 handwritten digits, 28x28 grey (LeCun, Cortes, Burges)",
        "CC BY-SA 3.0 (LeCun and Cortes)",
    ),
    "fashion-mnist": Known(
        _idx(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
        ("fashion-mnist",),
        "70,000 pictures of clothing, 28x28 grey (Zalando)",
        "MIT (Zalando)",
    ),
    "cifar10": Known(
        (
            "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
            "#sha256=6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        ),
        ("cifar-10-python.tar.gz", "cifar-10-batches-py", "cifar10", "cifar10-jpeg.zip"),
        "60,000 photos of ten classes, 32x32 colour (Krizhevsky 2009)",
    ),
}
"""Name -> data set. `digits`, scikit-learn's own, needs no file and is read by `readers/digits.py`."""

DIGITS = "digits"
STACKED = "stacked-mnist"
"""Three digits of `mnist` on top of one another, as the channels of a picture: `readers/stacked.py`."""

DIGITS_LICENCE = "CC BY 4.0 (UCI repository: Alpaydin and Kaynak 1998)"


def licence_of(name: str) -> str:
    """Return the licence of the data set that is called `name`; empty where none is known."""
    if name == DIGITS:
        return DIGITS_LICENCE
    known = KNOWN.get("mnist" if name == STACKED else name)
    return known.licence if known else ""


NOTES = {
    "cifar10-jpeg.zip": "this is CIFAR-10 (JPEG re-encoded), not CIFAR-10 itself: "
    "never compare its scores with CIFAR-10's"
}
"""File name -> what people should know when a known name was answered by it."""

CHANNEL_FEATURES = {"stacked MNIST": "mnist"}
"""Format of a data set -> the data set whose feature net scores it, channel by channel: one class per channel."""
