"""Split and class of each example by the folders it lies in: what they stand for, decided by nearly all examples.

Folders of nearly all images are passed over, masks and stray pictures are left out, splits may lie above or below
classes or be doubled, and folders that only count or sort (shards, dates, first letters) are no classes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sparring.data.roles.masks import find_masks
from sparring.data.roles.shards import shard_evidence
from sparring.data.roles.split_folders import choose_splits, doubles, rests_as_classes
from sparring.data.roles.words import BESIDE, UNLABELLED, Split, SplitWord, is_nothing, plain, split_word
from sparring.engine.errors import SparringError

NEARLY_ALL = 0.9
"""Fraction of the examples that decides."""
STRAY = 0.2
"""Fraction of the examples that a stray branch may hold, beside one that splits further."""
MAX_NAMES = 3
"""Folders that a note names."""


class Role(NamedTuple):
    """What a folder or file stands for."""

    place: str
    role: str
    """split, class, shard, mask, label table, stray, data set or folder."""
    files: int
    """Examples in it."""
    evidence: str
    """What decided, with the proportion of examples or folders that support it where they are counted."""


class File(NamedTuple):
    """An example on the way from its folders to split and class."""

    number: int
    below: tuple[str, ...]
    """Folders that are not yet understood, outermost first."""
    stem: str
    split: Split | None = None
    label: str | None = None
    done: bool = False
    """True where the class is known."""


@dataclass
class Layout:
    """Split and class of each example, by the number of its name; what is left out; roles and remarks."""

    splits: dict[int, Split] = field(default_factory=dict)
    labels: dict[int, str | None] = field(default_factory=dict)
    left_out: dict[int, str] = field(default_factory=dict)
    roles: list[Role] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def understand(names: Sequence[str], *, keep_folders: bool = False) -> Layout:
    """Return split and class of the examples of these names; `keep_folders`: numbered folders are classes too.

    Names without suffix take part in no decision where most have one. Raises SparringError on several data sets.
    """
    layout = Layout()
    files = _files(names)
    masks = find_masks([(file.below, file.stem) for file in files])
    layout.left_out |= masks.left_out
    layout.roles += [
        Role(f"{place}/" if place else "*", "mask", n, reason) for place, (n, reason) in masks.places.items()
    ]
    if masks.left_out:
        files = [file for file in files if file.number not in masks.left_out]
        layout.notes.append(f"{len(masks.left_out):,} masks are left out: {next(iter(masks.places.values()))[1]}")
    strong = {file.number for file in files if "." in names[file.number].rpartition("/")[2].strip(".")}
    strong = strong if len(strong) * 2 > len(files) else {file.number for file in files}
    _Reading(layout, strong, keep_folders).assign(files)
    return layout


def _files(names: Sequence[str]) -> list[File]:
    """Return a file for each name; those of one folder share its parts, since there may be millions."""
    parts: dict[str, tuple[str, ...]] = {"": ()}
    files = []
    for number, name in enumerate(names):
        folder, _, last = name.rpartition("/")
        if folder not in parts:
            parts[folder] = tuple(folder.split("/"))
        files.append(File(number, parts[folder], last.rpartition(".")[0] or last))
    return files


@dataclass
class _Reading:
    """One pass from the outermost folder inwards."""

    layout: Layout
    strong: set[int]
    """Examples that decide."""
    keep_folders: bool
    path: str = ""

    def assign(self, files: list[File]) -> None:
        """Fill in the layout."""
        files = self._descend(files)
        files = self._split(files)
        files = self._drop_shards(files)
        files = self._classify(files)
        for file in files:
            self.layout.splits[file.number] = file.split or "train"
            self.layout.labels[file.number] = file.label
        self._note_roles(files)

    def _count(self, files: Iterable[File]) -> int:
        return sum(file.number in self.strong for file in files)

    def _heads(self, files: Iterable[File]) -> dict[str, list[File]]:
        """Return the files of each outermost folder that is not yet understood, by files that decide."""
        heads: dict[str, list[File]] = defaultdict(list)
        for file in files:
            if file.below and file.number in self.strong:
                heads[file.below[0]].append(file)
        return heads

    def _descend(self, files: list[File]) -> list[File]:
        """Pass over folders that hold all images, or nearly all beside a few stray ones."""
        while heads := self._heads(files):
            name, inside = max(heads.items(), key=lambda pair: len(pair[1]))
            word = split_word(name)
            others = [file for file in files if not (file.below and file.below[0] == name)]
            decisive = [file for file in others if file.number in self.strong]
            if word and word.exact and not any(file.below for file in decisive):
                return files
            if decisive and not self._are_stray(decisive, inside, word is not None):
                return files
            self._leave_out(decisive, name, self._count(inside))
            self.path += f"{name}/"
            stray = {file.number for file in decisive}
            files = [_pop(f) if f.below and f.below[0] == name else f._replace(below=()) for f in files
                     if f.number not in stray]  # fmt: skip
        return files

    def _are_stray(self, others: list[File], inside: list[File], is_split: bool) -> bool:
        """Return True where the others are few, and unlike the folder that holds nearly all and splits further."""
        below = {file.below[1] for file in inside if len(file.below) > 1}
        share = len(others) / (len(others) + len(inside))
        named = all(file.below and plain(file.below[0]) in BESIDE for file in others)
        if is_split or share > (0.5 if named else STRAY) or not (below or all(not f.below for f in others)):
            return False
        if not below:  # a single flat folder, and a few files beside it
            return share <= 1 - NEARLY_ALL
        alike = {file.below[1] for file in others if len(file.below) > 1}
        branches = {file.below[0] for file in others if file.below}
        return len(below) > 1 and not alike & below and (named or len(branches) <= 1) and (named or len(alike) <= 1)

    def _leave_out(self, files: list[File], beside: str, count: int) -> None:
        if not files:
            return
        whole = count + len(files)
        reason = f"lies outside of {self.path}{beside}/, which holds nearly all"
        evidence = f"{self.path}{beside}/ holds {count:,} of {whole:,} files"
        self.layout.left_out |= {file.number: reason for file in files}
        self.layout.notes.append(
            f"{len(files):,} files are left out: {self.path}{beside}/ holds the other {count:,}, in folders of its own"
        )
        for place, n in Counter(file.below[0] + "/" if file.below else "(files)" for file in files).items():
            self.layout.roles.append(Role(self.path + place, "stray", n, evidence))

    def _split(self, files: list[File]) -> list[File]:
        """Find the folders of splits, above classes or below them."""
        heads = self._heads(files)
        words = choose_splits({name: (len(f), _subfolders(f)) for name, f in heads.items()})
        if self.keep_folders and not all(word.exact for word in words.values()):
            return files
        if words:
            return self._split_above(files, words, heads)
        return self._split_below(files, heads) or files

    def _split_above(
        self, files: list[File], words: Mapping[str, SplitWord], heads: Mapping[str, list[File]]
    ) -> list[File]:
        rests = rests_as_classes(words)
        outside = [name for name in heads if name not in words and plain(name) not in UNLABELLED]
        inside = f"{sum(len(heads[place]) for place in words):,} of {self._count(files):,} files lie in splits"
        for place, split in words.items():
            named = "name" if split_word(place) else "its folders are those of the training split"
            role = f"split {split.split}"
            self.layout.roles.append(Role(f"{self.path}{place}/", role, len(heads[place]), f"{named}; {inside}"))
        if affixed := [name for name in words if not words[name].exact]:
            self.layout.notes.append(
                f"{_some(affixed)} are taken for splits by their names; --label-from folder takes folders for classes"
            )
        results = []
        for file in files:
            name = file.below[0] if file.below else ""
            word = words.get(name) if name else None
            if word is None and name in outside:
                self.layout.left_out[file.number] = f"lies beside the splits {_some(list(words))}, and is none by name"
                continue
            file = file._replace(split=word.split if word else "train")
            file = _pop(file) if word else file
            if word and file.below and doubles(file.below[0], name, word):
                file = _pop(file)
            if word and rests:
                file = file._replace(label=word.rest, done=True)
            results.append(file)
        if outside:
            self.layout.notes.append(f"{_some(outside)} are left out: they lie beside splits, and are none by name")
        return self._descend_within_splits(results)

    def _descend_within_splits(self, files: list[File]) -> list[File]:
        """Pass over one folder that all files of all splits lie in, where what is below it splits further."""
        heads = self._heads(files)
        if len(heads) != 1 or any(not file.below for file in files if file.number in self.strong):
            return files
        ((_, inside),) = heads.items()
        return [_pop(file) for file in files if file.below] if len(_subfolders(inside)) > 1 else files

    def _split_below(self, files: list[File], heads: Mapping[str, list[File]]) -> list[File] | None:
        """Return the files where nearly all classes hold folders of splits; None where they do not."""
        seconds = {name: {second: [f for f in inside if f.below[1:2] == (second,)] for second in _subfolders(inside)}
                   for name, inside in heads.items()}  # fmt: skip
        merged: Counter[str] = Counter()
        for inner in seconds.values():
            merged.update({second: len(f) for second, f in inner.items()})
        words = choose_splits({name: (count, frozenset()) for name, count in merged.items()})
        if not words or len(heads) < 2 or len({word.split for word in words.values()}) < 2:
            return None
        if sum(merged[name] for name in words) < NEARLY_ALL * self._count(files):
            return None
        below = {
            name: {second: _subfolders(map(_pop, files)) for second, files in inner.items() if second in words}
            for name, inner in seconds.items()
        }
        self._refuse_data_sets(below, words)
        for place, word in words.items():
            having = sum(place in inner for inner in seconds.values())
            evidence = f"name; in {having:,} of {len(heads):,} folders"
            self.layout.roles.append(Role(f"{self.path}*/{place}/", f"split {word.split}", merged[place], evidence))
        self.layout.notes.append(
            f"{_some(list(words))} below each of {_some(list(heads))} are taken for splits, and the folders above for "
            "classes"
        )
        done = []
        for file in files:
            if len(file.below) > 1 and file.below[1] in words:
                file = file._replace(split=words[file.below[1]].split)
            done.append(file._replace(below=file.below[:1]))
        return done

    def _refuse_data_sets(
        self, inner: Mapping[str, Mapping[str, frozenset[str]]], words: Mapping[str, SplitWord]
    ) -> None:
        """Raise SparringError where all folders hold splits with classes of their own: they are data sets."""
        train = [
            [len(c) for second, c in splits.items() if words[second].split == "train"] for splits in inner.values()
        ]
        if train and all(counts and max(counts) > 1 for counts in train):
            raise several_data_sets(self.path, list(inner))

    def _drop_shards(self, files: list[File]) -> list[File]:
        """Pass over folders that number or sort the examples, and are no classes."""
        dates = False
        while not self.keep_folders and not any(file.done for file in files) and (heads := self._heads(files)):
            every = all(file.below for file in files if file.number in self.strong)
            evidence = shard_evidence(
                {name: [(f.below[1:], f.stem) for f in inside] for name, inside in heads.items()}, after_dates=dates
            )
            if not evidence or not every:
                return files
            dates = evidence.startswith("date")
            support = f"{evidence}: {len(heads):,} of {len(heads):,} folders"
            for name, inside in heads.items():
                self.layout.roles.append(Role(f"{self.path}{name}/", "shard", len(inside), support))
            self.layout.notes.append(
                f"folders {_some(list(heads))} are no classes ({evidence}); --label-from folder takes them for classes"
            )
            files = [_pop(file) if file.below else file for file in files]
        return files

    def _classify(self, files: list[File]) -> list[File]:
        """Take the outermost folder that is left for the class."""
        named = [self._named(file) for file in files]
        labels = Counter(file.label for file in named if file.number in self.strong)
        if len(labels) == 1 and None not in labels and not any(file.done for file in files):
            (label,) = labels
            self.layout.notes.append(f"all lie in one folder, {label}/: it is no class")
            return [file._replace(label=None) for file in named]
        nothing = [label for label in labels if label is not None and is_nothing(label)]
        if nothing:
            count = sum(labels[label] for label in nothing)
            self.layout.notes.append(
                f"{count:,} files in folders {_some(nothing)} have no label: the names stand for none"
            )
            named = [file._replace(label=None) if file.label in nothing else file for file in named]
        return self._of_known_classes(named)

    def _named(self, file: File) -> File:
        if file.done or not file.below:
            return file
        return file._replace(label=None if plain(file.below[0]) in UNLABELLED else file.below[0])

    def _of_known_classes(self, files: list[File]) -> list[File]:
        """Leave test examples unlabelled where no class of the training examples is called so."""
        known = {file.label for file in files if file.split != "test" and file.label is not None}
        if len(known) < 2:
            return files
        spelling = {label.casefold(): label for label in known if label is not None}
        unknown: Counter[str] = Counter()
        done = []
        for file in files:
            label = file.label
            if file.split == "test" and label is not None and label not in known:
                label = spelling.get(label.casefold())
                unknown[str(file.label)] += label is None
            done.append(file._replace(label=label))
        if unlabelled := [name for name, count in unknown.items() if count]:
            self.layout.notes.append(
                f"{unknown.total():,} test files in {_some(unlabelled)} have no label: no class of the training "
                "examples is called so"
            )
        return done

    def _note_roles(self, files: list[File]) -> None:
        counts = Counter(file.label for file in files if file.label is not None)
        evidence = f"name of a folder, as for {counts.total():,} of {len(files):,} files"
        self.layout.roles += [Role(f"{name}/", "class", n, evidence) for name, n in counts.items()]
        inner = Counter(file.below[1] for file in files if file.label and not file.done and len(file.below) > 1)
        if len(counts) > 1 and len(inner) > 1 and inner.total() >= NEARLY_ALL * len(files):
            self.layout.notes.append(
                f"the folders below the classes ({_some(list(inner))}) are not used; --label-from '{{label}}/*' takes "
                "the innermost folder"
            )


def several_data_sets(path: str, names: Sequence[str]) -> SparringError:
    """Return an error that names the data sets of one source, and a word that only the first has."""
    common = set.intersection(*(set(name.split()) for name in names))
    part = " ".join(word for word in names[0].split() if word not in common) or names[0]
    return SparringError(
        f"{path or 'the source'} holds several data sets ({', '.join(names[:8])}): name one of them, as SOURCE or by "
        f"--part '{part}'"
    )


def _pop(file: File) -> File:
    return File(file.number, file.below[1:], file.stem, file.split, file.label, file.done)


def _subfolders(files: Iterable[File]) -> frozenset[str]:
    return frozenset(file.below[1] for file in files if len(file.below) > 1)


def _some(names: Sequence[str]) -> str:
    """Return the first few names."""
    return ", ".join(names[:MAX_NAMES]) + f" and {len(names) - MAX_NAMES:,} more" * (len(names) > MAX_NAMES)
