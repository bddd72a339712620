"""Open a source of any kind as a `Dataset`: built once, kept in the cache; the second open takes no time."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path

from filelock import FileLock, Timeout

from sparring.data.build import READING, VERSION, Request, build_cache
from sparring.data.dataset import Dataset, SourceReport
from sparring.data.files.archive import CACHE_TAG, Container, Folder
from sparring.data.files.archive_set import ContainerPart, open_archives
from sparring.data.files.gzip_io import is_packed_tar, unpacked
from sparring.data.files.name_encoding import decoded
from sparring.data.files.packed import open_container
from sparring.data.guess import kind_of
from sparring.data.pairs import VERSION as PAIRING
from sparring.data.pairs import options_of_halves, write_pairs
from sparring.data.reader_api import RawDataset, ReadOptions
from sparring.data.readers import READERS
from sparring.data.readers.table import TableFile, open_tables, row_name
from sparring.data.registry import DIGITS, STACKED
from sparring.data.resolve import cache_folder, find, find_digits, local, locate
from sparring.engine.atomic_io import explain_os_errors, remove, write
from sparring.engine.data_spec import KINDS, DataSpec, PairSpec, TableSpec, spec_to_json
from sparring.engine.errors import SparringError, UsageError


def open_source(
    source: str | Path,
    options: ReadOptions | None = None,
    *,
    like: DataSpec | None = None,
    keep_duplicates: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Dataset:
    """Open SOURCE: a folder, an archive, a file, a URL or a known name, of images, recordings, tables or series.

    What `options` leave open is chosen by what the source holds. `like` reads new data as a model's training data were:
    size and mode, sampling rate, columns and categories. Equal files count once, unless `keep_duplicates`: samples are
    what they are. `on_progress(done, total)` follows the building of the cache. Raises UsageError for options that do
    not fit, SparringError where nothing is usable; both say what was found.
    """
    options = options or ReadOptions()
    if options.kind not in (None, *READERS):
        raise UsageError(f"unknown kind '{options.kind}': one of {', '.join(READERS)}")
    if options.pair_with is not None:
        return _open_pairs(source, options, keep_duplicates, on_progress)
    if options.by is not None:
        raise UsageError(f"--by {options.by} is for pairs: --with SOURCE names the other half")
    if isinstance(like, TableSpec) and like.is_whole:
        options = replace(options, whole=True)
    if like is not None and (options.size or options.mode):
        raise UsageError("--size and --mode are those of the model: --resize brings images to them")
    cache = cache_folder()
    digits = str(source) == DIGITS and local(DIGITS) is None
    path, notes = (Path(DIGITS), []) if digits else locate(source)
    key = DIGITS if digits else Folder(path).key()  # an archive counts as one file, until there is need to look into it
    described = spec_to_json(like) if like else None
    cache_key = json.dumps([VERSION, READING, str(source), key, asdict(options), described, keep_duplicates])

    def build(building: Path) -> SourceReport:
        raw, kind, evidence = _read(str(source), path, options, like, building, digits)
        request = Request(str(source), kind, evidence, options, like, not keep_duplicates, notes)
        report = build_cache(raw, request, building, on_progress)
        remove(building / "unpacked.tar")
        return report

    return _cached(cache, cache_key, build)


def _open_pairs(
    source: str | Path, options: ReadOptions, keep_duplicates: bool, on_progress: Callable[[int, int], None]
) -> Dataset:
    """Open two sources, and join them."""
    sources = source, str(options.pair_with)
    if options.stream:
        raise UsageError("--stream is for one source, and pairs have two: leave it out")
    kinds = [guess_kind(half, replace(options, pair_with=None)) for half in sources]
    first, second = (
        open_source(half, own, keep_duplicates=keep_duplicates, on_progress=on_progress)
        for half, own in zip(sources, options_of_halves(options, kinds), strict=True)
    )
    halves = [[data.fingerprint, data.report.source, data.report.notes] for data in (first, second)]
    cache_key = json.dumps([PAIRING, options.by, halves])
    return _cached(cache_folder(), cache_key, lambda folder: write_pairs(first, second, options.by, folder))


def _cached(cache: Path, cache_key: str, build: Callable[[Path], SourceReport]) -> Dataset:
    """Return the data set of this key, which `build` writes into a folder where it is not there yet."""
    index = cache / "index" / f"{hashlib.blake2b(cache_key.encode(), digest_size=16).hexdigest()}.json"
    if data := _opened(cache, index):
        return data
    with _explaining(cache):
        (cache / "data").mkdir(parents=True, exist_ok=True)
        if not (cache / CACHE_TAG).exists():  # a source that holds this folder does not read it
            write(cache / CACHE_TAG, "Signature: 8a477f597d28d172789f06886806bc55\n")
        _sweep(cache / "data")
        building = cache / "data" / f".building-{uuid.uuid4().hex[:8]}"
        lock = FileLock(f"{building}.lock")
        lock.acquire()
        building.mkdir()
    try:
        report = build(building)
        _keep(building, cache / "data" / report.folder_name, report)
    finally:
        remove(building)
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
    with _explaining(cache):
        write(index, json.dumps(asdict(report)))
    return Dataset(cache / "data" / report.folder_name, report)


def guess_kind(source: str | Path, options: ReadOptions | None = None, like: DataSpec | None = None) -> str:
    """Return the kind of data in SOURCE, by names and first bytes; a packed tar file is opened as a whole.

    `like`: the kind of what does not tell its own.
    """
    options = options or ReadOptions()
    if options.pair_with is not None:
        return PairSpec.kind
    if options.kind is not None or str(source) in (DIGITS, STACKED):
        return options.kind or "image"
    path, _ = locate(source)
    if is_packed_tar(path):
        return str(open_source(source, options).spec.kind)
    return kind_of(_open(path, options), options, like)[0]


def open_rows(source: str | Path, options: ReadOptions) -> tuple[list[str], list[list[str]]]:
    """Return the header and the cells of the training rows of a table; rows of another length are left out.

    Nothing is guessed from the rows but delimiter and header, and nothing is kept in the cache. Raises UsageError
    where SOURCE is no table.
    """
    files = _open_tables(source, options)
    used = [file for file in files if file.split == "train"] or files
    header = used[0].header
    return header, [cells for file in used for _, cells in file.rows() if len(cells) == len(header)]


def open_cells(source: str | Path, options: ReadOptions) -> tuple[list[str], dict[str, list[str]]] | None:
    """Return the header of a table and the cells of each row by the row's name, as `Dataset.names` has it.

    None where the rows are not those of text or parquet files that lie open: arrays, or a compressed tar.
    """
    if is_packed_tar(locate(source)[0]):
        return None
    try:
        files = _open_tables(source, options)
    except SparringError:
        return None
    rows = {row_name(file, line, len(files)): cells for file in files for line, cells in file.rows()}
    return files[0].header, rows


def open_files(source: str | Path, options: ReadOptions) -> Container | None:
    """Return the files of SOURCE; None where it is no container of files, such as `digits` or a compressed tar."""
    if str(source) in (DIGITS, STACKED) and local(str(source)) is None:
        return None
    path, _ = locate(source)
    return None if is_packed_tar(path) else _open(path, options)


def _open_tables(source: str | Path, options: ReadOptions) -> list[TableFile]:
    path, _ = locate(source)
    container = _open(path, options)
    _checked(*kind_of(container, options, None), options, None, str(source))
    return open_tables(container, options, [])[0]


def _read(
    source: str, path: Path, options: ReadOptions, like: DataSpec | None, building: Path, digits: bool
) -> tuple[RawDataset, str, str]:
    """Return what the reader of the kind finds, the kind, and the evidence for it."""
    if digits:
        return find_digits(), *_checked("image", "a known data set", options, like, source)
    if is_packed_tar(path):
        path = unpacked(path, building / "unpacked.tar")
    container = _open(path, options)
    if source == STACKED and local(source) is None:
        kind, evidence = "image", "a known data set"
    else:
        kind, evidence = kind_of(container, options, like)
    _checked(kind, evidence, options, like, source)
    raw = find(container, source, kind, options)
    raw.notes += getattr(container, "notes", [])
    return raw, kind, evidence


def _open(path: Path, options: ReadOptions) -> Container:
    """Return the container at a path, or the part of it that is named; several archives in a folder are one."""
    container = decoded(open_archives(open_container(path)), options.name_encoding)
    return container if options.part is None else ContainerPart(container, options.part)


def _checked(
    kind: str, evidence: str, options: ReadOptions, like: DataSpec | None, source: str
) -> tuple[str, str]:  # fmt: skip
    """Return kind and evidence; raise UsageError where options or the model are of another kind."""
    options.check(kind, evidence)
    if like is not None and like.kind != kind:
        raise UsageError(
            f"{source} holds {KINDS[kind].plural} ({evidence}), the model was trained on {like.plural}: "
            f"give {like.plural}, or a model of {KINDS[kind].plural}"
        )
    return kind, evidence


def _opened(cache: Path, index: Path) -> Dataset | None:
    """Return what an earlier open built; None where nothing did, or where it is damaged."""
    try:
        report = SourceReport(**json.loads(index.read_text(encoding="utf-8")))
        return Dataset(cache / "data" / report.folder_name, report)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, EOFError):
        return None


@contextmanager
def _explaining(cache: Path) -> Iterator[None]:
    """Name the cache, and the way out, where it cannot be written."""
    try:
        with explain_os_errors(cache):
            yield
    except SparringError as error:
        raise SparringError(f"{error} for the cache of decoded data: set SPARRING_CACHE to a folder") from error


def _keep(building: Path, final: Path, report: SourceReport) -> None:
    """Give the finished cache its name, unless another process was faster with the same content."""
    with explain_os_errors(final):
        try:
            os.rename(building, final)
        except OSError:
            try:
                Dataset(final, report)
            except (OSError, ValueError, KeyError, TypeError, EOFError):  # damaged: ours takes its place
                remove(final)
                os.rename(building, final)


def _sweep(folder: Path) -> None:
    """Remove what killed builds left behind: a living process holds the lock of what it builds."""
    for left in folder.glob(".building-*.lock"):
        with suppress(Timeout, OSError), FileLock(left, blocking=False):
            remove(left.with_suffix(""))
            left.unlink(missing_ok=True)


open = open_source
"""`sparring.open`."""
