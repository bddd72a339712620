"""`sparring sample`: examples out of a trained run, as files."""

from __future__ import annotations

import copy
import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import singledispatch
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from sparring.commands.predict import open_like
from sparring.commands.reporting.progress import Progress
from sparring.commands.restoring.picture import read_mask
from sparring.commands.sampling.conditions import Condition, parse_condition, parse_conditions, with_conditions
from sparring.commands.sampling.folder import words_of, write_folder, write_new
from sparring.commands.sampling.formats import FORMATS, csv_of, formats_of, npz_of
from sparring.commands.sampling.impute import impute
from sparring.data.open import guess_kind, open_source
from sparring.data.reader_api import ReadOptions
from sparring.engine.data_spec import DataSpec, ImageSpec, PairSpec, TableSpec
from sparring.engine.errors import UsageError
from sparring.engine.image_io import grid, png
from sparring.engine.seeds import check_seed
from sparring.models.capabilities import Sampler
from sparring.models.completion import WHO_COMPLETES, Fills, complete
from sparring.models.density import DensityModel
from sparring.models.generator import GeneratorModel
from sparring.models.given_half import HalfInference
from sparring.models.hub import results_folder
from sparring.models.load import load_capable
from sparring.report.format import csv_text
from sparring.report.pictures import MAX_CLASS_COLUMNS, picture, picture_by_class

MOST_IN_GRID = 4096
MAX_STEPS = 10_000_000
MAX_LISTED = 10
"""Most fills whose log-probabilities are printed."""


@dataclass(frozen=True)
class Completion:
    """Fills of a given picture."""

    path: Path
    log_probabilities: list[float]
    """log P(hole | known) of each fill, in nats."""
    exact: bool
    """True where these are exact; else they are estimates."""
    notes: tuple[str, ...]


def sample(
    run: str | Path,
    n: int = 64,
    *,
    out: str | Path | None = None,
    seed: int = 0,
    label: str | int | None = None,
    checkpoint: str | int | None = None,
    truncation: float | None = None,
    given: str | Path | None = None,
    mask: str | Path | None = None,
    steps: int | None = None,
    constraint: Sequence[str] = (),
    generator: nn.Module | None = None,
) -> Path | Completion:
    """Write `n` samples of `run`: a grid (`*.png`), an array (`*.npz`, `arr_0` uint8 NHWC), or a folder of PNGs.

    Rows of a table become a `.csv`; series one in long form, with a line for each step of each window. A column holds
    the class, where samples have one. `steps` is the length of series, which may be longer than those of the training.
    Recordings become a folder of wav files, named WORD_NUMBER.wav where they have words, and pairs a folder with one
    for each half, whose files have the same names. A `*.png` holds plots of series, spectrograms of recordings, and the
    grids of both halves of pairs.

    Sample k depends on (`seed`, k) alone. `label` asks for one class by name; `checkpoint` ("best", "last" or its
    image) for the weights of then. `truncation` T cuts the noise off at -T and T, where the recipe was made for it
    (BigGAN): 2 keeps almost all variety, 0.5 gives more typical and fewer kinds of pictures. Returns the path written;
    without `out` that is `samples-<seed>.png` in the run's folder, with `-label-<class>`, `-<checkpoint>` and
    `-truncation-<T>` where given. No other samples are overwritten: `-2`, `-3` and so on are added to the name.

    A density model completes the picture `given` where `mask`, of the same size, is black: `n` fills, each with its
    log-probability. A table takes conditions, `given="sex=Female,age=40"`, and bounds that every row meets,
    `constraint=["hours <= 99"]`; `label` is then a word of the column of the class. Where `given` is a table file, its
    gaps are filled. Of pairs `given` is a file of one half, to which the other is generated.
    """
    if n < 1:
        raise UsageError(f"-n must be 1 or more, not {n}")
    check_seed(seed)
    model = load_capable(run, Sampler, net=generator, checkpoint=checkpoint, truncation=truncation)
    if steps is not None:
        model = lengthened(model, steps)
    if isinstance(model.spec, TableSpec) and given is not None and Path(given).is_file():
        return _impute(model, Path(given), out, seed)
    requested = Conditions(given, tuple(constraint), label)
    model, label, given = conditioned(model.spec, model, requested)
    noise = truncation and f"{truncation:g}"
    settings = requested.named() | _set(checkpoint=checkpoint, truncation=noise, steps=steps)
    out = _place(model.spec, results_folder(run), out, n, ["samples", str(seed), *map(_name_part, settings.items())])
    selected = model.label(label) if label is not None else None
    described = (f"{name} {value}" for name, value in settings.items())
    about = ", ".join([f"run {results_folder(run).resolve().name}, seed {seed}", *described])
    if (given, mask) != (None, None):
        filled = _fills(model, given, mask, n, seed, label)
        path = _write(model.spec, iter([filled.rows]), itertools.repeat(""), out, about, grid)
        return Completion(path, filled.log_probabilities, filled.exact, filled.notes)
    samples, words = model.samples(n, seed, selected), words_of(model, n, seed, selected)
    return _write(model.spec, samples, words, out, about, lambda rows: _grid(model, rows, seed, label))


def _place(spec: DataSpec, run: Path, out: str | Path | None, n: int, name: Sequence[str]) -> Path:
    """Return where samples are written: `out`, else the joined `name` in the run's folder, in the default format.

    Raises UsageError for a format that does not hold `n` samples of this kind.
    """
    suffixes = formats_of(spec)
    path = Path(out) if out is not None else run / f"{'-'.join(name)}{suffixes[0]}"
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        formats = ", ".join(FORMATS[name] for name in suffixes)
        raise UsageError(f"--out {path}: samples of {spec.plural} are written as {formats}")
    if suffix == ".png" and n > MOST_IN_GRID:
        raise UsageError(f"a grid holds up to {MOST_IN_GRID} samples, not {n}: give --out a folder or a .npz")
    return path


def _impute(model: Any, source: Path, out: str | Path | None, seed: int) -> Path:
    """Write a table with its gaps filled; return the path."""
    header, cells, count = impute(model, source, seed)
    Progress().info(f"note: {count:,} gaps of {len(cells):,} rows were filled, each by one draw; -n has no effect")
    path = Path(out) if out is not None else source.with_name(f"{source.stem}-filled.csv")
    return write_new(path, csv_text(header, cells).encode())


class Conditions(NamedTuple):
    """What samples of a table have to meet."""

    given: str | Path | None
    constraint: tuple[str, ...]
    label: str | int | None

    def named(self) -> dict[str, object]:
        """Return the conditions that are set, by name."""
        given = self.given and Path(self.given).stem
        return _set(given=given, label=self.label, constraint=",".join(self.constraint) or None)


def _set(**settings: object) -> dict[str, object]:
    """Return the settings that are not None."""
    return {name: value for name, value in settings.items() if value is not None}


@singledispatch
def conditioned(spec: DataSpec, model: Any, requested: Conditions) -> tuple[Any, str | int | None, str | Path | None]:
    """Return the model of the samples that meet conditions, and the label and the given picture that are left."""
    if requested.constraint:
        raise UsageError(f"--constraint is for tables, and samples are {spec.plural}: leave it out")
    return model, requested.label, requested.given


@conditioned.register
def _(spec: TableSpec, model: Any, requested: Conditions) -> tuple[Any, str | int | None, str | Path | None]:
    """Return a table's model given its conditions; one that was not read whole keeps its label."""
    conditions = parse_conditions(str(requested.given), spec, "--given") if requested.given is not None else []
    conditions += [parse_condition(text, spec, "--constraint") for text in requested.constraint]
    label = requested.label
    if label is not None and spec.is_whole:
        if not spec.target:
            raise UsageError(f"--label {label}: the run has no column of the class: --given COLUMN={label} names one")
        conditions, label = [*conditions, Condition(spec.target, "=", str(label))], None
    if conditions:
        model = with_conditions(model, conditions, "--given" if requested.given else "--constraint")
    return model, label, None


@conditioned.register
def _(spec: PairSpec, model: Any, requested: Conditions) -> tuple[Any, str | int | None, str | Path | None]:
    """Return the generator of pairs whose one half is the given file."""
    if requested.given is None:
        return conditioned.dispatch(object)(spec, model, requested)
    if requested.label is not None:
        raise UsageError(f"--label {requested.label}: the class follows from --given, leave one of them out")
    kind = guess_kind(requested.given)
    half = next((k for k, each in enumerate(spec.halves) if each.kind == kind), None)
    if half is None:
        kinds = " and ".join(each.plural for each in spec.halves)
        raise UsageError(f"--given {requested.given} holds {kind} data, the pairs are of {kinds}: give one of these")
    options = ReadOptions(resize=kind == ImageSpec.kind)
    data = open_source(requested.given, options, like=spec.halves[half], keep_duplicates=True).split(None)
    if len(data) != 1:
        raise UsageError(f"--given {requested.given} holds {len(data)} {data.report.unit}: give one")
    return HalfInference.fit(model, half).of(data[np.arange(1)]), None, None


def lengthened(model: Any, steps: int) -> Any:
    """Return a generator of series of this many steps; raise UsageError where it has one length alone."""
    if not isinstance(model, GeneratorModel) or not hasattr(model.generator, "length"):
        raise UsageError(f"--steps is for generators of series, this one generates {model.spec.plural}: leave it out")
    if not 1 <= steps <= MAX_STEPS:
        raise UsageError(f"--steps must be from 1 to {MAX_STEPS:,}, not {steps:,}")
    generator = copy.deepcopy(model.generator)
    generator.length = steps  # type: ignore[assignment]
    return replace(model, generator=generator, spec=replace(model.spec, length=steps))


def _write(
    spec: Any,
    samples: Iterator[NDArray[Any]],
    words: Iterable[str],
    out: Path,
    about: str,
    draw: Callable[[NDArray[Any]], Image.Image],
) -> Path:
    """Write samples, of the classes `words`, in the format of `out`; return the path."""
    suffix = out.suffix.lower()
    if not suffix:
        return write_folder(spec, samples, words, out, about)
    rows = np.concatenate(list(samples))
    if suffix == ".csv":
        return write_new(out, csv_of(spec, rows, words).encode())
    return write_new(out, npz_of(rows) if suffix == ".npz" else png(draw(rows), about))


def _fills(
    model: Any, given: str | Path | None, mask: str | Path | None, n: int, seed: int, label: str | int | None
) -> Fills:
    """Return fills of a given picture; raise UsageError where model, picture and mask do not fit each other."""
    if given is None or mask is None:
        raise UsageError("--given PICTURE and --mask MASK belong together: the mask is black where to fill")
    if not isinstance(model, DensityModel) or not isinstance(model.spec, ImageSpec):
        raise UsageError(f"{model.recipe.name} cannot complete a given picture: {WHO_COMPLETES}")
    data = open_like(model, given)
    if len(data) != 1:
        raise UsageError(f"--given {given} holds {len(data)} pictures: give one")
    scaled = f"{given}, scaled as the training images were," if model.spec.scaled else given
    known, notes = read_mask(Path(mask), scaled, (model.spec.height, model.spec.width))
    fills = complete(model, data[np.arange(1)], known, n, seed, None if label is None else model.label(label))
    return replace(fills, notes=(*data.notes, *notes, *fills.notes))


def _name_part(setting: tuple[str, object]) -> str:
    """Return what a setting adds to the name of a file: `label-7`; a checkpoint only its value."""
    name, value = setting
    text = re.sub(r"[^\w.,+-]+", "_", str(value))
    return text if name == "checkpoint" else f"{name}-{text}"


def _grid(model: Any, rows: NDArray[Any], seed: int, label: str | int | None) -> Image.Image:
    """Return a grid of samples; where they are of several classes, one column for each, in the order of the samples."""
    classes = model.label_names if model.conditional and not model.vectors else ()
    if label is not None or not 1 < len(classes) <= MAX_CLASS_COLUMNS:
        shown = picture(model.spec, rows, math.ceil(len(rows) ** 0.5))
    else:
        shown = picture_by_class(model.spec, rows, model.draw_inputs(range(len(rows)), seed)[1].numpy(), classes)
    assert shown is not None  # formats_of offers no picture of kinds without one
    return shown


def to_text(result: Path | Completion) -> str:
    """Return the lines that the command prints."""
    if isinstance(result, Path):
        return f"samples: {result}"
    best = sorted(range(len(result.log_probabilities)), key=lambda k: -result.log_probabilities[k])[:MAX_LISTED]
    how = "log P(hole | known)" if result.exact else "log P(hole | known), an estimate"
    lines = [f"fills: {result.path}", f"{how}, in nats, of the likeliest:"]
    lines += [f"  fill {k:4}  {result.log_probabilities[k]:.2f}" for k in best]
    return "\n".join([*lines, *(f"note: {note}" for note in result.notes)])
