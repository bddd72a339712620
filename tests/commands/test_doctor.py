"""The doctor on runs made sick on purpose, each in one way, and on sound ones."""

from __future__ import annotations

import dataclasses
import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import sparring
from sparring.engine.device import Hardware
from sparring.recipes.generators.r3 import R3

CPU = Hardware(torch.device("cpu"), bf16=False)
SMALL: dict[str, Any] = {"width": 16, "discriminator_width": 16, "batch_size": 32, "labels": False, "augment": "none"}
Nets = Callable[[sparring.ImageSpec], dict[str, nn.Module]]


class Deaf(nn.Module):
    """A generator that does not listen to its noise."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, z: Tensor) -> Tensor:
        out: Tensor = self.body(z * 0)
        return out


class Stubborn(Deaf):
    """A generator of noise that it can hardly change, however it tries."""

    def forward(self, z: Tensor) -> Tensor:
        out: Tensor = self.body(z)
        return torch.tanh(z.view(-1, 1, 8, 8) + 1e-2 * out)


class Dull(nn.Module):
    """A discriminator to which all looks nearly the same."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1).mean(1) * self.weight * 1e-3


def instead(player: str, by: type[Deaf] | type[Dull]) -> Nets:
    def nets(spec: sparring.ImageSpec) -> dict[str, nn.Module]:
        usual = R3(**SMALL).resolve(spec, CPU).nets(spec)
        return {**usual, player: by(usual[player])}

    return nets


def few(folder: Path) -> Path:
    """Forty digits to train on, of all writers, and the others held out."""
    digits = sparring.open("digits").split(None)
    x = digits[np.random.default_rng(0).permutation(len(digits))]
    np.savez(folder / "forty.npz", x_train=x[:40], x_test=x[40:])
    return folder / "forty.npz"


def play(folder: Path, source: str | Path = "digits", nets: Nets | None = None, **how: Any) -> sparring.Run:
    images, seed = how.pop("images", 6_000), how.pop("seed", 0)
    recipe = how.pop("recipe", None) or R3(**{**SMALL, **how})
    return sparring.train(
        source, recipe, images=images, seed=seed, out=folder / "run", nets=nets, device="cpu", precision="fp32"
    )


def ills(run: sparring.Run, nets: Nets | None = None) -> dict[str, str]:
    """Illness -> advice."""
    generator = nets(sparring.open("digits").spec)["generator"] if nets else None
    found = [finding for finding in sparring.doctor(run, generator) if finding.severity == "problem"]
    return {finding.kind: finding.advice for finding in found}


@pytest.mark.slow
def test_a_generator_without_ears_has_collapsed(tmp_path: Path) -> None:
    nets = instead("generator", Deaf)
    assert list(ills(play(tmp_path, nets=nets), nets)) == ["blank", "short", "collapse"]  # of 187 rounds


@pytest.mark.slow
def test_one_image_a_class_is_a_collapse(tmp_path: Path) -> None:
    run = play(tmp_path, labels=True, gamma=0.024, gamma_end=0.008, images=12_000)  # r3's own, until a doctor saw it
    found = ills(run)
    assert list(found) == ["short", "collapse"] and found["collapse"] == "--gamma 0.24"


@pytest.mark.slow
def test_a_generator_that_cannot_move_is_dominated(tmp_path: Path) -> None:
    nets = instead("generator", Stubborn)
    assert list(ills(play(tmp_path, nets=nets), nets)) == ["short", "dominant"]


@pytest.mark.slow
def test_a_discriminator_without_eyes_starves_its_generator(tmp_path: Path) -> None:
    nets = instead("discriminator", Dull)
    assert list(ills(play(tmp_path, nets=nets), nets)) == ["short", "starved"]


@pytest.mark.slow
def test_a_discriminator_that_learns_forty_images_by_heart(tmp_path: Path) -> None:
    run = play(tmp_path, few(tmp_path), discriminator_width=48, gamma=1e-6, images=20_000)
    assert ills(run) == {"overfit": "more examples, or --augment diff"}


@pytest.mark.slow
def test_mirrored_digits_are_a_leak(tmp_path: Path) -> None:
    run = play(tmp_path, mirror=True, images=16_000)
    assert ills(run) == {"leak": "--no-mirror"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "seed", "images"),
    [
        (R3(**SMALL), 0, 24_000),
        (R3(**SMALL), 1, 24_000),
        (sparring.DCGAN(width=16, batch_size=32), 2, 60_000),  # after 24,000 it is at 1.6 times the baseline
    ],
    ids=["r3-0", "r3-1", "dcgan-2"],
)
def test_a_sound_run_is_left_alone(tmp_path: Path, recipe: Any, seed: int, images: int) -> None:
    run = play(tmp_path, recipe=recipe, seed=seed, images=images)
    found = sparring.doctor(run)
    assert {finding.severity for finding in found} == {"ok"}, found
    assert found[0].kind == "healthy"


def test_a_short_run_is_too_short_to_tell(tmp_path: Path) -> None:
    run = play(tmp_path, images=64)
    settings, precision = run.settings, ["--precision", "fp32"] * Hardware.find().bf16
    again = ["sparring", "train", "digits", "--out", str(run.path), *precision]
    short, unclear = sparring.doctor(run)
    assert (short.kind, unclear.kind) == ("short", "unclear")
    assert shlex.split(short.advice) == [*again, "--images", "16000"]
    assert unclear.advice == f"{shlex.join(again)} with more --images"
    (run.path / "run.json").write_text(json.dumps({**settings, "plan": {**settings["plan"], "images": 10**6}}))
    assert [finding.advice for finding in sparring.doctor(run)] == [shlex.join(again)] * 2  # it was stopped


def test_the_words_and_the_json(run: sparring.Run, quick: Any) -> None:
    found = sparring.doctor(run.path)
    told = json.loads(quick("doctor", run.path, "--json").stdout)
    assert told == {"run": str(run.path), "findings": [dataclasses.asdict(finding) for finding in found]}
    said = quick("doctor", run.path).stdout
    for finding in found:
        assert f"{finding.severity:7} {finding.message}" in said
        assert finding.evidence in said and finding.advice in said


def test_data_that_are_gone_or_others_leave_the_metrics(run: sparring.Run, data: Path, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    settings = json.loads((tmp_path / "run" / "run.json").read_text())
    for source, why in ((tmp_path / "gone.npz", "gone.npz"), ("digits", "was trained on: it has changed")):
        settings["data"]["source"] = str(source)
        (tmp_path / "run" / "run.json").write_text(json.dumps(settings))
        *rest, last = sparring.doctor(tmp_path / "run")
        assert last.kind == "unseen" and why in last.evidence
        courses = {rest[-1].kind, sparring.doctor(run)[-1].kind}
        assert len(courses) == 1 or courses == {"done", "stalled"}  # only the distance to the data needs samples


def test_networks_of_ones_own_leave_the_metrics(data: Path, tmp_path: Path) -> None:
    run = play(tmp_path, nets=instead("discriminator", Dull), images=640)
    assert sparring.doctor(run)[-1].kind == "unseen"
    assert "custom networks" in sparring.doctor(run)[-1].evidence


def test_no_run_is_an_error(tmp_path: Path, quick: Any) -> None:
    done = quick("doctor", tmp_path / "nothing")
    assert done.returncode == 2 and "no run folder" in done.stderr
