"""`FewLabelClassifier`: few labels in scikit-learn's way, with arrays, folders or opened images, and no run folder."""

from __future__ import annotations

import copy
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparring.commands.predict import answer_all, open_like
from sparring.commands.training.calibrate import calibrated, calibration_subset
from sparring.commands.training.callbacks import averaged
from sparring.commands.training.labels import classifier_loader
from sparring.commands.training.plan import Plan
from sparring.commands.training.request import check_budget
from sparring.commands.training.run_settings import requested_recipe
from sparring.commands.training.session import model_metadata
from sparring.data.dataset import Dataset
from sparring.data.in_memory import IndexedDataset, InMemoryDataset, Scale
from sparring.data.open import open_source
from sparring.data.roles.words import is_nothing
from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.loop import System, play
from sparring.models.answers import Answers
from sparring.nets.feature_head import split_head, try_forward
from sparring.nets.tabular_mlp import TabularClassifier, TabularGenerator
from sparring.recipes.classifier_recipe import ClassifierRecipe, build_system

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.exceptions import NotFittedError
    from sklearn.metrics import accuracy_score
    from sklearn.utils import check_random_state, column_or_1d
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import assert_all_finite, check_is_fitted, validate_data
except ImportError as missing:
    raise SparringError("FewLabelClassifier needs scikit-learn: pip install 'sparring[demo]'") from missing

IMAGES = 100_000
"""Images, or rows, that are trained on where neither images nor minutes are given."""
UNLABELLED = (None, "", -1, "-1")
CPU = torch.device("cpu")
Net = nn.Module | Callable[[ImageSpec], nn.Module]
"""A custom network, or a function that makes one for data of this size and these classes."""


class BadInput(UsageError, ValueError):
    """What was given to an estimator cannot be used: a ValueError, as scikit-learn's callers expect."""


@contextmanager
def _bad_input() -> Iterator[None]:
    """Make BadInput of what was wrong with a call, by our checks or scikit-learn's."""
    try:
        yield
    except (NotFittedError, BadInput):
        raise
    except (UsageError, ValueError) as error:
        raise BadInput(str(error)) from error


class FewLabelClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Learns classes from a few labelled examples and many unlabelled ones, by the recipes of `sparring classify`.

    X is an array of images (`[N, H, W]` or `[N, H, W, C]`; bytes, or numbers of any range), a table `[N, F]`, whose
    columns are standardised, a path (folder, archive, known name) or `Dataset`. `y` holds a label for each, and -1 (or
    None, or "") for none; of a path or `Dataset` it may be left out: their own labels count then. Of 1,000 labels or
    more a twentieth is not learnt from, but sets the probabilities (`commands.training.calibrate.calibration_subset`).
    What is trained is `classifier_`, a `models.classifier.Classifier`; `classes_` are its classes, sorted. Bad input is
    a `ValueError`.
    """

    def __init__(
        self,
        recipe: ClassifierRecipe | str | None = None,
        *,
        images: int | None = None,
        minutes: float | None = None,
        classifier: Net | None = None,
        generator: Net | None = None,
        random_state: int | np.random.RandomState | None = None,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        """Nothing is checked or trained before `fit`.

        `recipe` is "consistent" (the default), "improved", or a recipe with custom settings. Training ends after
        `images` images or rows (100,000 if nothing is said), or after about `minutes`. A `classifier` is any module
        that gives logits `[B, K]` of images `[B, C, H, W]` in [-1, 1], or of standardised rows `[B, F]`: its last
        linear layer becomes the head, unless it has `features` and `head`. A `generator` makes such images or rows of
        noise `[B, recipe.latents]`. Modules given are copied; functions of a `Spec` make fresh ones. The same
        `random_state` gives the same bits, if `images` are counted.
        """
        self.recipe = recipe
        self.images = images
        self.minutes = minutes
        self.classifier = classifier
        self.generator = generator
        self.random_state = random_state
        self.device = device
        self.precision = precision

    # learning

    @_bad_input()
    def fit(self, X: Any, y: Any = None) -> Self:
        """Train on X and the labels `y` `[N]`, -1 = unlabelled; of a path its training images.

        Raises BadInput on what cannot be learnt from, SparringError on what cannot be read, or diverges.
        """
        check_budget(self.minutes, self.images)
        hardware = Hardware.find(self.device, self.precision)
        data = self._learnt_from(X, y)
        recipe = requested_recipe("classify", self.recipe, "image").resolve(data.spec, hardware)
        if recipe.mirror and self._rows:
            raise UsageError("the recipe's `mirror` flips images: the rows of a table have no left and right")
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        aside = calibration_subset(data.labels)
        feed = classifier_loader(data, recipe, seed, hardware, aside)

        def build(total: int) -> System:
            return build_system(recipe, lambda spec: self._nets(recipe, data), feed, total, seed, hardware)

        if self.minutes is not None:
            plan = Plan.in_minutes(self.minutes, build, feed, hardware)
        else:
            plan = Plan.of(self.images or IMAGES, feed.batch_size)
        system = build(plan.images)
        play(system, feed, total=plan.images, seed=seed, hardware=hardware)
        about = model_metadata(self._rows or self.classifier is not None, seed, data)
        self.classifier_ = calibrated(averaged(system), data, recipe, about, hardware, aside)
        return self

    def _learnt_from(self, X: Any, y: Any) -> IndexedDataset:
        """Return the data to train on; set `classes_`, `n_features_in_` and how later data are read."""
        source = open_source(X) if isinstance(X, str | Path) else X
        y = _own_labels(source) if y is None else y
        if not isinstance(source, Dataset):
            source = self._array(source, fitting=True)
        labels, self.classes_ = _numbered(y, len(source))
        names = tuple(map(str, self.classes_.tolist()))
        if isinstance(source, Dataset):
            self._rows, self._scale = False, None
            self.n_features_in_ = math.prod(source.report.shape)
            return source.relabelled(labels, names)
        fitted = Scale.of_columns if self._rows else Scale.of_range
        self._scale = None if source.dtype == np.uint8 else fitted(source)
        height, width, channels = source.shape[1:]
        spec = ImageSpec(height, width, channels, names, len(source), int((labels < 0).sum()))
        return InMemoryDataset(source, labels, spec, self._scale)

    def _nets(self, recipe: Any, data: IndexedDataset) -> dict[str, nn.Module]:
        """Return the recipe's networks, those for tables, or custom ones in their place."""
        spec, classes = data.spec, len(data.spec.classes)
        if self._rows:
            nets: dict[str, nn.Module] = {
                "generator": TabularGenerator(spec.channels, recipe.latent_dim),
                "classifier": TabularClassifier(spec.channels, classes),
            }
        else:
            nets = dict(recipe.nets(spec))
        if self.classifier is not None:
            net = _own(self.classifier, spec)
            x = data.spec.encode(data[np.resize(np.arange(len(data)), 2)], CPU)
            nets["classifier"] = split_head(nn.Sequential(nn.Flatten(), net) if self._rows else net, x, classes)
        if self.generator is not None:
            net = _own(self.generator, spec)
            nets["generator"] = nn.Sequential(net, nn.Unflatten(1, spec.shape)) if self._rows else net
            shape = try_forward(nets["generator"], torch.zeros(2, recipe.latent_dim), "the generator").shape
            if tuple(shape[1:]) != spec.shape:
                raise UsageError(
                    f"the generator gives {list(shape[1:])} of a row of noise, the data are {list(spec.shape)}"
                )
        return nets

    # answers

    @_bad_input()
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Calibrated probabilities `[N, len(classes_)]`. Of a path all images count, in its order."""
        check_is_fitted(self)
        answers = Answers.concatenate(list(answer_all(self.classifier_, self._read(X))))
        probabilities: NDArray[np.float64] = answers.probabilities.cpu().double().numpy()
        return probabilities

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the likeliest class of each, `[N]`; `classifier_.predict` also knows "none of these"."""
        probabilities = self.predict_proba(X)
        answers: NDArray[Any] = self.classes_[probabilities.argmax(1)]
        return answers

    @_bad_input()
    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the share of right answers where the label is known; a path or `Dataset` bring labels of their own."""
        check_is_fitted(self)
        source = self._read(X)
        y, known = _labels(_own_labels(source) if y is None else y, len(source))
        weights = None if sample_weight is None else np.asarray(sample_weight)[known]
        return float(accuracy_score(y[known], self.predict(source)[known], sample_weight=weights))

    @_bad_input()
    def remember(self, X: Any, y: Any) -> Self:
        """Remember X as of class `y` (one for all, or one each), by no gradient; a new label becomes a class.

        Of one image the last label holds, in the same call too.
        """
        check_is_fitted(self)
        source, labels = self._read(X), self._as_classes(y)
        names = [str(label) for label in labels]
        self.classifier_.remember(
            source.spec.encode(source[np.arange(len(source))], CPU), names if np.ndim(y) else names[0]
        )
        new = [label for label in dict.fromkeys(labels) if label not in self.classes_]
        self.classes_ = np.concatenate([self.classes_, np.array(new, dtype=np.array(labels).dtype)])
        return self

    @_bad_input()
    def forget(self, y: Any = None) -> Self:
        """Forget what was remembered of class `y`, or everything; classes that were learnt stay, new ones go."""
        check_is_fitted(self)
        self.classifier_.forget(None if y is None else str(self._as_classes(y)[0]))
        kept = [str(label) in self.classifier_.classes for label in self.classes_.tolist()]
        self.classes_ = self.classes_[kept]
        return self

    def _as_classes(self, y: Any) -> list[Any]:
        """Labels of the kind that `classes_` are of; raises UsageError on others."""
        given, kind = np.atleast_1d(np.asarray(y)), self.classes_.dtype
        if invalid := [label for label in given.tolist() if label is not None and label in UNLABELLED]:
            raise UsageError(f"{invalid[0]!r} stands for no label: a class is needed here")
        if kind.kind == "U" and given.dtype.kind == "U":
            return list(given.tolist())
        if kind.kind == "U" or given.dtype.kind not in "biuf" or (given.astype(kind) != given).any():
            learnt = self.classes_.tolist()[0]
            raise UsageError(f"the labels are {given.tolist()[:3]} here, and such as {learnt!r} in what was learnt")
        return list(given.astype(kind).tolist())

    # data

    def _read(self, X: Any) -> IndexedDataset:
        """Return X read as it was at `fit`; raise UsageError where it is of another kind."""
        if isinstance(X, InMemoryDataset):
            return X
        if isinstance(X, str | Path | Dataset):
            if self._rows or self._scale is not None:
                raise UsageError("this was learnt from arrays of numbers, not of bytes: give such here, not a path")
            return X if isinstance(X, Dataset) else open_like(self.classifier_, X)
        values = self._array(X, fitting=False)
        return InMemoryDataset(values, np.full(len(values), -1), self.classifier_.spec, self._scale)

    def _array(self, X: Any, *, fitting: bool) -> NDArray[Any]:
        """X as `[N, H, W, C]`, checked; a table as `[N, 1, 1, F]`. At `fit` it tells how later arrays must be."""
        if isinstance(X, Tensor):
            X = (X.permute(0, 2, 3, 1) if X.dim() == 4 else X).numpy(force=True)
        given = X if hasattr(X, "ndim") else np.asarray(X)
        rows = given.ndim not in (3, 4)
        if fitting:
            self._rows = rows
        elif rows != self._rows:
            if rows and given.shape == (self.classifier_.spec.height, self.classifier_.spec.width):
                raise UsageError(
                    f"images [N, H, W] are needed; this is one, {list(given.shape)}: X[None] is a batch of one"
                )
            learnt, kind = ("rows of a table", "images") if self._rows else ("images", "rows of a table")
            raise UsageError(f"this was learnt from {learnt}; these are {kind}")
        if rows:
            table: NDArray[Any] = validate_data(self, X, reset=fitting, dtype=[np.float64, np.float32])
            return table[:, None, None]
        images = np.asarray(X)
        images = images[..., None] if images.ndim == 3 else images
        if images.dtype.kind not in "buif" or not images.size:
            raise UsageError(f"images are numbers [N, H, W] or [N, H, W, C], not {images.dtype} {list(images.shape)}")
        assert_all_finite(images, input_name="X")
        if fitting:
            self.n_features_in_ = math.prod(images.shape[1:])
            return images
        spec = self.classifier_.spec
        if images.shape[1:] != (spec.height, spec.width, spec.channels):
            raise UsageError(
                f"the images are {list(images.shape[1:])}, those learnt {[spec.height, spec.width, spec.channels]}"
            )
        if (images.dtype == np.uint8) != (self._scale is None):
            raise UsageError(
                "bytes (uint8) run from 0 to 255, other numbers as in `fit`: give the same kind of array as there"
            )
        return images


def _own(given: Net, spec: ImageSpec) -> nn.Module:
    """Return a copy of a module, or what a function makes."""
    net = copy.deepcopy(given) if isinstance(given, nn.Module) else given(spec) if callable(given) else given
    if not isinstance(net, nn.Module):
        raise UsageError(f"a torch.nn.Module is needed, or a function that makes one; this is a {type(net).__name__}")
    return net


def _own_labels(source: Any) -> NDArray[Any]:
    """Return the labels of images, by name; "" where there is none."""
    if not isinstance(source, Dataset):
        raise UsageError("this requires y to be passed, but the target y is None: a label each, -1 where it is unknown")
    if source.vectors is not None:
        raise UsageError("the labels of these images are vectors of numbers: a classifier needs classes")
    return np.array([*source.report.classes, ""], dtype=object)[source.labels]


def _labels(y: Any, count: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Labels `[N]`, and which are known."""
    y = column_or_1d(_with_none(y), warn=True)
    if len(y) != count:
        raise UsageError(
            f"X holds {count:,} examples and y {len(y):,} labels: give one for each, -1 where it is unknown"
        )
    if y.dtype.kind in "OU":
        known = np.array([not _is_mark(label) for label in y.tolist()], bool)
        if marks := Counter(w for w in y[~known].tolist() if isinstance(w, str) and w not in UNLABELLED):
            counts = ", ".join(f"{n:,} are {mark}" for mark, n in marks.most_common())
            warnings.warn(f"of {len(y):,} labels {counts}: no label", stacklevel=4)
    else:
        if y.dtype.kind == "f" and np.isnan(y).any():
            raise UsageError("Input y contains NaN: -1, or None in an array of objects, stands for no label")
        assert_all_finite(y, input_name="y")
        known = y != -1
    if not known.any():
        raise UsageError("y holds no label: give some examples one")
    if y.dtype.kind == "O":
        names = np.array(y[known].tolist())
        y = np.empty(len(y), names.dtype)
        y[known] = names
    check_classification_targets(y[known])
    return y, known


def _with_none(y: Any) -> Any:
    """Return labels with None in place of pandas' marks for nothing, and of what NumPy masks."""
    if isinstance(y, np.ma.MaskedArray):
        values = np.array(y.data, dtype=object)
        values[np.ma.getmaskarray(y)] = None
        return values
    if not (hasattr(y, "isna") and hasattr(y, "to_numpy")):
        return [None if _is_na(label) else label for label in y] if isinstance(y, list) else y
    missing = np.asarray(y.isna(), bool)
    if not missing.any():
        return y
    values = np.asarray(y.to_numpy(dtype=object)).copy()
    values[missing] = None
    return values


def _is_na(label: Any) -> bool:
    """Return True for pandas' NA and NaT, which may not be compared."""
    return type(label).__name__ in ("NAType", "NaTType")


def _is_mark(label: Any) -> bool:
    """Return True for what stands for no label."""
    if _is_na(label) or label in UNLABELLED or label != label:
        return True
    return isinstance(label, str) and is_nothing(label)


def _numbered(y: Any, count: int) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Labels `[N]` as numbers of the classes, -1 = unlabelled, and the classes, sorted."""
    y, known = _labels(y, count)
    classes, numbers = np.unique(y[known], return_inverse=True)
    if len(classes) < 2:
        raise UsageError(f"y names only one class ('{classes[0]}'): a classifier tells two or more apart")
    labels = np.full(count, -1, np.int64)
    labels[known] = numbers
    return labels, classes
