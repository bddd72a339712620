"""`sparring track`: everything arrives once, in trackers that are installed and in a plain callable."""

from __future__ import annotations

import json
import sys
import threading
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Cli
from PIL import Image

import sparring
from sparring.commands.tracking import updates as updates_module
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.run_folder import Run


def a_run(path: Path, *numbers: int, total: int = 300) -> Run:
    """Return a run folder with metrics and a picture at each image number."""
    run = Run(path)
    run.write_settings({
        "command": "train", "recipe": {"name": "r3", "settings": {"lr": 0.001}}, "data": {"source": "digits"},
        "plan": {"images": total},
    })  # fmt: skip
    write(run, *numbers)
    return run


def write(run: Run, *numbers: int) -> None:
    for nimg in numbers:
        run.log(nimg, {"loss": nimg / 100})
        run.save_frame(nimg, Image.fromarray(np.full((4, 4), nimg % 256, np.uint8)))


class Calls(list[tuple[dict[str, float], list[str], int]]):
    def __call__(self, values: Mapping[str, float], images: Mapping[str, Path], nimg: int) -> None:
        assert all(path.is_file() for path in images.values())
        self.append((dict(values), list(images), nimg))


def test_a_callable_gets_values_and_pictures_in_order(tmp_path: Path) -> None:
    run, calls = a_run(tmp_path / "run", 100, 200, 300), Calls()
    result = sparring.track(run.path, calls)
    assert calls == [({"loss": n / 100}, ["samples"], n) for n in (100, 200, 300)]
    assert (result.updates, result.nimg) == (3, 300)


def test_a_training_is_followed_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, calls = a_run(tmp_path / "run", 100), Calls()
    monkeypatch.setattr(updates_module, "POLL_SECONDS", 0.01)
    trainer = threading.Timer(0.2, write, (run, 200, 300))
    trainer.start()
    sparring.track(run.path, calls)
    trainer.join()
    assert [nimg for *_, nimg in calls] == [100, 200, 300]


def scalars(folder: Path) -> dict[int, float]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    assert [image.step for image in events.Images("samples")] == [event.step for event in events.Scalars("loss")]
    return {event.step: event.value for event in events.Scalars("loss")}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_gets_the_rest_after_a_pause(tmp_path: Path, cli: Cli) -> None:
    run = a_run(tmp_path / "run", 100)
    assert cli("track", run.path, "--to", "tensorboard", "--once").returncode == 0
    write(run, 200, 300)
    result = json.loads(cli("track", run.path, "--once", "--json").stdout)
    assert (result["updates"], result["nimg"]) == (2, 300)
    assert scalars(run.path / "track" / "tensorboard") == {100: 1.0, 200: 2.0, 300: 3.0}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mlflow_gets_settings_metrics_and_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    run = a_run(tmp_path / "run", 100, 300)
    sparring.track(run.path, "mlflow", once=True)
    write(run, 400)
    sparring.track(run.path, "mlflow", once=True)
    client = mlflow.MlflowClient()
    [saved] = client.search_runs([client.get_experiment_by_name("sparring").experiment_id])
    assert saved.data.params["recipe.lr"] == "0.001"
    assert [metric.step for metric in client.get_metric_history(saved.info.run_id, "loss")] == [100, 300, 400]
    assert len(client.list_artifacts(saved.info.run_id, "samples")) == 3


class Service(types.ModuleType):
    """The part of wandb's and Trackio's interface that is used."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.logged: list[tuple[dict[str, Any], int]] = []
        self.opened: list[dict[str, Any]] = []
        self.util = types.SimpleNamespace(generate_id=lambda: "id-1")
        self.url = "https://example.org"
        self.Image = lambda path: ("image", Path(path).name)

    def init(self, **options: Any) -> Service:
        self.opened.append(options)
        return self

    def log(self, values: dict[str, Any], step: int) -> None:
        self.logged.append((values, step))

    def finish(self) -> None:
        pass


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_the_others_continue_their_own_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    service, run = Service(name), a_run(tmp_path / "run", 100)
    monkeypatch.setitem(sys.modules, name, service)
    sparring.track(run.path, name, once=True, project="p")
    write(run, 200)
    sparring.track(run.path, name, once=True, project="p")
    assert [step for _, step in service.logged] == [100, 200]
    assert service.logged[0][0]["samples"] == ("image", "000000100.png")
    assert all(options["resume"] == "allow" and options["project"] == "p" for options in service.opened)
    assert len({options.get("id", options["name"]) for options in service.opened}) == 1


def test_what_failed_is_sent_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service, run = Service("wandb"), a_run(tmp_path / "run", 100, 200)
    monkeypatch.setitem(sys.modules, "wandb", service)

    def fail_late(values: dict[str, Any], step: int) -> None:
        if step == 200:
            raise ConnectionError("no network")
        Service.log(service, values, step)

    with monkeypatch.context() as broken, pytest.raises(SparringError, match="is of image 100: no network"):
        broken.setattr(service, "log", fail_late)
        sparring.track(run.path, "wandb", once=True)
    sparring.track(run.path, "wandb", once=True)
    assert [step for _, step in service.logged] == [100, 200]


@pytest.mark.parametrize(
    ("to", "message"), [("tensorbord", "did you mean 'tensorboard'"), ("wandb", "pip install wandb")]
)
def test_a_tracker_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str, message: str) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UsageError, match=message):
        sparring.track(a_run(tmp_path / "run", 100).path, to, once=True)


def test_a_folder_that_is_no_run(quick: Cli, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = quick("track", "empty")
    assert result.returncode == 2
    assert "is no run folder" in result.stderr
