from collections.abc import Mapping
from typing import Any

import pytest
import torch
from small_game import CPU, BatchLoader, make, same, tensors
from torch import nn
from torch.optim import LBFGS, Optimizer

from sparring.engine.errors import Diverged
from sparring.engine.game import Batch
from sparring.engine.loop import Callback, play
from sparring.games.penalties import r1, r2, wgan_gp


class Diary:
    """Notes when each event fired."""

    def __init__(self) -> None:
        self.seen: dict[str, list[int]] = {"log": [], "save": []}
        self.means: list[Mapping[str, float]] = []

    def callbacks(self) -> list[Callback]:
        def log(nimg: int, means: Mapping[str, float]) -> None:
            self.seen["log"].append(nimg)
            self.means.append(means)

        return [Callback(24, log), Callback(64, lambda nimg, means: self.seen["save"].append(nimg))]


def test_callbacks_run_at_the_start_in_between_and_at_the_end() -> None:
    diary = Diary()
    assert play(make(), BatchLoader(), total=160, hardware=CPU, callbacks=diary.callbacks()) == 160
    assert diary.seen == {"log": [0, 24, 48, 72, 96, 120, 144, 160], "save": [0, 64, 128, 160]}
    assert diary.means[0] == {}
    assert all(
        {"generator", "discriminator", "real_logit", "fake_logit", "penalty"} <= m.keys() for m in diary.means[1:]
    )


@pytest.mark.parametrize("stop", [8, 24, 64, 72, 152])
def test_a_resumed_run_repeats_no_callback(stop: int) -> None:
    whole, first, second = Diary(), Diary(), Diary()
    play(make(), BatchLoader(), total=160, hardware=CPU, callbacks=whole.callbacks())
    system = make()
    rounds = iter(range(1000))
    assert (
        play(
            system,
            BatchLoader(),
            total=160,
            hardware=CPU,
            callbacks=first.callbacks(),
            should_stop=lambda: next(rounds) == stop // 8,
        )
        == stop
    )
    play(system, BatchLoader(), total=160, start=stop, hardware=CPU, callbacks=second.callbacks())
    for name in whole.seen:
        scheduled = [nimg for nimg in first.seen[name] if nimg != stop]  # a stop makes all things due, once
        assert stop in first.seen[name]
        assert sorted({*scheduled, *second.seen[name]} | ({stop} & {*whole.seen[name]})) == whole.seen[name]
        assert min(second.seen[name]) > stop


def test_a_finished_run_calls_all_callbacks_once() -> None:
    """So that `train` into a finished run mends what is missing there."""
    diary = Diary()
    assert play(make(), BatchLoader(), total=160, start=160, hardware=CPU, callbacks=diary.callbacks()) == 160
    assert diary.seen == {"log": [160], "save": [160]}


def test_the_seed_determines_the_bits() -> None:
    def played(seed: int) -> dict[str, torch.Tensor]:
        system = make()
        play(system, BatchLoader(), total=80, seed=seed, hardware=CPU)
        return tensors(system)

    assert same(played(1), played(1))
    assert not same(played(1), played(2))  # by dropout


def test_the_global_random_state_is_restored() -> None:
    system = make()
    before = torch.get_rng_state()
    play(system, BatchLoader(), total=16, hardware=CPU)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("parts", [2, 4])
@pytest.mark.parametrize("objective", ["relativistic", "wasserstein"])
def test_gradients_of_micro_batches_equal_those_of_the_batch(parts: int, objective: str) -> None:
    penalties = [r1(1.0), r2(1.0, 2)] if objective == "relativistic" else [wgan_gp(10.0, 2)]

    def played(parts: int) -> dict[str, torch.Tensor]:
        # plain gradient descent: Adam's first steps are signs, and magnify rounding
        system = make(
            plain=True,
            penalties=penalties,
            objective=objective,
            optimizer=lambda net: torch.optim.SGD(net.parameters(), 0.05),
        )
        play(system, BatchLoader(parts=parts), total=24, hardware=CPU)
        return tensors(system)

    whole, cut = played(1), played(parts)
    for name, tensor in whole.items():
        torch.testing.assert_close(cut[name], tensor, rtol=1e-6, atol=1e-6)


def test_statistics_are_averaged_over_micro_batches() -> None:
    told: list[Mapping[str, float]] = []
    for parts in (1, 4):
        play(
            make(plain=True),
            BatchLoader(parts=parts),
            total=8,
            hardware=CPU,
            callbacks=[Callback(8, lambda nimg, means: told.append(means))],
        )
    for name in told[1]:
        assert told[1][name] == pytest.approx(told[3][name], rel=1e-5)


def test_optimizers_that_evaluate_the_loss_several_times() -> None:
    """A line search needs one function: the same noise and the same dropout at each call."""
    losses: list[float] = []

    class Asking(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            losses.extend(closure() for _ in range(3))
            return losses[-1]

    play(
        make(penalties=[wgan_gp()], optimizer=lambda net: Asking(net.parameters(), 0.0)),
        BatchLoader(parts=2),
        total=8,
        hardware=CPU,
    )
    assert len(losses) == 6 and losses[0] == losses[1] == losses[2] and losses[3] == losses[4] == losses[5]


def test_lbfgs_trains() -> None:
    def lbfgs(net: nn.Module) -> Optimizer:
        return LBFGS(net.parameters(), lr=0.5, max_iter=4, line_search_fn="strong_wolfe")

    system = make(plain=True, optimizer=lbfgs, format=torch.contiguous_format)
    before = tensors(system)
    play(system, BatchLoader(), total=16, hardware=CPU)
    after = tensors(system)
    assert all(torch.isfinite(tensor).all() for tensor in after.values() if tensor.is_floating_point())
    still = {name for name in before if torch.equal(before[name], after[name])}
    assert still <= {"discriminator.head.bias"}  # which pairs do not feel


def test_schedules_reach_the_optimizers() -> None:
    system, seen = make(total=160), []
    play(
        system, BatchLoader(), total=160, hardware=CPU, callbacks=[Callback(80, lambda nimg, means: seen.append(nimg))]
    )
    (group,) = system.optimizers["generator"].param_groups
    at = 152 / 160
    assert group["lr"] == pytest.approx(system.schedules["generator"]["lr"](at))
    assert group["betas"] == (0.0, pytest.approx(system.schedules["generator"]["beta2"](at)))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_a_nan_loss_raises_diverged(player: str, value: float) -> None:
    system, whole = make(), make().game.loss

    def loss(who: str, batch: Batch, at: float) -> Any:
        found, stats = system.game.__class__.loss(system.game, who, batch, at)  # type: ignore[arg-type]
        return (found * value if who == player and batch.step == 3 else found), stats

    system.game.loss = loss  # type: ignore[method-assign]
    assert whole is not loss
    with pytest.raises(Diverged, match=rf"the {player}'s loss became -?(nan|inf) at image 24$"):
        play(system, BatchLoader(), total=160, hardware=CPU)


def test_should_stop_ends_after_a_complete_round() -> None:
    asked = iter([False, False, False, True])
    assert play(make(), BatchLoader(), total=160, hardware=CPU, should_stop=lambda: next(asked)) == 24


def test_the_loop_has_less_than_150_lines() -> None:
    from pathlib import Path

    from sparring.engine import loop

    assert len(Path(str(loop.__file__)).read_text(encoding="utf-8").splitlines()) < 150
