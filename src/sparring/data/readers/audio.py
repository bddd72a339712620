"""Recordings in a folder or an archive: wav, flac, ogg and mp3, one word each, brought to one sampling rate."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from sparring.data.files.archive import Container, Skipped, Unreadable, suffix
from sparring.data.files.signatures import BY_SUFFIX
from sparring.data.fit_spec import fit_spec
from sparring.data.mmap_io import let_go
from sparring.data.reader_api import Example, RawDataset, ReadOptions, ReadResult
from sparring.data.roles.assign import assign
from sparring.data.roles.words import SPEAKER
from sparring.data.sounds.audio_io import Header, peak, read_header, read_wave
from sparring.data.sounds.loudness import QUIET, WIDE, full_scales
from sparring.engine.data_spec import PCM_LEVELS, AudioSpec, DataSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparring.data.reader_api import Rows

SOUND_SUFFIXES = frozenset(
    [".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"]
)
LONG = 4
"""Times the median length, from which the longest recording is named: all are padded to it."""
CANCELLED = "have channels that cancel each other: the loudest channel was taken"
CLIPPED = "pass full scale: they were clipped"
FAINT = "are nearly silent, with a peak below -60 dB: was the number type right?"
PROGRESS_EVERY = 64
"""Recordings between two reports of progress."""


@dataclass
class Recordings(RawDataset):
    """Sound files, one recording each; decoded one at a time, so that memory does not grow with their number."""

    container: Container
    items: list[Example]
    skipped: list[Skipped]
    notes: list[str] = field(default_factory=list)
    format: str = "sound files"
    unit: str = "recordings"
    drops_duplicates: bool = True
    roles: Sequence[tuple[str, str, int, str]] = ()
    groups: Sequence[str | None] | None = None
    _remarks: dict[str, list[str]] = field(default_factory=dict)
    """What is remarkable about the loudness of recordings -> their names."""

    def plan(self, options: ReadOptions, like: DataSpec | None) -> AudioSpec:
        """Choose the rate of most recordings (that of `like`, if given), and find the longest, by headers alone."""
        self._headers = [self._header(item.name) for item in self.items]
        headers = [header for header in self._headers if isinstance(header, Header)]
        self._rates = Counter(header.rate for header in headers)
        rate = (
            like.rate
            if isinstance(like, AudioSpec)
            else max(self._rates, key=lambda r: (self._rates[r], -r), default=1)
        )
        if others := sorted(set(self._rates) - {rate}):
            others_text = ", ".join(f"{self._rates[r]:,} of {r:,} Hz" for r in others)
            self.notes.append(f"recordings were resampled to {rate:,} Hz: {others_text}")
        self._like = like if isinstance(like, AudioSpec) else None
        self._least = like.length if isinstance(like, AudioSpec) else 1
        length = max((-(-header.frames * rate // header.rate) for header in headers), default=1)
        covered = self._like.covered if self._like else 0
        return AudioSpec(rate, max(length, self._least), covered=covered)

    def _header(self, name: str) -> Header | str:
        """Return the header of a file, or why it cannot be used."""
        try:
            return read_header(self.container, name)
        except Unreadable as error:
            return error.reason

    def ingest(self, rows: Rows, spec: DataSpec, on_progress: Callable[[int], None]) -> list[ReadResult]:
        """Decode each file into its row; the rest of the row stays silent."""
        assert isinstance(spec, AudioSpec)
        results: list[ReadResult] = []
        self._lengths = np.zeros(len(self.items), np.int64)
        self._scales = self._full_scales()
        for row, (item, header) in enumerate(zip(self.items, self._headers, strict=True)):
            results.append(self._ingest(item.name, header, rows, row, spec))
            if len(results) % PROGRESS_EVERY == 0:
                let_go(rows)
                on_progress(len(results))
        on_progress(len(results))
        return results

    def _ingest(self, name: str, header: Header | str, rows: Rows, row: int, spec: AudioSpec) -> ReadResult:
        if isinstance(header, str):
            return ReadResult(reason=header)
        try:
            read = read_wave(self.container, name, spec.rate, self._scales.get(row, 1.0))
        except Unreadable as error:
            return ReadResult(reason=error.reason)
        wave = read.samples[: spec.length]
        rows[row, : len(wave)] = wave
        self._lengths[row] = len(wave)
        loudest = int(np.abs(wave.astype(np.int32)).max(initial=0))
        for remark, holds in (
            (CANCELLED, read.cancelled),
            (CLIPPED, read.clipped),
            (FAINT, loudest < QUIET * PCM_LEVELS),
        ):
            if holds:
                self._remarks.setdefault(remark, []).append(name)
        return ReadResult(hashlib.blake2b(wave.tobytes(), digest_size=16).hexdigest())

    def _full_scales(self) -> dict[int, float]:
        """Return the full scale of each row that has another than 1; note it."""
        headers = {row: header for row, header in enumerate(self._headers) if isinstance(header, Header)}
        wide = {row: header.form for row, header in headers.items() if header.form in WIDE}
        peaks = {row: (form, peak(self.container, self.items[row].name)) for row, form in wide.items()}
        scales = full_scales(peaks, self._like.full_scale if self._like else None)
        for scale, count in Counter(scales.values()).items():
            form = (
                f"floats beyond 1, of which {scale:,.7g}"
                if scale > 1
                else f"numbers in their low bits, of which {scale:.3g}"
            )
            self.notes.append(f"{count:,} of {len(self.items):,} recordings hold {form} was taken for full scale")
        return scales

    def finish(self, spec: DataSpec, rows: Rows, used: NDArray[np.int64], train: NDArray[np.int64]) -> DataSpec:
        """Return the spec with the length of the longest recording in use, which may be shorter than planned."""
        assert isinstance(spec, AudioSpec)
        longest = int(self._lengths[used].max())
        median = float(np.median(self._lengths[used]))
        if longest > LONG * median:
            row = used[self._lengths[used].argmax()]
            name, seconds = self.items[row].name, longest / spec.rate
            self.notes.append(
                f"all recordings are padded to the longest, {seconds:.1f} s ({name}): half of them last at most "
                f"{median / spec.rate:.1f} s, so leaving it out saves most of disk, memory and time"
            )
        for remark, names in self._remarks.items():
            self.notes.append(f"{len(names):,} of {len(self.items):,} recordings {remark} (as {names[0]})")
        if self._least > 1 and longest > self._least:
            self.notes.append(
                f"recordings last up to {longest / spec.rate:.2f} s, those that the model was trained on "
                f"{self._least / spec.rate:.2f} s"
            )
        kept = next(iter(self._scales.values()), None)
        full_scale = self._like.full_scale if self._like else kept
        spec = replace(spec, length=max(longest, self._least), full_scale=full_scale)
        return fit_spec(spec, rows, used, train)

    def lengths(self) -> NDArray[np.int64]:
        """Return samples of each recording before the padding, `[N]`."""
        return self._lengths

    def forms(self) -> dict[str, int]:
        """Count the sampling rates that were found."""
        return {f"{rate:,} Hz": count for rate, count in self._rates.most_common()}


def read_audio(container: Container, options: ReadOptions) -> RawDataset | None:
    """Find the sound files of a container, with words and splits by folders, tables or names; None without any."""
    skipped = list(container.refused)
    names: list[str] = []
    others: dict[str, str] = {}
    for name in container.names:
        if suffix(name) in SOUND_SUFFIXES:
            names.append(name)
        else:
            what = BY_SUFFIX.get(suffix(name))
            others[name] = str(what) if what else f"is no sound that is read here ({suffix(name) or 'no suffix'})"
    if not names:
        return None
    arranged = assign(container, names, list(others), options, "recordings")
    skipped += [Skipped(name, reason) for name, reason in others.items() if name not in arranged.used]
    items, notes = _words_by_name(arranged.items) if options.label_from is None else (arranged.items, [])
    return Recordings(
        container, items, skipped + arranged.skipped, [*arranged.notes, *notes], roles=arranged.roles,
        groups=arranged.groups,
    )  # fmt: skip


def _words_by_name(items: list[Example]) -> tuple[list[Example], list[str]]:
    """Return recordings that have no word with that in their names, up to the first `_`; and a note.

    Names give none where most words would have one recording.
    """
    if any(item.label is not None for item in items):
        speakers = [name for name in {item.label for item in items} if name and SPEAKER.fullmatch(name)]
        return items, [
            f"the classes look like speakers ({speakers[0]}): --label-from takes words from names"
        ] if speakers else []
    stems = [item.name.rpartition("/")[2].rpartition(".")[0] for item in items]
    words = Counter(stem.partition("_")[0] for stem in stems if "_" in stem)
    if words.total() < len(items):
        return items, []
    if len(words) * 2 > len(items) > 3:
        return items, [
            f"the names hold {len(words):,} words of {len(items):,} recordings: they were not taken for classes"
        ]
    return [item._replace(label=stem.partition("_")[0]) for item, stem in zip(items, stems, strict=True)], []
