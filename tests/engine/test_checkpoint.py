from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_game import CPU, BatchLoader, adam, make, same, tensors
from torch import nn
from torch.optim import LBFGS, SGD, Adam, AdamW, Optimizer, RMSprop

from sparring.engine import checkpoint
from sparring.engine.checkpoint import Corrupt, Mismatch
from sparring.engine.errors import Diverged
from sparring.engine.loop import System, play

OPTIMIZERS: dict[str, Callable[[nn.Module], Optimizer]] = {
    "adam, fused": adam,
    "adam, a tensor at a time": lambda net: Adam(net.parameters(), 1e-2, (0.5, 0.9), foreach=False),
    "adamw, amsgrad": lambda net: AdamW(net.parameters(), 1e-2, amsgrad=True),
    "two groups": lambda net: Adam([{"params": [p], "lr": 1e-3 * (k + 1)} for k, p in enumerate(net.parameters())]),
    "momentum": lambda net: SGD(net.parameters(), 1e-2, momentum=0.9, nesterov=True),
    "rmsprop": lambda net: RMSprop(net.parameters(), 1e-3, centered=True),
    "lbfgs": lambda net: LBFGS(net.parameters(), lr=0.1, max_iter=3, history_size=4),
}


@pytest.fixture
def played() -> System:
    system = make()
    play(system, BatchLoader(), total=160, hardware=CPU, should_stop=iter([False] * 4 + [True]).__next__)
    return system


def other() -> System:
    """A system with other numbers in it, to load into."""
    system = make()
    play(system, BatchLoader(), total=160, seed=9, hardware=CPU, should_stop=iter([False] * 2 + [True]).__next__)
    return system


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_resumed_game_is_bit_identical_to_an_uninterrupted_one(name: str, tmp_path: Path) -> None:
    def fresh() -> System:
        format = torch.contiguous_format if name == "lbfgs" else torch.channels_last  # torch's L-BFGS knows no other
        return make(optimizer=OPTIMIZERS[name], plain=name == "lbfgs", format=format)

    whole = fresh()
    play(whole, BatchLoader(), total=160, hardware=CPU)
    first = fresh()
    assert play(first, BatchLoader(), total=160, hardware=CPU, should_stop=iter([False] * 7 + [True]).__next__) == 56
    checkpoint.save(first, tmp_path / "at", 56)
    second = fresh()
    assert checkpoint.load(second, tmp_path / "at") == 56
    assert same(tensors(second), tensors(first))  # memory formats too
    play(second, BatchLoader(), total=160, start=56, hardware=CPU)
    assert same(tensors(second), tensors(whole))
    checkpoint.save(second, tmp_path / "second", 160)
    checkpoint.save(whole, tmp_path / "whole", 160)
    for file in (tmp_path / "whole").iterdir():
        assert file.read_bytes() == (tmp_path / "second" / file.name).read_bytes(), file.name


def test_batch_statistics_and_their_counter_are_kept(played: System, tmp_path: Path) -> None:
    checkpoint.save(played, tmp_path / "at", 32)
    system = make()
    checkpoint.load(system, tmp_path / "at")
    found = tensors(system)
    assert int(found["generator.norm.num_batches_tracked"]) == 8  # the generator is evaluated in two turns per round
    assert int(found["average.norm.num_batches_tracked"]) == 8
    assert found["generator.conv.weight"].is_contiguous(memory_format=torch.channels_last)
    assert found["generator.4.exp_avg"].stride() == found["generator.conv.weight"].stride()


def test_learning_rates_are_restored(tmp_path: Path) -> None:
    """They are numbers in the groups; some optimizers keep more there that they need."""
    system = make(optimizer=OPTIMIZERS["momentum"])
    system.optimizers["generator"].param_groups[0].update(lr=0.123456789012345678, d=1e-6, counts=[1, (2.5, None)])
    checkpoint.save(system, tmp_path / "at", 0)
    again = make(optimizer=OPTIMIZERS["momentum"])
    checkpoint.load(again, tmp_path / "at")
    group = again.optimizers["generator"].param_groups[0]
    assert group["lr"] == 0.123456789012345678 and group["d"] == 1e-6 and group["counts"] == [1, (2.5, None)]


def test_tied_weights(tmp_path: Path) -> None:
    def tied() -> System:
        system = make(plain=True)
        for net in (system.game.players["generator"], system.ema.net):
            net.again = net.conv  # type: ignore[assignment]
        return system

    checkpoint.save(tied(), tmp_path / "at", 0)
    system = tied()
    before = tensors(system)
    with torch.no_grad():
        system.game.players["generator"].conv.weight.zero_()  # type: ignore[union-attr,operator]
    checkpoint.load(system, tmp_path / "at")
    assert same(before, tensors(system))


def damage(folder: Path, name: str, how: str) -> None:
    path = folder / name
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(content[: len(content) * 2 // 3])
    elif how == "longer":
        path.write_bytes(content + b"\0")
    else:
        path.write_bytes(content[:-5] + bytes([content[-5] ^ 4]) + content[-4:])


@pytest.mark.parametrize("how", ["missing", "empty", "truncated", "longer", "flipped"])
@pytest.mark.parametrize("name", ["players.safetensors", "average.safetensors", "optimizers.safetensors", "state.json"])
def test_damage_is_detected_before_anything_is_changed(name: str, how: str, played: System, tmp_path: Path) -> None:
    checkpoint.save(played, tmp_path / "at", 32)
    damage(tmp_path / "at", name, how)
    system = other()
    before = tensors(system)
    with pytest.raises(Corrupt, match="at"):
        checkpoint.load(system, tmp_path / "at")
    assert same(tensors(system), before)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), file=st.sampled_from([*checkpoint.FILES, "state"])
)
def test_any_flipped_bit_is_detected(place: float, bit: int, file: str, tmp_path: Path) -> None:
    folder, system = tmp_path / "at", make()
    if not folder.exists():
        checkpoint.save(system, folder, 0)
    path = folder / (f"{file}.json" if file == "state" else f"{file}.safetensors")
    content = path.read_bytes()
    k = int(place * (len(content) - 1))  # the last byte of state.json is a line's end
    try:
        path.write_bytes(content[:k] + bytes([content[k] ^ 1 << bit]) + content[k + 1 :])
        with pytest.raises(Corrupt):
            checkpoint.load(system, folder)
    finally:
        path.write_bytes(content)


def test_a_folder_without_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "at").mkdir()
    for content in ("", "[]", "{}", "null", '{"nimg": 3, "seal": ""}'):
        (tmp_path / "at" / "state.json").write_text(content)
        with pytest.raises(Corrupt):
            checkpoint.load(make(), tmp_path / "at")


@pytest.mark.parametrize("change", ["norm", "shape", "dtype", "optimizer"])
def test_a_checkpoint_of_other_networks_does_not_fit(change: str, played: System, tmp_path: Path) -> None:
    checkpoint.save(played, tmp_path / "at", 32)
    system = make(plain=change == "norm", optimizer=OPTIMIZERS["momentum"] if change == "optimizer" else adam)
    net = system.ema.net  # the last that is looked at
    if change == "shape":
        net.conv = nn.Conv2d(8, 3, 1)
    elif change == "dtype":
        net.double()
    before = tensors(system)
    with pytest.raises(Mismatch, match={"norm": "norm", "shape": "conv", "dtype": "conv", "optimizer": "SGD"}[change]):
        checkpoint.load(system, tmp_path / "at")
    assert same(tensors(system), before)


def test_nan_weights_are_not_saved(played: System, tmp_path: Path) -> None:
    with torch.no_grad():
        played.game.players["discriminator"].head.weight[0, 3] = float("nan")  # type: ignore[union-attr,index,operator]
    with pytest.raises(Diverged, match=r"discriminator\.head\.weight .* image 1,234"):
        checkpoint.save(played, tmp_path / "at", 1234)
    assert not (tmp_path / "at").exists()
