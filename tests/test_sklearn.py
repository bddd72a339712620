"""`FewLabelClassifier`: scikit-learn's own checks, then real fits on arrays, tables, folders and own networks."""

from __future__ import annotations

import math
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import Tensor, nn

from sparring import FewLabelClassifier, ImageSpec, SparringError, UsageError, load, open_source
from sparring.commands.training import calibrate
from sparring.recipes.semi_supervised.consistent import Consistent
from sparring.recipes.semi_supervised.improved import Improved
from sparring.sklearn import BadInput
from sparring.sklearn import _numbered as numbered

TINY = Consistent(width=4, batch_size=24, labelled_batch_size=12)


def made(images: int | None = 480, **settings: Any) -> FewLabelClassifier:
    settings = {"recipe": TINY, "random_state": 0, "device": "cpu", "precision": "fp32", **settings}
    return FewLabelClassifier(images=images, **settings)


@pytest.fixture(autouse=True)
def _few_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calibration takes as long as learning here: a tenth of its copies will do."""
    monkeypatch.setattr(calibrate, "COPIES", 200)


EXPECTED = {
    "check_classifiers_classes": "its last case has the labels -1 and 1, and -1 means unlabelled here",
    "check_methods_sample_order_invariance": "answers are float32: their last bit depends on the place in the batch",
}


@pytest.mark.slow
@parametrize_with_checks([made()], expected_failed_checks=lambda estimator: EXPECTED)
def test_scikit_learns_checks(estimator: FewLabelClassifier, check: Any) -> None:
    check(estimator)


# rows that are quickly learnt: class k is bright in row k


@pytest.fixture(scope="module")
def bright() -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Images, all labels, and those of each class's first four."""
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    x = rng.integers(0, 60, (90, 8, 8), np.uint8)
    x[np.arange(90), y] += 180
    return x, y, np.where(np.arange(90) < 12, y, -1)


def test_bytes_numbers_tensors_and_a_channel_mean_the_same(bright: Any) -> None:
    x, y, few = bright
    bytes_ = made().fit(x, few)
    assert bytes_.n_features_in_ == 64 and bytes_.classes_.tolist() == [0, 1, 2]
    assert bytes_.score(x, y) > 0.9
    np.testing.assert_array_equal(bytes_.predict_proba(x), made().fit(x[..., None], few).predict_proba(x))
    scaled = (x - x.min()) / (x.max() - x.min()) * 7 - 3
    numbers = made().fit(scaled, few)
    assert numbers.score(scaled, y) > 0.9
    tensors = torch.from_numpy(scaled)[:, None]
    np.testing.assert_array_equal(numbers.predict_proba(tensors), numbers.predict_proba(scaled))


def test_labels_may_be_words_or_numbers_and_the_unlabelled_anything_that_says_so(bright: Any) -> None:
    x, y, few = bright
    words = np.array(["sun", "moon", "earth"])
    answers = made().fit(x, np.where(few >= 0, words[few], "")).predict(x)
    assert (answers == words[y]).mean() > 0.9
    for nothing in (None, np.nan):
        given = np.array([words[k] if k >= 0 else nothing for k in few], dtype=object)
        again = made().fit(x, given)
        assert again.classes_.tolist() == ["earth", "moon", "sun"]
        np.testing.assert_array_equal(again.predict(x), answers)
    as_text = made().fit(x, np.array([*words, -1])[few])  # which NumPy makes "-1" of
    np.testing.assert_array_equal(as_text.predict(x), answers)
    objects = made().fit(x, np.where(few >= 0, few, None))
    assert objects.classes_.dtype.kind == "i" and objects.score(x, y.astype(object)) > 0.9


def test_all_may_have_labels(bright: Any) -> None:
    x, y, _ = bright
    assert made().fit(x, y == 1).score(x, y == 1) > 0.9


def test_the_same_state_gives_the_same_bits_and_no_other_state_is_touched(bright: Any) -> None:
    x, _, few = bright
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    one, two, other = made(96).fit(x, few), made(96).fit(x, few), made(96, random_state=1).fit(x, few)
    assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_array_equal(one.predict_proba(x), two.predict_proba(x))
    assert (one.predict_proba(x) != other.predict_proba(x)).any()
    drawn = np.random.RandomState(0)
    first, second = (made(96, random_state=drawn).fit(x, few).predict_proba(x) for _ in range(2))
    assert (first != second).any()


def test_probabilities_are_as_sure_as_so_few_labels_allow(bright: Any) -> None:
    x, _, few = bright
    assert 0.7 < made().fit(x, few).predict_proba(x).max(1).mean() < 0.999


def test_minutes_in_place_of_images(bright: Any) -> None:
    x, y, few = bright
    quick = made(None, minutes=0.02).fit(x, few)
    assert quick.predict(x).shape == y.shape


# memory


def test_remembering_and_forgetting(bright: Any) -> None:
    x, _, few = bright
    one = made().fit(x, few)
    before = one.predict_proba(x)
    new = np.zeros((2, 8, 8), np.uint8)
    new[:, :, 3] = 255
    assert one.remember(new[:1], 7) is one
    assert one.classes_.tolist() == [0, 1, 2, 7] and one.predict(new).tolist() == [7, 7]
    assert one.predict_proba(new).shape == (2, 4)
    one.remember(x[:2], np.array([2, 2]))
    assert one.predict(x[:2]).tolist() == [2, 2]
    one.remember(x[[0, 1, 0]], [0, 2, 1]).remember(x[:1], 2)  # what was told last holds
    assert one.predict(x[:2]).tolist() == [2, 2] and len(one.classifier_.memory) == 3
    again = pickle.loads(pickle.dumps(one))
    assert again.predict(new).tolist() == [7, 7]
    one.forget(7)
    assert one.classes_.tolist() == [0, 1, 2] and one.predict(x[:2]).tolist() == [2, 2]
    one.forget()
    np.testing.assert_array_equal(one.predict_proba(x), before)
    with pytest.raises(BadInput, match="unknown label '9'"):
        one.forget(9)
    for label in ("fox", 1.5, None):
        with pytest.raises(BadInput, match=r"labels are .* here, and such as .* in what was learnt"):
            one.remember(new, label)
    with pytest.raises(BadInput, match="-1 stands for no label"):
        one.remember(new, [1, -1])
    with pytest.raises(BadInput, match="2 examples and 3 labels"):
        one.remember(new, [1, 2, 1])


def test_words_longer_than_those_learnt_can_be_remembered(bright: Any) -> None:
    x, _, few = bright
    one = made(96).fit(x, np.array(["a", "b", "c", ""])[few])
    one.remember(np.full((1, 8, 8), 255, np.uint8), "elephant")
    assert one.classes_.tolist() == ["a", "b", "c", "elephant"]


# paths and images


@pytest.fixture
def folder(tmp_path: Path, bright: Any) -> Path:
    """The images in a folder a class, some of them beside it."""
    x, y, few = bright
    for k, pixels in enumerate(x):
        place = tmp_path / "pictures" / (f"class {y[k]}" if few[k] >= 0 else "")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{k:02}.png")
    return tmp_path / "pictures"


def test_a_folder_brings_its_labels(folder: Path, bright: Any) -> None:
    x, y, _ = bright
    one = made().fit(folder)
    assert one.classes_.tolist() == ["class 0", "class 1", "class 2"] and one.n_features_in_ == 64
    assert one.score(folder) == 1.0 and one.score(open_source(folder)) == 1.0
    names = open_source(folder).names
    wanted = [f"class {y[int(Path(name).stem)]}" for name in names]
    assert (one.predict(str(folder)) == wanted).mean() > 0.9
    assert (one.predict(x) == [f"class {k}" for k in y]).mean() > 0.9


def test_labels_of_ones_own_for_a_folder(folder: Path, bright: Any) -> None:
    _, y, few = bright
    images = open_source(folder)
    place = np.array([int(Path(name).stem) for name in images.names])
    one = made().fit(images, few[place])
    assert one.classes_.tolist() == [0, 1, 2] and one.score(images, y[place]) > 0.9


def test_a_classifier_is_saved_and_predicts_from_its_files(folder: Path, tmp_path: Path, bright: Any) -> None:
    x, _, _ = bright
    one = made(96).fit(folder)
    one.classifier_.save(tmp_path / "saved")
    again = load(tmp_path / "saved")
    np.testing.assert_allclose(again.predict(x).probabilities.numpy(), one.predict_proba(x), atol=1e-6)


# networks of one's own


def test_any_module_may_classify(bright: Any) -> None:
    x, y, few = bright
    net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 16), nn.ReLU(), nn.Linear(16, 3))
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    one = made(960, classifier=net, generator=blank).fit(x, few)
    assert one.score(x, y) > 0.8
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items()), "it was trained itself"
    assert pickle.loads(pickle.dumps(one)).score(x, y) > 0.8
    np.testing.assert_array_equal(clone(one).fit(x, few).predict(x), one.predict(x))


def test_any_module_may_classify_rows_of_a_table() -> None:
    x, y = blobs()
    rows = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    generator = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 4))
    faster = Consistent(batch_size=24, lr=0.02)
    assert made(1440, recipe=faster, classifier=rows, generator=generator).fit(x, y).score(x, y) > 0.9
    factory = made(96, classifier=lambda spec: nn.Linear(spec.channels, len(spec.classes)))
    assert factory.fit(x, y).predict(x).shape == y.shape


def blank(spec: ImageSpec) -> nn.Module:
    return Blank(spec.shape)


class Blank(nn.Module):
    """Noise -> images of one shade."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.shape = shape
        self.shade = nn.Linear(64, 1)

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.shade(z))[:, :, None, None].expand(-1, *self.shape)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"classifier": nn.Flatten()}, "needs a last linear layer .* it has none"),
        ({"classifier": nn.Linear(8, 5)}, r"its last one, '', gives \[2, 1, 8, 5\]"),
        ({"classifier": nn.Linear(9, 3)}, r"the classifier does not take an input of \[2, 1, 8, 8\]"),
        ({"classifier": lambda spec: "net"}, "a torch.nn.Module is needed, .* this is a str"),
        ({"classifier": 7}, "a torch.nn.Module is needed, .* this is a int"),
        ({"generator": nn.Linear(64, 9)}, r"the generator gives \[9\] of a row of noise, the data are \[1, 8, 8\]"),
        ({"generator": nn.Linear(5, 9)}, "the generator does not take an input"),
        ({"recipe": "consistant"}, "unknown recipe 'consistant': did you mean 'consistent'"),
        ({"recipe": "r3"}, "r3 trains a generator"),
        ({"minutes": 1.0}, "exclude each other"),
        ({"images": "a"}, "--images must be a number, not 'a'"),
        ({"images": None, "minutes": "a"}, "--minutes must be a number, not 'a'"),
        ({"device": "gpu"}, "unknown device"),
        ({"random_state": "seed"}, "cannot be used to seed"),
    ],
)  # fmt: skip
def test_bad_settings(bright: Any, settings: dict[str, Any], said: str) -> None:
    x, _, few = bright
    with pytest.raises(BadInput, match=said):
        made(**settings).fit(x, few)


# digits, as scikit-learn's users have them


@pytest.fixture(scope="module")
def digits() -> tuple[Any, NDArray[np.int64]]:
    """The digits, and the labels of five of each class among the first 1,500."""
    found = load_digits()
    labels = found.target.copy()
    for k in range(10):
        labels[np.flatnonzero(labels == k)[5:]] = -1
    return found, labels[:1500]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "least"),
    [(Consistent(width=8), 0.7), (Improved(batch_size=50, labelled_batch_size=50), 0.6)],
    ids=["consistent", "improved"],
)
def test_fifty_labels_of_digits(digits: Any, recipe: Any, least: float) -> None:
    found, few = digits
    one = made(5000, recipe=recipe).fit(found.images[:1500], few)
    assert one.score(found.images[1500:], found.target[1500:]) > least


@pytest.mark.parametrize("recipe", ["consistent", "improved"])
def test_fifty_labels_of_digits_as_a_table(digits: Any, recipe: str) -> None:
    found, few = digits
    one = made(5000, recipe=recipe).fit(found.data[:1500], few)
    assert one.n_features_in_ == 64 and one.score(found.data[1500:], found.target[1500:]) > 0.7


def test_pipelines_and_cross_validation(digits: Any) -> None:
    found, few = digits
    labelled = np.flatnonzero(few >= 0)
    pipeline = make_pipeline(MinMaxScaler(), made(2000))
    scores = cross_val_score(pipeline, found.data[labelled], few[labelled], cv=2)
    assert scores.mean() > 0.5
    pipeline.fit(found.data[:1500], few)
    again = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_array_equal(again.predict(found.data[1500:]), pipeline.predict(found.data[1500:]))
    assert pipeline.score(found.data[:1500], few) > 0.9  # of those whose label is known


# what cannot be


def blobs() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    y = np.arange(60) % 3
    return np.random.default_rng(0).normal(size=(60, 4)) + 4 * np.eye(4)[y], y


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (np.zeros((4, 3, 3)), None, "requires y to be passed"),
        (np.zeros((4, 3, 3)), [0, 1, -1], "4 examples and y 3 labels"),
        (np.zeros((4, 3, 3)), [-1] * 4, "y holds no label"),
        (np.zeros((4, 3, 3)), [2, 2, -1, -1], r"only one class \('2'\)"),
        (np.zeros((4, 3, 3)), [0.5, 0.1, 1.3, 2], "Unknown label type"),
        (np.full((4, 3, 3), np.nan), [0, 1, 0, 1], "contains NaN"),
        (np.zeros((4, 3, 3), complex), [0, 1, 0, 1], "not complex128"),
        (np.zeros((0, 3, 3)), [], "images are numbers"),
        (np.array([[1, np.inf]] * 4), [0, 1, 0, 1], "infinity"),
        ([[1, 2], [3]], [0, 1], "inhomogeneous"),
    ],
)  # fmt: skip
def test_what_cannot_be_learnt_from(x: Any, y: Any, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        made().fit(x, y)


def test_what_is_not_as_it_was_learnt(bright: Any, folder: Path) -> None:
    x, _, few = bright
    table, y = blobs()
    images, rows, numbers = made(48).fit(x, few), made(48).fit(table, y), made(48).fit(x / 255, few)
    for one, given, said in [
        (images, x[:, :7], r"the images are \[7, 8, 1\], those learnt \[8, 8, 1\]"),
        (images, x / 255, "the same kind of array"),
        (numbers, x, "the same kind of array"),
        (images, x[0], r"this is one, \[8, 8\]: X\[None\] is a batch of one"),
        (images, x.reshape(90, 64), "learnt from images; these are rows of a table"),
        (rows, x, "learnt from rows of a table; these are images"),
        (rows, table[:, :3], "X has 3 features, but FewLabelClassifier is expecting 4"),
        (rows, folder, "learnt from arrays of numbers"),
        (numbers, folder, "learnt from arrays of numbers"),
    ]:
        with pytest.raises(BadInput, match=said):
            one.predict(given)
    with pytest.raises(BadInput, match="is a batch of one"):
        images.remember(x[0], 1)
    with pytest.raises(BadInput, match="requires y"):
        images.score(x)
    with pytest.raises(UsageError, match="mirror"):
        made(recipe=Consistent(mirror=True)).fit(table, y)


def test_nothing_is_known_before_fit(bright: Any) -> None:
    x, y, _ = bright
    for ask in (lambda one: one.predict(x), lambda one: one.score(x, y), lambda one: one.forget()):
        with pytest.raises(NotFittedError):
            ask(made())


def test_other_images_than_those_of_a_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "large").mkdir()
    Image.new("L", (9, 9), 7).save(tmp_path / "large" / "a.png")
    one = made(48).fit(folder)
    with pytest.raises(SparringError, match="9x9 L, the model was trained on 8x8 L"):
        one.predict(tmp_path / "large")
    x = np.repeat(np.arange(4, dtype=np.uint8), 64).reshape(4, 8, 8)
    np.savez(tmp_path / "vectors.npz", x=x, y=np.arange(8.0).reshape(4, 2))
    with pytest.raises(BadInput, match="vectors of numbers: a classifier needs classes"):
        made().fit(tmp_path / "vectors.npz")


def test_without_scikit_learn_it_is_said_in_words() -> None:
    code = (
        "import sys; sys.modules['sklearn'] = None\nimport sparring\n"
        "try: sparring.FewLabelClassifier\nexcept sparring.SparringError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "FewLabelClassifier needs scikit-learn: pip install 'sparring[demo]'" in done.stdout, done.stderr


def test_its_parameters() -> None:
    given = {"recipe": "improved", "images": 5, "random_state": 3}
    one = FewLabelClassifier(**given).set_params(device="cpu")  # type: ignore[arg-type]
    assert {**given, "device": "cpu"}.items() <= one.get_params().items()
    assert clone(one).get_params() == one.get_params()


class NAType:
    """pandas' mark for nothing, which refuses to be compared."""

    def __eq__(self, other: object) -> bool:
        raise TypeError("boolean value of NA is ambiguous")

    __hash__ = object.__hash__


class Series:
    """What is used of pandas' series."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def isna(self) -> list[bool]:
        return [isinstance(value, NAType) or value is None or value != value for value in self.values]

    def to_numpy(self, dtype: Any = None) -> np.ndarray:
        return np.array(self.values, dtype=dtype)


@pytest.mark.parametrize(
    "y",
    [
        Series(["a", "b", NAType(), "b"]),
        Series([0.0, 1.0, math.nan, 1.0]),
        ["a", "b", NAType(), "b"],
        np.array(["a", "b", NAType(), "b"], dtype=object),
        np.ma.masked_array([0, 1, 1, 1], [False, False, True, False]),
        np.array(["a", "b", None, "b"], dtype=object),
    ],
)
def test_marks_for_nothing_of_other_tools_are_no_label(y: Any) -> None:
    labels, classes = numbered(y, 4)
    assert labels.tolist() == [0, 1, -1, 1] and len(classes) == 2


@pytest.mark.parametrize("mark", ["nan", "None", "?", "NA"])
def test_words_for_nothing_are_counted(mark: str) -> None:
    with pytest.warns(UserWarning, match=rf"of 4 labels 1 are {re.escape(mark)}: no label"):
        labels, classes = numbered(np.array(["a", "b", mark, "b"]), 4)
    assert labels.tolist() == [0, 1, -1, 1] and classes.tolist() == ["a", "b"]
