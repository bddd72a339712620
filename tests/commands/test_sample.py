"""`sample`: every form of output, and samples that depend on (seed, k) alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sparring

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


def array(run: sparring.Run, out: Path, n: int, **how: object) -> np.ndarray:
    with np.load(sparring.sample(run.path, n, out=out, **how)) as held:  # type: ignore[arg-type]
        return held["arr_0"]


def test_an_array_is_uint8_nhwc(run: sparring.Run, tmp_path: Path) -> None:
    pixels = array(run, tmp_path / "x.npz", 7)
    assert pixels.shape == (7, 8, 8, 1)
    assert pixels.dtype == np.uint8


def test_sample_k_depends_on_seed_and_k_alone(run: sparring.Run, tmp_path: Path) -> None:
    many = array(run, tmp_path / "many.npz", 70)
    for n in (1, 31, 32, 33):
        assert np.array_equal(array(run, tmp_path / f"{n}.npz", n), many[:n])
    assert not np.array_equal(array(run, tmp_path / "other.npz", 70, seed=1), many)


def test_a_folder_holds_the_same_pixels_one_by_one(run: sparring.Run, tmp_path: Path) -> None:
    pixels = array(run, tmp_path / "x.npz", 5)
    folder = sparring.sample(run.path, 5, out=tmp_path / "singles")
    files = sorted(folder.iterdir())
    assert [f.name for f in files] == [f"{k:06d}.png" for k in range(5)]
    for file, one in zip(files, pixels, strict=True):
        with Image.open(file) as image:
            assert np.array_equal(np.asarray(image), one[..., 0])
            assert "Generated" in image.text["Description"]  # type: ignore[attr-defined]
            assert "run run" in image.text["Description"]  # type: ignore[attr-defined]


def test_a_label_asks_for_its_class(run: sparring.Run, tmp_path: Path) -> None:
    rows = {k: array(run, tmp_path / f"{k}.npz", 40, label=k if k else "0").mean((0, 2, 3)) for k in range(3)}
    for k in range(3):  # class k is bright in row k
        assert all(rows[k][k] > rows[other][k] for other in range(3) if other != k)


def test_without_a_label_classes_come_as_often_as_in_the_data(run: sparring.Run) -> None:
    _, labels = sparring.load(run.path).draw_inputs(range(600), seed=0)
    counts = np.bincount(labels.numpy(), minlength=3)
    assert ((counts > 150) & (counts < 250)).all()


def test_a_model_needs_no_run_and_no_torch_pickle_in_another_process(run: sparring.Run, tmp_path: Path) -> None:
    for name in ("generator.safetensors", "generator.json"):
        (tmp_path / name).write_bytes((run.path / name).read_bytes())
    here = next(sparring.load(run.path).samples(4, seed=3))
    code = (
        "import numpy, pickle, sparring, torch\n"
        "def refuse(*a, **k): raise SystemExit('a pickle was read')\n"
        "pickle.load = pickle.loads = torch.load = refuse\n"
        f"numpy.save({str(tmp_path / 'x.npy')!r}, next(sparring.load({str(tmp_path)!r}).samples(4, seed=3)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.load(tmp_path / "x.npy"), here)


@pytest.mark.parametrize("n", [0, -3])
def test_no_samples_are_refused(run: sparring.Run, n: int) -> None:
    with pytest.raises(sparring.UsageError, match="1 or more"):
        sparring.sample(run.path, n)


def test_a_grid_of_very_many_is_refused_with_the_way_out(run: sparring.Run) -> None:
    with pytest.raises(sparring.UsageError, match="npz"):
        sparring.sample(run.path, 5000)


def test_a_folder_with_other_files_is_left_alone(run: sparring.Run, tmp_path: Path) -> None:
    mine = tmp_path / "mine" / "000000.png"
    mine.parent.mkdir()
    Image.new("L", (3, 3)).save(mine)
    before = mine.read_bytes()
    with pytest.raises(sparring.UsageError, match=r"000000\.png"):
        sparring.sample(run.path, 2, out=mine.parent)
    assert mine.read_bytes() == before
    folder = sparring.sample(run.path, 2, out=tmp_path / "ours")
    assert len(list(sparring.sample(run.path, 3, out=folder).iterdir())) == 3


def test_nothing_is_overwritten(run: sparring.Run, tmp_path: Path) -> None:
    first = sparring.sample(run.path, 4, out=tmp_path / "x.png")
    assert sparring.sample(run.path, 4, out=first) == first  # the same samples
    other = sparring.sample(run.path, 4, out=first, seed=1)
    more = sparring.sample(run.path, 9, out=first)
    assert [path.name for path in (first, other, more)] == ["x.png", "x-2.png", "x-3.png"]
    folder = sparring.sample(run.path, 2, out=tmp_path / "singles")
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    sparring.sample(run.path, 2, out=folder, seed=1)
    assert {path.name for path in folder.iterdir()} == {*kept, "000000-2.png", "000001-2.png"}
    assert all((folder / name).read_bytes() == content for name, content in kept.items())


def test_the_default_name_holds_seed_and_label(run: sparring.Run) -> None:
    assert sparring.sample(run.path, 1, seed=3, label=1).name == "samples-3-label-1.png"
    assert sparring.sample(run.path, 1, seed=3, label=2).name == "samples-3-label-2.png"


def test_a_grid_of_several_classes_has_a_column_and_a_name_for_each(run: sparring.Run, tmp_path: Path) -> None:
    with Image.open(sparring.sample(run.path, 12, out=tmp_path / "all.png")) as image:
        tile = image.width / 3  # classes 0, 1 and 2
        names = np.asarray(image)[:12]
    assert all(names[:, round(k * tile) : round((k + 1) * tile)].max() > 100 for k in range(3))
    with Image.open(sparring.sample(run.path, 12, out=tmp_path / "ones.png", label=1)) as image:
        assert image.width == round(4 * tile)  # a square of one class, without a name


def test_a_seed_below_zero_is_refused(run: sparring.Run) -> None:
    with pytest.raises(sparring.UsageError, match="--seed"):
        sparring.sample(run.path, seed=-1)


def test_a_checkpoint_by_name_and_by_image(run: sparring.Run, tmp_path: Path) -> None:
    best, last = run.best, int(run.checkpoints()[-1].name)
    assert best and best["score"] == "sliced_wasserstein"
    scores = {line["nimg"]: line["sliced_wasserstein"] for line in run.metrics() if "sliced_wasserstein" in line}
    assert best["value"] == min(scores.values()) == scores[best["nimg"]]
    assert f"{best['nimg']:09d}" in [p.name for p in run.checkpoints()]
    model = array(run, tmp_path / "model.npz", 3)
    assert np.array_equal(array(run, tmp_path / "last.npz", 3, checkpoint="last"), model)
    assert np.array_equal(array(run, tmp_path / "n.npz", 3, checkpoint=str(last)), model)
    by_name = array(run, tmp_path / "best.npz", 3, checkpoint="best")
    assert np.array_equal(array(run, tmp_path / "b.npz", 3, checkpoint=best["nimg"]), by_name)
    other = array(run, tmp_path / "other.npz", 3, checkpoint=int(run.checkpoints()[-2].name))
    assert not np.array_equal(other, model)
    assert sparring.sample(run.path, 1, checkpoint="best").name == "samples-0-best.png"


def test_raw_weights_are_others_than_averaged_ones(run: sparring.Run) -> None:
    raw, averaged = (sparring.load(run.path, raw=raw).generator.state_dict() for raw in (True, False))
    assert raw.keys() == averaged.keys()
    assert not all(np.array_equal(raw[k], averaged[k]) for k in raw)


def test_a_checkpoint_that_is_not_there(run: sparring.Run, tmp_path: Path) -> None:
    with pytest.raises(sparring.UsageError, match=r"no checkpoint '17': choose one of: .*4800"):
        sparring.sample(run.path, checkpoint="17")
    for name in ("generator.safetensors", "generator.json"):
        (tmp_path / name).write_bytes((run.path / name).read_bytes())
    with pytest.raises(sparring.UsageError, match="there is no checkpoint 'last'"):
        sparring.load(tmp_path, checkpoint="last")


@pytest.fixture(scope="module")
def biggan(data: Path, tmp_path_factory: pytest.TempPathFactory) -> sparring.Run:
    """A run that its noise may be truncated in."""
    recipe = sparring.BigGAN(width=4, latent_dim=6, embedding_dim=4, batch_size=8)
    return sparring.train(data, recipe, images=64, out=tmp_path_factory.mktemp("biggan") / "run", device="cpu")


def test_truncated_samples(biggan: sparring.Run, tmp_path: Path) -> None:
    free = array(biggan, tmp_path / "free.npz", 40)
    few = array(biggan, tmp_path / "few.npz", 3, truncation=0.5)
    many = array(biggan, tmp_path / "many.npz", 40, truncation=0.5)
    assert np.array_equal(few, many[:3]) and not np.array_equal(many, free)
    assert sparring.sample(biggan.path, 1, truncation=0.5).name == "samples-0-truncation-0.5.png"


def test_truncation_of_a_run_that_was_not_trained_for_it(run: sparring.Run) -> None:
    with pytest.raises(sparring.UsageError, match="r3 was not trained for truncation: leave --truncation out"):
        sparring.sample(run.path, truncation=0.5)


def test_truncation_by_the_command_line(biggan: sparring.Run, quick: Cli, tmp_path: Path) -> None:
    done = quick("sample", biggan.path, "-n", 2, "--truncation", 0.7, "--out", tmp_path / "x.npz", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["truncation"] == 0.7
    done = quick("sample", biggan.path, "--truncation", 0)
    assert done.returncode == 2 and "--truncation must be above 0 and at most 10" in done.stderr
