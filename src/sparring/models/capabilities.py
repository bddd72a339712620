"""What a model can do. Commands ask for a capability (`require`), never for a recipe's name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

from numpy.typing import NDArray
from torch import Tensor

from sparring.engine.data_spec import DataSpec
from sparring.engine.errors import UsageError
from sparring.models.answers import Answers, Intervals

C = TypeVar("C")


@runtime_checkable
class Model(Protocol):
    """What all saved models have."""

    @property
    def spec(self) -> DataSpec:
        """Spec of the data that the model was trained on."""
        ...

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Further fields of the model's JSON file: seed, data, version."""
        ...


@runtime_checkable
class Sampler(Model, Protocol):
    """A model that generates examples."""

    def label(self, name: str | int) -> Any:
        """Return the `label` of `samples` for the name of a class; raise UsageError on an unknown one."""
        ...

    def samples(self, n: int, seed: int = 0, label: Any = None) -> Iterator[NDArray[Any]]:
        """Yield `n` generated examples as stored rows `[B, ...]`, in batches; sample k depends on (seed, k, label)."""
        ...


@runtime_checkable
class Density(Model, Protocol):
    """A model that assigns a probability density to examples."""

    def log_density(self, x: Tensor, first: int = 0) -> Tensor:
        """Return log p(x) `[B]`, in nats, of network input `[B, *spec.shape]`; `first` is the first row's number."""
        ...


@runtime_checkable
class Predictor(Model, Protocol):
    """A model that assigns examples to classes."""

    def predict(self, rows: NDArray[Any] | Tensor) -> Answers:
        """Return a class, or "none of these", for each of the stored rows `[N, ...]`."""
        ...


@runtime_checkable
class IntervalPredictor(Model, Protocol):
    """A model that predicts numbers with calibrated intervals."""

    def predict_interval(self, rows: NDArray[Any] | Tensor) -> Intervals:
        """Return a number and an interval for each of the stored rows `[N, ...]`."""
        ...


@runtime_checkable
class Encoder(Model, Protocol):
    """A model that maps examples to feature vectors."""

    def encode(self, rows: NDArray[Any] | Tensor) -> Tensor:
        """Return features `[N, F]`, float32, of stored rows `[N, ...]`."""
        ...


@runtime_checkable
class Remembers(Model, Protocol):
    """A predictor that learns further examples and classes without gradient steps."""

    def remember(self, rows: NDArray[Any] | Tensor, label: Any) -> None:
        """Assign these rows to class `label` from now on; an unknown name becomes a class."""
        ...

    def forget(self, label: Any = None) -> None:
        """Undo `remember` for class `label`; None: for all."""
        ...


@runtime_checkable
class Obfuscates(Model, Protocol):
    """A model that replaces examples by others of the same kind, which do not reveal a group."""

    def obfuscate(self, rows: NDArray[Any] | Tensor, seed: int | None = None) -> NDArray[Any]:
        """Return stored rows in place of the rows `[N, ...]`; None as `seed` takes one from the operating system."""
        ...


class Ability(NamedTuple):
    """How a capability is named in messages."""

    verb: str
    command: str
    """Command that makes a model that has it."""


ABILITIES: dict[type, Ability] = {
    Sampler: Ability("generate samples", "sparring train SOURCE"),
    Density: Ability("compute densities", "sparring train SOURCE --recipe pixelcnn"),
    Predictor: Ability("predict classes", "sparring classify SOURCE"),
    IntervalPredictor: Ability("predict numbers", "sparring regress SOURCE"),
    Encoder: Ability("compute features", "sparring classify SOURCE"),
    Remembers: Ability("remember examples", "sparring classify SOURCE"),
    Obfuscates: Ability("replace examples", "sparring obfuscate SOURCE --protect COLUMN"),
}
"""Capabilities in the order in which files list them."""


def capabilities_of(model: object) -> list[str]:
    """Return the names of the capabilities that a model has."""
    return [capability.__name__ for capability in ABILITIES if isinstance(model, capability)]


def require(model: object, capability: type[C], name: str = "") -> C:
    """Return `model` if it has the capability; else raise UsageError, which calls it `name` and names a way out."""
    if isinstance(model, capability):
        return model
    raise lacking(name or f"this {type(model).__name__}", capabilities_of(model), capability)


def lacking(name: str, capabilities: Iterable[str], capability: type) -> UsageError:
    """Return the error of a model called `name` with these `capabilities`, which lacks `capability`."""
    known = {kind.__name__: ability.verb for kind, ability in ABILITIES.items()}
    verbs = [known.get(has, has) for has in capabilities]
    can = f"; it can {', '.join(verbs)}" if verbs else ""
    verb, command = ABILITIES[capability]
    return UsageError(f"{name} cannot {verb}{can}: `{command}` trains a model that can")
