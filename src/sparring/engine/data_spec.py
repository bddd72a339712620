"""What a data set looks like to a network, one type per kind of data: image, audio, series, table, pair.

A spec is the only object that knows how stored rows become network input. Where a higher floor must treat kinds
differently, it dispatches on the spec's type (`functools.singledispatch`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from sparring.engine import series_code
from sparring.engine.pair_spec import PairSpec as PairSpec
from sparring.engine.series_code import ChannelCode
from sparring.engine.table_form import Column as Column
from sparring.engine.table_form import Dependence, FileColumn, column_from_json, rebuild, set_tuples

if TYPE_CHECKING:  # `sparring inspect` needs no torch
    import torch
    from torch import Tensor

PCM_LEVELS = 32768
"""Steps of a 16-bit sample between 0 and 1."""

ConditionStats = tuple[tuple[float, float], ...]
"""Mean and standard deviation over the training examples of each number of a vector label."""


@runtime_checkable
class DataSpec(Protocol):
    """What recipes, models and commands need to know about a data set."""

    kind: ClassVar[str]
    """`image`, `audio`, `series`, `table` or `pair`."""
    plural: ClassVar[str]
    """What several data of this kind are called in messages."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; label k means `classes[k]`."""
        ...

    @property
    def count(self) -> int:
        """Number of training examples."""
        ...

    @property
    def unlabelled(self) -> int:
        """Number of training examples without a label, where others have one."""
        ...

    @property
    def condition_stats(self) -> ConditionStats:
        """Mean and standard deviation of each number of a vector label; empty without vector labels."""
        ...

    @property
    def groups(self) -> tuple[str, ...] | None:
        """Names of the protected groups; group k means `groups[k]`. None: nothing is protected."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example as networks see it."""
        ...

    def encode(self, rows: NDArray[Any], device: torch.device | None = None) -> Tensor:
        """Convert stored rows `[B, ...]` to network input, float32 `[B, *shape]`."""
        ...

    def decode(self, x: Tensor) -> NDArray[Any]:
        """Convert network input `[B, *shape]` to stored rows: the inverse of `encode`, rounded to the stored dtype."""
        ...


@dataclass(frozen=True)
class ImageSpec:
    """Size and labels of a set of images; stored uint8 `[B, H, W, C]`."""

    kind: ClassVar[str] = "image"
    plural: ClassVar[str] = "images"

    height: int
    width: int
    channels: int
    classes: tuple[str, ...] = ()
    """Names of the classes; label k means `classes[k]`."""
    count: int = 0
    """Number of training images."""
    unlabelled: int = 0
    """Number of training images without a label, where others have one."""
    condition_stats: ConditionStats = ()
    """Mean and standard deviation of each number of a vector label; empty without vector labels."""
    mode: str = ""
    """Pillow's mode of the images (`L`, `RGB`, ...); new images are converted to it."""
    scaled: bool = False
    """True where images of other sizes were scaled to this one, as new images then are."""
    scale: tuple[float, float] | None = None
    """Values that became 0 and 255, where these were no plain bytes; numbers of new images are read so."""
    groups: tuple[str, ...] | None = None
    """Names of the protected groups; group k means `groups[k]`. None: nothing is protected."""

    def __post_init__(self) -> None:
        set_tuples(self)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        return self.channels, self.height, self.width

    def encode(self, rows: NDArray[Any], device: torch.device | None = None) -> Tensor:
        """Convert `[B, H, W, C]` to float32 `[B, C, H, W]` in [-1, 1], channels_last; float rows keep their values."""
        x = _to_tensor(rows, device).permute(0, 3, 1, 2)
        return x.float() / 127.5 - 1 if not x.is_floating_point() else x.float()

    def decode(self, x: Tensor) -> NDArray[np.uint8]:
        """Convert `[B, C, H, W]` in [-1, 1] to uint8 `[B, H, W, C]`; values outside are clipped."""
        from sparring.engine.image_io import to_uint8

        return to_uint8(x)


@dataclass(frozen=True)
class AudioSpec:
    """Sampling rate, length and labels of a set of recordings; stored int16 `[B, T]`, padded with silence."""

    kind: ClassVar[str] = "audio"
    plural: ClassVar[str] = "recordings"

    rate: int
    """Samples a second; new recordings are resampled to it."""
    length: int
    """Samples of the longest recording; shorter ones are padded."""
    classes: tuple[str, ...] = ()
    """Names of the classes; label k means `classes[k]`."""
    count: int = 0
    """Number of training recordings."""
    unlabelled: int = 0
    """Number of training recordings without a label, where others have one."""
    condition_stats: ConditionStats = ()
    """Mean and standard deviation of each number of a vector label; empty without vector labels."""
    full_scale: float | None = None
    """Value that became the loudest sample, where the files held no plain waveform; new recordings are read so."""
    groups: tuple[str, ...] | None = None
    """Names of the protected groups; group k means `groups[k]`. None: nothing is protected."""
    covered: int = 0
    """Samples within which 99 % of the training recordings end, the longest that are generated; 0: not known."""

    def __post_init__(self) -> None:
        set_tuples(self)

    @property
    def shape(self) -> tuple[int, int]:
        """One channel, length."""
        return 1, self.length

    def encode(self, rows: NDArray[Any], device: torch.device | None = None) -> Tensor:
        """Convert int16 `[B, T]` to float32 `[B, 1, T]` in [-1, 1)."""
        return _to_tensor(rows, device).float().unsqueeze(1) / PCM_LEVELS

    def decode(self, x: Tensor) -> NDArray[np.int16]:
        """Convert `[B, 1, T]` in [-1, 1] to int16 `[B, T]`; values outside are clipped."""
        scaled = (x.detach().float() * PCM_LEVELS).round().clamp(-PCM_LEVELS, PCM_LEVELS - 1)
        array: NDArray[np.int16] = scaled.short().squeeze(1).cpu().numpy()
        return array


@dataclass(frozen=True)
class SeriesSpec:
    """Channels, length and labels of a set of series; stored float32 `[B, C, T]` in the units of the source."""

    kind: ClassVar[str] = "series"
    plural: ClassVar[str] = "series"

    channels: tuple[str, ...]
    """Names of the channels."""
    length: int
    """Steps of each series."""
    mean: tuple[float, ...] = ()
    """Mean of each channel over the training series; empty before any were read."""
    std: tuple[float, ...] = ()
    """Standard deviation of each channel over the training series; 1 for a constant channel."""
    classes: tuple[str, ...] = ()
    """Names of the classes; label k means `classes[k]`."""
    count: int = 0
    """Number of training series."""
    unlabelled: int = 0
    """Number of training series without a label, where others have one."""
    condition_stats: ConditionStats = ()
    """Mean and standard deviation of each number of a vector label; empty without vector labels."""
    groups: tuple[str, ...] | None = None
    """Names of the protected groups; group k means `groups[k]`. None: nothing is protected."""
    code: str | None = None
    """Requested code of a generator (`engine/series_code.py`); None: channels are standardised."""
    codes: tuple[ChannelCode, ...] | None = None
    """Code of each channel, fitted to the training series; None: channels are standardised."""

    def __post_init__(self) -> None:
        set_tuples(self)

    @property
    def shape(self) -> tuple[int, int]:
        """Channels, length."""
        return len(self.channels), self.length

    def encode(self, rows: NDArray[Any], device: torch.device | None = None) -> Tensor:
        """Convert `[B, C, T]` to float32 of the same shape, each channel coded or standardised."""
        x = _to_tensor(rows, device).float()
        if self.codes:
            return series_code.encode(self.codes, x)
        mean, std = self._statistics(x)
        return (x - mean) / std

    def decode(self, x: Tensor) -> NDArray[np.float32]:
        """Convert coded or standardised `[B, C, T]` to float32 in the units of the source."""
        if self.codes:
            coded: NDArray[np.float32] = series_code.decode(self.codes, x.detach()).cpu().numpy()
            return coded
        mean, std = self._statistics(x)
        array: NDArray[np.float32] = (x.detach().float() * std + mean).cpu().numpy()
        return array

    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation `[C, 1]` as `x` is; those that change nothing where none are known."""
        mean, std = self.mean or (0.0,), self.std or (1.0,)
        return x.new_tensor(mean).float()[:, None], x.new_tensor(std).float()[:, None]


@dataclass(frozen=True)
class TableSpec:
    """Columns and labels of a table; stored float32 `[B, F]` in the file's units, categories one-hot."""

    kind: ClassVar[str] = "table"
    plural: ClassVar[str] = "tables"

    columns: tuple[Column, ...]
    target: str
    """Name of the column that holds the class; empty where there is none."""
    classes: tuple[str, ...] = ()
    """Names of the classes; label k means `classes[k]`."""
    count: int = 0
    """Number of training rows."""
    unlabelled: int = 0
    """Number of training rows without a label, where others have one."""
    condition_stats: ConditionStats = ()
    """Mean and standard deviation of each number of a vector label; empty without vector labels."""
    left_out: tuple[str, ...] = ()
    """Names of the other columns, which are not used."""
    groups: tuple[str, ...] | None = None
    """Names of the protected groups; group k means `groups[k]`. None: nothing is protected."""
    written: tuple[FileColumn, ...] = ()
    """All columns of the file, of a table that was read whole: with gaps (NaN), and its class among the columns."""
    dependences: tuple[Dependence, ...] = ()
    """Columns that follow from others."""

    def __post_init__(self) -> None:
        set_tuples(self)

    @property
    def is_wide(self) -> bool:
        """True of numbers alone in more columns than there are training rows, such as arrays of genes."""
        return 0 < self.count < len(self.columns) and not any(column.categories for column in self.columns)

    @property
    def is_whole(self) -> bool:
        """True where the table was read whole, as generators take it."""
        return bool(self.written)

    @property
    def learnt(self) -> tuple[int, ...]:
        """Positions among the columns of those that follow from no other."""
        rebuilt = {dependence.column for dependence in self.dependences}
        return tuple(k for k, column in enumerate(self.columns) if column.name not in rebuilt)

    @property
    def shape(self) -> tuple[int]:
        """Numbers in a row: one for a numeric column, one a category for others."""
        return (sum(len(column.indices) for column in self.columns),)

    def encode(self, rows: NDArray[Any], device: torch.device | None = None) -> Tensor:
        """Convert `[B, F]` to float32 of the same values: networks standardise for themselves."""
        return _to_tensor(rows, device).float()

    def decode(self, x: Tensor) -> NDArray[np.float32]:
        """Convert `[B, F]` to plausible float32 rows: integers rounded, likeliest categories, dependences rebuilt."""
        array: NDArray[np.float32] = x.detach().float().cpu().numpy().copy()
        for column in self.columns:
            indices = list(column.indices)
            if column.categories:
                array[:, indices] = np.eye(len(indices), dtype=np.float32)[array[:, indices].argmax(1)]
            elif column.is_integer:
                array[:, indices] = np.round(array[:, indices])
        columns = {column.name: column for column in self.columns}
        for dependence in self.dependences:
            rebuild(array, columns[dependence.source], columns[dependence.column], dependence)
        return array

    def to_dict(self, row: NDArray[Any]) -> dict[str, str | float]:
        """Name -> value of one row `[F]`, as the file has them."""
        return {
            c.name: c.categories[int(row[list(c.indices)].argmax())] if c.categories else float(row[c.indices[0]])
            for c in self.columns
        }

    def differs(self, x: Tensor, other: Tensor) -> Tensor:
        """Return which columns of the file differ between `[B, F]` and `[B, F]`, bool `[B, columns]`."""
        import torch

        return torch.stack([(x != other)[:, list(c.indices)].any(1) for c in self.columns], 1)


KINDS: dict[str, type[ImageSpec | AudioSpec | SeriesSpec | TableSpec | PairSpec]] = {
    spec.kind: spec for spec in (ImageSpec, AudioSpec, SeriesSpec, TableSpec, PairSpec)
}
"""Name of a kind of data -> its spec."""


def kinds_of(kind: str) -> list[str]:
    """Return a kind and those that its spec derives from: what serves one of these serves it as well."""
    return [vars(base)["kind"] for base in KINDS[kind].__mro__ if "kind" in vars(base)]


def spec_to_json(spec: DataSpec) -> dict[str, Any]:
    """Describe a spec by `kind` and its fields, as JSON holds them; a field that is None is left out."""
    fields: dict[str, Any] = json.loads(json.dumps(asdict(spec)))  # type: ignore[call-overload]
    if isinstance(spec, PairSpec):
        fields["halves"] = [spec_to_json(half) for half in spec.halves]
    return {"kind": spec.kind, **_without_none(fields)}


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_none(item) for name, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list) else value


def spec_from_json(fields: Mapping[str, Any]) -> DataSpec:
    """Return the spec that `spec_to_json` described; without `kind` it is an image's.

    Raises KeyError for an unknown kind, TypeError or ValueError for fields that do not fit.
    """
    arguments = dict(fields)
    spec = KINDS[arguments.pop("kind", "image")]
    if issubclass(spec, TableSpec):
        arguments["columns"] = tuple(column_from_json(column) for column in arguments["columns"])
        arguments["written"] = tuple(FileColumn(**column) for column in arguments.get("written", ()))
        dependences = arguments.get("dependences", ())
        arguments["dependences"] = tuple(Dependence(**{**d, "values": tuple(d["values"])}) for d in dependences)
    if issubclass(spec, SeriesSpec) and arguments.get("codes"):
        arguments["codes"] = tuple(ChannelCode(**code) for code in arguments["codes"])
    if issubclass(spec, PairSpec):
        arguments["halves"] = tuple(map(spec_from_json, arguments["halves"]))
    return spec(**arguments)


def _to_tensor(rows: NDArray[Any], device: torch.device | None) -> Tensor:
    """Share the memory of `rows`, or copy it to `device`."""
    import torch

    x = torch.from_numpy(rows)
    return x if device is None else x.to(device)
